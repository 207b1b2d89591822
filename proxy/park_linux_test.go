package proxy

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"
)

// parkedNow counts the sessions that have no goroutine.
func (o *ours) parkedNow() (n int) {
	o.sessions.mu.Lock()
	defer o.sessions.mu.Unlock()
	for _, s := range o.sessions.all {
		if s.parking.parked {
			n++
		}
	}
	return n
}

func TestAnIdleSessionIsParkedAndWokenByItsClient(t *testing.T) {
	proxy := newProxy(t, nil)
	conn := proxy.connect(t)
	for round := range 3 {
		if _, err := conn.Exec(t.Context(), "SELECT 1"); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		eventually(t, "it is parked", func() bool { return proxy.parkedNow() == 1 })
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is gone", func() bool { return proxy.Stats().Idle+proxy.Stats().Active == 0 })
}

func TestATransactionIsParkedAndGoesOn(t *testing.T) {
	proxy := newProxy(t, nil)
	conn := proxy.connect(t)
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is parked", func() bool { return proxy.parkedNow() == 1 })
	if _, err := tx.Exec(t.Context(), "SELECT 1"); err != nil {
		t.Error(err)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestAParkedSessionHearsItsServerAndTheProxyEnd(t *testing.T) {
	ends := map[string]func(*ours, string) error{
		"the server": func(_ *ours, pid string) error {
			return postgres.Exec(context.Background(), "app", "SELECT pg_terminate_backend("+pid+", 10000)")
		},
		"the proxy drains":    func(o *ours, _ string) error { o.stop(); return nil },
		"the proxy is killed": func(o *ours, _ string) error { o.stop(); o.Kill(); return nil },
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			proxy := newProxy(t, nil)
			r := dialRaw(t, proxy.addr, nil)
			eventually(t, "it is parked", func() bool { return proxy.parkedNow() == 1 })
			if err := end(proxy, backendOf(t, "trusted")); err != nil {
				t.Fatal(err)
			}
			if said := r.rest(t); !bytes.Contains(said, []byte("C57P01\x00Mterminating connection due to administrator command")) {
				t.Errorf("said %q", said)
			}
		})
	}
}

func TestAParkedClientThatLeavesTakesItsBackendWithIt(t *testing.T) {
	proxy := newProxy(t, nil)
	r := dialRaw(t, proxy.addr, nil)
	eventually(t, "it is parked", func() bool { return proxy.parkedNow() == 1 })
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is gone", func() bool { return proxy.Stats().Idle+proxy.Stats().Active == 0 })
}

func TestASessionThatCopiedIsParkedLater(t *testing.T) {
	proxy := newProxy(t, nil)
	conn := proxy.connect(t)
	if _, err := conn.Exec(t.Context(), "CREATE TEMP TABLE c (id int)"); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.PgConn().CopyFrom(t.Context(), bytes.NewReader([]byte("1\n")), "COPY c FROM STDIN"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is parked", func() bool { return proxy.parkedNow() == 1 })
	if _, err := conn.Exec(t.Context(), "SELECT 1"); err != nil {
		t.Error(err)
	}
}

func TestAListeningSessionIsNotParked(t *testing.T) {
	proxy := newProxy(t, nil)
	listener, other := proxy.connect(t), proxy.connect(t)
	if _, err := listener.Exec(t.Context(), "LISTEN x"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the other is parked", func() bool { return proxy.parkedNow() == 1 })
	if _, err := other.Exec(t.Context(), "NOTIFY x"); err != nil {
		t.Fatal(err)
	}
	if _, err := listener.WaitForNotification(t.Context()); err != nil {
		t.Error(err)
	}
}

// Sweeps come all the time while sessions run statements and rest in between:
// no statement is lost and no session hangs.
func TestParkingRacesWithStatements(t *testing.T) {
	proxy := newProxy(t, nil)
	ctx, stop := context.WithCancel(t.Context())
	var sweeps sync.WaitGroup
	sweeps.Go(func() {
		for ctx.Err() == nil {
			proxy.sessions.askToPark()
		}
	})
	var clients sync.WaitGroup
	for c := range 8 {
		conn := proxy.connect(t)
		clients.Go(func() {
			for i := range 500 {
				var got int
				if err := conn.QueryRow(ctx, fmt.Sprint("SELECT ", i), pgx.QueryExecModeSimpleProtocol).Scan(&got); err != nil || got != i {
					t.Errorf("client %d: %d instead of %d, %v", c, got, i, err)
					return
				}
			}
		})
	}
	clients.Wait()
	stop()
	sweeps.Wait()
}

func TestV24AnOrderIsNeverLostWhileASessionParks(t *testing.T) {
	for range 30 {
		proxy := newProxy(t, nil)
		r := dialRaw(t, proxy.addr, nil)
		var sweeps sync.WaitGroup
		sweeps.Go(func() {
			for range 200 {
				proxy.sessions.askToPark()
			}
		})
		proxy.stop()
		if err := r.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
			t.Fatal(err)
		}
		for {
			m, err := r.Receive()
			if err != nil {
				t.Fatal(err)
			}
			if e, ok := m.(*pgproto3.ErrorResponse); ok && e.Code == "57P01" {
				break
			}
		}
		sweeps.Wait()
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		<-proxy.done
	}
}
