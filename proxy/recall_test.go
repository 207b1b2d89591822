package proxy

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/crossfade-db/crossfade/internal/dbserver"
	"github.com/crossfade-db/crossfade/router"
)

// busyAt is what the target itself says of the sessions of app on it:
// statements that it runs now.
func busyAt(t testing.TB, server *dbserver.Postgres) string {
	t.Helper()
	n, err := server.Query(t.Context(), "app", "SELECT count(*) FROM pg_stat_activity WHERE usename IN ('app', 'trusted') AND state <> 'idle'")
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func sleepersAt(t testing.TB, server *dbserver.Postgres) string {
	t.Helper()
	n, err := server.Query(t.Context(), "app", "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestAnAbortTakesEverybodyBack(t *testing.T) {
	t.Parallel()
	target := ownTarget(t, map[string]string{"max_connections": "200"})
	proxy := before(t, target, nil)
	proxy.share(100)
	var open, all []*pgx.Conn
	sleeping := make(chan error, 20)
	var working sync.WaitGroup
	for i := range 100 {
		conn := proxy.as(t, fmt.Sprintf("user-%d", i))
		all = append(all, conn)
		do(t, conn, "SELECT set_config('app.name', $1, false)", fmt.Sprintf("user-%d", i))
		wantSide(t, conn, router.Target)
		switch {
		case i < 20: // in a transaction
			do(t, conn, "BEGIN")
			wantSide(t, conn, router.Target)
			open = append(open, conn)
		case i < 40: // in the middle of a statement
			working.Go(func() {
				_, err := conn.Exec(context.Background(), "SELECT pg_sleep(CASE side WHEN 'target' THEN 600 ELSE 0 END), side FROM whoami LIMIT 1")
				sleeping <- err
			})
		}
	}
	eventually(t, "the statements run", func() bool { return sleepersAt(t, target) == "20" })
	proxy.share(0)
	start := time.Now()
	proxy.Recall(2 * time.Second)
	for _, conn := range all[40:] {
		wantSide(t, conn, router.Source)
	}
	t.Logf("60 idle sessions are back after %v", time.Since(start))
	for _, conn := range open[:10] { // within the deadline the open transactions may go on
		wantSide(t, conn, router.Target)
		do(t, conn, "COMMIT")
		wantSide(t, conn, router.Source)
	}
	eventually(t, "no session is at the target", func() bool { return proxy.Stats().Sessions[router.Target] == 0 })
	eventually(t, "the target runs nothing", func() bool { return busyAt(t, target) == "0" })
	t.Logf("the target runs nothing after %v", time.Since(start))
	for _, conn := range open[10:] {
		_, err := conn.Exec(t.Context(), "SELECT side FROM whoami LIMIT 1")
		if class := code(err); class != "57P01" {
			t.Errorf("in a transaction: %v", err)
		}
		do(t, conn, "ROLLBACK")
	}
	working.Wait()
	for range 20 {
		if err := <-sleeping; err != nil {
			t.Errorf("in the middle of a statement: %v", err)
		}
	}
	for i, conn := range all {
		wantSide(t, conn, router.Source)
		if got := one[string](t, conn, "SELECT current_setting('app.name')"); got != fmt.Sprintf("user-%d", i) {
			t.Errorf("the session's setting is %q", got)
		}
	}
}

// living is a proxy whose canary sessions live whole on the target.
func living(t testing.TB, change func(*Options)) *shared {
	t.Helper()
	proxy := newShared(t, change)
	proxy.change(func(p *router.Snapshot) { p.Writes = router.WritesTarget; p.Share = router.Whole })
	return proxy
}

func TestSessionsThatLiveAtTheTargetEndAtARecall(t *testing.T) {
	proxy := living(t, nil)
	idle, inside, busy := proxy.connect(t), proxy.connect(t), proxy.connect(t)
	proxy.share(0)
	elsewhere := proxy.connect(t)
	wantSide(t, elsewhere, router.Source)
	wantSide(t, idle, router.Target) // lowering the share alone leaves it
	do(t, inside, "BEGIN")
	wantSide(t, inside, router.Target)
	slept := make(chan error, 1)
	go func() {
		_, err := busy.Exec(context.Background(), "SELECT pg_sleep(1)")
		slept <- err
	}()
	eventually(t, "the statement runs", func() bool { return sleepersAt(t, pair.Target) == "1" })
	proxy.Recall(time.Minute)
	if err := <-slept; err != nil {
		t.Errorf("a statement was not left to its end: %v", err)
	}
	for name, conn := range map[string]*pgx.Conn{"idle": idle, "busy": busy} {
		if _, err := conn.Exec(t.Context(), "SELECT 1"); code(err) != "57P01" {
			t.Errorf("%s: %v", name, err)
		}
	}
	wantSide(t, inside, router.Target)
	do(t, inside, "COMMIT")
	if _, err := inside.Exec(t.Context(), "SELECT 1"); code(err) != "57P01" {
		t.Errorf("after its transaction: %v", err)
	}
	wantSide(t, elsewhere, router.Source)
	eventually(t, "no session is at the target", func() bool { return proxy.Stats().Sessions[router.Target] == 0 })
}

func TestSessionsThatLiveAtTheTargetEndAtTheDeadline(t *testing.T) {
	proxy := living(t, nil)
	inside := proxy.connect(t)
	do(t, inside, "BEGIN")
	wantSide(t, inside, router.Target)
	proxy.share(0)
	proxy.Recall(100 * time.Millisecond)
	eventually(t, "no session is at the target", func() bool { return proxy.Stats().Sessions[router.Target] == 0 })
	if _, err := inside.Exec(t.Context(), "SELECT 1"); code(err) != "57P01" {
		t.Errorf("%v", err)
	}
}

// A statement of a transaction is taken away from the target in its middle.
func TestAnAbortEndsAStatementOfATransaction(t *testing.T) {
	t.Parallel()
	target := ownTarget(t, nil)
	proxy := before(t, target, nil)
	proxy.share(100)
	conn := proxy.as(t, "user-1")
	do(t, conn, "SET app.mine = 'yes'")
	wantSide(t, conn, router.Target)
	do(t, conn, "BEGIN")
	wantSide(t, conn, router.Target)
	ran := make(chan error, 1)
	go func() {
		_, err := conn.Exec(context.Background(), "SELECT side, pg_sleep(600) FROM whoami")
		ran <- err
	}()
	eventually(t, "the statement runs", func() bool { return sleepersAt(t, target) == "1" })
	proxy.share(0)
	proxy.Recall(100 * time.Millisecond)
	if err := <-ran; code(err) != "57P01" || conn.IsClosed() {
		t.Errorf("%v; closed: %t", err, conn.IsClosed())
	}
	eventually(t, "the target runs nothing", func() bool { return busyAt(t, target) == "0" })
	if _, err := conn.Exec(t.Context(), "SELECT 1"); code(err) != "25P02" {
		t.Errorf("after it: %v", err)
	}
	do(t, conn, "ROLLBACK")
	wantSide(t, conn, router.Source)
	if got := one[string](t, conn, "SHOW app.mine"); got != "yes" {
		t.Errorf("the session's setting is %q", got)
	}
}
