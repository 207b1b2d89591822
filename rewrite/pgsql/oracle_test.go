package pgsql_test

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/crossfade-db/crossfade/rewrite/pgsql"
	pg_query "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// oracle finds the effects of a text in PostgreSQL's own syntax tree: which
// functions are called is the grammar's word, which are harmless is the lists'.
// What a node of the tree means is in meaning_test.go.
type oracle struct {
	harmless map[string]bool
	effects  pgsql.Effects
}

func newOracle(t testing.TB) *oracle {
	t.Helper()
	o := &oracle{harmless: map[string]bool{}}
	for _, list := range []string{"words.txt", "newer.txt"} {
		text, err := os.ReadFile(list)
		if err != nil {
			t.Fatalf("read the words: %v", err)
		}
		for line := range strings.Lines(string(text)) {
			word, letters, _ := strings.Cut(strings.TrimSpace(line), " ")
			if strings.Contains(letters, "f") {
				o.harmless[word] = true
			}
		}
	}
	return o
}

// of returns what the syntax tree shows, and false for a text without one.
func (o *oracle) of(text string) (pgsql.Effects, bool) {
	tree, err := pg_query.Parse(text)
	if err != nil {
		return 0, false
	}
	o.effects = 0
	if len(tree.Stmts) > 1 {
		o.effects |= pgsql.Several
	}
	for _, raw := range tree.Stmts {
		o.statement(raw.Stmt.GetNode())
	}
	o.walk(tree.ProtoReflect())
	const carried = pgsql.Opaque | pgsql.Names | pgsql.Prepares | pgsql.Temporary | pgsql.Advisory |
		pgsql.Holds | pgsql.Seeds | pgsql.Loads | pgsql.Listens | pgsql.Unlistens
	if o.effects&carried != 0 {
		o.effects |= pgsql.SetsState
	}
	return o.effects, true
}

// check reports a text of which Classify misses something, and whether
// PostgreSQL can parse it.
func (o *oracle) check(t *testing.T, text string) bool {
	want, ok := o.of(text)
	if got := pgsql.Classify([]byte(text), 0); ok && !got.Has(want) {
		t.Errorf("effects %s, the syntax tree also shows %s: %q", got, want&^got, text)
	}
	return ok
}

func (o *oracle) walk(m protoreflect.Message) {
	o.visit(m.Interface())
	m.Range(func(field protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case field.Kind() != protoreflect.MessageKind:
		case field.IsList():
			for i := range v.List().Len() {
				o.walk(v.List().Get(i).Message())
			}
		default:
			o.walk(v.Message())
		}
		return true
	})
}

// oracleTexts returns both committed corpora.
func oracleTexts(t testing.TB) []string {
	texts := statements(t)
	for _, c := range effectCases(t) {
		texts = append(texts, c.text)
	}
	return texts
}

func TestClassifyMissesNothingThatTheGrammarShows(t *testing.T) {
	o := newOracle(t)
	texts := oracleTexts(t)
	parsed := 0
	for _, text := range texts {
		if o.check(t, text) {
			parsed++
		}
	}
	if parsed < len(texts)/2 {
		t.Errorf("PostgreSQL parsed only %d of %d texts", parsed, len(texts))
	}
}

// A call is put into every place of every statement, instead of a token or
// before it, under names that are also keywords of the grammar; wherever
// PostgreSQL takes it for a call, so must Classify.
func TestClassifyMissesNoCallInAnyPlace(t *testing.T) {
	o := newOracle(t)
	calls := []string{
		"zz(1)", "s.zz(1)", `"zz"(1)`, "zz(1),", "over(1)", "set(1)", "by(1)",
		"materialized(1)", "stdin(1)",
	}
	doubted, cleared := 0, 0
	for _, text := range oracleTexts(t) {
		tokens, err := scan(text, 0)
		if err != nil {
			continue
		}
		for _, token := range tokens {
			for _, call := range calls {
				for _, after := range []int{token.Start, token.End} {
					with := text[:token.Start] + " " + call + " " + text[after:]
					if pgsql.Classify([]byte(with), 0).Has(pgsql.Opaque) {
						doubted++ // no call can have been missed
					} else if o.check(t, with) {
						cleared++
					}
				}
			}
		}
	}
	if doubted < 50_000 || cleared < 300 {
		t.Errorf("%d texts with a call were Opaque, %d were not and PostgreSQL sees none", doubted, cleared)
	}
}

// What decides where a statement may run is put into every place of every
// statement: words behind a token, names instead of it.
func TestClassifyMissesNoNameInAnyPlace(t *testing.T) {
	o := newOracle(t)
	insertions := []string{
		"FOR UPDATE", "FOR/**/KEY SHARE", "INTO t", "READ WRITE", "::regclass", "::tid", "AS xid",
		"TEMP", "WITH HOLD", "BINARY", "(FORMAT binary)", "PREPARED 'x'", "WHERE CURRENT OF c",
		", (WITH x AS (DELETE FROM t RETURNING a) SELECT a FROM x)",
	}
	names := []string{
		"ctid", `"xmin"`, "oid", "tid", "pg_class", "pg_temp.t", "information_schema.t", "xid 'x'",
		"nextval('s')", "pg_advisory_unlock(1)", "pg_typeof(1)", "setseed(1)", "set_config('a', 'b')",
	}
	flagged := 0
	for _, text := range oracleTexts(t) {
		tokens, err := scan(text, 0)
		if err != nil {
			continue
		}
		for _, token := range tokens {
			for _, words := range insertions {
				if o.check(t, text[:token.End]+" "+words+" "+text[token.End:]) {
					flagged++
				}
			}
			for _, name := range names {
				if o.check(t, text[:token.Start]+" "+name+" "+text[token.End:]) {
					flagged++
				}
			}
		}
	}
	if flagged < 10_000 {
		t.Errorf("PostgreSQL parsed only %d texts", flagged)
	}
}

// Where the grammar proves a plain read, Writes would keep it from the target
// for nothing.
func TestPlainReadsHaveNoWrites(t *testing.T) {
	o := newOracle(t)
	reads := 0
	for _, text := range oracleTexts(t) {
		want, ok := o.of(text)
		if !ok || want&pgsql.Writes != 0 {
			continue
		}
		reads++
		if got := pgsql.Classify([]byte(text), 0); got.Has(pgsql.Writes) {
			t.Errorf("effects %s of a plain read: %q", got, text)
		}
	}
	if reads < 250 {
		t.Errorf("only %d plain reads", reads)
	}
}

func FuzzClassifyMissesNothing(f *testing.F) {
	for _, text := range oracleTexts(f) {
		f.Add([]byte(text))
	}
	o := newOracle(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > maxCompared || bytes.IndexByte(text, 0) >= 0 {
			t.Skip()
		}
		o.check(t, blankRemarks(string(text)))
	})
}
