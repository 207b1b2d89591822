package pgsql_test

import (
	"strings"
	"testing"

	"github.com/crossfade-db/crossfade/rewrite/pgsql"
	"github.com/google/go-cmp/cmp"
	pg_query "github.com/pganalyze/pg_query_go/v6"
)

// settingNames returns the names joined by spaces.
func settingNames(text string, mode pgsql.Mode) (names string, complete bool) {
	var all []string
	complete = pgsql.SettingNames([]byte(text), mode, func(name string) bool {
		all = append(all, name)
		return true
	})
	return strings.Join(all, " "), complete
}

const characteristics = "default_transaction_isolation default_transaction_read_only default_transaction_deferrable"

func TestSettingsAreNamed(t *testing.T) {
	tests := []struct{ claim, text, want string }{
		{"a plain name", `SET work_mem = 1`, "work_mem"},
		{"a session's", `SET SESSION work_mem TO DEFAULT`, "work_mem"},
		{"a transaction's", `SET LOCAL work_mem TO '1'`, "work_mem"},
		{"in any case, with comments", `sEt/**/Local -- x` + "\n" + `Work_MEM=1`, "work_mem"},
		{"of an extension", `SET app.tenant = 5`, "app.tenant"},
		{"with blanks and quotes", `SET "App" . "x""y" = 5`, `app.x"y`},
		{"of three parts", `SET a.b.c = 5`, "a.b.c"},
		{"that is quoted like a keyword", `SET "time" = 1`, "time"},
		{"that is a keyword", `SET SESSION session = 1; SET local.x = 1; SET role TO a; SET names = 'x'`, "session local.x role names"},
		{"that is cut by the server", `SET ` + strings.Repeat("a", 70) + ` = 1`, strings.Repeat("a", 63)},
		{"the time zone", `SET TIME ZONE 'UTC'; SET LOCAL TIME ZONE LOCAL`, "timezone timezone"},
		{"the encoding", `SET NAMES 'UTF8'`, "client_encoding"},
		{"the schema", `SET SCHEMA 'app'`, "search_path"},
		{"the role", `SET ROLE a; SET LOCAL ROLE NONE; RESET ROLE`, "role role role"},
		{"the session authorization, which sets the role", `SET SESSION AUTHORIZATION a`, "session_authorization role"},
		{"the same for a transaction", `SET LOCAL SESSION AUTHORIZATION a`, "session_authorization role"},
		{"the same with SESSION twice", `SET SESSION SESSION AUTHORIZATION a`, "session_authorization role"},
		{"the same reset", `RESET SESSION AUTHORIZATION`, "session_authorization role"},
		{"what transactions begin with", `SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY`, characteristics},
		{"XML", `SET XML OPTION CONTENT`, "xmloption"},
		{"the seed", `SET SEED TO 0.5`, "seed"},
		{"what is reset", `RESET work_mem; RESET "App".x; RESET TIME ZONE`, "work_mem app.x timezone"},
		{"the isolation of a transaction", `RESET TRANSACTION ISOLATION LEVEL`, "transaction_isolation"},
		{"everything reset", `RESET ALL; DISCARD ALL`, ""},
		{"the transaction and constraints", `SET TRANSACTION READ ONLY; SET CONSTRAINTS ALL DEFERRED`, ""},
		{"what only looks like it", `UPDATE t SET a = 1; SELECT 'SET a = 1'; ALTER ROLE r SET a = 1`, ""},
		{"by a function", `SELECT set_config('App.tenant', $1, true), set_config($$b.c$$, '', false)`, "app.tenant b.c"},
		{"by a quoted function", `SELECT pg_catalog."set_config" /* x */ ( 'a.b', 'c', false)`, "a.b"},
		{"by a function in a prepared statement", `PREPARE p AS SELECT set_config('a.b', $1, false)`, "a.b"},
		{"beside known functions", `SELECT setseed(1), pg_advisory_lock(1), set_config('a.b', 'c', false)`, "a.b"},
	}
	for _, test := range tests {
		t.Run(test.claim, func(t *testing.T) {
			names, complete := settingNames(test.text, 0)
			if diff := cmp.Diff(test.want, names); diff != "" || !complete {
				t.Errorf("%s: complete %v, names (-want +got):\n%s", test.text, complete, diff)
			}
		})
	}
}

func TestSettingsThatTheTextDoesNotTellAreNotComplete(t *testing.T) {
	tests := []struct{ claim, text, want string }{
		{"a name that is a parameter", `SELECT set_config($1, 'x', false)`, ""},
		{"a name that is put together", `SELECT set_config('a.' || 'b', 'x', false)`, ""},
		{"a name in two parts", "SELECT set_config('a.'\n'b', 'x', false)", ""},
		{"a name with a quote", `SELECT set_config('a.''b', 'x', false)`, ""},
		{"a name with escapes", `SELECT set_config(E'a\x2eb', 'x', false)`, ""},
		{"a name with a cast", `SELECT set_config('a.b'::text, 'x', false)`, ""},
		{"a named argument", `SELECT set_config(is_local => false, setting_name => 'a.b', new_value => '')`, ""},
		{"one of two", `SELECT set_config('a.b', 'x', false), set_config(n, 'x', false) FROM t`, "a.b"},
		{"a column that may be the function", `SELECT (x).set_config FROM t`, ""},
		{"an identifier with escapes", `SET U&"a\002eb" = 1; SET c.d = 1`, "c.d"},
		{"a function that is not known", `SET a.b = 1; SELECT f()`, "a.b"},
		{"a function of the same name elsewhere", `SELECT app.set_config('a.b', 'x', false)`, "a.b"},
		{"a block", `DO 'BEGIN SET a.b = 1; END'`, ""},
		{"the view of settings", `UPDATE pg_settings SET setting = '1' WHERE name = 'work_mem'`, ""},
		{"a name of too many parts", `SET a.b.c.d.e.f.g.h.i = 1`, ""},
		{"a long name that is cut inside of a character", `SET ` + strings.Repeat("é", 40) + ` = 1`, ""},
		{"a text that does not end", `SET a.b = 1; SET c.d = 'x`, "a.b c.d"},
		{"an unknown form", `SET a.b 1; SET ONE TWO`, "a.b"},
	}
	for _, test := range tests {
		t.Run(test.claim, func(t *testing.T) {
			names, complete := settingNames(test.text, 0)
			if diff := cmp.Diff(test.want, names); diff != "" || complete {
				t.Errorf("%s: complete %v, names (-want +got):\n%s", test.text, complete, diff)
			}
		})
	}
	if _, complete := settingNames(`SELECT set_config('a\.b', 'x', false)`, pgsql.BackslashStrings); complete {
		t.Error("complete with a backslash that escapes")
	}
}

func TestNamesStopWhenToldSo(t *testing.T) {
	calls := 0
	pgsql.SettingNames([]byte(`SET a.b = 1; SET c.d = 1; SELECT set_config('e.f', '', false)`), 0, func(string) bool {
		calls++
		return false
	})
	if calls != 1 {
		t.Errorf("%d names after the first was enough", calls-1)
	}
}

// pgSettings returns the names that PostgreSQL's own grammar finds in SET and
// RESET.
func pgSettings(text string) (names []string, ok bool) {
	tree, err := pg_query.Parse(text)
	if err != nil {
		return nil, false
	}
	for _, raw := range tree.Stmts {
		n := raw.Stmt.GetVariableSetStmt()
		switch name := strings.ToLower(n.GetName()); {
		case n == nil, n.Kind == pg_query.VariableSetKind_VAR_RESET_ALL:
		case n.Name == "TRANSACTION", n.Name == "TRANSACTION SNAPSHOT":
		case n.Name == "SESSION CHARACTERISTICS":
			names = append(names, strings.Fields(characteristics)...)
		case name == "session_authorization":
			names = append(names, name, "role")
		default:
			names = append(names, name)
		}
	}
	return names, true
}

// checkSettings demands that Classify warns of what is named, and that every
// name that PostgreSQL finds is named or the answer is not complete.
func checkSettings(t *testing.T, text string) (settings int) {
	names, complete := settingNames(text, 0)
	effects := pgsql.Classify([]byte(text), 0)
	if (names != "" || !complete) && effects&(pgsql.Names|pgsql.Opaque|pgsql.SetsState) == 0 {
		t.Errorf("%q: effects %s, names %q, complete %v", text, effects, names, complete)
	}
	if names != "" && !effects.Has(pgsql.Names|pgsql.SetsState) {
		t.Errorf("%q: effects %s, names %q", text, effects, names)
	}
	want, ok := pgSettings(text)
	if !ok || !complete {
		return 0
	}
	for _, name := range want {
		if !strings.Contains(" "+names+" ", " "+name+" ") {
			t.Errorf("%q: PostgreSQL also sets %q, found %q", text, name, names)
		}
	}
	return len(want)
}

func TestEverySettingOfTheGrammarIsNamed(t *testing.T) {
	settings := 0
	for _, text := range oracleTexts(t) {
		settings += checkSettings(t, text)
	}
	if settings < 50 {
		t.Errorf("only %d settings in the corpus", settings)
	}
}

func TestAllReset(t *testing.T) {
	tests := []struct {
		text string
		want bool
	}{
		{`RESET ALL`, true},
		{`SELECT 1; discard /* x */ All;`, true},
		{`RESET "all"`, false},
		{`RESET work_mem`, false},
		{`DISCARD TEMP; DISCARD PLANS`, false},
		{`SELECT 'RESET ALL'`, false},
		{`ALTER ROLE a RESET ALL`, false},
	}
	for _, test := range tests {
		if got := pgsql.AllReset([]byte(test.text), 0); got != test.want {
			t.Errorf("%s: %v, want %v", test.text, got, test.want)
		}
	}
}

func FuzzSettingNames(f *testing.F) {
	for _, text := range oracleTexts(f) {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > maxCompared || strings.ContainsRune(string(text), 0) {
			t.Skip()
		}
		checkSettings(t, blankRemarks(string(text)))
		for _, mode := range []pgsql.Mode{0, pgsql.BackslashStrings} {
			names, _ := settingNames(string(text), mode)
			if most := len(characteristics) * (1 + strings.Count(string(text), ";")); len(names) > most+len(text) {
				t.Errorf("%q: %d bytes of names", text, len(names))
			}
			pgsql.AllReset(text, mode)
		}
	})
}
