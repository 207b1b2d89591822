package proxy

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/crossfade-db/crossfade/router"
)

// speaker is a client of the wire whose conversation is written down, one word
// per message, so that it can be compared with another.
type speaker struct {
	*raw
	reports map[string]string // of settings, as told last
	pid     uint32
	key     []byte
}

// speakTo logs in at addr as trusted, or as params say.
func speakTo(t testing.TB, addr string, params map[string]string) *speaker {
	t.Helper()
	s := &speaker{reports: map[string]string{}}
	conn := dialTCP(t, addr)
	s.raw = &raw{conn, pgproto3.NewFrontend(conn, conn)}
	all := map[string]string{"user": "trusted", "database": "app"}
	maps.Copy(all, params)
	s.Send(&pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersionNumber, Parameters: all})
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	if words := s.hear(t, func(word string) bool { return word[0] == 'Z' }); slices.ContainsFunc(words, func(w string) bool { return w[0] == 'E' }) {
		t.Fatalf("login: %q", words)
	}
	return s
}

// tell sends messages in one write.
func (s *speaker) tell(t testing.TB, says ...say) {
	t.Helper()
	for _, m := range says {
		s.Send(m)
	}
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
}

// talk sends messages in one write and hears as many ReadyForQuery as they ask
// for.
func (s *speaker) talk(t testing.TB, says ...say) []string {
	t.Helper()
	ready := 0
	for _, m := range says {
		switch m.(type) {
		case *pgproto3.Query, *pgproto3.Sync, *pgproto3.FunctionCall:
			ready++
		}
	}
	s.tell(t, says...)
	return s.ready(t, ready)
}

// ready hears until the n-th ReadyForQuery.
func (s *speaker) ready(t testing.TB, n int) []string {
	t.Helper()
	return s.hear(t, func(word string) bool {
		if word[0] == 'Z' {
			n--
		}
		return n == 0
	})
}

// hear reads until the last word.
func (s *speaker) hear(t testing.TB, last func(word string) bool) (words []string) {
	t.Helper()
	for {
		m, err := s.Receive()
		if err != nil {
			t.Fatalf("after %q: %v", words, err)
		}
		word := s.word(t, m)
		if word == "S again" {
			continue
		}
		words = append(words, word)
		if last(word) {
			return words
		}
	}
}

// word writes one message down. A report of what the client knows already says
// nothing.
func (s *speaker) word(t testing.TB, m pgproto3.BackendMessage) string {
	t.Helper()
	switch m := m.(type) {
	case *pgproto3.BackendKeyData:
		s.pid, s.key = m.ProcessID, slices.Clone(m.SecretKey)
		return "K"
	case *pgproto3.ParameterStatus:
		if before, told := s.reports[m.Name]; told && before == m.Value {
			return "S again"
		}
		s.reports[m.Name] = m.Value
		return "S " + m.Name + "=" + m.Value
	case *pgproto3.RowDescription:
		var b strings.Builder
		b.WriteString("T")
		for _, f := range m.Fields {
			fmt.Fprintf(&b, " %s:%d:%d:%d:%d:%d", f.Name, f.DataTypeOID, f.DataTypeSize, f.Format, f.TableOID, f.TableAttributeNumber)
		}
		return b.String()
	case *pgproto3.ParameterDescription:
		return fmt.Sprint("t ", m.ParameterOIDs)
	case *pgproto3.DataRow:
		return "D " + strings.Join(texts(m.Values), "|")
	case *pgproto3.ErrorResponse:
		return "E " + m.Code
	case *pgproto3.NoticeResponse:
		return "N " + m.Code
	case *pgproto3.ReadyForQuery:
		return "Z " + string(m.TxStatus)
	case *pgproto3.CommandComplete:
		return "C " + string(m.CommandTag)
	case *pgproto3.NotificationResponse:
		return "A " + m.Channel + " " + m.Payload
	}
	encoded, err := m.Encode(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(encoded[0])
}

func texts(values [][]byte) []string {
	out := make([]string, len(values))
	for i, v := range values {
		if out[i] = string(v); v == nil {
			out[i] = "NULL"
		}
	}
	return out
}

// ask is the one value of a simple query.
func (s *speaker) ask(t testing.TB, sql string) string {
	t.Helper()
	for _, word := range s.talk(t, query(sql)) {
		if value, ok := strings.CutPrefix(word, "D "); ok {
			return value
		}
		if word[0] == 'E' {
			t.Fatalf("%s: %s", sql, word)
		}
	}
	t.Fatalf("%s: no row", sql)
	return ""
}

// wantSide asks the server's own rows who answers.
func (s *speaker) wantSide(t testing.TB, want router.Side) {
	t.Helper()
	if got := s.ask(t, "SELECT side FROM whoami LIMIT 1"); got != want.String() {
		t.Errorf("answered by the %s, want the %s", got, want)
	}
}

// Messages of the extended protocol with names.
func parseAs(name, sql string, types ...uint32) say {
	return &pgproto3.Parse{Name: name, Query: sql, ParameterOIDs: types}
}

func bindTo(name string, args ...string) say {
	values := make([][]byte, len(args))
	for i, a := range args {
		values[i] = []byte(a)
	}
	return &pgproto3.Bind{PreparedStatement: name, Parameters: values}
}
func describe(name string) say { return &pgproto3.Describe{ObjectType: 'S', Name: name} }
func closes(name string) say   { return &pgproto3.Close{ObjectType: 'S', Name: name} }

// extended is a statement with the unnamed statement and portal.
func extended(sql string, args ...string) []say {
	return []say{parsed(sql), bindTo("", args...), descP, execute, syncUp}
}

// onSides runs statements on both servers, as a superuser.
func onSides(t testing.TB, statements ...string) {
	t.Helper()
	for side := range router.Side(router.Sides) {
		onSide(t, side, statements...)
	}
}

func onSide(t testing.TB, side router.Side, statements ...string) {
	t.Helper()
	for _, sql := range statements {
		if err := sidesOf(pair)[side].Exec(context.Background(), "app", sql); err != nil {
			t.Fatalf("%s at the %s: %v", sql, side, err)
		}
	}
}

func askSide(t testing.TB, side router.Side, sql string) string {
	t.Helper()
	v, err := sidesOf(pair)[side].Query(context.Background(), "app", sql)
	if err != nil {
		t.Fatalf("%s at the %s: %v", sql, side, err)
	}
	return v
}

// tenantPassword is of the login tenant, which is no superuser.
const tenantPassword = "tenant"

// stateSchema makes, once, what the tests of session state need on both sides:
// the login tenant, and rows of two tenants behind a policy that differ by side.
var stateSchema = func() func(testing.TB) {
	var once sync.Once
	return func(t testing.TB) {
		t.Helper()
		once.Do(func() {
			onSides(t,
				"CREATE ROLE tenant LOGIN PASSWORD '"+tenantPassword+"'", "CREATE ROLE narrow", "GRANT narrow TO tenant",
				"CREATE TABLE owned (tenant text, side text)",
				"ALTER TABLE owned ENABLE ROW LEVEL SECURITY",
				"CREATE POLICY mine ON owned USING (tenant = current_setting('app.tenant', true))",
				"GRANT SELECT ON owned TO PUBLIC")
			for side := range router.Side(router.Sides) {
				onSide(t, side, fmt.Sprintf("INSERT INTO owned VALUES ('five', '%[1]s'), ('six', '%[1]s'), ('6', '%[1]s')", side))
			}
		})
	}
}()

// newState is newShared with the login tenant.
func newState(t testing.TB, change func(*Options)) *shared {
	t.Helper()
	stateSchema(t)
	return newShared(t, func(o *Options) {
		o.Live.Users["tenant"] = &User{Name: "tenant", Auth: Trust}
		for side := range o.Live.Users["tenant"].Logins {
			o.Live.Users["tenant"].Logins[side] = Login{User: "tenant", Password: tenantPassword}
		}
		if change != nil {
			change(o)
		}
	})
}

// asTenant logs in as the login tenant, to the proxy.
func asTenant(t testing.TB, proxy *shared) *speaker {
	t.Helper()
	return speakTo(t, proxy.addr, map[string]string{"user": "tenant"})
}

// step is one write of a script.
type step []say

func q(sql string) step { return step{query(sql)} }

// transcript runs a script, and leaves out the side in what is said.
func transcript(t testing.TB, s *speaker, script []step) (all [][]string, sides map[string]int) {
	t.Helper()
	sides = map[string]int{}
	for _, says := range script {
		words := s.talk(t, says...)
		reportsFirst(words)
		for i, word := range words {
			if word == "D target" || word == "D source" {
				sides[word[2:]]++
				words[i] = "D side"
			}
		}
		all = append(all, words)
	}
	return all, sides
}

// reportsFirst puts the reports of each request before its other answers: a
// server before 14 sends them as settings change, a later one with its
// ReadyForQuery (SESSIONSTATE M3).
func reportsFirst(words []string) {
	for from := 0; from < len(words); {
		upto := from + 1
		for upto < len(words) && words[upto-1][0] != 'Z' {
			upto++
		}
		slices.SortStableFunc(words[from:upto], func(a, b string) int {
			return cmp.Compare(rank(a), rank(b))
		})
		from = upto
	}
}

func rank(word string) int {
	if word[0] == 'S' {
		return 0
	}
	return 1
}

// sameAsDirect runs a script at the source directly, and through the proxy with
// all sessions at the target where they can be; the client must see the same.
// It says how many rows of each side's own the proxy's client has seen.
func sameAsDirect(t testing.TB, proxy *shared, params map[string]string, script []step) map[string]int {
	t.Helper()
	proxy.share(100)
	direct := speakTo(t, pair.Source.Addr(), params)
	through := speakTo(t, proxy.addr, params)
	if diff := gocmp.Diff(direct.reports, through.reports); diff != "" {
		t.Errorf("settings told at login (-direct +proxy):\n%s", diff)
	}
	want, _ := transcript(t, direct, script)
	got, sides := transcript(t, through, script)
	for i := range want {
		if diff := gocmp.Diff(want[i], got[i]); diff != "" {
			t.Errorf("step %d, %s (-direct +proxy):\n%s", i, spelled(script[i]), diff)
		}
	}
	if diff := gocmp.Diff(direct.reports, through.reports); diff != "" {
		t.Errorf("settings as told at the end (-direct +proxy):\n%s", diff)
	}
	return sides
}

func spelled(says step) string {
	var out []string
	for _, m := range says {
		switch m := m.(type) {
		case *pgproto3.Query:
			out = append(out, m.String)
		case *pgproto3.Parse:
			out = append(out, "parse "+m.Query)
		default:
			out = append(out, strings.TrimPrefix(fmt.Sprintf("%T", m), "*pgproto3."))
		}
	}
	return strings.Join(out, ", ")
}

// seen is a script's read of the side that answers.
var seen = q("SELECT side FROM whoami LIMIT 1")

func dialTCP(t testing.TB, addr string) net.Conn {
	t.Helper()
	var d net.Dialer
	conn, err := d.DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	deadline(t, conn)
	return conn
}
