package proxy

import (
	"testing"

	"github.com/crossfade-db/crossfade/router"
)

// tenantsRows are the rows that the policy shows, by a server's own rows.
const tenantsRows = "SELECT tenant || ' at the ' || side FROM owned"

func TestM01RowPolicyFollowsSetLocalInATransactionAtTheTarget(t *testing.T) {
	proxy := newState(t, nil)
	s := asTenant(t, proxy)
	proxy.share(100)
	s.talk(t, query("SET app.tenant = 'five'"))
	if got := s.ask(t, tenantsRows); got != "five at the target" {
		t.Errorf("before: %s", got)
	}
	s.talk(t, query("BEGIN"))
	if got := s.ask(t, tenantsRows); got != "five at the target" {
		t.Errorf("in the transaction: %s", got)
	}
	s.talk(t, query("SET LOCAL app.tenant = 'six'"))
	if got := s.ask(t, tenantsRows); got != "six at the target" {
		t.Errorf("after SET LOCAL: %s", got)
	}
	if got := s.ask(t, "SELECT o.tenant FROM owned o"); got != "six" {
		t.Errorf("another read: %s", got)
	}
	s.talk(t, query("COMMIT"))
	if got := s.ask(t, tenantsRows); got != "five at the target" {
		t.Errorf("after the transaction: %s", got)
	}
}

func TestM01RowPolicyFollowsATransactionThatLeavesTheTarget(t *testing.T) {
	proxy := newState(t, nil)
	s := asTenant(t, proxy)
	proxy.share(100)
	s.talk(t, query("SET app.tenant = 'five'"))
	s.talk(t, query("BEGIN"))
	s.talk(t, query("SET LOCAL app.tenant = 'six'"))
	if got := s.ask(t, tenantsRows); got != "six at the target" {
		t.Errorf("at first: %s", got)
	}
	s.talk(t, query("SAVEPOINT a"))
	s.talk(t, query("SET LOCAL app.tenant = 'five'"))
	s.talk(t, query("ROLLBACK TO a"))
	s.ask(t, "SELECT pg_backend_pid()") // the source's
	if got := s.ask(t, tenantsRows); got != "six at the source" {
		t.Errorf("after it has left: %s", got)
	}
	s.talk(t, query("ROLLBACK"))
	if got := s.ask(t, tenantsRows); got != "five at the target" {
		t.Errorf("after the transaction: %s", got)
	}
}

func TestM01SetConfigWithBoundNames(t *testing.T) {
	proxy := newState(t, nil)
	proxy.share(100)
	s := asTenant(t, proxy)
	for _, name := range []string{"five", "six", "five"} {
		s.talk(t, extended("SELECT set_config($1, $2, false)", "app.tenant", name)...)
		got := s.talk(t, extended(tenantsRows)...)
		if row := got[3]; row != "D "+name+" at the target" && row != "D "+name+" at the source" {
			t.Errorf("set_config to %s: %q", name, got)
		}
	}
	s.talk(t, query("BEGIN"))
	s.talk(t, query("SELECT 1"))
	s.talk(t, extended("SELECT set_config($1, $2, true)", "app.tenant", "six")...)
	if row := s.talk(t, extended(tenantsRows)...)[3]; row != "D six at the target" && row != "D six at the source" {
		t.Errorf("set_config in the transaction: %s", row)
	}
	s.talk(t, query("COMMIT"))
	if row := s.talk(t, extended(tenantsRows)...)[3]; row != "D five at the target" && row != "D five at the source" {
		t.Errorf("after the transaction: %s", row)
	}
}

func TestM01SetConfigWithPlainNamesLetsTheSessionMove(t *testing.T) {
	proxy := newState(t, nil)
	proxy.share(100)
	s := asTenant(t, proxy)
	for _, name := range []string{"five", "six"} {
		s.talk(t, query("SELECT set_config('app.tenant', '"+name+"', false)"))
		if got := s.ask(t, tenantsRows); got != name+" at the target" {
			t.Errorf("after set_config: %s", got)
		}
	}
}

// hiddenChanges are functions that change what the policy hangs on, in ways that their
// callers' texts do not show.
var hiddenChanges = []struct{ name, function string }{
	{"set_config", `CREATE FUNCTION become(text) RETURNS void LANGUAGE plpgsql AS $f$ BEGIN PERFORM set_config('app' || '.tenant', $1, false); END $f$`},
	{"a plain SET", `CREATE FUNCTION become(text) RETURNS void LANGUAGE plpgsql AS $f$ BEGIN SET app.tenant = 'six'; END $f$`},
	{"a SET that is put together", `CREATE FUNCTION become(text) RETURNS void LANGUAGE plpgsql AS $f$ BEGIN EXECUTE format('SET %I.%I = %L', 'app', 'tenant', $1); END $f$`},
	{"SQL", `CREATE FUNCTION become(text) RETURNS void LANGUAGE sql AS $f$ SELECT set_config('app.tenant', $1, false) $f$`},
	{"an update of pg_settings", `CREATE FUNCTION become(text) RETURNS void LANGUAGE plpgsql AS $f$ BEGIN SET app.tenant = ''; UPDATE pg_settings SET setting = $1 WHERE name = 'app.tenant'; PERFORM set_config('app.tenant', $1, false); END $f$`},
}

func TestM01AFunctionThatHidesAChangeOfTheTenant(t *testing.T) {
	for _, test := range hiddenChanges {
		for _, before := range []string{"", "SET app.tenant = 'five'"} {
			t.Run(test.name+" "+before, func(t *testing.T) {
				proxy := newState(t, nil)
				onSides(t, "DROP FUNCTION IF EXISTS become(text)", test.function)
				t.Cleanup(func() { onSides(t, "DROP FUNCTION become(text)") })
				proxy.share(100)
				s := asTenant(t, proxy)
				s.wantSide(t, router.Target)
				if before != "" {
					s.talk(t, query(before))
					s.wantSide(t, router.Target)
				}
				s.talk(t, query("SELECT become('six')"))
				if got := s.ask(t, tenantsRows); got != "six at the target" && got != "six at the source" {
					t.Errorf("after the function: %s", got)
				}
				s.talk(t, query("BEGIN"))
				if got := s.ask(t, tenantsRows); got != "six at the target" && got != "six at the source" {
					t.Errorf("in a transaction: %s", got)
				}
				s.talk(t, query("COMMIT"))
			})
		}
	}
}

func TestM01AFunctionInATransactionAtTheTarget(t *testing.T) {
	proxy := newState(t, nil)
	onSides(t, "DROP FUNCTION IF EXISTS become(text)", hiddenChanges[0].function)
	t.Cleanup(func() { onSides(t, "DROP FUNCTION become(text)") })
	proxy.share(100)
	s := asTenant(t, proxy)
	s.talk(t, query("SET app.tenant = 'five'"))
	s.talk(t, query("BEGIN"))
	if got := s.ask(t, tenantsRows); got != "five at the target" {
		t.Errorf("in the transaction: %s", got)
	}
	s.talk(t, query("SELECT become('six')"))
	if got := s.ask(t, tenantsRows); got != "six at the source" {
		t.Errorf("after the function: %s", got)
	}
	s.talk(t, query("ROLLBACK"))
	if got := s.ask(t, tenantsRows); got != "five at the target" && got != "five at the source" {
		t.Errorf("after the rollback: %s", got)
	}
}

func TestM01ARolledBackSetIsTakenBackOnBothSides(t *testing.T) {
	proxy := newState(t, nil)
	proxy.share(100)
	s := asTenant(t, proxy)
	s.talk(t, query("SET app.tenant = 'five'"))
	s.talk(t, query("BEGIN"))
	s.ask(t, tenantsRows)
	s.talk(t, query("SET app.tenant = 'six'"))
	if got := s.ask(t, tenantsRows); got != "six at the source" {
		t.Errorf("after SET: %s", got)
	}
	s.talk(t, query("ROLLBACK"))
	if got := s.ask(t, tenantsRows); got != "five at the target" {
		t.Errorf("after ROLLBACK: %s", got)
	}
	s.talk(t, query("BEGIN; SET app.tenant = 'six'; SELECT 1/0"))
	s.talk(t, query("ROLLBACK"))
	if got := s.ask(t, tenantsRows); got != "five at the target" {
		t.Errorf("after a transaction that failed: %s", got)
	}
	s.talk(t, query("BEGIN; SET app.tenant = 'six'; COMMIT"))
	if got := s.ask(t, tenantsRows); got != "six at the target" {
		t.Errorf("after a transaction in one query: %s", got)
	}
}

func TestM01ADriversTransactionWithSetLocalInAPipeline(t *testing.T) {
	proxy := newState(t, nil)
	proxy.share(100)
	s := asTenant(t, proxy)
	s.talk(t, query("SET app.tenant = 'five'"))
	s.ask(t, tenantsRows)
	says := []say{parse("BEGIN"), bind, execute, parse("SET LOCAL app.tenant = 'six'"), bind, execute, syncUp}
	s.talk(t, says...)
	if row := s.talk(t, extended(tenantsRows)...)[3]; row != "D six at the target" && row != "D six at the source" {
		t.Errorf("in the transaction: %s", row)
	}
	s.talk(t, extended("COMMIT")...)
	if got := s.ask(t, tenantsRows); got != "five at the target" {
		t.Errorf("after the transaction: %s", got)
	}
	all := s.talk(t, append(says, append(extended(tenantsRows), extended("COMMIT")...)...)...)
	for _, word := range all {
		if word[0] == 'D' && word != "D six at the target" && word != "D six at the source" {
			t.Errorf("in one write: %q", all)
		}
	}
	if got := s.ask(t, tenantsRows); got != "five at the target" {
		t.Errorf("after the transaction in one write: %s", got)
	}
}
