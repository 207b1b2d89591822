package proxy

import (
	"strings"
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
	says := []say{parsed("BEGIN"), bind, execute, parsed("SET LOCAL app.tenant = 'six'"), bind, execute, syncUp}
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

// A view hides the call from the text that reads it.
func TestM01AViewThatHidesAChangeOfTheTenant(t *testing.T) {
	proxy := newState(t, nil)
	onSides(t, "CREATE VIEW becomes AS SELECT set_config('app.tenant', 'six', false) AS now", "GRANT SELECT ON becomes TO PUBLIC")
	t.Cleanup(func() { onSides(t, "DROP VIEW becomes") })
	proxy.share(100)
	s := asTenant(t, proxy)
	s.talk(t, query("SET app.tenant = 'five'"))
	s.wantSide(t, router.Target)
	s.ask(t, "SELECT now FROM becomes")
	for _, share := range []float64{100, 0, 100} {
		proxy.share(share)
		if got := s.ask(t, tenantsRows); got != "six at the target" && got != "six at the source" {
			t.Errorf("share %v: %s", share, got)
		}
	}
}

// THREATS V22: what one session has, no other gets, on either side.
func TestM01NothingOfOneSessionReachesAnother(t *testing.T) {
	proxy := newState(t, nil)
	proxy.share(100)
	const all = "SELECT current_user, session_user, COALESCE(current_setting('app.tenant', true), ''), current_setting('work_mem'), current_setting('search_path')," +
		" current_setting('TimeZone'), (SELECT side FROM whoami LIMIT 1)"
	clean := speakTo(t, proxy.addr, nil).ask(t, all)
	for _, sql := range []string{
		"SET app.tenant = 'five'", "SET work_mem = '1MB'", "SET search_path = nowhere, public", "SET TimeZone = 'Asia/Tokyo'", "PREPARE mine AS SELECT 1",
		"SET ROLE narrow", "SET SESSION AUTHORIZATION tenant", "DO $$ BEGIN PERFORM set_config('app.tenant', 'six', false); END $$", "CREATE TEMP TABLE tp (n int)", "SELECT pg_advisory_lock(55)",
	} {
		s := speakTo(t, proxy.addr, nil)
		s.ask(t, all)
		if words := s.talk(t, query(sql)); words[0][0] == 'E' {
			t.Fatalf("%s: %q", sql, words)
		}
		s.ask(t, all)
		during := speakTo(t, proxy.addr, nil)
		if got := during.ask(t, all); got != clean {
			t.Errorf("%s: beside it %s, want %s", sql, got, clean)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		after := speakTo(t, proxy.addr, nil)
		if got := after.ask(t, all); got != clean {
			t.Errorf("%s: after it %s, want %s", sql, got, clean)
		}
		for _, gone := range []string{"EXECUTE mine", "SELECT n FROM tp"} {
			if words := after.talk(t, query(gone)); words[0] != "E 26000" && words[0] != "E 42P01" {
				t.Errorf("%s: %s is answered %q", sql, gone, words)
			}
		}
		_, _ = during.Close(), after.Close()
	}
}

// Transactions whose texts cannot all be said again: none is answered under
// another tenant than it has set.
func TestM01TransactionsThatAreHardToBeginAgain(t *testing.T) {
	for name, texts := range map[string][]string{
		"a SET LOCAL that failed":    {"SAVEPOINT a", "SET LOCAL work_mem = 'nonsense'", "ROLLBACK TO a", "SET LOCAL app.tenant = 'six'"},
		"a long SET LOCAL":           {"SET LOCAL app.long = '" + strings.Repeat("x", 6000) + "'", "SET LOCAL app.tenant = 'six'"},
		"a chain":                    {"SET LOCAL app.tenant = 'five'", "COMMIT AND CHAIN", "SET LOCAL app.tenant = 'six'"},
		"a chain after a failure":    {"SELECT 1/0", "ROLLBACK AND CHAIN", "SET LOCAL app.tenant = 'six'"},
		"savepoints of one name":     {"SAVEPOINT a", "SET LOCAL app.tenant = 'five'", "SAVEPOINT a", "SET LOCAL app.tenant = 'six'", "SAVEPOINT a", "SET LOCAL app.tenant = ''", "ROLLBACK TO a", "RELEASE a"},
		"a name with capitals":       {`SET LOCAL "App"."Tenant" = 'six'`},
		"a role":                     {"SET LOCAL ROLE narrow", "SET LOCAL app.tenant = 'six'"},
		"several in one query":       {"SET LOCAL app.tenant = 'five'; SET LOCAL app.tenant = 'six'"},
		"a statement that is a SET":  {"SET LOCAL app.tenant TO six"},
		"a released savepoint":       {"SAVEPOINT a", "SET LOCAL app.tenant = 'six'", "RELEASE a", "SAVEPOINT b", "SELECT 1/0", "ROLLBACK TO b"},
		"a SET for the session":      {"SET app.tenant = 'six'"},
		"a SET that is taken back":   {"SET LOCAL app.tenant = 'six'", "SAVEPOINT a", "SET app.tenant = 'five'", "ROLLBACK TO a"},
		"set_config":                 {"SELECT set_config('app.tenant', 'six', true)"},
		"read only":                  {"SET TRANSACTION READ ONLY", "SET LOCAL app.tenant = 'six'"},
		"a prepared SET in extended": {"SET LOCAL app.tenant = 'six'"},
	} {
		t.Run(name, func(t *testing.T) {
			proxy := newState(t, nil)
			proxy.share(100)
			s := asTenant(t, proxy)
			s.talk(t, query("SET app.tenant = 'five'"))
			s.ask(t, tenantsRows)
			for _, leaves := range []string{"", "SELECT pg_backend_pid()"} {
				s.talk(t, query("BEGIN"))
				s.ask(t, tenantsRows)
				for _, sql := range texts {
					if strings.Contains(name, "extended") {
						s.talk(t, extended(sql)...)
					} else {
						s.talk(t, query(sql))
					}
				}
				if leaves != "" {
					words := s.talk(t, query(leaves))
					if refused := words[0] == "E 0A000"; refused && (name == "a SET LOCAL that failed" || name == "a long SET LOCAL") {
						s.talk(t, query("ROLLBACK")) // it cannot be begun again, and says so
						continue
					} else if refused {
						t.Fatalf("%s: %q", leaves, words)
					}
				}
				if got := s.ask(t, tenantsRows); got != "six at the target" && got != "six at the source" {
					t.Errorf("%s: %s", leaves, got)
				}
				s.talk(t, query("ROLLBACK"))
				for _, share := range []float64{100, 0, 100} {
					proxy.share(share)
					if got := s.ask(t, tenantsRows); got != "five at the target" && got != "five at the source" {
						t.Errorf("after it, share %v: %s", share, got)
					}
				}
			}
		})
	}
}
