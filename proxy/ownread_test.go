package proxy

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/crossfade-db/crossfade/router"
)

// newEverybody mirrors things with everybody in the canary.
func newEverybody(t *testing.T, change func(*Options)) *mirrored {
	proxy := newMirrored(t, things, things, nil, change)
	proxy.change(func(p *router.Snapshot) { p.Phase, p.Share = router.Canary, router.Whole })
	return proxy
}

func TestACanarySessionReadsItsOwnWritesAtTheTarget(t *testing.T) {
	var own atomic.Int64
	proxy := newEverybody(t, func(o *Options) { o.Observer.OwnRead = func() { own.Add(1) } })
	conn := proxy.client(t)
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeExec, pgx.QueryExecModeCacheStatement} {
		own.Store(0)
		count := func() (n int) {
			if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM things WHERE id >= $1", mode, 0).Scan(&n); err != nil {
				t.Fatalf("%v: %v", mode, err)
			}
			return n
		}
		say := func(sql string, args ...any) error {
			_, err := conn.Exec(t.Context(), sql, append([]any{mode}, args...)...)
			return err
		}
		before := count()
		if err := say("BEGIN"); err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			if err := say("INSERT INTO things (id, name) VALUES ($1, 'x')", 10*int(mode)+i); err != nil {
				t.Fatal(err)
			}
			if got := count(); got != before+i+1 {
				t.Errorf("%v: %d rows, want %d", mode, got, before+i+1)
			}
		}
		if err := say("SELECT 1/0 FROM things"); err == nil {
			t.Error("a division by zero was answered")
		}
		if err := say("ROLLBACK"); err != nil {
			t.Fatal(err)
		}
		if got := count(); got != before {
			t.Errorf("%v: %d rows after ROLLBACK, want %d", mode, got, before)
		}
		if own.Load() == 0 {
			t.Errorf("%v: no read was answered by the target", mode)
		}
	}
	do(t, conn, "INSERT INTO things (id) VALUES (1)")
	if got := one[int](t, conn, "SELECT count(*)::int FROM things"); got != 1 {
		t.Errorf("%d rows after a commit", got)
	}
	proxy.equal(t, "things")
	proxy.clean(t)
}

func TestAStricterTransactionReadsAtTheSource(t *testing.T) {
	var own atomic.Int64
	proxy := newEverybody(t, func(o *Options) { o.Observer.OwnRead = func() { own.Add(1) } })
	conn := proxy.client(t)
	do(t, conn, "BEGIN ISOLATION LEVEL REPEATABLE READ")
	do(t, conn, "INSERT INTO things (id) VALUES (1)")
	other := proxy.client(t)
	do(t, other, "INSERT INTO things (id) VALUES (2)")
	if got := one[int](t, conn, "SELECT count(*)::int FROM things"); got != 1 || own.Load() != 0 {
		t.Errorf("%d rows in one snapshot, %d reads at the target", got, own.Load())
	}
	do(t, conn, "COMMIT")
	proxy.equal(t, "things")
	proxy.clean(t)
}

func TestTransactionsOfTheTargetLeaveToWrite(t *testing.T) {
	proxy := newEverybody(t, nil)
	conn := proxy.client(t)
	for _, sql := range []string{
		"BEGIN", "SELECT count(*) FROM things", "SAVEPOINT a", "SELECT count(*) FROM things", "INSERT INTO things (id) VALUES (1)",
		"ROLLBACK TO a", "INSERT INTO things (id) VALUES (2)", "RELEASE a", "COMMIT",
	} {
		do(t, conn, sql)
	}
	if got := proxy.rows(t, router.Target, "SELECT id FROM things"); len(got) != 1 || got[0] != "2|" {
		t.Errorf("the target has %v", got)
	}
	proxy.equal(t, "things")
	proxy.clean(t)
}

// What a session has written it reads, also where the target did not take it.
func TestARowThatTheTargetRefusesIsReadAtTheSource(t *testing.T) {
	var proxy *mirrored
	proxy = newMirrored(t, []string{"CREATE TABLE things (id int PRIMARY KEY, v int)"}, []string{"CREATE TABLE things (id int PRIMARY KEY, v int CHECK (v <> 13))"}, nil, func(o *Options) {
		o.Mirror.Ready = func(table string) bool {
			keys, _ := proxy.journal.dirty()
			return keys[table] == 0
		}
	})
	proxy.change(func(p *router.Snapshot) { p.Phase, p.Share = router.Canary, router.Whole })
	conn := proxy.client(t)
	do(t, conn, "INSERT INTO things VALUES (1, 1)")
	if got := one[int](t, conn, "SELECT v FROM things WHERE id = 1"); got != 1 {
		t.Errorf("the session reads %d where it has written 1", got)
	}
	do(t, conn, "UPDATE things SET v = 13 WHERE id = 1")
	if got := one[int](t, conn, "SELECT v FROM things WHERE id = 1"); got != 13 {
		t.Errorf("the session reads %d where it has written 13", got)
	}
}

// TestASourceThatIsLostWhileTheTargetAnswers: a session with settings of its own
// ends as a direct one does; one without goes on.
func TestASourceThatIsLostWhileTheTargetAnswers(t *testing.T) {
	proxy := newEverybody(t, nil)
	do(t, proxy.direct[router.Target], "INSERT INTO things (id) VALUES (99)") // by which answers of the target are known
	for _, set := range []bool{true, false} {
		conn := proxy.client(t)
		if set {
			do(t, conn, "SET work_mem = '5MB'")
		}
		pid := one[int](t, conn, "SELECT pg_backend_pid() FROM (SELECT 1 FROM things FOR UPDATE) x RIGHT JOIN (VALUES (1)) y ON true")
		do(t, conn, "BEGIN")
		if one[int](t, conn, "SELECT count(*) FROM things WHERE id = 99") != 1 {
			t.Fatal("the source answers")
		}
		proxy.terminate(t, router.Source, pid)
		_, err := conn.Exec(t.Context(), "INSERT INTO things (id) VALUES (77)")
		if set && (!conn.IsClosed() || code(err) != "08006") {
			t.Error("settings have gone, and the session goes on:", err)
		}
		if !set && err != nil {
			t.Error(err)
		}
	}
}

// TestASourceThatTellsOfASettingDuringAMove: it has read its configuration again,
// and says so with the answer to what the move asks. The transaction that has
// moved can leave the target all the same.
func TestASourceThatTellsOfASettingDuringAMove(t *testing.T) {
	proxy := newEverybody(t, nil)
	conn := proxy.client(t)
	do(t, conn, "SET work_mem = '5MB'") // it has to be carried
	do(t, conn, "SELECT FROM things FOR UPDATE")
	reload := func(change string) {
		for _, sql := range []string{"ALTER SYSTEM " + change, "SELECT pg_reload_conf()"} {
			if err := pair.Source.Exec(context.Background(), "postgres", sql); err != nil {
				t.Error(err)
			}
		}
	}
	reload("SET DateStyle = 'SQL, DMY'")
	defer reload("RESET DateStyle")
	eventually(t, "the configuration is read", func() bool {
		got, err := pair.Source.Query(t.Context(), "postgres", "SHOW DateStyle")
		return err == nil && got == "SQL, DMY"
	})
	do(t, conn, "BEGIN")
	if got := conn.PgConn().ParameterStatus("DateStyle"); got != "SQL, DMY" {
		t.Fatalf("the client was told %q: nothing was asked of the source for the move", got)
	}
	do(t, conn, "INSERT INTO things (id) VALUES (1)")
	do(t, conn, "COMMIT")
	proxy.settled(t)
	proxy.clean(t)
	if got := proxy.rows(t, router.Target, "SELECT id FROM things"); len(got) != 1 || got[0] != "1|" {
		t.Errorf("the target has %v", got)
	}
}
