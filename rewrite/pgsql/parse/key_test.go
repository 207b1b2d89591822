package parse_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/crossfade-db/crossfade/rewrite/pgsql"
	"github.com/crossfade-db/crossfade/rewrite/pgsql/parse"
	"github.com/google/go-cmp/cmp"
)

func TestKeysTellTextsApart(t *testing.T) {
	tests := []struct {
		name, one, other string
		same             bool
	}{
		{"other values", "SELECT 'a', 1, 1.5", "select $$b$$, 22 , 2e3 -- c", true},
		{"a whole number and another", "SELECT 1", "SELECT 1.0", false},
		{"a string and a number", "SELECT 1", "SELECT '1'", false},
		{"null and a string", "SELECT null", "SELECT ''", false},
		{"positions", "SELECT a, b FROM t ORDER BY 1", "SELECT a, b FROM t ORDER BY 2", false},
		{"a position and a string", "SELECT a FROM t ORDER BY 1", "SELECT a FROM t ORDER BY '1'", false},
		{"later positions", "SELECT a FROM t ORDER BY a DESC, 1", "SELECT a FROM t ORDER BY a DESC, 2", false},
		{"positions of sets", "SELECT a FROM t GROUP BY GROUPING SETS ((1), (2))", "SELECT a FROM t GROUP BY GROUPING SETS ((1), (3))", false},
		{"positions of DISTINCT ON", "SELECT DISTINCT ON (1) a FROM t", "SELECT DISTINCT ON (2) a FROM t", false},
		{"limits", "SELECT a FROM t ORDER BY 1 LIMIT 5", "SELECT a FROM t ORDER BY 1 LIMIT 6", true},
		{"limits inside", "SELECT a FROM (SELECT a FROM t ORDER BY a LIMIT 5) x WHERE a IN (1, 2)", "SELECT a FROM (SELECT a FROM t ORDER BY a LIMIT 6) x WHERE a IN (3, 4)", true},
		{"values of ON", "SELECT * FROM a JOIN b ON (1, 2) = (3, 4)", "SELECT * FROM a JOIN b ON (5, 6) = (7, 8)", true},
		{"columns", "SELECT a FROM t", "SELECT b FROM t", false},
		{"quoted words", `SELECT "a" FROM t`, `SELECT "A" FROM t`, false},
		{"blanks in a quoted word", `SELECT "a  b" FROM t`, `SELECT "a b" FROM t`, false},
		{"parameters", "SELECT $1, $2", "SELECT $2, $1", false},
		{"operators", "SELECT a - -1", "SELECT a + -1", false},
		{"words that are one", "SELECT ab", "SELECT a b", false},
		{"comments between", "SELECT a/**/b", "SELECT a b", true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			one, ok := parse.Key([]byte(test.one), nil)
			other, too := parse.Key([]byte(test.other), nil)
			if !ok || !too || (string(one) == string(other)) != test.same {
				t.Errorf("keys %q and %q, want the same: %v", one, other, test.same)
			}
		})
	}
}

func TestTextsWithoutAKey(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":                       " -- a",
		"a semicolon":                   ";",
		"two statements":                "SELECT 1; SELECT 2",
		"a definition":                  "CREATE TABLE a (b int DEFAULT 1)",
		"a setting":                     "SET a = 1",
		"a statement that is explained": "EXPLAIN SELECT 1",
		"a query in parentheses":        "(SELECT 1)",
		"a string without an end":       "SELECT 'a",
		"a letter behind a number":      "SELECT 1a",
		"a letter behind a parameter":   "SELECT $1a",
		"escapes of characters":         `SELECT E'\u0041'`,
		"escapes behind others":         `SELECT E'\\\x41'`,
		"a unicode string":              `SELECT U&'\0041'`,
		"a unicode name":                `SELECT U&"\0041"`,
		"an unknown byte":               "SELECT {1}",
	} {
		if key, ok := parse.Key([]byte(text), nil); ok {
			t.Errorf("%s: %q has the key %q", name, text, key)
		}
	}
}

func TestKeyIsAppended(t *testing.T) {
	if key, ok := parse.Key([]byte("SELECT 1 ;"), []byte("a:")); !ok || string(key) != "a:select 0" {
		t.Errorf("key %q", key)
	}
	if key, ok := parse.Key([]byte("SELECT 1; SELECT 2"), []byte("a:")); ok || string(key) != "a:" {
		t.Errorf("key %q of two statements", key)
	}
}

func TestKeyAllocatesNothing(t *testing.T) {
	into := make([]byte, 0, 4096)
	for _, c := range goldenCases(t) {
		if allocs := testing.AllocsPerRun(10, func() { parse.Key(c.text, into) }); allocs != 0 {
			t.Errorf("%s: %v allocations", c.claim, allocs)
		}
	}
}

// Of equal keys one analysis is right for all: what Resplice makes of the
// analysis of one is the analysis of the other.
func TestEqualKeysHaveEqualAnalyses(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	compared := 0
	for _, c := range goldenCases(t) {
		for range 20 {
			if compareVariant(t, c.text, random) {
				compared++
			}
		}
	}
	if compared < 1_000 {
		t.Errorf("only %d variants were compared", compared)
	}
}

// compareVariant compares a text with another of the same key, and reports
// whether it has one.
func compareVariant(t *testing.T, text []byte, random *rand.Rand) bool {
	t.Helper()
	key, ok := parse.Key(text, nil)
	if !ok {
		return false
	}
	other := variant(text, random)
	if again, ok := parse.Key(other, nil); !ok || string(again) != string(key) {
		t.Fatalf("keys differ:\n%s\n%s\n%s\n%s", text, key, other, again)
	}
	first, err := parse.Analyse(text, parse.Limits{})
	want, failed := parse.Analyse(other, parse.Limits{})
	if (err == nil) != (failed == nil) {
		t.Fatalf("%q has %v, %q has %v", text, err, other, failed)
	}
	got, ok := parse.Resplice(other, first)
	if !ok {
		t.Fatalf("no places in %q, which has the key of %q", other, text)
	}
	if diff := cmp.Diff(want, got); err == nil && diff != "" {
		t.Fatalf("%q\n%q\n(-analysed +respliced):\n%s", text, other, diff)
	}
	return true
}

// variant is another text with the same key.
func variant(text []byte, random *rand.Rand) []byte {
	var s pgsql.Scanner
	var tokens []string
	for s.Reset(text, 0); s.Next(); {
		tokens = append(tokens, string(text[s.Token().Start:s.Token().End]))
	}
	key, _ := parse.Key(text, nil)
	for i, token := range tokens {
		tokens[i] = other(token, random)
		if again, ok := parse.Key([]byte(strings.Join(tokens, " ")), nil); !ok || string(again) != string(key) {
			tokens[i] = token
		}
	}
	return []byte(spaced(tokens, random))
}

// other is another token that may be of the same class.
func other(token string, random *rand.Rand) string {
	choices := []string{strings.ToUpper(token), token}
	switch {
	case token[0] >= '0' && token[0] <= '9':
		choices = []string{"7", "12345", "99999999999999999999", "0.5e-3", ".5"}
	case strings.ContainsAny(token[:1], "'$eE") && strings.ContainsAny(token[len(token)-1:], "'$"):
		choices = []string{"''", "'a;--/*'", "$q$ RETURNING ' $q$", `E'\'x'`, "'x'\n 'y'", "'ü'"}
	}
	return choices[random.IntN(len(choices))]
}

func spaced(tokens []string, random *rand.Rand) string {
	var out strings.Builder
	blanks := []string{" ", "\n\t", " /* ; */ ", " -- '\n", "/**/ "}
	for _, token := range tokens {
		out.WriteString(blanks[random.IntN(len(blanks))])
		out.WriteString(token)
	}
	return out.String() + blanks[random.IntN(len(blanks))]
}
