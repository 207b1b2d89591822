package drivers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
)

// Tap is a listener on 127.0.0.1 that passes each connection on to another port
// there and keeps all that comes back. What a client has read has been kept.
type Tap struct {
	listener net.Listener
	to       string
	running  sync.WaitGroup

	mu    sync.Mutex
	kept  []*wire
	conns []net.Conn
	err   error // the first thing that went wrong
}

// wire is one connection's bytes from the server.
type wire struct{ bytes []byte }

// NewTap listens on a free port. Close ends it.
func NewTap(ctx context.Context, port int) (*Tap, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for a driver: %w", err)
	}
	t := &Tap{listener: listener, to: net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}
	t.running.Go(func() { t.accept(ctx) })
	return t, nil
}

// Port is the port to connect to.
func (t *Tap) Port() int { return t.listener.Addr().(*net.TCPAddr).Port }

// Close ends all connections and returns when nothing runs any more.
func (t *Tap) Close() error {
	err := t.listener.Close()
	t.mu.Lock()
	for _, c := range t.conns {
		_ = c.Close() // it may be closed already
	}
	t.mu.Unlock()
	t.running.Wait()
	return err
}

// Bytes are all that the server has sent so far, by connection.
func (t *Tap) Bytes() ([][]byte, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out [][]byte
	for _, w := range t.kept {
		out = append(out, w.bytes[:len(w.bytes):len(w.bytes)])
	}
	return out, t.err
}

func (t *Tap) accept(ctx context.Context) {
	for {
		client, err := t.listener.Accept()
		if err != nil {
			return
		}
		var dialer net.Dialer
		server, err := dialer.DialContext(ctx, "tcp", t.to)
		if err != nil {
			t.fault(errors.Join(fmt.Errorf("dial for a driver: %w", err), client.Close()))
			continue
		}
		w := t.enter(client, server)
		t.running.Go(func() { pump(server, client, nil) })
		t.running.Go(func() { pump(client, server, func(b []byte) { t.keep(w, b) }) })
	}
}

func (t *Tap) enter(client, server net.Conn) *wire {
	t.mu.Lock()
	defer t.mu.Unlock()
	w := &wire{}
	t.kept = append(t.kept, w)
	t.conns = append(t.conns, client, server)
	return w
}

func (t *Tap) keep(w *wire, b []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	w.bytes = append(w.bytes, b...)
}

func (t *Tap) fault(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.err = errors.Join(t.err, err)
}

// pump passes bytes on until either end is gone, and shows them to see before.
func pump(to, from net.Conn, see func([]byte)) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			if see != nil {
				see(buffer[:n])
			}
			if _, err := to.Write(buffer[:n]); err != nil {
				break
			}
		}
		if err != nil {
			break
		}
	}
	if half, ok := to.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // the other way goes on until it ends too
	}
	_, _ = io.Copy(io.Discard, from)
}
