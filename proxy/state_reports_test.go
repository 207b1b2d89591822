package proxy

import (
	"testing"

	"github.com/crossfade-db/crossfade/router"
)

func TestM13TheClientIsToldOfSettingsAsTheSourceWould(t *testing.T) {
	proxy := newState(t, nil)
	script := []step{
		seen, q("SET TimeZone = 'Asia/Tokyo'"), seen, q("SET search_path = public"), seen, q("SET DateStyle = 'SQL, DMY'"), q("SELECT 1"), seen,
		q("SET application_name = 'one'"), seen, q("SET client_encoding = 'LATIN1'"), seen, q("SET IntervalStyle = 'iso_8601'"), seen,
		q("SET standard_conforming_strings = off"), seen, q(`SELECT 'a\\b'`), q("SET standard_conforming_strings = on"), seen,
		q("BEGIN"), seen, q("SET LOCAL TimeZone = 'Europe/Oslo'"), seen, q("SET LOCAL search_path = pg_catalog, public"), seen, q("SHOW timezone"), q("COMMIT"), seen, q("SHOW timezone"),
		q("BEGIN"), seen, q("SET LOCAL TimeZone = 'Europe/Oslo'"), seen, q("ROLLBACK"), seen,
		q("BEGIN"), seen, q("SET LOCAL TimeZone = 'Europe/Oslo'"), q("SELECT pg_backend_pid() IS NULL"), seen, q("SHOW timezone"), q("COMMIT"), seen, q("SHOW timezone"),
		q("BEGIN"), seen, q("SET TimeZone = 'Europe/Paris'"), seen, q("COMMIT"), seen,
		q("BEGIN"), seen, q("SET LOCAL TimeZone = 'Europe/Oslo'"), q("SAVEPOINT a"), q("SET LOCAL TimeZone = 'Africa/Cairo'"), q("ROLLBACK TO a"), seen, q("SELECT 1/0"), q("ROLLBACK"), seen, q("SHOW timezone"),
		q("BEGIN; SET LOCAL TimeZone = 'Europe/Oslo'; SELECT 1; COMMIT"), seen,
		q("SELECT set_config('TimeZone', 'Asia/Tokyo', false)"), seen, q("SELECT set_config('TimeZone', 'UTC', true)"), seen,
		q("BEGIN"), seen, q("SELECT set_config('TimeZone', 'UTC', true)"), seen, q("SHOW timezone"), q("COMMIT"), seen, q("SHOW timezone"),
		q("SET SESSION AUTHORIZATION tenant"), seen, q("RESET SESSION AUTHORIZATION"), seen, q("SET ROLE narrow"), seen, q("RESET ROLE"), seen,
		q("SET default_transaction_read_only = on"), seen, q("SHOW default_transaction_read_only"), q("SHOW transaction_read_only"), q("RESET default_transaction_read_only"), seen,
		q("RESET ALL"), seen, q("DISCARD ALL"), seen,
	}
	if sides := sameAsDirect(t, proxy, nil, script); sides["target"] < 20 {
		t.Errorf("answered %v", sides)
	}
}

// A transaction at the target that is lost takes its settings with it, and the
// client is told so.
func TestM13ALostTransactionTakesItsSettingsWithIt(t *testing.T) {
	for _, test := range []struct{ name, set, reset string }{
		{"TimeZone", "SET LOCAL TimeZone = 'Europe/Oslo'", "UTC"},
		{"client_encoding", "SET LOCAL client_encoding = 'LATIN1'", "UTF8"},
		{"standard_conforming_strings", "SET LOCAL standard_conforming_strings = off", "on"},
	} {
		t.Run(test.name, func(t *testing.T) {
			proxy := newState(t, nil)
			proxy.share(100)
			s := speakTo(t, proxy.addr, map[string]string{"application_name": "lost"})
			before := s.reports[test.name]
			s.talk(t, query("BEGIN"))
			s.wantSide(t, router.Target)
			s.talk(t, query(test.set))
			if s.reports[test.name] == before {
				t.Fatalf("still told %s", before)
			}
			askSide(t, router.Target, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'lost'")
			eventually(t, "the leg has gone", func() bool {
				return askSide(t, router.Target, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'lost'") == "0"
			})
			s.talk(t, query("SELECT 1"))
			s.talk(t, query("ROLLBACK"))
			got := s.ask(t, "SHOW "+test.name)
			if got != before || s.reports[test.name] != got {
				t.Errorf("it is %s, was %s, and the client was told %s", got, before, s.reports[test.name])
			}
			// What decides how texts are read is known: this listens to nothing.
			if got := s.ask(t, `SELECT '\'||'x'`); got != `\x` {
				t.Errorf("a backslash is read as %q", got)
			}
		})
	}
}
