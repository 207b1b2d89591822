package proxy

import (
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/crossfade-db/crossfade/router"
)

// A client that has always its next batch in flight is moved between two of
// them: it is never idle, and comes to the target with the batch that follows.
func TestM11AClientThatIsNeverIdleMoves(t *testing.T) {
	proxy := newState(t, nil)
	s := speakTo(t, proxy.addr, nil)
	batch := extended("SELECT side FROM whoami LIMIT 1")
	heard := func() string {
		words := s.ready(t, 1)
		return strings.TrimPrefix(words[slices.IndexFunc(words, func(w string) bool { return w[0] == 'D' })], "D ")
	}
	s.tell(t, batch...)
	for i := range 6 {
		want := router.Side(i % 2)
		proxy.share(float64(100 * (i % 2)))
		var got []string
		for range 4 { // two are under way at any time; the change is between them
			s.tell(t, batch...)
			got = append(got, heard())
		}
		if got[2] != want.String() || got[3] != want.String() {
			t.Errorf("share %d: answered by %q", 100*(i%2), got)
		}
	}
}

func TestM11ThreeBatchesInOneWriteAroundAChangeOfShare(t *testing.T) {
	proxy := newState(t, nil)
	s := speakTo(t, proxy.addr, nil)
	three := slices.Concat(extended("SELECT side, 1 FROM whoami LIMIT 1"), extended("SELECT side, 2 FROM whoami LIMIT 1"), step{query("SELECT side, 3 FROM whoami LIMIT 1")})
	for i := range 6 {
		proxy.share(float64(100 * (i % 2)))
		side := router.Side(i % 2).String()
		words := s.talk(t, three...)
		for _, want := range []string{"D " + side + "|1", "D " + side + "|2", "D " + side + "|3"} {
			if countOf(words, want) != 1 {
				t.Errorf("share %d: no %q in %q", 100*(i%2), want, words)
			}
		}
	}
}

// Half a frame that lies unforwarded belongs to the next side.
func TestM11HalfAFrameBelongsToTheNextSide(t *testing.T) {
	proxy := newState(t, nil)
	s := speakTo(t, proxy.addr, nil)
	encode := func(says ...say) (out []byte) {
		for _, m := range says {
			var err error
			if out, err = m.Encode(out); err != nil {
				t.Fatal(err)
			}
		}
		return out
	}
	first, second := encode(extended("SELECT side FROM whoami LIMIT 1")...), encode(extended("SELECT side FROM whoami LIMIT 1")...)
	frame := len(encode(parsed("SELECT side FROM whoami LIMIT 1"))) // what is whole is the source's already
	for cut := 1; cut < frame; cut += 3 {
		proxy.share(0)
		s.wantSide(t, router.Source)
		if _, err := s.Conn.Write(slices.Concat(first, second[:cut])); err != nil {
			t.Fatal(err)
		}
		s.ready(t, 1)
		proxy.share(100)
		if _, err := s.Conn.Write(second[cut:]); err != nil {
			t.Fatal(err)
		}
		if words := s.ready(t, 1); countOf(words, "D target") != 1 {
			t.Errorf("cut at %d: %q", cut, words)
		}
	}
}

func TestM11AMultiStatementQueryMovesOnlyWhereItEndsIdle(t *testing.T) {
	proxy := newState(t, nil)
	script := []step{
		seen, q("SELECT 1; BEGIN"), seen, q("COMMIT; BEGIN"), seen, q("COMMIT AND CHAIN"), seen, q("ROLLBACK"), seen,
		q("BEGIN"), seen, q("COMMIT AND CHAIN"), seen, q("ROLLBACK AND CHAIN"), seen, q("COMMIT"), seen,
		q("BEGIN"), q("SELECT 1/0"), q("SELECT 1"), q("COMMIT"), seen,
		q("BEGIN"), q("SAVEPOINT a"), q("SELECT 1/0"), q("ROLLBACK TO a"), seen, q("RELEASE a"), q("COMMIT"), seen,
		q("BEGIN"), q("SELECT pg_backend_pid() IS NULL"), q("SAVEPOINT a"), q("ROLLBACK TO nothing"), q("ROLLBACK"), seen,
		q("ROLLBACK"), q("COMMIT"), q("BEGIN"), q("BEGIN"), q("COMMIT"), q("SAVEPOINT x"), seen,
		{parsed("SELECT 1"), bind, execute, parsed("BEGIN"), bind, execute, syncUp},
		seen, q("COMMIT"),
		{parsed("BEGIN"), bind, execute, syncUp},
		seen,
		{parsed("COMMIT"), bind, execute, syncUp},
		seen,
		{parsed("SELECT 1"), bind, execute, parsed("SELECT 1/0"), bind, execute, parsed("SELECT 2"), bind, execute, syncUp},
		seen,
		q(""),
		{parsed(""), bind, execute, syncUp},
		q(";"), q("-- nothing"), seen,
		{query("SELECT 1"), parsed("SELECT 2"), bind, execute, syncUp, query("BEGIN"), query("SELECT 3"), query("COMMIT")},
		seen,
	}
	if sides := sameAsDirect(t, proxy, nil, script); sides["target"] < 10 {
		t.Errorf("answered %v", sides)
	}
}

func TestM11InAFailedTransactionTheAnswersAreThoseOfAFailedTransaction(t *testing.T) {
	proxy := newState(t, nil)
	script := []step{
		q("BEGIN"), seen, q("SELECT 1/0"), q("SELECT pg_backend_pid()"), q("SELECT lastval()"), q("SET TimeZone = 'UTC'"), q("LISTEN x"), q("SELECT relname FROM pg_class"),
		{bindTo("nobody"), execute, syncUp},
		extended("SELECT pg_backend_pid()"), q("SELECT 1; SELECT 2"), q("SAVEPOINT a"), q("COMMIT"), seen,
		q("BEGIN"), seen, q("SAVEPOINT a"), q("SELECT 1/0"), q("SELECT pg_backend_pid()"), q("ROLLBACK TO a"), seen, q("SELECT pg_backend_pid() IS NULL"), seen, q("COMMIT"), seen,
	}
	if sides := sameAsDirect(t, proxy, nil, script); sides["target"] < 4 {
		t.Errorf("answered %v", sides)
	}
}

func TestM11CursorsAndPortals(t *testing.T) {
	proxy := newState(t, nil)
	portal := func(name string, rows uint32) say { return &pgproto3.Execute{Portal: name, MaxRows: rows} }
	const numbers = "SELECT n FROM whoami ORDER BY n"
	script := []step{
		seen, q("BEGIN"), q("DECLARE c CURSOR FOR " + numbers), q("FETCH 2 FROM c"), seen, q("FETCH 2 FROM c"), q("MOVE 1 FROM c"), q("FETCH 1 FROM c"), q("CLOSE c"), q("COMMIT"), seen,
		q("BEGIN"), seen, q("DECLARE c CURSOR FOR " + numbers), q("FETCH 2 FROM c"), q("COMMIT"), q("FETCH 1 FROM c"), seen,
		q("BEGIN"),
		{parsed(numbers), &pgproto3.Bind{DestinationPortal: "p"}, portal("p", 2), syncUp},
		{portal("p", 3), syncUp},
		q("SELECT 1"),
		{portal("p", 2), syncUp},
		q("COMMIT"),
		{portal("p", 1), syncUp},
		seen,
		{parsed(numbers), bind, oneRow, oneRow, execute, syncUp},
		seen,
		{parsed(numbers), bind, oneRow, syncUp},
		{oneRow, syncUp},
		seen,
		q("BEGIN"),
		{parsed(numbers), bind, oneRow, syncUp},
		{oneRow, syncUp},
		q("SELECT pg_backend_pid() IS NULL"),
		{oneRow, syncUp},
		q("COMMIT"), seen,
	}
	if sides := sameAsDirect(t, proxy, nil, script); sides["target"] < 5 {
		t.Errorf("answered %v", sides)
	}
}

func TestM12WhatIsTiedToOneServer(t *testing.T) {
	proxy := newState(t, nil)
	proxy.share(100)
	s := speakTo(t, proxy.addr, nil)
	pid := s.ask(t, "SELECT pg_backend_pid()")
	for i := range 6 {
		proxy.share(float64(100 * (i % 2)))
		s.wantSide(t, router.Side(i%2))
		if got := s.ask(t, "SELECT pg_backend_pid()"); got != pid {
			t.Errorf("the process is %s and was %s", got, pid)
		}
	}
	if n := askSide(t, router.Source, "SELECT count(*) FROM pg_stat_activity WHERE pid = "+pid+" AND usename = 'trusted'"); n != "1" {
		t.Errorf("the source has %s such processes", n)
	}
	for _, sql := range []string{
		"SELECT count(*) FROM pg_stat_activity WHERE pid = pg_backend_pid()", "SELECT count(*) FROM pg_locks WHERE pid = " + pid,
		"SELECT pg_is_in_recovery(), count(*) FROM pg_stat_activity WHERE pid = " + pid,
	} {
		if got := s.ask(t, sql); got == "0" || strings.HasSuffix(got, "|0") {
			t.Errorf("%s: %s", sql, got)
		}
	}
	if got := s.ask(t, "SELECT pg_current_wal_lsn() >= '0/0', version() LIKE '%12.%'"); got != "t|t" {
		t.Errorf("not the source: %s", got)
	}
	if got := s.ask(t, "SHOW server_version"); got != s.reports["server_version"] {
		t.Errorf("the server's version is %s and was told as %s", got, s.reports["server_version"])
	}
	if got := s.ask(t, "SELECT current_setting('server_version_num')"); !strings.HasPrefix(got, "12") {
		t.Errorf("the server's version is %s", got)
	}
	if got := s.ask(t, "SHOW transaction_read_only"); got != "off" {
		t.Errorf("read-only is %s", got)
	}
	if got := s.ask(t, "SHOW default_transaction_read_only"); got != "off" {
		t.Errorf("read-only by default is %s", got)
	}
	if got := s.ask(t, "SELECT setting FROM pg_settings WHERE name = 'default_transaction_read_only'"); got != "off" {
		t.Errorf("read-only by default is %s in pg_settings", got)
	}
	if got := s.ask(t, "SELECT current_setting($$transaction_read_only$$)"); got != "off" {
		t.Errorf("read-only is %s", got)
	}
}

func TestM12SnapshotsAreTheSources(t *testing.T) {
	proxy := newState(t, nil)
	proxy.share(100)
	holder, user := speakTo(t, proxy.addr, nil), speakTo(t, proxy.addr, nil)
	for _, begin := range []string{"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ", "START TRANSACTION READ ONLY, ISOLATION LEVEL REPEATABLE READ"} {
		holder.talk(t, query(begin))
		id := holder.ask(t, "SELECT pg_export_snapshot()")
		user.talk(t, query(begin))
		if words := user.talk(t, query("SET TRANSACTION SNAPSHOT '"+id+"'")); words[0] != "C SET" {
			t.Errorf("%s; SET TRANSACTION SNAPSHOT: %q", begin, words)
		}
		user.talk(t, query("ROLLBACK"))
		holder.talk(t, query("ROLLBACK"))
	}
	user.wantSide(t, router.Target)
}

func TestM12TwoPhaseCommandsAreTheSources(t *testing.T) {
	proxy := newState(t, nil)
	proxy.share(100)
	s := speakTo(t, proxy.addr, nil)
	s.wantSide(t, router.Target)
	for _, sql := range []string{"COMMIT PREPARED 'nobody'", "ROLLBACK PREPARED 'nobody'"} {
		if words := s.talk(t, query(sql)); words[0] != "E 42704" {
			t.Errorf("%s: %q", sql, words)
		}
	}
	if n := proxy.reasons()[router.ServerBound]; n != 2 {
		t.Errorf("%d statements were answered by the source", n)
	}
	s.wantSide(t, router.Target)
}

// Portals with a name or a limit of rows are the source's: their transaction
// goes there, with what was set in it, and needs not come back.
func TestM12AnOpenPortalIsTheSources(t *testing.T) {
	proxy := newState(t, nil)
	named := func(rows uint32) say { return &pgproto3.Execute{Portal: "p", MaxRows: rows} }
	open := step{parsed("SELECT n, current_setting('TimeZone') FROM whoami ORDER BY n"), &pgproto3.Bind{DestinationPortal: "p"}, &pgproto3.Describe{ObjectType: 'P', Name: "p"}, named(1), syncUp}
	var script []step
	for _, sql := range []string{"SELECT pg_backend_pid() IS NULL", "SELECT relname FROM pg_class WHERE relname = 'pg_class'", "DO $$ BEGIN PERFORM 1; END $$", "LISTEN x", "SET TimeZone = 'Europe/Oslo'", "SELECT 1/0"} {
		for _, end := range []string{"COMMIT", "ROLLBACK"} {
			script = append(script, seen, q("BEGIN"), seen, q("SET LOCAL TimeZone = 'Asia/Tokyo'"), seen, open, step{named(2), syncUp},
				q(sql), step{named(2), syncUp}, q(end), step{named(1), syncUp}, seen, q("SHOW timezone"), q("UNLISTEN *"), q("RESET ALL"))
		}
	}
	if sides := sameAsDirect(t, proxy, nil, script); sides["target"] < 20 {
		t.Errorf("answered %v", sides)
	}
}

// What a transaction that cannot leave would leave behind at the target, the
// source cannot take over: it is refused, or works, and never costs the session.
func TestM10WhatATransactionAtTheTargetMustNotLeaveBehind(t *testing.T) {
	proxy := newState(t, nil)
	proxy.share(100)
	for _, sql := range []string{
		"DECLARE c CURSOR WITH HOLD FOR SELECT n FROM whoami", "CREATE TEMP TABLE tp (n int)", "SELECT 1 AS n INTO TEMP tp", "LISTEN x",
		"SELECT pg_advisory_lock(99)", "LOAD 'auto_explain'", "SELECT setseed(0.5)", "PREPARE x AS SELECT 1", "SET ROLE narrow", "SET idle_session_timeout = '1h'",
		"SET restrict_nonsystem_relation_kind = 'view'", "SET SESSION AUTHORIZATION tenant", "DISCARD ALL", "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
	} {
		for begin, says := range map[string]step{
			"a portal": {query("BEGIN"), parsed("SELECT n FROM whoami ORDER BY n"), &pgproto3.Bind{DestinationPortal: "p"}, descP, &pgproto3.Execute{Portal: "p", MaxRows: 1}, syncUp},
			"a chain":  {query("BEGIN"), query("SELECT n FROM whoami"), query("COMMIT AND CHAIN"), query("SELECT n FROM whoami")},
		} {
			t.Run(sql+" behind "+begin, func(t *testing.T) {
				s := speakTo(t, proxy.addr, nil)
				s.wantSide(t, router.Target)
				for _, m := range says {
					if _, simple := m.(*pgproto3.Query); simple {
						s.talk(t, m)
					} else {
						s.tell(t, m)
					}
				}
				if begin == "a portal" {
					s.ready(t, 1)
				}
				s.talk(t, query(sql))
				s.talk(t, query("COMMIT"))
				s.ask(t, "SELECT side FROM whoami LIMIT 1") // the session lives
				s.talk(t, query("SET app.tenant = 'five'"))
				s.ask(t, "SELECT side FROM whoami LIMIT 1")
				_ = s.Close()
			})
		}
	}
}
