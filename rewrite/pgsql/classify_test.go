package pgsql_test

import (
	"os"
	"strings"
	"testing"

	"github.com/crossfade-db/crossfade/rewrite/pgsql"
)

var effectNames = map[string]pgsql.Effects{
	"none":        0,
	"opaque":      pgsql.Opaque,
	"listens":     pgsql.Listens,
	"unlistens":   pgsql.Unlistens,
	"transaction": pgsql.Transaction,
}

type effectCase struct {
	claim, text string
	want        pgsql.Effects
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
		c := effectCase{claim: claim, text: strings.ReplaceAll(text, `\n`, "\n")}
		for name := range strings.SplitSeq(strings.TrimSpace(names), ",") {
			effect, known := effectNames[name]
			if !known {
				t.Fatalf("unknown effect %q", name)
			}
			c.want |= effect
		}
		cases = append(cases, c)
	}
	return cases
}

func TestEffectsOfStatements(t *testing.T) {
	cases := effectCases(t)
	if len(cases) < 150 {
		t.Errorf("only %d cases", len(cases))
	}
	for _, c := range cases {
		if got := pgsql.Classify([]byte(c.text), 0); got != c.want {
			t.Errorf("%s: effects %04b, want %04b:\n%s", c.claim, got, c.want, c.text)
		}
	}
}

func TestEffectsDependOnTheMode(t *testing.T) {
	tests := []struct {
		name string
		text string
		mode pgsql.Mode
		want pgsql.Effects
	}{
		{"a backslash hides nothing by default", `SELECT '\'; LISTEN a; --'`, 0, pgsql.Listens},
		{"a backslash hides the quote", `SELECT '\'; LISTEN a; --'`, pgsql.BackslashStrings, 0},
		{"a hidden end leaves the text open", `SELECT '\'; LISTEN a`, pgsql.BackslashStrings, pgsql.Opaque},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := pgsql.Classify([]byte(test.text), test.mode); got != test.want {
				t.Errorf("effects %04b, want %04b: %s", got, test.want, test.text)
			}
		})
	}
}

func TestNestingBeyondWhatIsRememberedIsJudgedWithCare(t *testing.T) {
	for _, depth := range []int{1, 63, 64, 65, 10_000} {
		open, closed := strings.Repeat("(", depth), strings.Repeat(")", depth)
		if got := pgsql.Classify([]byte("SELECT "+open+"1"+closed), 0); got != 0 {
			t.Errorf("depth %d: effects %04b of a harmless text", depth, got)
		}
		for _, text := range []string{
			"SELECT DISTINCT ON (" + open + "1" + closed + ") f(a) FROM t",
			"SELECT " + open + "f(1)" + closed,
			"WITH x(a) AS (SELECT " + open + "1" + closed + ") SELECT f(1)",
		} {
			if got := pgsql.Classify([]byte(text), 0); got != pgsql.Opaque {
				t.Errorf("depth %d: effects %04b of a text that calls", depth, got)
			}
		}
		if got := pgsql.Classify([]byte(open+closed+closed+"; LISTEN a"), 0); !got.Has(pgsql.Listens) {
			t.Errorf("depth %d: LISTEN behind unbalanced parentheses: effects %04b", depth, got)
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
