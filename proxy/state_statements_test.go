package proxy

import (
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/crossfade-db/crossfade/router"
)

// widths makes a table whose column is wider at the target.
func widths(t testing.TB) {
	t.Helper()
	onSide(t, router.Source, "CREATE TABLE widths (k int, side text)", "INSERT INTO widths VALUES (7, 'source')", "GRANT SELECT ON widths TO PUBLIC")
	onSide(t, router.Target, "CREATE TABLE widths (k bigint, side text)", "INSERT INTO widths VALUES (7, 'target')", "GRANT SELECT ON widths TO PUBLIC")
	t.Cleanup(func() { onSides(t, "DROP TABLE widths") })
}

const widthsQuery = "SELECT k, side FROM widths WHERE k = $1"

// binaryBind binds and asks for values of four bytes.
func binaryBind(name string) say {
	return &pgproto3.Bind{PreparedStatement: name, ParameterFormatCodes: []int16{1}, ResultFormatCodes: []int16{1, 0}, Parameters: [][]byte{{0, 0, 0, 7}}}
}

func TestM02AWiderColumnAtTheTargetIsNeverSeen(t *testing.T) {
	proxy := newState(t, nil)
	widths(t)
	s := speakTo(t, proxy.addr, nil)
	told := s.talk(t, parseAs("w", widthsQuery), describe("w"), syncUp)
	direct := speakTo(t, pair.Source.Addr(), nil).talk(t, parseAs("w", widthsQuery), describe("w"), syncUp)
	if strings.Join(told, "\n") != strings.Join(direct, "\n") {
		t.Fatalf("told %q, want %q", told, direct)
	}
	proxy.share(100)
	s.wantSide(t, router.Target)
	for range 3 {
		got := s.talk(t, binaryBind("w"), execute, syncUp)
		if want := "D \x00\x00\x00\x07|source"; len(got) < 2 || got[1] != want {
			t.Errorf("answered %q, want %q", got, want)
		}
		s.wantSide(t, router.Target)
	}
}

// A client that is told by the target first is told the target's width: the
// columns differ, which a mapping or check has to say. It must be told one and
// the same for as long as it has the statement.
func TestM02AStatementIsDescribedOnceAndForAll(t *testing.T) {
	proxy := newState(t, nil)
	widths(t)
	proxy.share(100)
	s := speakTo(t, proxy.addr, nil)
	s.wantSide(t, router.Target)
	told := s.talk(t, parseAs("w", widthsQuery), describe("w"), syncUp)
	for _, share := range []float64{0, 100, 0} {
		proxy.share(share)
		s.wantSide(t, map[float64]router.Side{0: router.Source, 100: router.Target}[share])
		again := s.talk(t, bindTo("w", "7"), descP, execute, syncUp)
		if failed := again[0] == "E 0A000" || again[1] == "E 0A000"; !failed && again[1] != told[2] {
			t.Errorf("share %v: told %q and then %q", share, told, again)
		}
	}
}

func TestM02AStatementParsedUnderAnotherSearchPath(t *testing.T) {
	proxy := newState(t, nil)
	onSides(t, "CREATE SCHEMA s1", "CREATE SCHEMA s2", "CREATE TABLE s1.k (k int)", "CREATE TABLE s2.k (k bigint)", "INSERT INTO s1.k VALUES (1)", "INSERT INTO s2.k VALUES (2)")
	t.Cleanup(func() { onSides(t, "DROP SCHEMA s1, s2 CASCADE") })
	script := []step{
		q("SET search_path = s1"),
		{parseAs("k", "SELECT k FROM k"), describe("k"), syncUp},
		{bindTo("k"), execute, syncUp},
		q("SET search_path = s2"),
		{bindTo("k"), execute, syncUp},
		q("SET search_path = public"), seen,
	}
	if sides := sameAsDirect(t, proxy, nil, script); sides["target"] == 0 {
		t.Error("the session was never at the target")
	}
}

func TestM02BytesOfATextAreReadAsWhenItWasParsed(t *testing.T) {
	proxy := newState(t, nil)
	for _, test := range []struct{ name, set, reset, text string }{
		{"LATIN1", "SET client_encoding = 'LATIN1'", "SET client_encoding = 'UTF8'", "SELECT length('\xc3\xa9')"},
		{"LATIN1 that is no UTF8", "SET client_encoding = 'LATIN1'", "SET client_encoding = 'UTF8'", "SELECT length('\xe9')"},
		{"backslashes", "SET standard_conforming_strings = off", "SET standard_conforming_strings = on", `SELECT length('\n\\')`},
		{"null equals", "SET transform_null_equals = on", "SET transform_null_equals = off", "SELECT 1 WHERE NULL = NULL"},
	} {
		t.Run(test.name, func(t *testing.T) {
			script := []step{
				q(test.set),
				{parseAs("a", test.text), describe("a"), syncUp},
				{bindTo("a"), execute, syncUp},
				seen,
				q(test.reset), seen,
				{bindTo("a"), execute, syncUp},
				{bindTo("a"), execute, syncUp},
				seen,
				{parseAs("b", "SELECT length('x')"), syncUp},
				{bindTo("b"), execute, syncUp},
				q(test.set),
				{bindTo("b"), execute, syncUp},
				{bindTo("a"), execute, syncUp},
				seen,
			}
			if sides := sameAsDirect(t, proxy, nil, script); sides["target"] == 0 {
				t.Error("the session was never at the target")
			}
		})
	}
}

func TestM02AStatementParsedBeforeSetRole(t *testing.T) {
	proxy := newState(t, nil)
	onSides(t, "CREATE SCHEMA closed", "CREATE TABLE closed.t (n int)", "INSERT INTO closed.t VALUES (5)", "GRANT SELECT ON closed.t TO narrow")
	t.Cleanup(func() { onSides(t, "DROP SCHEMA closed CASCADE") })
	script := []step{
		{parseAs("c", "SELECT n FROM closed.t"), describe("c"), syncUp},
		{bindTo("c"), execute, syncUp},
		q("SET ROLE narrow"), seen,
		{bindTo("c"), execute, syncUp},
		{bindTo("c"), execute, syncUp},
		q("RESET ROLE"),
		{bindTo("c"), execute, syncUp},
		seen,
	}
	if sides := sameAsDirect(t, proxy, nil, script); sides["target"] == 0 {
		t.Error("the session was never at the target")
	}
}

func TestM05TheUnnamedStatementSurvivesAMove(t *testing.T) {
	proxy := newState(t, nil)
	s := speakTo(t, proxy.addr, nil)
	s.wantSide(t, router.Source)
	s.talk(t, parsed("SELECT side FROM whoami LIMIT 1"), descS, syncUp)
	if got := s.talk(t, bind, execute, syncUp); got[1] != "D source" {
		t.Fatalf("%q", got)
	}
	proxy.share(100)
	if got := s.talk(t, bind, execute, syncUp); got[1] != "D source" && got[1] != "D target" {
		t.Errorf("after share 100: %q", got)
	}
	for range 2 {
		proxy.share(100)
		s.talk(t, parsed("SELECT side FROM whoami LIMIT 1"), descS, syncUp)
		if got := s.talk(t, bind, execute, syncUp); got[1] != "D target" {
			t.Errorf("share 100: %q", got)
		}
		proxy.share(0)
		if got := s.talk(t, bind, execute, syncUp); got[1] != "D source" {
			t.Errorf("share 0: %q", got)
		}
		proxy.share(100) // it may be known at the source alone by now
		if got := s.talk(t, bind, execute, syncUp); got[1] != "D source" && got[1] != "D target" {
			t.Errorf("share 100 again: %q", got)
		}
	}
}

func TestM05TheUnnamedStatementSurvivesAMoveThatFails(t *testing.T) {
	proxy := newState(t, nil)
	onSide(t, router.Source, "CREATE ROLE only_here", "GRANT only_here TO trusted", "GRANT SELECT ON whoami TO only_here")
	t.Cleanup(func() { onSide(t, router.Source, "DROP OWNED BY only_here", "DROP ROLE only_here") })
	s := speakTo(t, proxy.addr, nil)
	proxy.share(100)
	s.wantSide(t, router.Target)
	s.talk(t, query("SET ROLE only_here"))
	s.talk(t, parsed("SELECT side FROM whoami LIMIT 1"), descS, syncUp)
	for range 3 {
		if got := s.talk(t, bind, execute, syncUp); got[1] != "D source" {
			t.Errorf("%q", got)
		}
		proxy.share(100) // a new policy: tried again
	}
	if n := proxy.Stats().Pins[router.PinState]; n != 1 {
		t.Errorf("%d sessions are pinned for their state", n)
	}
	s.talk(t, query("RESET ROLE"))
	s.wantSide(t, router.Target)
}

func TestM07ANameUsedAgainAfterAVisit(t *testing.T) {
	proxy := newState(t, nil)
	s := speakTo(t, proxy.addr, nil)
	for i, share := range []float64{100, 0, 100, 0, 100} {
		proxy.share(share)
		side := []string{"target", "source"}[i%2]
		sql := "SELECT side || '" + strconv.Itoa(i) + "' FROM whoami LIMIT 1"
		got := s.talk(t, parseAs("s1", sql), describe("s1"), bindTo("s1"), execute, closes("s1"), syncUp)
		if countOf(got, "D "+side+strconv.Itoa(i)) != 1 {
			t.Errorf("visit %d: %q", i, got)
		}
	}
	// Closed on one side, and made anew with another text: no leg keeps the old one.
	proxy.share(0)
	s.talk(t, parseAs("s2", "SELECT 'old ' || side FROM whoami LIMIT 1"), syncUp)
	proxy.share(100)
	s.talk(t, bindTo("s2"), execute, syncUp)
	proxy.share(0)
	s.talk(t, closes("s2"), syncUp)
	s.talk(t, parseAs("s2", "SELECT 'new ' || side FROM whoami LIMIT 1"), syncUp)
	for i, share := range []float64{100, 0} {
		proxy.share(share)
		if got := s.talk(t, bindTo("s2"), execute, syncUp); got[1] != "D new "+[]string{"target", "source"}[i] {
			t.Errorf("share %v: %q", share, got)
		}
	}
}

// A driver that keeps its statements uses those made at the target in
// transactions of the source too.
func TestM02StatementsMadeAtTheTargetServeInTransactionsOfTheSource(t *testing.T) {
	proxy := newState(t, nil)
	proxy.share(100)
	s := speakTo(t, proxy.addr, nil)
	s.talk(t, parseAs("s1", "SELECT side FROM whoami LIMIT 1"), describe("s1"), syncUp)
	if words := s.talk(t, bindTo("s1"), execute, syncUp); words[1] != "D target" {
		t.Fatalf("%q", words)
	}
	for _, begin := range [][]string{
		{"BEGIN ISOLATION LEVEL SERIALIZABLE"}, {"BEGIN", "SELECT pg_backend_pid()", "SELECT 1"}, {"BEGIN; SET LOCAL work_mem = '6MB'"},
	} {
		t.Run(begin[0], func(t *testing.T) {
			name := "n" + strconv.Itoa(len(begin[0]))
			s.talk(t, parseAs(name, "SELECT side FROM whoami LIMIT 1"), describe(name), syncUp)
			for _, sql := range begin {
				if words := s.talk(t, query(sql)); words[0][0] == 'E' {
					t.Fatalf("%s: %q", sql, words)
				}
			}
			if words := s.talk(t, bindTo(name), execute, syncUp); words[1] != "D source" {
				t.Errorf("the statement: %q", words)
			}
			if words := s.talk(t, describe(name), syncUp); words[0] != "t []" {
				t.Errorf("its description: %q", words)
			}
			s.talk(t, query("ROLLBACK"))
			s.wantSide(t, router.Target)
		})
	}
}

func TestM02StatementsMadeAtTheTargetServeWhenTheShareIsTakenBack(t *testing.T) {
	for name, before := range map[string][]string{
		"after a SET": {"SET app.tenant = 'x'"}, "in a transaction of the source": {"BEGIN ISOLATION LEVEL SERIALIZABLE"},
		"in a transaction that has left": {"BEGIN", "SELECT n FROM whoami LIMIT 1", "SELECT pg_backend_pid()"},
		"in a transaction at the target": {"BEGIN", "SELECT n FROM whoami LIMIT 1"}, "at once": nil,
		"pinned": {"CREATE TEMP TABLE tp (n int)"}, "in a failed transaction": {"BEGIN", "SELECT 1/0", "ROLLBACK"},
	} {
		t.Run(name, func(t *testing.T) {
			proxy := newState(t, nil)
			proxy.share(100)
			s := speakTo(t, proxy.addr, nil)
			for _, as := range []string{"s1", "s2", "s3"} {
				s.talk(t, parseAs(as, "SELECT n FROM whoami ORDER BY n LIMIT 1"), describe(as), syncUp)
			}
			s.talk(t, parsed("SELECT n FROM whoami ORDER BY n LIMIT 1"), syncUp)
			for _, sql := range before {
				s.talk(t, query(sql))
			}
			proxy.share(0)
			for _, as := range []string{"s1", "s1", "s2"} {
				if words := s.talk(t, bindTo(as), execute, syncUp); words[1] != "D 1" {
					t.Errorf("%s: %q", as, words)
				}
			}
			s.talk(t, query("ROLLBACK"))
			if words := s.talk(t, bindTo("s3"), execute, syncUp); words[1] != "D 1" {
				t.Errorf("s3 after it: %q", words)
			}
			s.wantSide(t, router.Source)
		})
	}
}
