package proxy

import (
	"net"
	"syscall"
)

// conn is one end of a session: a connection with what was read from it and
// not used yet. While it waits for a readable socket it holds no buffer.
// It has one reader and one writer at a time; they may be different goroutines.
type conn struct {
	net.Conn
	raw    syscall.RawConn // nil: bytes go through Conn (TLS, or no descriptor)
	lender *buffers
	buf    *buffer // nil while nothing is unread
	wide   bool    // take a large buffer next

	tryRead, tryWrite func(fd uintptr) bool
	part              []byte // of a message that is read whole
	err               error  // of the last read
	out               []byte // what is left to write
	outErr            error  // of the last write
}

// newConn makes an end of c; rest has been read from c already.
func newConn(c net.Conn, lender *buffers, rest []byte) *conn {
	n := &conn{Conn: c, lender: lender}
	if sc, ok := c.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			n.bind(raw)
		}
	}
	n.unreadBytes(rest)
	return n
}

// unreadBytes puts back bytes that came with a login.
func (c *conn) unreadBytes(rest []byte) {
	if len(rest) == 0 {
		return
	}
	c.buf = &buffer{data: make([]byte, max(len(rest), smallBuffer))}
	c.buf.end = copy(c.buf.data, rest)
}

// unread is what was read and not used; valid until the next fill.
func (c *conn) unread() []byte {
	if c.buf == nil {
		return nil
	}
	return c.buf.unread()
}

// use takes n bytes off what is unread and gives an empty buffer back.
func (c *conn) use(n int) {
	if c.buf == nil {
		return
	}
	c.buf.at += n
	if c.buf.empty() {
		c.release()
	}
}

// release gives the buffer back.
func (c *conn) release() {
	if c.buf != nil {
		c.lender.give(c.buf)
		c.buf = nil
	}
}

// stuck says that the unread bytes fill the largest buffer there is to have.
func (c *conn) stuck() bool {
	if c.buf == nil || !c.buf.full() {
		return false
	}
	if len(c.buf.data) >= largeBuffer {
		return true
	}
	c.room()
	return c.buf.full()
}

// room makes sure of a buffer with free space, where one is to be had.
func (c *conn) room() *buffer {
	if c.buf == nil {
		c.buf = c.lender.take(c.wide)
		return c.buf
	}
	if c.buf.at > 0 {
		c.buf.compact()
	}
	if !c.buf.full() || len(c.buf.data) >= largeBuffer {
		return c.buf
	}
	wider := c.lender.take(true)
	if len(wider.data) <= len(c.buf.data) {
		c.lender.give(wider)
		return c.buf
	}
	wider.end = copy(wider.data, c.buf.unread())
	c.lender.give(c.buf)
	c.buf = wider
	return c.buf
}

// filled notes the result of one read, and what size of buffer the next one
// should have: a stream keeps its large one until a small one would do.
func (c *conn) filled(n int) {
	switch {
	case n == len(c.buf.free()):
		c.wide = true
	case n < smallBuffer:
		c.wide = false
	}
	c.buf.end += n
}

func (c *conn) dropEmpty() {
	if c.buf != nil && c.buf.empty() {
		c.release()
	}
}

// fillBlocking reads once where readiness cannot be waited for (TLS keeps
// decrypted bytes of its own): a parked session holds a small buffer.
func (c *conn) fillBlocking() error {
	b := c.room()
	n, err := c.Conn.Read(b.free())
	if n > 0 {
		c.filled(n)
		return nil
	}
	c.dropEmpty()
	return err
}
