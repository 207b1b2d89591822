package proxy

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/crossfade-db/crossfade/router"
)

// strict are the ways to a transaction that is stricter than READ COMMITTED.
var strict = []string{
	"BEGIN ISOLATION LEVEL REPEATABLE READ",
	"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
	"BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE",
	"START TRANSACTION READ ONLY, ISOLATION LEVEL SERIALIZABLE",
	"BEGIN ;; SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
	"BEGIN ;; SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY",
	"BEGIN ;; SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
	"BEGIN ;; SET LOCAL transaction_isolation = 'serializable'",
	"BEGIN ;; SET transaction_isolation TO 'repeatable read'",
	"BEGIN ;; SELECT set_config('transaction_isolation', 'serializable', true)",
	"BEGIN ;; SELECT set_config('transaction' || '_isolation', 'repeatable read', true)",
	"SET default_transaction_isolation = 'repeatable read' ;; BEGIN",
	"SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE ;; BEGIN",
	"SELECT set_config('default_transaction_isolation', 'serializable', false) ;; BEGIN",
	"DO $$ BEGIN PERFORM set_config('default' || '_transaction_isolation', 'serializable', false); END $$ ;; BEGIN",
	"DO $$ BEGIN SET default_transaction_isolation = 'repeatable read'; END $$ ;; START TRANSACTION",
	"BEGIN ISOLATION LEVEL REPEATABLE READ ;; COMMIT AND CHAIN",
	"BEGIN ;; COMMIT AND CHAIN ;; SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
	"BEGIN ;; SET LOCAL default_transaction_isolation = 'serializable' ;; COMMIT AND CHAIN",
	"PREPARE strict AS SELECT set_config('transaction_isolation', 'serializable', true) ;; BEGIN ;; EXECUTE strict",
}

// A transaction that is stricter than READ COMMITTED keeps its isolation, and
// the side of its first answer, whatever comes later.
func TestNoSnapshotIsSplit(t *testing.T) {
	for _, begin := range strict {
		for name, mode := range map[string]pgx.QueryExecMode{"simple": pgx.QueryExecModeSimpleProtocol, "extended": pgx.QueryExecModeExec} {
			t.Run(begin+", "+name, func(t *testing.T) {
				proxy := newShared(t, nil)
				proxy.share(100)
				conn, direct := proxy.asIn(t, "user-1", mode), connectTo(t, pair.Source.Addr())
				wantSide(t, conn, router.Target)
				for sql := range strings.SplitSeq(begin, " ;; ") {
					_, want := direct.Exec(t.Context(), sql, mode)
					if _, got := conn.Exec(t.Context(), sql); code(got) != code(want) {
						t.Fatalf("%s: %v, directly %v", sql, got, want)
					}
					if want != nil {
						return // it cannot be set in this way
					}
				}
				want := one[string](t, direct, "SELECT current_setting('transaction_isolation')")
				first := sideOf(t, conn)
				for _, sql := range []string{"SELECT pg_backend_pid()", "SET LOCAL work_mem = '5MB'", "SELECT m FROM moods"} {
					if _, err := conn.Exec(t.Context(), sql); err != nil {
						t.Fatalf("%s: %v", sql, err)
					}
					now, got := sideOf(t, conn), one[string](t, conn, "SELECT current_setting('transaction_isolation')")
					if got != want || (want != "read committed" && now != first) {
						t.Errorf("%s: %s at the %s, want %s at the %s", sql, got, now, want, first)
					}
				}
				if first == router.Target.String() && want == "serializable" {
					t.Error("a SERIALIZABLE transaction is answered by the target")
				}
				do(t, conn, "COMMIT")
			})
		}
	}
}

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

// leftBehind are texts that leave something in a session, and how it is seen.
var leftBehind = [][2]string{
	{"SET work_mem = '5MB'", "SHOW work_mem"},
	{"SELECT hides()", "SELECT current_setting('app.hidden')"},
	{"SELECT setseed(0.5)", "SELECT side FROM whoami LIMIT 1"},
	{"LISTEN storm", "SELECT side FROM whoami LIMIT 1"},
	{"DECLARE h CURSOR WITH HOLD FOR SELECT 7", "FETCH h"},
	{"PREPARE own AS SELECT 8", "EXECUTE own"},
	{"DO $$ BEGIN EXECUTE 'SET app.do = 4'; END $$", "SHOW app.do"},
	{"SELECT pg_advisory_lock(77)", "SELECT pg_advisory_unlock(77)"},
	{"DISCARD PLANS", "SELECT side FROM whoami LIMIT 1"},
	{"SET ROLE plain", "SELECT current_user"},
	{"SET client_encoding = 'LATIN1'", "SHOW client_encoding"},
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
		for _, test := range leftBehind {
			sql, seen := test[0], test[1]
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
