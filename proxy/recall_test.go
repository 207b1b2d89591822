package proxy

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/crossfade-db/crossfade/internal/dbserver"
	"github.com/crossfade-db/crossfade/router"
)

func prepared(t testing.TB, conn *pgx.Conn, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := conn.Prepare(t.Context(), name, "SELECT side, '"+name+"' FROM whoami WHERE n = $1"); err != nil {
			t.Fatal(err)
		}
	}
}

// B1: after the share is lowered.
func TestStatementsOfTheTargetAreThereAfterTheShareIsLowered(t *testing.T) {
	proxy := newShared(t, nil)
	conn := proxy.connect(t)
	proxy.share(100)
	wantSide(t, conn, router.Target)
	prepared(t, conn, "first", "second", "third")
	proxy.share(0)
	for _, name := range []string{"first", "second", "third"} {
		if got := one2(t, conn, name); got != router.Source.String() {
			t.Errorf("%s is answered by the %s", name, got)
		}
	}
}

// B2: in a transaction at the source, while the session is of the canary.
func TestStatementsOfTheTargetAreThereInATransactionAtTheSource(t *testing.T) {
	proxy := newShared(t, nil)
	conn := proxy.connect(t)
	proxy.share(100)
	wantSide(t, conn, router.Target)
	prepared(t, conn, "first", "second")
	for _, begin := range []string{"BEGIN ISOLATION LEVEL SERIALIZABLE", "BEGIN ISOLATION LEVEL REPEATABLE READ"} {
		do(t, conn, begin)
		for _, name := range []string{"first", "second"} {
			if got := one2(t, conn, name); got != router.Source.String() {
				t.Errorf("%s is answered by the %s", name, got)
			}
		}
		do(t, conn, "COMMIT")
	}
}

// B3: in a transaction that leaves the target.
func TestStatementsOfTheTargetAreThereAfterATransactionHasLeftIt(t *testing.T) {
	proxy := newShared(t, nil)
	conn := proxy.connect(t)
	proxy.share(100)
	wantSide(t, conn, router.Target)
	prepared(t, conn, "first", "second")
	do(t, conn, "BEGIN")
	one2(t, conn, "first")
	do(t, conn, "SET LOCAL work_mem = '5MB'")
	do(t, conn, "SELECT pg_backend_pid()")
	for _, name := range []string{"first", "second"} {
		if got := one2(t, conn, name); got != router.Source.String() {
			t.Errorf("%s is answered by the %s", name, got)
		}
	}
	do(t, conn, "COMMIT")
}

// The share is lowered in the middle of a transaction.
func TestStatementsOfTheTargetAreThereWhenTheShareIsLoweredInATransaction(t *testing.T) {
	for _, begin := range []string{"BEGIN ISOLATION LEVEL REPEATABLE READ", "BEGIN"} {
		t.Run(begin, func(t *testing.T) {
			proxy := newShared(t, nil)
			conn := proxy.connect(t)
			proxy.share(100)
			wantSide(t, conn, router.Target)
			prepared(t, conn, "first", "second")
			do(t, conn, begin)
			do(t, conn, "SELECT n FROM whoami")
			proxy.share(0)
			do(t, conn, "SELECT pg_backend_pid()")
			one2(t, conn, "first")
			one2(t, conn, "second")
			do(t, conn, "COMMIT")
			one2(t, conn, "second")
		})
	}
}

// A text that may hide anything starts a second reader.
func TestStatementsOfTheTargetAreThereBehindAnOpaqueText(t *testing.T) {
	proxy := newShared(t, nil)
	conn := proxy.connect(t)
	proxy.share(100)
	wantSide(t, conn, router.Target)
	prepared(t, conn, "first")
	do(t, conn, "BEGIN ISOLATION LEVEL REPEATABLE READ")
	do(t, conn, "SELECT set_config('work_mem', '5MB', true)")
	if got := one2(t, conn, "first"); got != router.Source.String() {
		t.Errorf("answered by the %s", got)
	}
	do(t, conn, "COMMIT")
}

// B5: a probe of the source does not know the statements of the target.
func TestStatementsOfTheTargetSurviveAnSQLPrepareAtTheSource(t *testing.T) {
	for _, sql := range []string{"PREPARE q AS SELECT 1", "DO 'BEGIN END'"} {
		t.Run(sql, func(t *testing.T) {
			proxy := newShared(t, nil)
			conn := proxy.connect(t)
			proxy.share(100)
			wantSide(t, conn, router.Target)
			prepared(t, conn, "first")
			do(t, conn, sql)
			wantSide(t, conn, router.Target)
			if got := one2(t, conn, "first"); got != router.Target.String() {
				t.Errorf("answered by the %s", got)
			}
		})
	}
}

func one2(t testing.TB, conn *pgx.Conn, name string) string {
	t.Helper()
	var side, own string
	if err := conn.QueryRow(t.Context(), name, 3).Scan(&side, &own); err != nil {
		t.Errorf("%s: %v", name, err)
		return ""
	}
	if own != name {
		t.Errorf("%s is told as %s", name, own)
	}
	return side
}

// B4: cursors of a transaction.
func TestACursorOfATransactionStays(t *testing.T) {
	for _, begin := range []string{"BEGIN", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"} {
		t.Run(begin, func(t *testing.T) {
			proxy := newShared(t, nil)
			conn := proxy.connect(t)
			proxy.share(100)
			wantSide(t, conn, router.Target)
			do(t, conn, begin)
			do(t, conn, "DECLARE c CURSOR FOR SELECT side FROM whoami ORDER BY n")
			first := one[string](t, conn, "FETCH c")
			proxy.share(0)
			for _, sql := range []string{"SELECT pg_backend_pid()", "SET work_mem = '5MB'", "SELECT side FROM whoami LIMIT 1"} {
				if _, err := conn.Exec(t.Context(), sql); err != nil {
					t.Errorf("%s: %v", sql, err)
				}
				if again := one[string](t, conn, "FETCH c"); again != first {
					t.Errorf("the cursor is at the %s, then at the %s", first, again)
				}
			}
			do(t, conn, "COMMIT")
			if got := one[string](t, conn, "SHOW work_mem"); got != "5MB" {
				t.Errorf("work_mem %s", got)
			}
		})
	}
}

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

func TestAnAbortTakesEverybodyBack(t *testing.T) {
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
	eventually(t, "the statements run", func() bool {
		n, err := target.Query(t.Context(), "app", "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
		return err == nil && n == "20"
	})
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
	eventually(t, "the statement runs", func() bool {
		n, err := pair.Target.Query(t.Context(), "app", "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
		return err == nil && n == "1"
	})
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

// What a transaction at the target leaves in its session comes to the source,
// or is not run at the target: the session goes on in any case.
func TestNoStateOfATransactionAtTheTargetEndsTheSession(t *testing.T) {
	proxy := newShared(t, nil)
	for _, server := range sidesOf(pair) {
		superuser(t, server, "app", "CREATE FUNCTION hides() RETURNS int LANGUAGE plpgsql AS $$ BEGIN PERFORM set_config('app.' || 'hidden', 'h', false); RETURN 1; END $$")
		t.Cleanup(func() {
			if err := server.Exec(context.Background(), "app", "DROP FUNCTION hides()"); err != nil {
				t.Error(err)
			}
		})
	}
	for _, begin := range []string{"BEGIN", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", "BEGIN; SELECT 1/0"} {
		for sql, seen := range map[string]string{
			"SET work_mem = '5MB'":                         "SHOW work_mem",
			"SELECT hides()":                               "SELECT current_setting('app.hidden')",
			"SELECT setseed(0.5)":                          "SELECT side FROM whoami LIMIT 1",
			"LISTEN storm":                                 "SELECT side FROM whoami LIMIT 1",
			"DECLARE h CURSOR WITH HOLD FOR SELECT 7":      "FETCH h",
			"PREPARE own AS SELECT 8":                      "EXECUTE own",
			"DO $$ BEGIN EXECUTE 'SET app.do = 4'; END $$": "SHOW app.do",
			"SELECT pg_advisory_lock(77)":                  "SELECT pg_advisory_unlock(77)",
			"DISCARD PLANS":                                "SELECT side FROM whoami LIMIT 1",
			"SET ROLE plain":                               "SELECT current_user",
			"SET client_encoding = 'LATIN1'":               "SHOW client_encoding",
		} {
			t.Run(begin+"; "+sql, func(t *testing.T) {
				proxy.share(100)
				through, direct := proxy.asIn(t, "user-1", pgx.QueryExecModeSimpleProtocol), connectTo(t, pair.Source.Addr())
				wantSide(t, through, router.Target)
				want, got := tellAll(t, direct, begin, sql, seen), tellAll(t, through, begin, sql, seen)
				for i := range want {
					if want[i] != got[i] && want[i] != "source " {
						t.Errorf("step %d: %q, directly %q", i, got[i], want[i])
					}
				}
				if through.IsClosed() {
					t.Error("the session has ended")
				}
			})
		}
	}
}

// tellAll runs a transaction and then reads; it gives the value and the code of
// each step.
func tellAll(t testing.TB, conn *pgx.Conn, begin string, texts ...string) (told []string) {
	t.Helper()
	steps := append(strings.Split(begin, "; "), "SELECT n FROM whoami ORDER BY n LIMIT 1", texts[0], "COMMIT")
	for _, sql := range append(steps, texts[1:]...) {
		rows, err := conn.Query(t.Context(), sql, pgx.QueryExecModeSimpleProtocol)
		value := ""
		if err == nil {
			for rows.Next() {
				value = string(rows.RawValues()[0])
			}
			rows.Close()
			err = rows.Err()
		}
		told = append(told, value+" "+code(err))
	}
	return told
}

// A transaction whose text may hide anything has a second reader, and is taken
// away from the target like any other.
func TestAnAbortTakesOpaqueTransactionsBack(t *testing.T) {
	for _, sql := range []string{"DO 'BEGIN END'", "SELECT set_config('app.name', 'x', true)", "SELECT side, pg_sleep(CASE side WHEN 'target' THEN 600 ELSE 0 END) FROM whoami LIMIT 1"} {
		t.Run(sql, func(t *testing.T) {
			target := ownTarget(t, nil)
			proxy := before(t, target, nil)
			proxy.share(100)
			conn := proxy.as(t, "user-1")
			do(t, conn, "SET app.mine = 'yes'")
			wantSide(t, conn, router.Target)
			do(t, conn, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
			first := sideOf(t, conn)
			ran := make(chan error, 1)
			go func() {
				_, err := conn.Exec(context.Background(), sql)
				ran <- err
			}()
			if strings.Contains(sql, "sleep") {
				eventually(t, "the statement runs", func() bool { return busyAt(t, target) == "1" })
			} else if err := <-ran; err != nil {
				t.Fatal(err)
			}
			proxy.share(0)
			proxy.Recall(100 * time.Millisecond)
			eventually(t, "no session is at the target", func() bool { return proxy.Stats().Sessions[router.Target] == 0 })
			eventually(t, "the target runs nothing", func() bool { return busyAt(t, target) == "0" })
			if strings.Contains(sql, "sleep") {
				if err := <-ran; code(err) != "57P01" {
					t.Errorf("%v", err)
				}
			}
			if _, err := conn.Exec(t.Context(), "SELECT 1"); first == "target" && code(err) != "57P01" && code(err) != "25P02" || conn.IsClosed() {
				t.Errorf("in the transaction, which began at the %s: %v; closed: %t", first, err, conn.IsClosed())
			}
			do(t, conn, "ROLLBACK")
			wantSide(t, conn, router.Source)
			if got := one[string](t, conn, "SHOW app.mine"); got != "yes" {
				t.Errorf("the session's setting is %q", got)
			}
		})
	}
}

// A COMMIT that fails has ended the transaction, as at every server.
func TestACommitThatFindsNoTargetEndsTheTransaction(t *testing.T) {
	target := ownTarget(t, nil)
	proxy := before(t, target, nil)
	proxy.share(100)
	conn := proxy.as(t, "user-1")
	wantSide(t, conn, router.Target)
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wantSide(t, conn, router.Target)
	if err := target.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(t.Context()); err != nil { // it has only read, and all of that has arrived
		t.Errorf("COMMIT: %v", err)
	}
	if conn.IsClosed() {
		t.Fatal("the driver has closed the connection: the transaction was still open after COMMIT")
	}
	wantSide(t, conn, router.Source)
}

// An unnamed statement lasts until the next one, wherever it was made.
func TestTheUnnamedStatementIsThereAfterTheShareHasMovedTwice(t *testing.T) {
	proxy := newShared(t, nil)
	conn := dialRaw(t, proxy.addr, nil)
	ask := func(messages ...pgproto3.FrontendMessage) (side string) {
		for _, m := range append(messages, &pgproto3.Sync{}) {
			conn.Send(m)
		}
		if err := conn.Flush(); err != nil {
			t.Fatal(err)
		}
		for _, m := range conn.until(t, 'Z') {
			switch m := m.(type) {
			case *pgproto3.DataRow:
				side = string(m.Values[0])
			case *pgproto3.ErrorResponse:
				t.Errorf("%s %s", m.Code, m.Message)
			}
		}
		return side
	}
	ask(&pgproto3.Parse{Name: "named", Query: "SELECT side FROM whoami LIMIT 1"})
	named := []pgproto3.FrontendMessage{&pgproto3.Bind{PreparedStatement: "named"}, &pgproto3.Execute{}}
	unnamed := []pgproto3.FrontendMessage{&pgproto3.Bind{}, &pgproto3.Execute{}}
	for _, shares := range [][]float64{{100, 0, 0}, {0, 100, 0}, {100, 0, 100}, {0, 100, 100}, {100, 0, 5}} {
		proxy.share(shares[0])
		ask(named...)
		ask(&pgproto3.Parse{Query: "SELECT side FROM whoami LIMIT 1"})
		for _, percent := range shares[1:] {
			proxy.share(percent)
			ask(named...)
		}
		if side := ask(unnamed...); side == "" {
			t.Errorf("shares %v: the unnamed statement is answered by nobody", shares)
		}
	}
}
