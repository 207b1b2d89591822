package pgsql_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/crossfade-db/crossfade/rewrite/pgsql"
	"github.com/google/go-cmp/cmp"
)

// statements returns the committed corpus: the blocks between lines of %%.
func statements(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/statements/*.sql")
	if err != nil || len(files) == 0 {
		t.Fatalf("find the corpus: %d files, %v", len(files), err)
	}
	var all []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatalf("read the corpus: %v", err)
		}
		all = append(all, strings.Split(strings.TrimSuffix(string(text), "\n"), "\n%%\n")...)
	}
	return all
}

// scan returns all tokens of a text.
func scan(text string, mode pgsql.Mode) ([]pgsql.Token, error) {
	var s pgsql.Scanner
	var tokens []pgsql.Token
	for s.Reset([]byte(text), mode); s.Next(); {
		tokens = append(tokens, s.Token())
	}
	return tokens, s.Err()
}

// pieces returns the texts of all tokens of a text.
func pieces(text string, tokens []pgsql.Token) []string {
	var all []string
	for _, t := range tokens {
		all = append(all, text[t.Start:t.End])
	}
	return all
}

func TestBackslashesEscapeOnlyWhereTheModeSaysSo(t *testing.T) {
	off := pgsql.BackslashStrings
	tests := []struct {
		name string
		text string
		mode pgsql.Mode
		want []string
	}{
		{"a plain string ends at its quote by default", `'a\' b`, 0, []string{`'a\'`, `b`}},
		{"a plain string honours backslashes when told so", `'a\' b' c`, off, []string{`'a\' b'`, `c`}},
		{"an escaped backslash does not hide the quote", `'a\\' b`, off, []string{`'a\\'`, `b`}},
		{"a continued plain string goes on honouring them", "'a'\n'\\'b' c", off, []string{"'a'\n'\\'b'", "c"}},
		{"a national string follows the plain one", `N'a\' b`, 0, []string{`N'a\'`, `b`}},
		{"a national string follows the plain one with backslashes", `N'a\' b' c`, off, []string{`N'a\' b'`, `c`}},
		{"an escape string always does", `E'a\' b'`, 0, []string{`E'a\' b'`}},
		{"a bit string never does", `B'0\' 1`, off, []string{`B'0\'`, `1`}},
		{"a quoted identifier never does", `"a\" b`, off, []string{`"a\"`, `b`}},
		{"a dollar-quoted string never does", `$$a\$$ b`, off, []string{`$$a\$$`, `b`}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			tokens, err := scan(test.text, test.mode)
			if diff := cmp.Diff(test.want, pieces(test.text, tokens)); diff != "" || err != nil {
				t.Errorf("%s (-want +got):\n%s%v", test.text, diff, err)
			}
		})
	}
}

// The server's answer to each was seen on version 15.
func TestStringsGoOnBehindANewline(t *testing.T) {
	tests := []struct {
		name string
		text string
		want []string
	}{
		{"a newline joins", "'a'\n'b' c", []string{"'a'\n'b'", "c"}},
		{"a carriage return is one", "'a'\r'b' c", []string{"'a'\r'b'", "c"}},
		{"spaces alone do not join", "'a' \t 'b'", []string{"'a'", "'b'"}},
		{"remarks may lie between", "'a' -- x\n\n-- y\n 'b' c", []string{"'a' -- x\n\n-- y\n 'b'", "c"}},
		{"a remark without spaces", "'a'--x\n'b'", []string{"'a'--x\n'b'"}},
		{"quotes in the remark count for nothing", "'a'--'\n'b'", []string{"'a'--'\n'b'"}},
		{"what follows is of the first one's sort", "E'a' -- x\n'\\'b'", []string{"E'a' -- x\n'\\'b'"}},
		{"a minus does not join", "'a'\n-'b'", []string{"'a'", "-", "'b'"}},
		{"a long comment does not join", "'a'\n/* x */'b'", []string{"'a'", "'b'"}},
		{"an identifier does not go on", "\"a\"\n\"b\"", []string{`"a"`, `"b"`}},
		{"a dollar-quoted string does not go on", "$$a$$\n$$b$$", []string{"$$a$$", "$$b$$"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			tokens, err := scan(test.text, 0)
			if diff := cmp.Diff(test.want, pieces(test.text, tokens)); diff != "" || err != nil {
				t.Errorf("%q (-want +got):\n%s%v", test.text, diff, err)
			}
		})
	}
}

func TestKindsOfTokens(t *testing.T) {
	tests := []struct {
		text string
		want pgsql.Kind
	}{
		{`select`, pgsql.KindWord},
		{"\x80\xff", pgsql.KindWord},
		{`"a"`, pgsql.KindQuotedIdent},
		{`U&"a"`, pgsql.KindUnicodeIdent},
		{`'a'`, pgsql.KindString},
		{`U&'a'`, pgsql.KindString},
		{`n'a'`, pgsql.KindString},
		{`x'a'`, pgsql.KindString},
		{`$é$a$é$`, pgsql.KindDollarString},
		{`$12`, pgsql.KindParam},
		{`1_0.5e-1_0`, pgsql.KindNumber},
		{`0xff`, pgsql.KindNumber},
		{`<>`, pgsql.KindOperator},
		{`*`, pgsql.KindOperator},
		{`;`, pgsql.KindSemicolon},
		{`,`, pgsql.KindComma},
		{`(`, pgsql.KindLeftParen},
		{`)`, pgsql.KindRightParen},
		{`[`, pgsql.KindLeftBracket},
		{`]`, pgsql.KindRightBracket},
		{`.`, pgsql.KindDot},
		{`:`, pgsql.KindColon},
		{`::`, pgsql.KindTypecast},
		{`:=`, pgsql.KindAssign},
		{`..`, pgsql.KindDotDot},
		{`=>`, pgsql.KindArrow},
		{`$`, pgsql.KindOther},
		{`{`, pgsql.KindOther},
		{`\`, pgsql.KindOther},
		{"\x00", pgsql.KindOther},
	}
	for _, test := range tests {
		tokens, err := scan(test.text, 0)
		want := []pgsql.Token{{Kind: test.want, Start: 0, End: len(test.text)}}
		if diff := cmp.Diff(want, tokens); diff != "" || err != nil {
			t.Errorf("%q (-want +got):\n%s%v", test.text, diff, err)
		}
	}
}

func TestFaultsStopTheScan(t *testing.T) {
	tests := []struct {
		text string
		want pgsql.Fault
	}{
		{`a 'b`, pgsql.UnterminatedString},
		{`a E'b\'`, pgsql.UnterminatedString},
		{`a X'b`, pgsql.UnterminatedString},
		{"a 'b'\n'c", pgsql.UnterminatedString},
		{`a $$b$`, pgsql.UnterminatedDollarString},
		{`a $b$c$B$`, pgsql.UnterminatedDollarString},
		{`a "b""`, pgsql.UnterminatedIdentifier},
		{`a U&"b`, pgsql.UnterminatedIdentifier},
		{`a /* b /* c */`, pgsql.UnterminatedComment},
		{`a /*/`, pgsql.UnterminatedComment},
		{`a 0x1F$$b$$`, pgsql.AmbiguousNumber},
		{`a 1_000e'b'`, pgsql.AmbiguousNumber},
		{`a 0b12`, pgsql.AmbiguousNumber},
		{`a 1e1_0x`, pgsql.AmbiguousNumber},
	}
	for _, test := range tests {
		tokens, err := scan(test.text, 0)
		if !errors.Is(err, test.want) {
			t.Errorf("%s: error %v, want %v", test.text, err, test.want)
		}
		if diff := cmp.Diff([]string{"a"}, pieces(test.text, tokens)); diff != "" {
			t.Errorf("%s: tokens before the fault (-want +got):\n%s", test.text, diff)
		}
	}
}

func TestNextGoesOnAnsweringNoAtTheEnd(t *testing.T) {
	for _, text := range []string{"", "a", "a /* b", " -- c"} {
		var s pgsql.Scanner
		for s.Reset([]byte(text), 0); s.Next(); {
		}
		err := s.Err()
		if s.Next() || s.Token() != (pgsql.Token{}) || s.Err() != err {
			t.Errorf("%q: after the end: token %v, error %v then %v", text, s.Token(), err, s.Err())
		}
	}
}

func TestTheZeroScannerScansTheEmptyText(t *testing.T) {
	var s pgsql.Scanner
	if s.Next() || s.Err() != nil {
		t.Errorf("token %v, error %v", s.Token(), s.Err())
	}
}

func TestScanningAllocatesNothing(t *testing.T) {
	for _, text := range statements(t) {
		b := []byte(text)
		allocs := testing.AllocsPerRun(10, func() {
			var s pgsql.Scanner
			for s.Reset(b, 0); s.Next(); {
				_ = s.Token()
			}
			_ = s.Err()
		})
		if allocs != 0 {
			t.Errorf("%v allocations for:\n%s", allocs, text)
		}
	}
}
