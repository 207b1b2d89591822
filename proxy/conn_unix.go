//go:build unix

package proxy

import (
	"io"
	"syscall"
)

// bind makes reads and writes go to the descriptor itself. The funcs are bound
// once, as binding one allocates.
func (c *conn) bind(raw syscall.RawConn) {
	c.raw = raw
	c.tryRead, c.tryWrite = c.readOnce, c.writeSome
}

// fill waits for bytes and reads once. The buffer is taken when the socket is
// readable and not before, so that a waiting session holds none.
func (c *conn) fill() error {
	if c.raw == nil {
		return c.fillBlocking()
	}
	if err := c.raw.Read(c.tryRead); err != nil {
		c.dropEmpty()
		return err
	}
	return c.err
}

// readOnce reads once without blocking; false means wait for the socket.
func (c *conn) readOnce(fd uintptr) bool {
	b := c.room()
	n, err := readNow(fd, b.free())
	switch {
	case err == syscall.EAGAIN:
		c.dropEmpty()
		return false
	case err != 0:
		c.err = err
		c.dropEmpty()
	case n == 0:
		c.err = io.EOF
		c.dropEmpty()
	default:
		c.err = nil
		c.filled(n)
	}
	return true
}

// Write writes all of p.
func (c *conn) Write(p []byte) (int, error) {
	if c.raw == nil {
		return c.Conn.Write(p)
	}
	c.out, c.outErr = p, nil
	err := c.raw.Write(c.tryWrite)
	written := len(p) - len(c.out)
	c.out = nil
	if err == nil {
		err = c.outErr
	}
	return written, err
}

// writeSome writes what the socket takes; false means wait for it to take more.
func (c *conn) writeSome(fd uintptr) bool {
	for len(c.out) > 0 {
		n, err := writeNow(fd, c.out)
		switch {
		case err == syscall.EAGAIN:
			return false
		case err != 0:
			c.outErr = err
			return true
		}
		c.out = c.out[n:]
	}
	return true
}

// ended looks, without taking anything from the socket, whether its server has
// hung up on a leg that nobody reads, or is about to: the watcher may not have
// told of it yet. Over TLS what is said last cannot be told from other bytes.
func (l *leg) ended() bool {
	sc, ok := under(l.Conn).(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return false
	}
	var first [1]byte
	gone := false
	err = raw.Control(func(fd uintptr) {
		n, _, err := syscall.Recvfrom(int(fd), first[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		_, plain := l.Conn.(syscall.Conn)
		gone = err == nil && (n == 0 || plain && first[0] == 'E')
	})
	return err != nil || gone
}
