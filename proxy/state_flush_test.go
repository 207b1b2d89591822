package proxy

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/crossfade-db/crossfade/router"
)

// Drivers that flush wait for an answer before they send their Sync: none may
// be held back.
func TestM03DriversThatFlush(t *testing.T) {
	proxy := newState(t, nil)
	const sql = "SELECT side FROM whoami WHERE n = $1"
	s := speakTo(t, proxy.addr, nil)
	proxy.share(100)
	for range 2 {
		s.tell(t, parsed(sql), bindTo("", "3"), descP, flush)
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
		s.tell(t, parsed(sql), bind, descP, execute, flush)
		s.hear(t, func(word string) bool { return word[0] == 'E' })
		s.tell(t, parsed("SELECT 1"), flush)
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
