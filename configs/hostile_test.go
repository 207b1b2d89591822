package configs

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestBrokenYAMLGivesItsLine(t *testing.T) {
	cases := []struct{ name, text, want string }{
		{"nothing", "", "f:1:1: the file is empty; the smallest useful one has listeners, source and users"},
		{"only a comment", "# x\n", "f:1:1: the file is empty; the smallest useful one has listeners, source and users"},
		{"a list", "- a\n", "f:1:1: expected a mapping, got a list"},
		{"an open quote", "log:\n  level: \"x\n", "f:2:10: could not find end character of double-quoted text"},
		{"an open bracket", "log:\n  level: [\n", "f:2:10: sequence end token ']' not found"},
		{"a tab", "log:\n\tlevel: x\n", "f:2:1: found character '\t' that cannot start any token"},
		{"two documents", "log: {}\n---\nlog: {}\n", "f:2:1: the file is one document: remove ---"},
		{"the end of a document", "log: {}\n...\n", "f:2:1: the file is one document: remove ..."},
		{"an alias", "log: &a {}\nadmin: *a\n", "f:1:6: anchors, aliases and merge keys (&, *, <<) have no place in this file: write the value out"},
		{"a merge", "<<: {}\n", "f:1:1: anchors, aliases and merge keys (&, *, <<) have no place in this file: write the value out"},
		{"a tag", "log: !!str x\n", "f:1:6: tags, directives and complex keys (!, %, ?) have no place in this file"},
		{"a complex key", "? log\n: x\n", "f:1:1: tags, directives and complex keys (!, %, ?) have no place in this file"},
		{"latin-1", "log: x\n# caf\xe9\n", "f:2:1: the line is not UTF-8 text"},
		{"a password that looks like a block", "a:\n  password: |hunter2\n", "f:2:13: invalid header option"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := faultsOf(t, c.text)
			if len(got) == 0 || got[0] != c.want {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

func TestADocumentMarkAndAByteOrderMarkAtTheHeadAreFine(t *testing.T) {
	mustParse(t, "\uFEFF# comment\n---\n"+string(minimalExample))
}

func TestHostileYAMLEndsInAFaultQuickly(t *testing.T) {
	laughs := "a: &a [lol]\n"
	for c := 'b'; c <= 'z'; c++ {
		laughs += fmt.Sprintf("%c: &%c [*%c, *%c, *%c, *%c]\n", c, c, c-1, c-1, c-1, c-1)
	}
	var keys, nested strings.Builder
	for i := range maxTokens / 4 {
		fmt.Fprintf(&keys, "k%d: 1\n", i)
	}
	for i := range 1000 {
		fmt.Fprintf(&nested, "%*sa:\n", i, "")
	}
	cases := map[string]string{
		"flow lists 10,000 deep":        strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000),
		"flow mappings 10,000 deep":     strings.Repeat("{a: ", 10_000) + strings.Repeat("}", 10_000),
		"block lists deep in one line":  strings.Repeat("- ", 10_000) + "x",
		"block mappings deep":           nested.String(),
		"unclosed lists":                strings.Repeat("[", maxBytes),
		"a billion laughs":              laughs,
		"a mebibyte of dashes":          strings.Repeat("-", maxBytes),
		"a mebibyte of items":           strings.Repeat("- ", maxBytes/2),
		"a mebibyte of empty items":     strings.Repeat("-\n", maxBytes/2),
		"as many empty items as may be": strings.Repeat("-\n", maxTokens),
		"as many keys as may be":        keys.String(),
		"a mebibyte of documents":       strings.Repeat("---\n", maxBytes/4),
		"a mebibyte of newlines":        strings.Repeat("\n", maxBytes),
		"a long key":                    strings.Repeat("k", maxBytes-10) + ": 1",
		"more than a mebibyte":          strings.Repeat("a", maxBytes+1),
		"a mebibyte of NUL":             string(make([]byte, maxBytes)),
		"a long unknown word":           doc{rest: "log: {level: " + strings.Repeat("x", maxBytes/2) + "}"}.text(),
	}
	for name, text := range cases {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			faults := faultsOf(t, text)
			if len(faults) == 0 {
				t.Fatal("no fault")
			}
			if took := time.Since(start); took > 10*time.Second {
				t.Errorf("took %v", took)
			}
			if len(faults[0]) > 1000 {
				t.Errorf("the fault is %d bytes long", len(faults[0]))
			}
			t.Logf("%v: %s", time.Since(start), faults[0])
		})
	}
}
