package proxy

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/crossfade-db/crossfade/router"
)

// listening is a server that does with each connection what a test tells it to,
// and hangs up then. It ends with the test, and its connections do.
func listening(t testing.TB, serve func(net.Conn)) (addr string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var open []net.Conn
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, conn)
			mu.Unlock()
			serving.Go(func() {
				defer func() { _ = conn.Close() }()
				serve(conn)
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		mu.Lock()
		for _, c := range open {
			_ = c.Close()
		}
		mu.Unlock()
		serving.Wait()
	})
	return listener.Addr().String()
}

// running is a slot whose statement runs, at a leg of the source.
func running() (*cancelSlot, *leg) {
	slot := &cancelSlot{secret: newSecret(4)}
	l := &leg{side: router.Source, pid: 1, key: []byte{1, 2, 3, 4}}
	slot.leg.Store(l)
	slot.began()
	return slot, l
}

// A server that takes a cancel request and never hangs up holds it as long as
// a login may take, and not for ever: there are 64 places for all.
func TestV21AServerThatHoldsCancelRequestsIsLeft(t *testing.T) {
	silent := func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }
	for name, secure := range map[string]*tls.Config{"without TLS": nil, "over TLS": {ServerName: "localhost"}} {
		t.Run(name, func(t *testing.T) {
			addr := listening(t, silent)
			proxy := newProxy(t, func(o *Options) { o.Live.Sides[router.Source] = Side{Network: "tcp", Address: addr, TLS: secure} })
			slot, l := running()
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			outcome := make(chan CancelOutcome, 1)
			go func() { outcome <- proxy.sendCancel(ctx, slot, slot.generation.Load(), l) }()
			select {
			case got := <-outcome:
				if got != CancelFailed {
					t.Errorf("outcome %q", got)
				}
			case <-time.After(5 * time.Second):
				t.Error("the request is held")
			}
		})
	}
}

// A server that no longer offers TLS gets no cancel request, whose key would
// pass in clear; the request fails and nothing else does.
func TestV21ACancelRequestDoesNotGoInClear(t *testing.T) {
	heard := make(chan []byte, 1)
	addr := listening(t, func(conn net.Conn) {
		var request [8]byte
		_, _ = io.ReadFull(conn, request[:])
		_, _ = conn.Write([]byte("N"))
		rest, _ := io.ReadAll(conn)
		heard <- rest
	})
	proxy := newProxy(t, func(o *Options) {
		o.Live.Sides[router.Source] = Side{Network: "tcp", Address: addr, TLS: &tls.Config{ServerName: "localhost"}}
	})
	slot, l := running()
	if got := proxy.sendCancel(t.Context(), slot, slot.generation.Load(), l); got != CancelFailed {
		t.Errorf("outcome %q", got)
	}
	if rest := <-heard; len(rest) > 0 {
		t.Errorf("%d bytes went in clear", len(rest))
	}
}

// A client of protocol 3.2 has a key of 32 bytes: a statement of its own ends
// with it, and with nothing that is nearly it.
func TestV27ACancelKeyOf32Bytes(t *testing.T) {
	outcomes := make(chan CancelOutcome, 1)
	proxy := newProxy(t, func(o *Options) { o.Observer.Cancel = func(c CancelOutcome) { outcomes <- c } })
	conn, err := net.Dial("tcp", proxy.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	deadline(t, conn)
	client := &raw{conn, pgproto3.NewFrontend(conn, conn)}
	client.Send(&pgproto3.StartupMessage{ProtocolVersion: 3<<16 | 2, Parameters: map[string]string{"user": "trusted", "database": "app"}})
	client.Send(&pgproto3.Query{String: "SELECT pg_sleep(62)"})
	if err := client.Flush(); err != nil {
		t.Fatal(err)
	}
	var key pgproto3.BackendKeyData
	for _, m := range client.until(t, 'Z') {
		if k, ok := m.(*pgproto3.BackendKeyData); ok {
			key = pgproto3.BackendKeyData{ProcessID: k.ProcessID, SecretKey: append([]byte(nil), k.SecretKey...)}
		}
	}
	if len(key.SecretKey) != 32 {
		t.Fatalf("a key of %d bytes", len(key.SecretKey))
	}
	runs(t, "SELECT pg_sleep(62)")
	flipped := append([]byte(nil), key.SecretKey...)
	flipped[31] ^= 1
	for _, c := range []struct {
		name   string
		secret []byte
		want   CancelOutcome
	}{
		{"4 bytes of it", key.SecretKey[:4], CancelUnknown},
		{"31 bytes of it", key.SecretKey[:31], CancelUnknown},
		{"33 bytes", append(append([]byte(nil), key.SecretKey...), 0), CancelUnknown},
		{"256 bytes", make([]byte, 256), CancelUnknown},
		{"another last bit", flipped, CancelUnknown},
		{"the key", key.SecretKey, CancelSent},
	} {
		askToCancel(t, proxy.addr, key.ProcessID, c.secret)
		if got := <-outcomes; got != c.want {
			t.Errorf("%s: outcome %q, want %q", c.name, got, c.want)
		}
	}
	refused := false
	for _, m := range client.until(t, 'Z') {
		e, ok := m.(*pgproto3.ErrorResponse)
		refused = refused || ok && e.Code == "57014"
	}
	if !refused {
		t.Error("the statement was not cancelled")
	}
}

func askToCancel(t *testing.T, addr string, pid uint32, secret []byte) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	deadline(t, conn)
	packet := binary.BigEndian.AppendUint32(nil, uint32(12+len(secret)))
	packet = binary.BigEndian.AppendUint32(packet, 80877102)
	packet = append(binary.BigEndian.AppendUint32(packet, pid), secret...)
	if _, err := conn.Write(packet); err != nil {
		t.Fatal(err)
	}
	if said, err := io.ReadAll(conn); err != nil || len(said) > 0 {
		t.Errorf("it was told %q, %v", said, err)
	}
}
