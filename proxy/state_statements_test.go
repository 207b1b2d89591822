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

// Drivers that flush wait for an answer before they send their Sync: none may
// be held back.
func TestM03DriversThatFlush(t *testing.T) {
	proxy := newState(t, nil)
	const sql = "SELECT side FROM whoami WHERE n = $1"
	s := speakTo(t, proxy.addr, nil)
	proxy.share(100)
	for range 2 {
		s.tell(t, parse(sql), bindTo("", "3"), descP, flush)
		s.hear(t, func(word string) bool { return word[0] == 'T' })
		s.tell(t, execute, flush)
		if got := s.hear(t, func(word string) bool { return word[0] == 'C' }); got[0] != "D target" {
			t.Errorf("P B D H, E H: %q", got)
		}
		s.talk(t, syncUp)

		s.talk(t, parseAs("d", sql), describe("d"), syncUp)
		if got := s.talk(t, bindTo("d", "3"), execute, syncUp); got[1] != "D target" {
			t.Errorf("P D S, B E S: %q", got)
		}
		s.talk(t, closes("d"), syncUp)

		s.tell(t, parseAs("h", sql), describe("h"), flush)
		s.hear(t, func(word string) bool { return word[0] == 'T' })
		if got := s.talk(t, bindTo("h", "3"), execute, syncUp); got[1] != "D target" {
			t.Errorf("P D H, B E S: %q", got)
		}
		s.talk(t, closes("h"), syncUp)
		s.wantSide(t, router.Target)
	}
}

func TestM03AFlushedErrorEndsWithItsSync(t *testing.T) {
	proxy := newState(t, nil)
	proxy.share(100)
	s := speakTo(t, proxy.addr, nil)
	s.wantSide(t, router.Target)
	for _, sql := range []string{"SELECT side FROM nothing", "SELECT 1/0", "INSERT INTO whoami VALUES ('x', 1)", "SELECT nextval('nothing')"} {
		s.tell(t, parse(sql), bind, descP, execute, flush)
		s.hear(t, func(word string) bool { return word[0] == 'E' })
		s.tell(t, parse("SELECT 1"), flush)
		if got := s.talk(t, syncUp); strings.Join(got, " ") != "Z I" {
			t.Errorf("%s: after the Sync %q", sql, got)
		}
		s.wantSide(t, router.Target)
	}
}

func TestM03ACancelledStatementIsNotRunAgain(t *testing.T) {
	for name, says := range map[string][]say{
		"simple": {query("SELECT pg_sleep(60)")}, "extended": extended("SELECT pg_sleep(60)"),
		"described": {parseAs("z", "SELECT pg_sleep(60)"), describe("z"), bindTo("z"), execute, syncUp},
	} {
		t.Run(name, func(t *testing.T) {
			proxy := newState(t, nil)
			proxy.share(100)
			s := speakTo(t, proxy.addr, map[string]string{"application_name": "cancelled " + name})
			s.wantSide(t, router.Target)
			s.tell(t, says...)
			sleeping := "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND application_name = 'cancelled " + name + "'"
			eventually(t, "it sleeps at the target", func() bool { return askSide(t, router.Target, sleeping) == "1" })
			cancelSpeaker(t, proxy.addr, s)
			words := s.ready(t, 1)
			if n := countOf(words, "E 57014"); n != 1 || words[len(words)-1] != "Z I" {
				t.Errorf("answered %q", words)
			}
			if n := askSide(t, router.Source, sleeping); n != "0" {
				t.Errorf("%s sleep at the source", n)
			}
			s.wantSide(t, router.Target)
		})
	}
}

func countOf(words []string, what string) (n int) {
	for _, w := range words {
		if w == what {
			n++
		}
	}
	return n
}

func cancelSpeaker(t testing.TB, addr string, s *speaker) {
	t.Helper()
	conn := dialTCP(t, addr)
	out, err := (&pgproto3.CancelRequest{ProcessID: s.pid, SecretKey: s.key}).Encode(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(out); err != nil {
		t.Fatal(err)
	}
	(&raw{Conn: conn}).rest(t)
}

func TestM03AStatementThatTimesOutIsNotRunAgain(t *testing.T) {
	proxy := newState(t, nil)
	proxy.share(100)
	s := speakTo(t, proxy.addr, nil)
	s.talk(t, query("SET statement_timeout = '700ms'"))
	s.wantSide(t, router.Target)
	before := proxy.reasons()[router.TargetError]
	if words := s.talk(t, extended("SELECT pg_sleep(60)")...); countOf(words, "E 57014") != 1 {
		t.Errorf("answered %q", words)
	}
	if n := proxy.reasons()[router.TargetError] - before; n != 0 {
		t.Errorf("answered by the source %d times after it had timed out", n)
	}
	s.wantSide(t, router.Target)
}

// An error after effects that no rollback takes back: the statement's effects
// are there once, and where the session's lock is looked for.
func TestM03AnErrorBehindEffectsThatStay(t *testing.T) {
	proxy := newState(t, nil)
	onSides(t, "CREATE SEQUENCE effects")
	t.Cleanup(func() { onSides(t, "DROP SEQUENCE effects") })
	proxy.share(100)
	s := speakTo(t, proxy.addr, nil)
	s.wantSide(t, router.Target)
	words := s.talk(t, extended("SELECT pg_advisory_lock(5), nextval('effects'), 1 / (n - n) FROM whoami LIMIT 1")...)
	if countOf(words, "E 22012") != 1 {
		t.Errorf("answered %q", words)
	}
	locks := "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 5"
	if there, here := askSide(t, router.Target, locks), askSide(t, router.Source, locks); there != "0" || here != "1" {
		t.Errorf("%s locks at the target, %s at the source", there, here)
	}
	if v := askSide(t, router.Source, "SELECT last_value || ' ' || is_called FROM effects"); v != "1 true" {
		t.Errorf("the sequence of the source is at %s", v)
	}
	if v := askSide(t, router.Target, "SELECT last_value || ' ' || is_called FROM effects"); v != "1 false" {
		t.Errorf("the sequence of the target is at %s", v)
	}
	if v := s.ask(t, "SELECT pg_advisory_unlock(5)"); v != "t" {
		t.Errorf("unlock: %s", v)
	}
	s.wantSide(t, router.Target)
}

func TestM04APrepareInALongTextRunsNothingElseAgain(t *testing.T) {
	proxy := newState(t, nil)
	onSides(t, "CREATE TABLE runs (n int)", "GRANT ALL ON runs TO PUBLIC")
	t.Cleanup(func() { onSides(t, "DROP TABLE runs") })
	s := speakTo(t, proxy.addr, nil)
	s.talk(t, query("INSERT INTO runs VALUES (2); PREPARE a1 AS SELECT side FROM whoami LIMIT 1; SELECT 3"))
	for i, share := range []float64{100, 0, 100, 0} {
		proxy.share(share)
		want := []router.Side{router.Target, router.Source}[i%2]
		s.wantSide(t, want)
		if got := s.ask(t, "EXECUTE a1"); got != want.String() {
			t.Errorf("EXECUTE is answered by the %s", got)
		}
	}
	if n := askSide(t, router.Source, "SELECT count(*) FROM runs"); n != "1" {
		t.Errorf("the source has %s rows", n)
	}
	if n := askSide(t, router.Target, "SELECT count(*) FROM runs"); n != "0" {
		t.Errorf("the target has %s rows", n)
	}
}

func TestM04PrepareAndDeallocateOutOfSight(t *testing.T) {
	proxy := newState(t, nil)
	script := []step{
		seen,
		q("DO $$ BEGIN EXECUTE 'PREPARE hid AS SELECT side FROM whoami LIMIT 1'; END $$"), seen, q("EXECUTE hid"), seen,
		{parseAs("p1", "SELECT side FROM whoami LIMIT 1"), describe("p1"), syncUp},
		{bindTo("p1"), execute, syncUp},
		seen,
		q("DO $$ BEGIN EXECUTE 'DEALLOCATE p1'; END $$"),
		{bindTo("p1"), execute, syncUp},
		seen,
		q("DO $$ BEGIN EXECUTE 'DEALLOCATE ALL'; END $$"), q("EXECUTE hid"), seen,
		q("PREPARE x AS SELECT 1"), q("DEALLOCATE x"), q("EXECUTE x"), seen,
		{parseAs("p2", "SELECT 2"), syncUp},
		q("DEALLOCATE p2"), seen,
		{bindTo("p2"), execute, syncUp},
		{parseAs("p2", "SELECT 3"), syncUp},
		q("DISCARD ALL"), seen,
		{bindTo("p2"), execute, syncUp},
		seen,
	}
	if sides := sameAsDirect(t, proxy, nil, script); sides["target"] < 4 {
		t.Errorf("answered %v", sides)
	}
}

func TestM05TheUnnamedStatementSurvivesAMove(t *testing.T) {
	proxy := newState(t, nil)
	s := speakTo(t, proxy.addr, nil)
	s.wantSide(t, router.Source)
	s.talk(t, parse("SELECT side FROM whoami LIMIT 1"), descS, syncUp)
	if got := s.talk(t, bind, execute, syncUp); got[1] != "D source" {
		t.Fatalf("%q", got)
	}
	proxy.share(100)
	if got := s.talk(t, bind, execute, syncUp); got[1] != "D source" && got[1] != "D target" {
		t.Errorf("after share 100: %q", got)
	}
	for range 2 {
		proxy.share(100)
		s.talk(t, parse("SELECT side FROM whoami LIMIT 1"), descS, syncUp)
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
	s.talk(t, parse("SELECT side FROM whoami LIMIT 1"), descS, syncUp)
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
			s.talk(t, parse("SELECT n FROM whoami ORDER BY n LIMIT 1"), syncUp)
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

// A probe asks one leg for its statements; those of the other are still there.
func TestM04AProbeDoesNotForgetStatementsOfTheOtherLeg(t *testing.T) {
	for name, before := range map[string]string{
		"PREPARE": "PREPARE x AS SELECT 1", "DO": "DO $$ BEGIN PERFORM 1; END $$", "a failed DISCARD": "BEGIN; DISCARD ALL",
		"a computed name": "SELECT set_config('work' || '_mem', '3MB', false)", "DEALLOCATE of another": "DEALLOCATE x",
	} {
		t.Run(name, func(t *testing.T) {
			proxy := newState(t, nil)
			proxy.share(100)
			s := speakTo(t, proxy.addr, nil)
			s.talk(t, query("PREPARE x AS SELECT 1"))
			s.talk(t, parseAs("s1", "SELECT n FROM whoami ORDER BY n LIMIT 1"), describe("s1"), syncUp)
			for range 3 {
				s.talk(t, query(before))
				s.talk(t, query("ROLLBACK"))
				s.talk(t, query("SELECT 1"))
				s.talk(t, query("SET app.tenant = 'x'"))
				s.talk(t, query("BEGIN ISOLATION LEVEL SERIALIZABLE"))
				if words := s.talk(t, bindTo("s1"), execute, syncUp); words[1] != "D 1" {
					t.Errorf("at the source: %q", words)
				}
				s.talk(t, query("ROLLBACK"))
				if words := s.talk(t, bindTo("s1"), execute, syncUp); words[1] != "D 1" {
					t.Errorf("at the target: %q", words)
				}
			}
		})
	}
}
