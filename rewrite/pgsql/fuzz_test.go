package pgsql_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/crossfade-db/crossfade/rewrite/pgsql"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// fragments are the pieces of which lexical rules are made; joined at random
// they meet each other in ways that no hand-made text thinks of.
var fragments = []string{
	"a", "E", "e", "B", "x", "N", "u&", "U&", "_", "é", "\x80", "select", "from", "LISTEN", "uescape",
	"0", "1", "9", "0x", "0b", "0o", "f", "1e", "1e5", "1.5", "_1", "..", ".", "$1", "$", "$$", "$a$", "$é$",
	"'", "''", "'a'", "\\", "\\'", "\\\\", `"`, `""`, `"a"`,
	"+", "-", "--", "/*", "*/", "*", "/", "=", ">", "<", "!", "@", "#", "?", "|", "`", "~", "&", "%", "^",
	":", "::", ":=", "=>", "(", ")", "[", "]", ",", ";", "{",
	" ", "\t", "\n", "\r", "\f", "\v", "\n'b'", "-- c\n",
}

func randomText() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(rapid.SampledFrom(fragments), 0, 25).Draw(t, "fragments"), "")
	})
}

func TestScannerAgreesWithPostgreSQLOnRandomTexts(t *testing.T) {
	texts := randomText()
	for seed := range 5_000 {
		compare(t, texts.Example(seed))
	}
}

func FuzzScannerInvariants(f *testing.F) {
	for _, text := range statements(f) {
		f.Add([]byte(text), false)
		f.Add([]byte(text), true)
	}
	f.Fuzz(func(t *testing.T, text []byte, backslashes bool) {
		mode := pgsql.Mode(0)
		if backslashes {
			mode = pgsql.BackslashStrings
		}
		checkTokens(t, text, mode)
		checkEffects(t, text, mode)
	})
}

// checkTokens demands that tokens follow each other without overlap, that only
// whitespace and comments lie between them, and that the scan ends.
func checkTokens(t *testing.T, text []byte, mode pgsql.Mode) {
	var s pgsql.Scanner
	end := 0
	for s.Reset(text, mode); s.Next(); {
		token := s.Token()
		if token.Kind == pgsql.KindNone || token.Start < end || token.End <= token.Start || token.End > len(text) {
			t.Fatalf("%q: token %v after the place %d", text, token, end)
		}
		if between := text[end:token.Start]; !isSpace(between) {
			t.Fatalf("%q: %q was skipped", text, between)
		}
		end = token.End
	}
	if rest := text[end:]; s.Err() == nil && !isSpace(rest) {
		t.Fatalf("%q: %q was left", text, rest)
	}
}

// isSpace reports whether a text is nothing but whitespace and comments.
func isSpace(text []byte) bool {
	for {
		text = bytes.TrimLeft(text, " \t\n\r\f\v")
		switch {
		case len(text) == 0:
			return true
		case bytes.HasPrefix(text, []byte("--")):
			line := bytes.IndexAny(text, "\n\r")
			if line < 0 {
				return true
			}
			text = text[line:]
		case bytes.HasPrefix(text, []byte("/*")):
			text = afterComment(text)
		default:
			return false
		}
	}
}

// afterComment returns what follows the comment at the start of a text, and the
// text itself, less one byte, if the comment does not end.
func afterComment(text []byte) []byte {
	depth := 0
	for i := 0; i+1 < len(text); i++ {
		switch string(text[i : i+2]) {
		case "/*":
			depth++
			i++
		case "*/":
			depth--
			i++
			if depth == 0 {
				return text[i+1:]
			}
		}
	}
	return text[1:]
}

// checkEffects demands that a text that cannot be scanned is Opaque, that
// nothing in a sound one hides a LISTEN behind it, and that comments change
// nothing.
func checkEffects(t *testing.T, text []byte, mode pgsql.Mode) {
	effects := pgsql.Classify(text, mode)
	tokens, err := scan(string(text), mode)
	if err != nil {
		if !effects.Has(pgsql.Opaque) {
			t.Fatalf("%q: effects %s of a text with %v", text, effects, err)
		}
		return
	}
	listens := append(bytes.Clone(text), "\n;/**/Listen x"...)
	both := effects | listening
	if slices.ContainsFunc(tokens, func(t pgsql.Token) bool { return t.Kind != pgsql.KindSemicolon }) {
		both |= pgsql.Several
	}
	if got := pgsql.Classify(listens, mode); got != both {
		t.Fatalf("%q: effects %s, with LISTEN behind it %s", text, effects, got)
	}
	var spaced []byte
	for _, token := range tokens {
		spaced = append(append(spaced, "/* x */"...), text[token.Start:token.End]...)
		spaced = append(spaced, ' ')
	}
	again, err := scan(string(spaced), mode)
	want, got := pieces(string(text), tokens), pieces(string(spaced), again)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Fatalf("%q: with comments between the tokens (-want +got):\n%s%v", text, diff, err)
	}
	if got := pgsql.Classify(spaced, mode); got != effects {
		t.Fatalf("%q: effects %s, with comments between the tokens %s", text, effects, got)
	}
}
