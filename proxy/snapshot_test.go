package proxy

import (
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
