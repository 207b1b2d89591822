package proxy

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/crossfade-db/crossfade/router"
)

// canaryThings has a table that is mapped and a function that says which side
// answers, which no statement of the session can tell otherwise.
var canaryThings = []string{
	"CREATE TABLE things (id int PRIMARY KEY, v int)", "CREATE TABLE sums (id int PRIMARY KEY, v int)",
	"CREATE FUNCTION writes(i int) RETURNS int LANGUAGE plpgsql AS 'BEGIN INSERT INTO things VALUES (i, 1); RETURN i; END'",
}

// newCanary answers all sessions' reads by the target where it may.
func newCanary(t testing.TB) *twin {
	t.Helper()
	n := newNotReadyTwin(t, canaryThings, false)
	n.shared.change(func(p *router.Snapshot) { p.Phase, p.Share = router.Canary, 10_000 })
	return n
}

// newNotReadyTwin is a twin whose tables are not ready while they are dirty.
func newNotReadyTwin(t testing.TB, schema []string, early bool) *twin {
	t.Helper()
	var journal atomic.Pointer[ledger]
	n := newTwin(t, schema, func(o *Options) {
		o.Mirror.Early = early
		o.Mirror.Ready = func(table string) bool {
			keys, whole := journal.Load().dirty()
			return !slices.Contains(whole, table) && keys[table] == 0
		}
	})
	journal.Store(n.journal)
	return n
}

// TestCanaryWithWritesIsAsDirect runs scripts in which each read shows what was
// written before.
func TestCanaryWithWritesIsAsDirect(t *testing.T) {
	read := q("SELECT id, v FROM things ORDER BY id")
	readP := step{parsed("SELECT id, v FROM things ORDER BY id"), bind, descP, execute, syncUp}
	n := newCanary(t)
	for _, test := range []struct {
		name   string
		script []step
	}{
		{"texts that end a transaction of the target", []step{q("BEGIN"), read, q("DELETE FROM things; ROLLBACK"), q("BEGIN"), read, q("SELECT id FROM things FOR UPDATE; ROLLBACK"), q("BEGIN"), read, q("COMMIT; INSERT INTO things VALUES (1, 1)"), read, q("BEGIN"), read, q("SELECT 1/0"), q("ROLLBACK; INSERT INTO things VALUES (2, 2)"), read}},
		{"a failed transaction of the target that ends before a write in one text", []step{q("BEGIN"), read, q("SELECT 1/0"), q("COMMIT; INSERT INTO things VALUES (1, 1)"), read, q("BEGIN"), read, q("SELECT 1/0"), {parsed("ROLLBACK"), bind, execute, parsed("INSERT INTO things VALUES (2, 2)"), bind, execute, syncUp}, read}},
		{"a text that does, in a failed transaction", []step{q("BEGIN"), q("SELECT 1/0"), q("COMMIT; INSERT INTO things VALUES (1, 1)"), read, q("BEGIN"), q("INSERT INTO"), q("ROLLBACK; INSERT INTO things VALUES (2, 2)"), read}},
		{"autocommit", []step{q("INSERT INTO things VALUES (1, 1)"), read, q("UPDATE things SET v = 2"), read, readP, q("DELETE FROM things"), read}},
		{"a transaction", []step{q("BEGIN"), read, q("INSERT INTO things VALUES (1, 1)"), read, q("UPDATE things SET v = 5"), read, q("COMMIT"), read}},
		{"a transaction that is rolled back", []step{q("BEGIN"), q("INSERT INTO things VALUES (1, 1)"), read, q("ROLLBACK"), read}},
		{"savepoints", []step{q("BEGIN"), read, q("SAVEPOINT a"), q("INSERT INTO things VALUES (1, 1)"), read, q("ROLLBACK TO a"), read, q("INSERT INTO things VALUES (2, 1)"), q("RELEASE a"), read, q("COMMIT"), read}},
		{"reads before the first write", []step{q("BEGIN"), read, q("SAVEPOINT a"), read, q("SELECT 1/0"), q("ROLLBACK TO a"), read, q("INSERT INTO things VALUES (1, 1)"), q("COMMIT"), read}},
		{"a function that writes", []step{q("SELECT writes(1)"), read, q("BEGIN"), read, q("SELECT writes(2)"), read, q("COMMIT"), read}},
		{"locking reads", []step{q("INSERT INTO things VALUES (1, 1)"), q("BEGIN"), q("SELECT v FROM things WHERE id = 1 FOR UPDATE"), read, q("UPDATE things SET v = 3 WHERE id = 1"), read, q("COMMIT"), read}},
		{"one text", []step{q("INSERT INTO things VALUES (1, 1); SELECT * FROM things; UPDATE things SET v = 4; SELECT * FROM things"), read}},
		{"a pipeline", []step{{parsed("SELECT count(*) FROM things"), bind, execute, parsed("INSERT INTO things VALUES (1, 1)"), bind, execute, parsed("SELECT count(*) FROM things"), bind, execute, syncUp}, read}},
		{"ON CONFLICT DO NOTHING, then a read", []step{q("INSERT INTO things VALUES (1, 1)"), q("INSERT INTO things VALUES (1, 1) ON CONFLICT DO NOTHING"), read, q("INSERT INTO things VALUES (1, 1)"), read}},
		{"prepared statements on both sides", []step{{parseAs("r", "SELECT id, v FROM things WHERE id = $1"), describe("r"), syncUp}, {bindTo("r", "1"), execute, syncUp}, {parseAs("w", "INSERT INTO things VALUES ($1, $2) RETURNING v"), bindTo("w", "1", "2"), execute, syncUp}, {bindTo("r", "1"), execute, syncUp}, q("BEGIN"), {bindTo("w", "2", "2"), execute, syncUp}, {bindTo("r", "2"), execute, syncUp}, q("COMMIT"), {bindTo("r", "2"), execute, bindTo("w", "3", "3"), execute, bindTo("r", "3"), execute, syncUp}}},
		{"settings", []step{q("SET search_path = pg_catalog"), q("INSERT INTO public.things VALUES (1, 1)"), q("SELECT * FROM public.things"), q("SET LOCAL work_mem = '1MB'"), q("BEGIN"), q("SET LOCAL search_path = public"), read, q("INSERT INTO things VALUES (2, 1)"), read, q("COMMIT"), q("SHOW search_path"), q("RESET ALL"), read}},
		{"DISCARD ALL", []step{read, q("INSERT INTO things VALUES (1, 1)"), read, q("DISCARD ALL"), q("INSERT INTO things VALUES (2, 1)"), read, q("DEALLOCATE ALL"), q("INSERT INTO things VALUES (3, 1)"), read}},
		{"temporary tables", []step{read, q("CREATE TEMP TABLE things (id int, v int)"), q("INSERT INTO things VALUES (9, 9)"), q("SELECT sum(v) FROM things"), q("DROP TABLE pg_temp.things"), q("INSERT INTO things VALUES (2, 2)"), read}},
		{"strict isolation", []step{q("BEGIN ISOLATION LEVEL REPEATABLE READ"), read, q("INSERT INTO things VALUES (1, 1)"), read, q("COMMIT"), q("BEGIN ISOLATION LEVEL SERIALIZABLE"), read, q("UPDATE things SET v = 4"), q("COMMIT"), read}},
		{"read only", []step{q("BEGIN READ ONLY"), read, q("INSERT INTO things VALUES (1, 1)"), q("ROLLBACK"), q("INSERT INTO things VALUES (1, 1)"), q("SET default_transaction_read_only = on"), q("INSERT INTO things VALUES (2, 1)"), read, q("RESET default_transaction_read_only"), q("INSERT INTO things VALUES (2, 1)"), read}},
		{"show settings of a transaction", []step{q("SHOW transaction_read_only"), q("BEGIN"), q("SHOW transaction_read_only"), read, q("SHOW transaction_read_only"), q("COMMIT"), q("SHOW default_transaction_read_only")}},
		{"TRUNCATE", []step{q("INSERT INTO things VALUES (1, 1)"), read, q("TRUNCATE things"), read, q("BEGIN"), q("TRUNCATE things"), q("INSERT INTO things VALUES (1, 1)"), read, q("ROLLBACK"), read}},
		{"cursors over what was written", []step{q("BEGIN"), q("INSERT INTO things VALUES (1, 1), (2, 2)"), q("DECLARE c CURSOR FOR SELECT * FROM things ORDER BY id"), q("FETCH 1 FROM c"), q("UPDATE things SET v = 9"), q("FETCH 1 FROM c"), q("COMMIT"), read}},
		{"a portal that is read in parts around a write", []step{q("INSERT INTO things VALUES (1, 1), (2, 2), (3, 3)"), q("BEGIN"), {parsed("SELECT id FROM things ORDER BY id"), bindPortal("p", "", nil), executesRows("p", 1), syncUp}, q("UPDATE things SET v = 9 WHERE id = 1"), {executesRows("p", 1), syncUp}, {executesRows("p", 9), syncUp}, q("COMMIT"), read}},
		{"a named portal that stays", []step{q("INSERT INTO things VALUES (1, 1), (2, 2), (3, 3)"), q("BEGIN"), {parsed("SELECT id FROM things ORDER BY id"), bindPortal("p", "", nil), executes("p"), syncUp}, q("UPDATE things SET v = 9 WHERE id = 1"), q("COMMIT"), read}},
		{"a named portal that stays, of a named statement", []step{q("BEGIN"), {parseAs("s", "SELECT id FROM things ORDER BY id"), bindPortal("p", "s", nil), descPortal("p"), executes("p"), syncUp}, {parsed("INSERT INTO things VALUES (1, 1)"), bindPortal("p2", "", nil), executes("p2"), syncUp}, q("COMMIT"), read}},
		{"a cursor before a write", []step{q("INSERT INTO things VALUES (1, 1), (2, 2), (3, 3)"), q("BEGIN"), q("DECLARE c CURSOR FOR SELECT id FROM things ORDER BY id"), q("FETCH 1 FROM c"), q("UPDATE things SET v = 9 WHERE id = 1"), q("FETCH 1 FROM c"), q("COMMIT"), read}},
		{"chains", []step{q("BEGIN"), read, q("COMMIT AND CHAIN"), read, q("INSERT INTO things VALUES (1, 1)"), q("ROLLBACK AND CHAIN"), read, q("INSERT INTO things VALUES (2, 1)"), q("COMMIT"), read}},
		{"a statement that is parsed twice", []step{{parseAs("s", "SELECT id FROM things"), bindTo("s"), execute, syncUp}, {parsed("INSERT INTO things VALUES (1, 1)"), bind, execute, parseAs("s", "SELECT 1"), bindTo("s"), execute, syncUp}, {parseAs("s", "SELECT 1"), syncUp}, {bindTo("s"), execute, syncUp}}},
		{"WITH that writes", []step{q("WITH w AS (INSERT INTO things VALUES (1, 1) RETURNING *) SELECT * FROM w"), read}},
		{"COPY", []step{{query("COPY things FROM STDIN"), data("1\t2\n"), done}, read, q("COPY things TO STDOUT")}},
		{"COPY in a transaction", []step{q("BEGIN"), q("INSERT INTO things VALUES (1, 1)"), read, {query("COPY things FROM STDIN"), data("2\t2\n"), done}, read, q("UPDATE things SET v = 7"), read, q("COMMIT"), read}},
		{"COPY in a transaction whose keys are not read", []step{q("BEGIN"), q("INSERT INTO things VALUES (1, 1)"), read, {query("COPY things FROM STDIN"), data("0x2\t2\n\\x33\t3\n"), done}, read, q("ROLLBACK"), q("BEGIN"), q("INSERT INTO things VALUES (1, 1)"), {query("COPY things FROM STDIN"), data("2\t2\r3\t2\r"), done}, read, q("COMMIT"), read}},
	} {
		t.Run(test.name, func(t *testing.T) {
			n.afresh(t, "things, sums")
			direct, through := n.sides(t, nil)
			n.compare(t, direct, through, test.script)
			n.settled(t)
			n.unlessNoted(t, "things")
			n.asCopied(t, "things", n.rows(t, router.Source, dump("things")))
			_, _ = direct.Close(), through.Close()
		})
	}
}

// TestCanaryReadsAreTheTargets proves that the scripts above test something:
// plain reads of the session that writes are answered by the target.
func TestCanaryReadsAreTheTargets(t *testing.T) {
	n := newCanary(t)
	conn := n.client(t)
	do(t, conn, "INSERT INTO things VALUES (1, 1)")
	do(t, n.direct[router.Target], "UPDATE things SET v = 99")
	if got := one[int](t, conn, "SELECT v FROM things WHERE id = 1"); got != 99 {
		t.Errorf("%d: a read was answered by the source: %v", got, n.reasons())
	}
	if got := one[int](t, conn, "SELECT v FROM things WHERE id = 1 FOR UPDATE"); got != 1 {
		t.Errorf("%d: a locking read was answered by the target", got)
	}
	do(t, conn, "BEGIN")
	if got := one[int](t, conn, "SELECT v FROM things WHERE id = 1"); got != 99 {
		t.Errorf("%d: a read in a transaction was answered by the source: %v", got, n.reasons())
	}
	do(t, conn, "UPDATE things SET v = v + 1 WHERE id = 1")
	if got := one[int](t, conn, "SELECT v FROM things WHERE id = 1"); got != 2 {
		t.Errorf("%d: own write is not seen", got)
	}
	do(t, conn, "COMMIT")
	n.equal(t, "things")
}

// TestCanaryIsolationEndsAsDirect: write skew and lost update (WRITEPATH §8).
func TestCanaryIsolationEndsAsDirect(t *testing.T) {
	n := newCanary(t)
	setup := n.client(t)
	do(t, setup, "INSERT INTO things VALUES (1, 1), (2, 1)")
	for _, begin := range []string{"BEGIN ISOLATION LEVEL SERIALIZABLE", "BEGIN; SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "SET default_transaction_isolation = 'serializable'"} {
		t.Run(begin, func(t *testing.T) {
			do(t, setup, "UPDATE things SET v = 1")
			a, b := n.client(t), n.client(t)
			for _, c := range []*pgx.Conn{a, b} {
				if _, err := c.Exec(t.Context(), begin, pgx.QueryExecModeSimpleProtocol); err != nil {
					t.Fatal(err)
				}
				if begin[:3] == "SET" {
					do(t, c, "BEGIN")
				}
				one[int](t, c, "SELECT sum(v) FROM things")
			}
			_, err1 := a.Exec(t.Context(), "UPDATE things SET v = 0 WHERE id = 1")
			_, err2 := b.Exec(t.Context(), "UPDATE things SET v = 0 WHERE id = 2")
			_, err3 := a.Exec(t.Context(), "COMMIT")
			_, err4 := b.Exec(t.Context(), "COMMIT")
			codes := fmt.Sprint(code(err1), code(err2), code(err3), code(err4))
			if codes != "40001" {
				t.Errorf("write skew: %q", codes)
			}
			n.equal(t, "things")
		})
	}
	a := n.client(t)
	do(t, a, "BEGIN ISOLATION LEVEL REPEATABLE READ")
	one[int](t, a, "SELECT v FROM things WHERE id = 1")
	do(t, setup, "UPDATE things SET v = 20 WHERE id = 1")
	if _, err := a.Exec(t.Context(), "UPDATE things SET v = 11 WHERE id = 1"); code(err) != "40001" {
		t.Errorf("lost update: %v", err)
	}
	do(t, a, "ROLLBACK")
	n.equal(t, "things")
	n.clean(t)
}
