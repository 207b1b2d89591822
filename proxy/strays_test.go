package proxy

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/crossfade-db/crossfade/router"
)

// prepared makes statements that tell their names.
func prepared(t testing.TB, conn *pgx.Conn, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := conn.Prepare(t.Context(), name, "SELECT side, '"+name+"' FROM whoami WHERE n = $1"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestStatementsOfTheTargetAreThereAfterTheShareIsLowered(t *testing.T) {
	proxy := newShared(t, nil)
	conn := proxy.connect(t)
	proxy.share(100)
	wantSide(t, conn, router.Target)
	prepared(t, conn, "first", "second", "third")
	proxy.share(0)
	for _, name := range []string{"first", "second", "third"} {
		if got := whose(t, conn, name); got != router.Source.String() {
			t.Errorf("%s is answered by the %s", name, got)
		}
	}
}

// A transaction of the canary that the source answers.
func TestStatementsOfTheTargetAreThereInATransactionAtTheSource(t *testing.T) {
	proxy := newShared(t, nil)
	conn := proxy.connect(t)
	proxy.share(100)
	wantSide(t, conn, router.Target)
	prepared(t, conn, "first", "second")
	for _, begin := range []string{"BEGIN ISOLATION LEVEL SERIALIZABLE", "BEGIN ISOLATION LEVEL REPEATABLE READ"} {
		do(t, conn, begin)
		for _, name := range []string{"first", "second"} {
			if got := whose(t, conn, name); got != router.Source.String() {
				t.Errorf("%s is answered by the %s", name, got)
			}
		}
		do(t, conn, "COMMIT")
	}
}

func TestStatementsOfTheTargetAreThereAfterATransactionHasLeftIt(t *testing.T) {
	proxy := newShared(t, nil)
	conn := proxy.connect(t)
	proxy.share(100)
	wantSide(t, conn, router.Target)
	prepared(t, conn, "first", "second")
	do(t, conn, "BEGIN")
	whose(t, conn, "first")
	do(t, conn, "SET LOCAL work_mem = '5MB'")
	do(t, conn, "SELECT pg_backend_pid()")
	for _, name := range []string{"first", "second"} {
		if got := whose(t, conn, name); got != router.Source.String() {
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
			whose(t, conn, "first")
			whose(t, conn, "second")
			do(t, conn, "COMMIT")
			whose(t, conn, "second")
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
	if got := whose(t, conn, "first"); got != router.Source.String() {
		t.Errorf("answered by the %s", got)
	}
	do(t, conn, "COMMIT")
}

// A probe of the source does not know the statements of the target.
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
			if got := whose(t, conn, "first"); got != router.Target.String() {
				t.Errorf("answered by the %s", got)
			}
		})
	}
}

// whose runs one of prepared and says who has answered.
func whose(t testing.TB, conn *pgx.Conn, name string) string {
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

// What the source does not have it cannot do away with.
func TestAStatementOfTheTargetIsDeallocated(t *testing.T) {
	for _, sql := range []string{"DEALLOCATE first", "DEALLOCATE PREPARE first", "DEALLOCATE ALL", "DISCARD ALL"} {
		t.Run(sql, func(t *testing.T) {
			proxy := newShared(t, nil)
			conn := proxy.asIn(t, "user-1", pgx.QueryExecModeSimpleProtocol)
			proxy.share(100)
			wantSide(t, conn, router.Target)
			prepared(t, conn, "first", "second")
			do(t, conn, sql)
			wantSide(t, conn, router.Target)
			result := conn.PgConn().ExecPrepared(t.Context(), "first", [][]byte{[]byte("3")}, nil, nil).Read()
			if code(result.Err) != "26000" {
				t.Errorf("the statement is there still: %v", result.Err)
			}
			if _, err := conn.PgConn().Prepare(t.Context(), "first", "SELECT side FROM whoami WHERE n = $1", nil); err != nil {
				t.Errorf("its name is taken: %v", err)
			}
		})
	}
}
