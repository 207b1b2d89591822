package parse_test

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/rewrite/pgsql/parse"
)

// deep makes texts whose trees are n levels deep, in every way that the grammar
// has.
func deep(n int) map[string]string {
	times := strings.Repeat
	return map[string]string{
		"operators":    "select 1" + times("+1", n),
		"signs":        "select " + times("- ", n) + "1",
		"casts":        "select 1" + times("::int", n),
		"set ops":      "select 1" + times(" union select 1", n),
		"parentheses":  "select " + times("(", n) + "1" + times(")", n),
		"not":          "select " + times("not ", n) + "true",
		"is null":      "select a" + times(" is null", n),
		"isnull":       "select a" + times(" isnull", n),
		"collations":   "select a" + times(" collate x", n),
		"time zones":   "select a" + times(" at time zone b", n),
		"joins":        "select * from a" + times(" cross join b", n),
		"natural":      "select * from a" + times(" NATURAL JOIN b", n),
		"subqueries":   "select " + times("(select ", n) + "1" + times(")", n),
		"from":         "select * from " + times("(select * from ", n) + "t" + times(") x", n),
		"ctes":         times("with x as (", n) + "select 1" + times(") select 1", n),
		"cases":        "select " + times("case when true then ", n) + "1" + times(" end", n),
		"else":         "select " + times("case when true then 1 else ", n) + "1" + times(" end", n),
		"arrays":       "select " + times("array[", n) + "1" + times("]", n),
		"calls":        "select " + times("f(", n) + "1" + times(")", n),
		"in":           "select " + times("a in (select ", n) + "1" + times(")", n),
		"and":          "select a" + times(" and a", n),
		"several ways": "select " + times("(1::int + ", n) + "1" + times(")", n),
	}
}

const childVariable = "CROSSFADE_PARSE_CHILD"

// What would end the process runs in a child.
func TestDeepTextsEndNoProcess(t *testing.T) {
	if os.Getenv(childVariable) == "" {
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
		child.Env = append(os.Environ(), childVariable+"=1")
		out, err := child.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "survived") {
			t.Fatalf("the child ended with %v:\n%.2000s", err, out)
		}
		return
	}
	for name, text := range deep(50_000) {
		if _, err := parse.Analyse([]byte(text), parse.Limits{Bytes: 10 << 20}); !errors.Is(err, parse.ErrLimits) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, text := range deep(1_000) {
		if _, err := parse.Analyse([]byte(text), parse.Limits{}); err != nil && !errors.Is(err, parse.ErrLimits) {
			t.Errorf("%s, at the limit: %v", name, err)
		}
	}
	for name, text := range deep(400) {
		if s, err := parse.Analyse([]byte(text), parse.Limits{}); err != nil || s.Kind != rewrite.Read {
			t.Errorf("%s, below the limit: %v, %v", name, s.Kind, err)
		}
	}
	t.Log("survived")
}

func TestTextsBeyondTheLimitsAreNotParsed(t *testing.T) {
	chain := "SELECT 1" + strings.Repeat("+1", 51_200)
	rows := "INSERT INTO t VALUES (1)" + strings.Repeat(", (1)", 10_000)
	tests := []struct {
		name   string
		text   string
		limits parse.Limits
		kind   rewrite.Kind
		want   error
	}{
		{"a chain of 100 KB", chain, parse.Limits{}, rewrite.Unknown, parse.ErrLimits},
		{"the same chain, with bytes to spare", chain, parse.Limits{Bytes: 1 << 20}, rewrite.Unknown, parse.ErrLimits},
		{"as many operators as may be", "SELECT 1+1+1", parse.Limits{Operators: 2}, rewrite.Read, nil},
		{"one more", "SELECT 1+1+1+1", parse.Limits{Operators: 2}, rewrite.Unknown, parse.ErrLimits},
		{"as many bytes as may be", "SELECT 1", parse.Limits{Bytes: 8}, rewrite.Read, nil},
		{"one more byte", "SELECT 12", parse.Limits{Bytes: 8}, rewrite.Unknown, parse.ErrLimits},
		{"rows side by side are not deep", rows, parse.Limits{}, rewrite.Insert, nil},
		{"a zero byte would hide what follows", "SELECT 1\x00; DROP TABLE t", parse.Limits{}, rewrite.Unknown, parse.ErrSyntax},
		{"bytes that are not UTF-8", "SELECT '\xff'", parse.Limits{}, rewrite.Unknown, parse.ErrSyntax},
		{"a text without an end", "SELECT 'a", parse.Limits{}, rewrite.Unknown, parse.ErrSyntax},
		{"strings with backslashes", "INSERT INTO t VALUES ('\\'')", parse.Limits{Mode: parse.BackslashStrings}, rewrite.Unknown, nil},
		{"an encoding that hides quotes", "SELECT 1", parse.Limits{Mode: parse.UnsafeEncoding}, rewrite.Unknown, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, err := parse.Analyse([]byte(test.text), test.limits)
			if !errors.Is(err, test.want) || s.Kind != test.kind {
				t.Errorf("kind %v, %v; want %v, %v", s.Kind, err, test.kind, test.want)
			}
		})
	}
}

func TestErrorsHoldNothingOfTheText(t *testing.T) {
	_, err := parse.Analyse([]byte("SELECT FROM WHERE 'secret'"), parse.Limits{})
	if err == nil || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "WHERE") {
		t.Errorf("error %v", err)
	}
}
