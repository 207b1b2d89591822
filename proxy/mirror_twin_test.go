package proxy

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/crossfade-db/crossfade/proxy/writes"
	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/router"
)

// twin is a mirrored database with a second one at the source that is its copy
// down to the numbers of tables and types: what a session says to the copy
// directly is what the mirrored one must be answered.
type twin struct {
	*mirrored
	copied     string
	numberless bool // numbers of tables are not compared
}

// newTwin makes the schema on both sides and in the copy.
func newTwin(t testing.TB, schema []string, change func(*Options)) *twin {
	t.Helper()
	return newTwinOf(t, schema, schema, change)
}

func newTwinOf(t testing.TB, source, target []string, change func(*Options)) *twin {
	t.Helper()
	n := &twin{mirrored: newMirrored(t, source, target, nil, change)}
	n.letIn("trusted")
	n.copied = n.database + "copy"
	if err := n.direct[router.Source].Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the database can be copied", func() bool {
		return n.servers.Source.Exec(t.Context(), "postgres", "CREATE DATABASE "+n.copied+" TEMPLATE "+n.database) == nil
	})
	n.direct[router.Source] = n.dial(t, n.servers.Source.Addr())
	return n
}

// letIn gives a login the rights of the login app.
func (n *mirrored) letIn(login string) {
	m := n.mapped.Load()
	rights := map[string]map[rewrite.Name]writes.Rights{login: m.Rights["app"], "app": m.Rights["app"]}
	n.mapped.Store(&Mapped{Plan: m.Plan, Rights: rights})
}

// sides are a direct session and one through the proxy.
func (n *twin) sides(t testing.TB, params map[string]string) (direct, through *speaker) {
	t.Helper()
	with := func(database string) map[string]string {
		all := map[string]string{"database": database}
		for k, v := range params {
			all[k] = v
		}
		return all
	}
	return speakTo(t, n.servers.Source.Addr(), with(n.copied)), speakTo(t, n.addr, with(n.database))
}

// compare says a script to both and compares each answer, message by message.
func (n *twin) compare(t testing.TB, direct, through *speaker, script []step) bool {
	t.Helper()
	for i, says := range script {
		want, got := direct.exact(t, says...), through.exact(t, says...)
		if n.numberless {
			want, got = withoutNumbers(want), withoutNumbers(got)
		}
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Errorf("step %d, %s (-direct +proxy):\n%s", i, spelled(says), diff)
			return false
		}
	}
	return true
}

// withoutNumbers are words with those of tables taken out.
func withoutNumbers(words []string) (out []string) {
	for _, w := range words {
		if w[0] == 'T' {
			w = tableNumber.ReplaceAllString(w, ":table:")
		}
		out = append(out, w)
	}
	return out
}

var tableNumber = regexp.MustCompile(`:\d{5,}:`)

// exact is talk, with every field of errors and notices, and of descriptions.
// What the client has said is over with its last ReadyForQuery, or with the
// reply to a last Flush that is an answer to marks.
func (s *speaker) exact(t testing.TB, says ...say) (words []string) {
	t.Helper()
	ready := 0
	for _, m := range says {
		switch m.(type) {
		case *pgproto3.Query, *pgproto3.Sync, *pgproto3.FunctionCall:
			ready++
		}
	}
	if err := s.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	s.tell(t, says...)
	flushed := ready == 0
	for flushed || ready > 0 {
		m, err := s.Receive()
		if err != nil {
			return append(words, "no more: "+strings.TrimSpace(fmt.Sprint(err)))
		}
		word := s.exactWord(t, m)
		if word == "S again" {
			continue
		}
		words = append(words, word)
		switch m.(type) {
		case *pgproto3.ReadyForQuery:
			ready--
		case *pgproto3.CopyInResponse: // what the client sends in the middle is ignored there
			ready -= syncsBeforeCopy(says)
		}
		if flushed && len(words) >= answersTo(says) || word[0] == 'E' && flushed {
			return words
		}
	}
	return words
}

// answersTo is how many messages answer a batch that ends in Flush.
func answersTo(says []say) (n int) {
	for _, m := range says {
		switch d := m.(type) {
		case *pgproto3.Parse, *pgproto3.Bind, *pgproto3.Close, *pgproto3.Execute:
			n++
		case *pgproto3.Describe:
			if n++; d.ObjectType == 'S' {
				n++
			}
		}
	}
	return n
}

func syncsBeforeCopy(says []say) (n int) {
	copying := false
	for _, m := range says {
		switch m.(type) {
		case *pgproto3.CopyData:
			copying = true
		case *pgproto3.CopyDone, *pgproto3.CopyFail:
			copying = false
		case *pgproto3.Sync:
			if copying {
				n++
			}
		}
	}
	return n
}

func (s *speaker) exactWord(t testing.TB, m pgproto3.BackendMessage) string {
	t.Helper()
	switch m := m.(type) {
	case *pgproto3.ErrorResponse:
		return "E " + fields(m)
	case *pgproto3.NoticeResponse:
		return "N " + fields((*pgproto3.ErrorResponse)(m))
	case *pgproto3.RowDescription:
		var b strings.Builder
		b.WriteString(s.word(t, m))
		for _, f := range m.Fields {
			fmt.Fprintf(&b, " %d", f.TypeModifier)
		}
		return b.String()
	}
	return s.word(t, m)
}

// fields are those of an error but where in the server's source it was raised.
func fields(e *pgproto3.ErrorResponse) string {
	return fmt.Sprintf("%s %s %q %q %q position %d, %d %q %q, of %s.%s.%s %s %s", e.Severity, e.Code, e.Message, e.Detail, e.Hint,
		e.Position, e.InternalPosition, e.InternalQuery, e.Where, e.SchemaName, e.TableName, e.ColumnName, e.DataTypeName, e.ConstraintName)
}

// dump is all rows of a table as text, in their own order, by the server.
func dump(table string) string {
	return "SELECT t::text FROM " + table + " AS t ORDER BY t::text COLLATE \"C\""
}

// same says that the three databases have the same rows.
func (n *twin) same(t testing.TB, tables ...string) {
	t.Helper()
	for _, table := range tables {
		source, target := n.rows(t, router.Source, dump(table)), n.rows(t, router.Target, dump(table))
		if diff := gocmp.Diff(source, target); diff != "" {
			t.Errorf("%s (-source +target):\n%s", table, diff)
		}
		n.asCopied(t, table, source)
	}
}

func (n *twin) asCopied(t testing.TB, table string, source []string) {
	t.Helper()
	direct, err := n.servers.Source.Query(context.WithoutCancel(t.Context()), n.copied,
		"SELECT coalesce(string_agg(t::text || '|', E'\\x01' ORDER BY t::text COLLATE \"C\"), '') FROM "+table+" AS t")
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Split(direct, "\x01")
	if direct == "" {
		want = nil
	}
	if diff := gocmp.Diff(want, source, emptyAlike); diff != "" {
		t.Errorf("%s (-direct +source behind the proxy):\n%s", table, diff)
	}
}

var emptyAlike = gocmp.Transformer("nil", func(s []string) []string {
	if len(s) == 0 {
		return []string{}
	}
	return s
})

// settled waits until no intent is open: a COPY is settled after its client has
// been told.
func (n *mirrored) settled(t testing.TB) {
	t.Helper()
	eventually(t, "every intent is settled", func() bool {
		_, whole := n.journal.dirty()
		return !slices.Contains(whole, "unsettled")
	})
}

// notesDirty says which tables are dirty as a whole; keys are reported as "table keys".
func (n *mirrored) notesDirty() []string {
	keys, whole := n.journal.dirty()
	for table, count := range keys {
		if count > 0 {
			whole = append(whole, table+" keys")
		}
	}
	slices.Sort(whole)
	return slices.Compact(whole)
}

// unlessNoted says that the sides are equal, but for tables that are dirty.
func (n *mirrored) unlessNoted(t testing.TB, tables ...string) {
	t.Helper()
	noted := n.notesDirty()
	for _, table := range tables {
		if slices.Contains(noted, "public."+table) || slices.Contains(noted, "public."+table+" keys") {
			continue
		}
		source, target := n.rows(t, router.Source, dump(table)), n.rows(t, router.Target, dump(table))
		if diff := gocmp.Diff(source, target); diff != "" {
			t.Errorf("%s differs and nothing of it is dirty (-source +target):\n%s", table, diff)
		}
	}
}

// afresh ends what sessions of before have left, empties tables and forgets what
// was noted.
func (n *twin) afresh(t testing.TB, tables string) {
	t.Helper()
	for side, p := range sidesOf(n.servers) {
		gone := "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'trusted' AND datname IN ('" + n.database + "', '" + n.copied + "')"
		if err := p.Exec(t.Context(), "postgres", gone); err != nil {
			t.Fatal(side, err)
		}
	}
	clear := "TRUNCATE " + tables + " RESTART IDENTITY"
	for _, c := range n.direct {
		do(t, c, clear)
	}
	if err := n.servers.Source.Exec(t.Context(), n.copied, clear); err != nil {
		t.Fatal(err)
	}
	n.note(func() { n.refused = nil })
	n.journal.mu.Lock()
	n.journal.all = nil
	n.journal.mu.Unlock()
}
