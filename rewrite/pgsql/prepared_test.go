package pgsql_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/crossfade-db/crossfade/rewrite/pgsql"
	"github.com/google/go-cmp/cmp"
)

func TestTheOneStatementThatPreparesIsFound(t *testing.T) {
	tests := []struct{ claim, text, name, want string }{
		{"alone", `PREPARE a AS SELECT 1`, "a", `PREPARE a AS SELECT 1`},
		{"without its semicolon and blanks", ` prepare a as select 1 ; `, "a", `prepare a as select 1`},
		{"among others", `insert into t values(2,'m'); prepare a1 as select 2; select 3`, "a1", `prepare a1 as select 2`},
		{"beside one of another name", `PREPARE a AS SELECT 1; PREPARE b AS SELECT 2`, "b", `PREPARE b AS SELECT 2`},
		{"with types", `PREPARE a (int, numeric(3,1)) AS SELECT $1`, "a", `PREPARE a (int, numeric(3,1)) AS SELECT $1`},
		{"with comments", `PREPARE/*;*/A -- ;` + "\n" + `AS SELECT ';' /* x */`, "a", `PREPARE/*;*/A -- ;` + "\n" + `AS SELECT ';'`},
		{"by a quoted name", `PREPARE "A;""b" AS SELECT 1`, `A;"b`, `PREPARE "A;""b" AS SELECT 1`},
		{"by a name that is a keyword", `PREPARE transaction AS SELECT 1`, "transaction", `PREPARE transaction AS SELECT 1`},
		{"by a name that is cut", `PREPARE ` + strings.Repeat("a", 70) + ` AS SELECT 1`, strings.Repeat("a", 63), `PREPARE ` + strings.Repeat("a", 70) + ` AS SELECT 1`},
		{"beside what only looks like it", `SELECT 'PREPARE a AS SELECT 1'; PREPARE a AS SELECT 2`, "a", `PREPARE a AS SELECT 2`},
	}
	for _, test := range tests {
		t.Run(test.claim, func(t *testing.T) {
			got, ok := pgsql.Prepared([]byte(test.text), 0, test.name)
			if diff := cmp.Diff(test.want, string(got)); diff != "" || !ok {
				t.Errorf("%s: %v (-want +got):\n%s", test.text, ok, diff)
			}
		})
	}
}

func TestNoStatementIsFoundInDoubt(t *testing.T) {
	tests := []struct{ claim, text, name string }{
		{"the empty text", ``, "a"},
		{"no PREPARE", `SELECT 1`, "a"},
		{"another name", `PREPARE b AS SELECT 1`, "a"},
		{"another case", `PREPARE "A" AS SELECT 1`, "a"},
		{"two of the name", `PREPARE a AS SELECT 1; DEALLOCATE a; PREPARE a AS SELECT 2`, "a"},
		{"a name with escapes", `PREPARE a AS SELECT 1; PREPARE U&"\0061" AS SELECT 2`, "a"},
		{"a two-phase command", `PREPARE TRANSACTION 'x'`, "transaction"},
		{"a text that does not end", `PREPARE a AS SELECT 1; SELECT 'x`, "a"},
		{"a text inside a block", `DO 'BEGIN PREPARE a AS SELECT 1; END'`, "a"},
		{"a name in a comment", `PREPARE /* a */ b AS SELECT 1`, "a"},
		{"a name alone", `PREPARE a`, "a"},
	}
	for _, test := range tests {
		t.Run(test.claim, func(t *testing.T) {
			if got, ok := pgsql.Prepared([]byte(test.text), 0, test.name); ok || got != nil {
				t.Errorf("%s: found %q", test.text, got)
			}
		})
	}
}

func TestDeallocatedNames(t *testing.T) {
	tests := []struct {
		text  string
		names string
		all   bool
	}{
		{`DEALLOCATE a`, "a", false},
		{`DEALLOCATE PREPARE A; deallocate "B c"`, "a,B c", false},
		{`DEALLOCATE prepare`, "prepare", false},
		{`DEALLOCATE PREPARE prepare`, "prepare", false},
		{`DEALLOCATE "all"`, "all", false},
		{`DEALLOCATE ALL`, "", true},
		{`DEALLOCATE/**/PREPARE ALL`, "", true},
		{`DEALLOCATE a; DISCARD ALL`, "a", true},
		{`DEALLOCATE U&"\0061"`, "", true},
		{`DISCARD PLANS; DISCARD TEMP`, "", false},
		{`SELECT 'DEALLOCATE ALL'; CLOSE ALL`, "", false},
		{``, "", false},
	}
	for _, test := range tests {
		names, all := pgsql.Deallocates([]byte(test.text), 0)
		if got := strings.Join(names, ","); got != test.names || all != test.all {
			t.Errorf("%s: %q and %v, want %q and %v", test.text, got, all, test.names, test.all)
		}
	}
}

func FuzzPrepared(f *testing.F) {
	for _, text := range oracleTexts(f) {
		f.Add([]byte(text), "p", false)
	}
	f.Add([]byte(`SELECT 1; PREPARE "p" AS SELECT 2`), "p", true)
	f.Fuzz(func(t *testing.T, text []byte, name string, backslashes bool) {
		mode := pgsql.Mode(0)
		if backslashes {
			mode = pgsql.BackslashStrings
		}
		names, all := pgsql.Deallocates(text, mode)
		effects := pgsql.Classify(text, mode)
		if (all || len(names) > 0) && !effects.Has(pgsql.Prepares) {
			t.Errorf("%q: effects %s, deallocates %q, all %v", text, effects, names, all)
		}
		prepare, ok := pgsql.Prepared(text, mode, name)
		if !ok {
			return
		}
		if !bytes.Contains(text, prepare) || !effects.Has(pgsql.Prepares) {
			t.Errorf("%q: effects %s, found %q", text, effects, prepare)
		}
		if again, ok := pgsql.Prepared(prepare, mode, name); !ok || !bytes.Equal(again, prepare) {
			t.Errorf("%q: found %q, and in that %q", text, prepare, again)
		}
	})
}
