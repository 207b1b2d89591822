package parse_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/rewrite/pgsql/parse"
	"github.com/google/go-cmp/cmp"
)

// update writes what the package says into the cases; every line that changes is
// then to be judged by a reader.
var update = flag.Bool("update", false, "rewrite what is behind => in testdata")

// goldenCase is one file of testdata; its name is its claim.
type goldenCase struct {
	path, claim string
	text        []byte
	want        string
}

func goldenCases(t testing.TB) (cases []goldenCase) {
	t.Helper()
	paths, err := filepath.Glob("testdata/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		file, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		text, want, found := strings.Cut(string(file), "\n=>\n")
		if !found {
			t.Fatalf("%s has no line =>", path)
		}
		claim := strings.TrimSuffix(filepath.Base(path), ".txt")
		cases = append(cases, goldenCase{path: path, claim: claim, text: []byte(text), want: want})
	}
	if len(cases) < 80 {
		t.Errorf("only %d cases", len(cases))
	}
	return cases
}

func TestStatements(t *testing.T) {
	for _, c := range goldenCases(t) {
		t.Run(c.claim, func(t *testing.T) {
			got := described(c.text)
			if *update {
				c.want = got
				if err := os.WriteFile(c.path, []byte(string(c.text)+"\n=>\n"+got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.text, diff)
			}
		})
	}
}

// described is all that the package says of a text, in lines.
func described(text []byte) string {
	var out strings.Builder
	s, err := parse.Analyse(text, parse.Limits{})
	if err != nil {
		fmt.Fprintf(&out, "error: %v\n", err)
	}
	describe(&out, "", text, s)
	if captured := parse.Capture(text, s, columnsOf(s)); !bytes.Equal(captured, text) {
		fmt.Fprintf(&out, "captured: %s\n", captured)
	}
	if keys, ok := parse.OldKeys(text, s, columnsOf(s)[:1]); ok {
		fmt.Fprintf(&out, "old keys: %s\n", keys)
	}
	if key, ok := parse.Key(text, nil); ok {
		fmt.Fprintf(&out, "key: %s\n", key)
	}
	return out.String()
}

// columnsOf are the columns that the cases capture.
func columnsOf(s *rewrite.Statement) []string {
	return []string{s.TargetText + `."id"`, s.TargetText + `."v"`}
}

// describe writes what a statement has, a line each.
func describe(out *strings.Builder, indent string, text []byte, s *rewrite.Statement) {
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(out, "%s%s: %s\n", indent, name, value)
		}
	}
	line("kind", s.Kind.String())
	line("target", refs(s.Target))
	line("called", s.TargetText)
	line("also", refs(s.Also...))
	line("reads", refs(s.Reads...))
	line("writes", refs(s.Writes...))
	line("calls", refs(s.Calls...))
	line("fields", strings.Join(s.Fields, ", "))
	line("objects", objects(s.Objects))
	line("assigned", strings.Join(s.Assigned, ", "))
	line("reassigned", strings.Join(s.Reassigned, ", "))
	line("flags", flags(s))
	if s.Copy != nil {
		line("copy", strings.Trim(fmt.Sprintf("%+v", *s.Copy), "{}"))
	}
	line("prepares", s.PreparedName)
	line("executes", s.Executes)
	line("with", string(text[s.With.From:s.With.Upto]))
	line("where", string(text[s.Where.From:s.Where.Upto]))
	if s.Prepared != nil {
		within := text[s.Prepared.At.From:s.Prepared.At.Upto]
		line("prepared", string(within))
		describe(out, indent+"  ", within, s.Prepared)
	}
	for _, part := range s.Parts {
		within := text[part.At.From:part.At.Upto]
		line("part", string(within))
		describe(out, indent+"  ", within, part)
	}
}

func refs(list ...rewrite.Ref) string {
	var words []string
	for _, ref := range list {
		word := ref.Name
		if ref.Schema != "" {
			word = ref.Schema + "." + word
		}
		if ref.Alias != "" {
			word += " as " + ref.Alias
		}
		if ref.Only {
			word = "only " + word
		}
		words = append(words, word)
	}
	return strings.Join(words, ", ")
}

func objects(list []rewrite.Object) string {
	var words []string
	for _, o := range list {
		words = append(words, strings.TrimSpace([...]string{"any", "schema", "named"}[o.Kind]+" "+refs(o.Ref)))
	}
	return strings.Join(words, ", ")
}

func flags(s *rewrite.Statement) string {
	var words []string
	for _, flag := range []struct {
		word string
		set  bool
	}{
		{"upsert", s.Upsert},
		{"conflict", s.Conflict},
		{"returning", s.Returning},
		{"cascade", s.Cascade},
		{"locking", s.Locking},
		{"cursor_row", s.CursorRow},
		{"explains", s.Explains},
		{"snapshot", s.Snapshot},
		{"several", s.Several},
		{"creates", s.Creates},
		{"temporary", s.Temporary},
		{"upkeep", s.Upkeep},
		{"alone", s.Alone},
		{"declares", s.Declares},
		{"fetches", s.Fetches},
	} {
		if flag.set {
			words = append(words, flag.word)
		}
	}
	return strings.Join(words, ", ")
}
