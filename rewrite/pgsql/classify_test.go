package pgsql_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/crossfade-db/crossfade/rewrite/pgsql"
)

// update rewrites the effects in testdata/effects.txt to what Classify says;
// every line that changes is then to be judged by a reader.
var update = flag.Bool("update", false, "rewrite the effects in testdata")

type effectCase struct {
	claim, text string
	want        string // as String joins them, with commas
}

// effectCases reads testdata/effects.txt.
func effectCases(t testing.TB) (cases []effectCase) {
	t.Helper()
	file, err := os.ReadFile("testdata/effects.txt")
	if err != nil {
		t.Fatalf("read the cases: %v", err)
	}
	claim := ""
	for line := range strings.Lines(string(file)) {
		line = strings.TrimSuffix(line, "\n")
		if remark, ok := strings.CutPrefix(line, "#"); ok {
			claim = strings.TrimSpace(remark)
			continue
		}
		names, text, ok := strings.Cut(line, "|")
		if !ok {
			continue
		}
		c := effectCase{claim: claim, text: strings.ReplaceAll(text, `\n`, "\n"), want: strings.TrimSpace(names)}
		cases = append(cases, c)
	}
	return cases
}

// listed returns the effects as testdata/effects.txt lists them.
func listed(effects pgsql.Effects) string {
	return strings.ReplaceAll(effects.String(), "|", ",")
}

func TestEffectsOfStatements(t *testing.T) {
	if *update {
		rewriteEffects(t)
	}
	cases := effectCases(t)
	if len(cases) < 450 {
		t.Errorf("only %d cases", len(cases))
	}
	for _, c := range cases {
		if got := listed(pgsql.Classify([]byte(c.text), 0)); got != c.want {
			t.Errorf("%s:\n%s\n got %s\nwant %s", c.claim, c.text, got, c.want)
		}
	}
}

func rewriteEffects(t *testing.T) {
	t.Helper()
	file, err := os.ReadFile("testdata/effects.txt")
	if err != nil {
		t.Fatalf("read the cases: %v", err)
	}
	var out strings.Builder
	for line := range strings.Lines(string(file)) {
		_, text, ok := strings.Cut(line, "|")
		if !ok || strings.HasPrefix(line, "#") {
			out.WriteString(line)
			continue
		}
		statement := strings.ReplaceAll(strings.TrimSuffix(text, "\n"), `\n`, "\n")
		out.WriteString(listed(pgsql.Classify([]byte(statement), 0)) + " |" + text)
	}
	if err := os.WriteFile("testdata/effects.txt", []byte(out.String()), 0o644); err != nil {
		t.Fatalf("write the cases: %v", err)
	}
}

// listening is what LISTEN has, unreadable a text that does not scan.
const (
	listening  = pgsql.Listens | pgsql.SetsState | pgsql.Writes
	unreadable = pgsql.Opaque | pgsql.SetsState | pgsql.Catalog | pgsql.ServerBound | pgsql.ReadWrite | pgsql.Writes
)

func TestEffectsDependOnTheMode(t *testing.T) {
	tests := []struct {
		name string
		text string
		mode pgsql.Mode
		want pgsql.Effects
	}{
		{"a backslash hides nothing by default", `SELECT '\'; LISTEN a; --'`, 0, listening | pgsql.Several},
		{"a backslash hides the quote", `SELECT '\'; LISTEN a; --'`, pgsql.BackslashStrings, 0},
		{"a hidden end leaves the text open", `SELECT '\'; LISTEN a`, pgsql.BackslashStrings, unreadable},
		{"an escape hides the name of a setting", `SET a = '\x70g_temp'`, pgsql.BackslashStrings, pgsql.SetsState | pgsql.Names | pgsql.ReadWrite | pgsql.Temporary},
		{"a backslash by default does not", `SET a = '\x70g_temp'`, 0, pgsql.SetsState | pgsql.Names},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := pgsql.Classify([]byte(test.text), test.mode); got != test.want {
				t.Errorf("effects %s, want %s: %s", got, test.want, test.text)
			}
		})
	}
}

func TestNestingBeyondWhatIsRememberedIsJudgedWithCare(t *testing.T) {
	for _, depth := range []int{1, 63, 64, 65, 10_000} {
		open, closed := strings.Repeat("(", depth), strings.Repeat(")", depth)
		if got := pgsql.Classify([]byte("SELECT "+open+"1"+closed), 0); got != 0 {
			t.Errorf("depth %d: effects %s of a harmless text", depth, got)
		}
		for _, text := range []string{
			"SELECT DISTINCT ON (" + open + "1" + closed + ") f(a) FROM t",
			"SELECT " + open + "f(1)" + closed,
			"WITH x(a) AS (SELECT " + open + "1" + closed + ") SELECT f(1)",
		} {
			if got := pgsql.Classify([]byte(text), 0); got != pgsql.Opaque|pgsql.SetsState {
				t.Errorf("depth %d: effects %s of a text that calls", depth, got)
			}
		}
		if got := pgsql.Classify([]byte(open+closed+closed+"; LISTEN a"), 0); !got.Has(pgsql.Listens) {
			t.Errorf("depth %d: LISTEN behind unbalanced parentheses: effects %s", depth, got)
		}
	}
}

func TestClassifyAllocatesNothing(t *testing.T) {
	for _, c := range effectCases(t) {
		text := []byte(c.text)
		if allocs := testing.AllocsPerRun(10, func() { pgsql.Classify(text, 0) }); allocs != 0 {
			t.Errorf("%v allocations for:\n%s", allocs, c.text)
		}
	}
}
