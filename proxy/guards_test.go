package proxy

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/crossfade-db/crossfade/router"
)

func TestASettingCannotMakeTheTargetWritable(t *testing.T) {
	proxy := newShared(t, nil)
	conn := proxy.connect(t)
	proxy.share(100)
	wantSide(t, conn, router.Target)
	for _, sql := range []string{
		"SET default_transaction_read_only = off", `SET "default_transaction_read_only" TO 'off'`,
		"SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE", "SELECT set_config('default_transaction_read_only', 'off', false)",
		"RESET default_transaction_read_only", "RESET ALL",
	} {
		do(t, conn, sql, pgx.QueryExecModeSimpleProtocol)
		wantSide(t, conn, router.Target)
		if _, err := conn.Exec(t.Context(), "INSERT INTO whoami VALUES ('nobody', 0)", pgx.QueryExecModeSimpleProtocol); code(err) != "25006" {
			t.Errorf("after %s: %v", sql, err)
		}
	}
	if n := one[int](t, connectTo(t, pair.Target.Addr()), "SELECT count(*) FROM whoami WHERE side = 'nobody'"); n != 0 {
		t.Errorf("%d rows were written at the target", n)
	}
}

// What a function changes without any text saying so is read from the server.
func TestASettingThatAFunctionChangesGoesAlong(t *testing.T) {
	proxy := newShared(t, nil)
	for _, p := range sidesOf(pair) {
		if err := p.Exec(t.Context(), "app", "CREATE OR REPLACE FUNCTION works_more() RETURNS int LANGUAGE plpgsql AS $$ BEGIN SET work_mem = '9MB'; RETURN 1; END $$"); err != nil {
			t.Fatal(err)
		}
	}
	conn := proxy.connect(t)
	proxy.share(100)
	do(t, conn, "SELECT works_more()", pgx.QueryExecModeSimpleProtocol)
	wantSide(t, conn, router.Target)
	if memory := one[string](t, conn, "SELECT current_setting('work_mem')"); memory != "9MB" {
		t.Errorf("work_mem at the target is %s", memory)
	}
}

func TestSQLPreparedStatementsGoAlongAsTheyAre(t *testing.T) {
	proxy := newShared(t, nil)
	conn := proxy.connect(t)
	simple := pgx.QueryExecModeSimpleProtocol
	proxy.share(100)
	if _, err := conn.Prepare(t.Context(), "named", "SELECT side FROM whoami WHERE n = $1"); err != nil {
		t.Fatal(err)
	}
	do(t, conn, "PREPARE q AS SELECT side, 1 AS n FROM whoami LIMIT 1", simple)
	wantSide(t, conn, router.Target)
	do(t, conn, "EXECUTE q", simple)
	do(t, conn, "DEALLOCATE q", simple)
	wantSide(t, conn, router.Target)
	if _, err := conn.Exec(t.Context(), "EXECUTE q", simple); code(err) != "26000" {
		t.Errorf("after DEALLOCATE: %v", err)
	}
	do(t, conn, "PREPARE q AS SELECT side, 2 AS n FROM whoami LIMIT 1", simple)
	var side string
	var n int
	if err := conn.QueryRow(t.Context(), "EXECUTE q", simple).Scan(&side, &n); err != nil || side != "target" || n != 2 {
		t.Errorf("%s, %d, %v", side, n, err)
	}
	before := proxy.reasons()[router.TargetError]
	if got := one[string](t, conn, "named", 3); got != "target" {
		t.Errorf("answered by the %s", got)
	}
	if n := proxy.reasons()[router.TargetError] - before; n != 0 {
		t.Errorf("%d statements failed at the target first", n)
	}
}

// Superuser settings are set before the role that could not set them.
func TestSettingsGoBeforeTheRole(t *testing.T) {
	proxy := newShared(t, nil)
	conn := proxy.connect(t)
	do(t, conn, "SET log_min_duration_statement = 77777")
	do(t, conn, "SET ROLE plain")
	proxy.share(100)
	wantSide(t, conn, router.Target)
	if got := one[string](t, conn, "SELECT current_setting('log_min_duration_statement') || ' ' || current_user"); got != "77777ms plain" {
		t.Errorf("at the target: %s", got)
	}
}

// A text whose result has other numbers is tried at the target once.
func TestATextIsRemembered(t *testing.T) {
	proxy := newShared(t, nil)
	conn := proxy.connect(t)
	proxy.share(100)
	wantSide(t, conn, router.Target)
	ask := func() { do(t, conn, "SELECT m FROM moods", pgx.QueryExecModeSimpleProtocol) }
	ask()
	moved := func() int { proxy.mu.Lock(); defer proxy.mu.Unlock(); return proxy.moves[router.Source] }
	first := moved()
	wantSide(t, conn, router.Target)
	ask()
	if log := proxy.reasons()[router.TypeOID]; log != 2 || moved() != first+1 {
		t.Errorf("answered by the source %d times, %d moves", log, moved()-first)
	}
	if held := one[string](t, conn, "SELECT side FROM whoami WHERE n = 1"); held != "target" {
		t.Errorf("then by the %s", held)
	}
}

// What was held back of an answer that the source has given is not given out
// with the next one.
func TestAHeldAnswerIsNotGivenOutTwice(t *testing.T) {
	proxy := newShared(t, nil)
	conn := proxy.connect(t)
	proxy.share(100)
	for range 3 {
		if _, err := conn.Exec(t.Context(), "SELECT 1 / (n - n) FROM whoami WHERE n = $1", 3); code(err) != "22012" {
			t.Fatalf("%v", err)
		}
		if got := one[string](t, conn, "SELECT side FROM whoami WHERE n = $1", 3); got != "target" {
			t.Errorf("answered by the %s", got)
		}
	}
}
