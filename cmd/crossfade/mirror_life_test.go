package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/crossfade-db/crossfade/configs"
	"github.com/crossfade-db/crossfade/internal/admin"
	"github.com/crossfade-db/crossfade/internal/dbserver"
	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/shadow"
)

// lately is how many rows are dirty because of a restart.
func (d *duplex) lately(t *testing.T) (n int) {
	t.Helper()
	var dirty admin.Dirty
	if err := json.Unmarshal([]byte(d.run(t, "dirty", "list", "--limit", "1000", "-o", "json")), &dirty); err != nil {
		t.Fatal(err)
	}
	for _, i := range dirty.Items {
		if i.Cause == "restart" {
			n++
		}
	}
	return n
}

// restarts ends a server, as by a crash or in order, and starts it again; the
// channel has the error when it is ready.
func restarts(t *testing.T, s *dbserver.Postgres, crash bool) <-chan error {
	t.Helper()
	if crash {
		if err := s.Kill(); err != nil {
			t.Fatal(err)
		}
	}
	done := make(chan error, 1)
	go func() { done <- s.Restart(t.Context()) }()
	return done
}

// TestARestartOfTheSourceIsKnownBeforeItAnswers: acknowledged commits of the
// window are dirty when the first client is let in again.
func TestARestartOfTheSourceIsKnownBeforeItAnswers(t *testing.T) {
	d := equalPair(t, "")
	d.run(t, "reconcile", "pause", "--reason", "test")
	conn := d.connect(t)
	const rows = 20
	for id := range rows {
		if _, err := conn.Exec(t.Context(), "UPDATE t SET v = 0 WHERE id = $1", id+1); err != nil {
			t.Fatal(err)
		}
	}
	if n := d.lately(t); n != 0 {
		t.Fatalf("%d rows are dirty before the restart", n)
	}
	for _, crash := range []bool{true, false, true} {
		done := restarts(t, d.pair.Source, crash)
		d.answers(t)
		if n := d.lately(t); n != rows {
			t.Errorf("crash %v: %d rows are dirty at the first answer, want %d", crash, n, rows)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		d.run(t, "reconcile", "resume", "--reason", "test")
		d.run(t, "reconcile", "run", "--wait", "--reason", "test")
		d.run(t, "reconcile", "pause", "--reason", "test")
	}
}

// TestNobodyIsLetInWhileTheLifeOfTheSourceIsNotKnown: the proxy's own login is
// refused after a restart, so that nobody can say what was lost.
func TestNobodyIsLetInWhileTheLifeOfTheSourceIsNotKnown(t *testing.T) {
	d := equalPair(t, "limits: {login_timeout: 1s}")
	d.run(t, "reconcile", "pause", "--reason", "test")
	if _, err := d.connect(t).Exec(t.Context(), "UPDATE t SET v = 0 WHERE id = 1"); err != nil {
		t.Fatal(err)
	}
	service := func(may string) {
		t.Helper()
		if err := d.pair.Source.Exec(t.Context(), "postgres", "ALTER ROLE service "+may); err != nil {
			t.Fatal(err)
		}
	}
	service("NOLOGIN")
	if err := <-restarts(t, d.pair.Source, true); err != nil {
		t.Fatal(err)
	}
	if conn, err := pgx.Connect(t.Context(), d.pair.Source.DSN("app", "app", "shop")); err != nil {
		t.Fatalf("the source itself lets nobody in: %v", err)
	} else {
		_ = conn.Close(t.Context())
	}
	if conn, err := pgx.Connect(t.Context(), "postgres://app:app@"+d.addr+"/shop?sslmode=disable"); err == nil {
		_ = conn.Close(t.Context())
		t.Error("a client is let in, and nobody knows what was lost")
	}
	service("LOGIN")
	d.answers(t)
	if n := d.lately(t); n != 1 {
		t.Errorf("%d rows are dirty at the first answer, want 1", n)
	}
}

// answers returns at the first statement that a new session is answered.
func (d *duplex) answers(t *testing.T) {
	t.Helper()
	give := time.Now().Add(30 * time.Second)
	for {
		conn, err := pgx.Connect(t.Context(), "postgres://app:app@"+d.addr+"/shop?sslmode=disable")
		if err == nil {
			_, err = conn.Exec(t.Context(), "SELECT 1")
			_ = conn.Close(t.Context())
		}
		if err == nil {
			return
		}
		if time.Now().After(give) {
			t.Fatalf("no client is let in: %v\nthe proxy says:\n%s", err, d.talk.String())
		}
	}
}

// TestARestartOfTheTargetIsKnownBeforeItIsWritten: when the first write of a
// client reaches the target again, the commits of the window are dirty.
func TestARestartOfTheTargetIsKnownBeforeItIsWritten(t *testing.T) {
	d := equalPair(t, "mirror: {breaker: {open_for: [100ms, 200ms]}}")
	d.run(t, "reconcile", "pause", "--reason", "test")
	conn := d.connect(t)
	const rows = 20
	for id := range rows {
		if _, err := conn.Exec(t.Context(), "UPDATE t SET v = 0 WHERE id = $1", id+1); err != nil {
			t.Fatal(err)
		}
	}
	done := restarts(t, d.pair.Target, true)
	give := time.Now().Add(30 * time.Second)
	for there := ""; there != "1"; {
		if _, err := conn.Exec(t.Context(), "INSERT INTO t SELECT max(id) + 1 FROM t"); err != nil {
			t.Fatal(err)
		}
		there, _ = d.pair.Target.Query(t.Context(), "shop", "SELECT count(*) FROM (SELECT FROM t WHERE id > 100 LIMIT 1) x")
		if time.Now().After(give) {
			t.Fatalf("no write reaches the target\nthe proxy says:\n%s", d.talk.String())
		}
	}
	if n := d.lately(t); n < rows {
		t.Errorf("%d rows are dirty at the first write, want %d at least", n, rows)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	d.run(t, "reconcile", "resume", "--reason", "test")
	d.run(t, "reconcile", "run", "--wait", "--reason", "test")
	d.equal(t, "SELECT * FROM t", "SELECT * FROM t")
}

// TestALostWatchIsNoRestart: the connection that is watched can end for other
// reasons, and then nothing becomes dirty.
func TestALostWatchIsNoRestart(t *testing.T) {
	d := equalPair(t, "")
	d.run(t, "reconcile", "pause", "--reason", "test")
	conn := d.connect(t)
	if _, err := conn.Exec(t.Context(), "UPDATE t SET v = 0 WHERE id = 1"); err != nil {
		t.Fatal(err)
	}
	for _, s := range []*dbserver.Postgres{d.pair.Source, d.pair.Target} {
		if err := s.Exec(t.Context(), "postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'service'"); err != nil {
			t.Fatal(err)
		}
	}
	d.answers(t)
	if _, err := conn.Exec(t.Context(), "UPDATE t SET v = 0 WHERE id = 2"); err != nil {
		t.Fatal(err)
	}
	if n := d.lately(t); n != 0 {
		t.Errorf("%d rows are dirty without a restart", n)
	}
}

// TestALifeIsKnownWhileItsConnectionAnswers: whoever has logged in asks, and from
// the moment that the connection has ended nobody is told that all is well.
func TestALifeIsKnownWhileItsConnectionAnswers(t *testing.T) {
	w := newLifeWatch(nil, router.Target)
	conn, err := pgconn.Connect(t.Context(), postgres.SuperDSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	w.conn, w.life, w.doubt = conn, "one", nil
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); w.answer(ctx) }()
	defer func() { stop(); <-done; w.close() }()
	for _, life := range []shadow.Incarnation{"one", "another"} {
		if err := w.same(t.Context(), life); (err == nil) != (life == "one") {
			t.Errorf("of life %q it says %v", life, err)
		}
	}
	if err := postgres.Exec(t.Context(), "postgres", fmt.Sprintf("SELECT pg_terminate_backend(%d, 10000)", conn.PID())); err != nil {
		t.Fatal(err)
	}
	if err := w.same(t.Context(), "one"); !errors.Is(err, errDoubt) {
		t.Errorf("it says %v, and its connection has ended", err)
	}
	if _, doubt := w.known(); doubt == nil {
		t.Error("its life is not in doubt")
	}
	late, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.same(late, "one"); err == nil {
		t.Error("who has no time left is told that all is well")
	}
}

// TestSessionsAreGivenAllThatTheyAskFor: what is nil is not asked, in silence.
func TestSessionsAreGivenAllThatTheyAskFor(t *testing.T) {
	o := (&dualWrites{config: &configs.Config{}}).options()
	if o.Dialling == nil || o.Dirty == nil || o.Ready == nil || o.Observer.Effect == nil {
		t.Errorf("something is missing: %+v", o)
	}
}
