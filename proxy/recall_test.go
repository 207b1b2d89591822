package proxy

import (
	"testing"

	"github.com/jackc/pgx/v5"

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
