package proxy

import (
	"net"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// fakeSession is a session at a server that does what a test tells it to.
type fakeSession struct {
	net.Conn
	*pgproto3.Backend
	params map[string]string
}

// fakeServer is a server that lets everybody in and then follows the script;
// it hangs up when the script ends.
func fakeServer(t testing.TB, script func(*fakeSession)) (addr string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var sessions sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	accepting := make(chan struct{})
	go func() {
		defer close(accepting)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, conn)
			mu.Unlock()
			sessions.Go(func() { serveFake(conn, script) })
		}
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-accepting
		mu.Lock()
		for _, c := range open {
			_ = c.Close()
		}
		mu.Unlock()
		sessions.Wait()
	})
	return listener.Addr().String()
}

func serveFake(conn net.Conn, script func(*fakeSession)) {
	defer func() { _ = conn.Close() }()
	s := &fakeSession{Conn: conn, Backend: pgproto3.NewBackend(conn, conn)}
	first, err := s.ReceiveStartupMessage()
	if err != nil {
		return
	}
	startup, ok := first.(*pgproto3.StartupMessage)
	if !ok {
		return
	}
	s.params = startup.Parameters
	s.Send(&pgproto3.AuthenticationOk{})
	s.Send(&pgproto3.ParameterStatus{Name: "server_version", Value: "15.0"})
	s.Send(&pgproto3.BackendKeyData{ProcessID: 4711, SecretKey: []byte{1, 2, 3, 4}})
	s.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	if s.Flush() != nil {
		return
	}
	script(s)
}

// expect reads messages up to one of a type; false when the client is gone.
func (s *fakeSession) expect(kind byte) bool {
	for {
		m, err := s.Receive()
		if err != nil {
			return false
		}
		if text, err := m.Encode(nil); err == nil && text[0] == kind {
			return true
		}
	}
}
