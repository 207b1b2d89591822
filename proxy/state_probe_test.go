package proxy

import (
	"fmt"
	"strings"
	"testing"

	"github.com/crossfade-db/crossfade/router"
)

// Names that take the place of the system's own for whoever has them in front:
// each spoils what it stands for.
var spoilers = []string{
	"CREATE SCHEMA evil",
	"CREATE VIEW evil.pg_settings AS SELECT 'work_mem'::text AS name, '1MB'::text AS setting, 'session'::text AS source, 'user'::text AS context, '1MB'::text AS reset_val, 'Client Connection Defaults'::text AS category",
	"CREATE VIEW evil.pg_prepared_statements AS SELECT 'x'::text AS name, 'SELECT 1'::text AS statement, true AS from_sql",
	"CREATE FUNCTION evil.current_setting(text, boolean) RETURNS text LANGUAGE sql AS 'SELECT ''spoilt''::text'",
	"CREATE FUNCTION evil.current_setting(text) RETURNS text LANGUAGE sql AS 'SELECT ''spoilt''::text'",
	"CREATE FUNCTION evil.set_config(text, text, boolean) RETURNS text LANGUAGE sql AS 'SELECT ''spoilt''::text'",
	"CREATE FUNCTION evil.never(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT false'",
	"CREATE FUNCTION evil.never(name, name) RETURNS boolean LANGUAGE sql AS 'SELECT false'",
	"CREATE FUNCTION evil.never(oid, oid) RETURNS boolean LANGUAGE sql AS 'SELECT false'",
	"CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.never)",
	"CREATE OPERATOR evil.= (LEFTARG = name, RIGHTARG = name, FUNCTION = evil.never)",
	"CREATE OPERATOR evil.= (LEFTARG = oid, RIGHTARG = oid, FUNCTION = evil.never)",
	"CREATE OPERATOR evil.<> (LEFTARG = oid, RIGHTARG = oid, FUNCTION = evil.never)",
	"GRANT USAGE ON SCHEMA evil TO PUBLIC",
}

func TestM05NamesThatTakeThePlaceOfTheSystemsOwn(t *testing.T) {
	proxy := newState(t, nil)
	onSides(t, spoilers...)
	onSide(t, router.Source, "ALTER ROLE tenant SET work_mem = '3MB'")
	t.Cleanup(func() {
		onSide(t, router.Source, "ALTER ROLE tenant RESET work_mem")
		onSides(t, "DROP SCHEMA evil CASCADE")
	})
	s := asTenant(t, proxy)
	s.talk(t, query("SET search_path = evil, pg_catalog, public"))
	s.talk(t, query("SET app.tenant = 'six'"))
	s.talk(t, query("DO $$ BEGIN PERFORM 1; END $$")) // a full probe
	s.talk(t, query("PREPARE mine AS SELECT tenant FROM owned LIMIT 1"))
	proxy.share(100)
	s.wantSide(t, router.Target)
	for sql, want := range map[string]string{
		"SELECT pg_catalog.current_setting('app.tenant')":  "six",
		"SELECT pg_catalog.current_setting('search_path')": "evil, pg_catalog, public",
		"SELECT pg_catalog.current_setting('work_mem')":    "3MB",
	} {
		got := s.ask(t, sql+" || ' at the ' || side FROM public.whoami LIMIT 1")
		if got != want+" at the target" && got != want+" at the source" {
			t.Errorf("%s: %s, want %s", sql, got, want)
		}
	}
	s.talk(t, query("SET search_path = public"))
	other := asTenant(t, proxy)
	if got := other.ask(t, "SELECT current_setting('work_mem') || ' at the ' || side FROM whoami LIMIT 1"); got != "3MB at the target" {
		t.Errorf("another session of the login has work_mem %s", got)
	}
}

// A probe or a catalog query under the session's own defaults waits for every
// serializable writer.
func TestM05DeferrableDefaultsDoNotMakeAMoveWait(t *testing.T) {
	proxy := newState(t, nil)
	onSide(t, router.Source, "CREATE TABLE serial (n int)")
	t.Cleanup(func() { onSide(t, router.Source, "DROP TABLE serial") })
	writer := connectTo(t, pair.Source.Addr()) // its end is before that of the table
	do(t, writer, "BEGIN ISOLATION LEVEL SERIALIZABLE")
	do(t, writer, "INSERT INTO serial VALUES (1)")
	s := speakTo(t, proxy.addr, nil)
	s.talk(t, query("SET app.tenant = 'five'"))
	s.talk(t, query("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY, DEFERRABLE"))
	proxy.share(100)
	// Its own statements wait at the source, as they would directly. What
	// reads nothing does not, unless we make it.
	if got := s.talk(t, query("SHOW app.tenant")); strings.Join(got[1:], " ") != "D five C SHOW Z I" {
		t.Errorf("SHOW: %q", got)
	}
	s.talk(t, query("BEGIN ISOLATION LEVEL READ COMMITTED NOT DEFERRABLE"))
	if got := s.ask(t, "SELECT n FROM whoami ORDER BY n LIMIT 1"); got != "1" {
		t.Errorf("a read is answered %s", got)
	}
	s.talk(t, query("COMMIT"))
	if n := proxy.Stats().Pins[router.Broken]; n != 0 {
		t.Error("the breaker was told of it")
	}
}

func TestM05AShortStatementTimeoutHitsNoProbe(t *testing.T) {
	proxy := newState(t, nil)
	s := speakTo(t, proxy.addr, nil)
	s.talk(t, query("SET statement_timeout = 1"))
	s.talk(t, query("SET app.tenant = 'five'"))
	moved := 0
	for i := range 20 {
		proxy.share(float64(100 * (i % 2)))
		words := s.talk(t, query("SELECT side FROM whoami LIMIT 1"))
		if countOf(words, "D target") == 1 {
			moved++
		}
		if countOf(words, "E 57014") == 1 {
			continue // its own, as directly
		}
		if len(words) != 4 {
			t.Errorf("%q", words)
		}
	}
	if moved == 0 {
		t.Error("it never came to the target")
	}
	other := speakTo(t, proxy.addr, nil)
	proxy.share(100)
	other.wantSide(t, router.Target) // the breaker holds nobody off
}

func TestM05AValueOutsideTheClientsEncoding(t *testing.T) {
	proxy := newState(t, nil)
	s := speakTo(t, proxy.addr, nil)
	s.talk(t, query("SET app.price = '€ 5'"))
	s.talk(t, query("SET client_encoding = 'LATIN1'"))
	for i, share := range []float64{100, 0, 100} {
		proxy.share(share)
		s.wantSide(t, []router.Side{router.Target, router.Source}[i%2])
	}
	if got := s.reports["client_encoding"]; got != "LATIN1" {
		t.Errorf("the client is told %s", got)
	}
	if got := s.ask(t, "SELECT length(current_setting('app.price')) || ' at the ' || side FROM whoami LIMIT 1"); got != "3 at the target" {
		t.Errorf("the value is %s long", got)
	}
	if got := s.ask(t, "SELECT chr(233)"); got != "\xe9" {
		t.Errorf("chr(233) is %q", got)
	}
	s.talk(t, query("RESET client_encoding"))
	if got := s.ask(t, "SELECT current_setting('app.price')"); got != "€ 5" {
		t.Errorf("the value is %q", got)
	}
}

// The client gets what it listens to, whoever speaks with its leg.
func TestM05ANotificationAroundAProbeReachesTheClient(t *testing.T) {
	proxy := newState(t, nil)
	s := speakTo(t, proxy.addr, nil)
	s.talk(t, query("LISTEN news"))
	proxy.share(100)
	heard := map[string]int{}
	note := func(words []string) {
		for _, word := range words {
			heard[word]++
		}
	}
	const times = 10
	for i := range times {
		onSide(t, router.Source, fmt.Sprintf("NOTIFY news, '%d'", i))
		note(s.talk(t, query("SET app.tenant = 'five'"))) // a new state: probed again
		note(s.talk(t, query("SELECT side FROM whoami LIMIT 1")))
	}
	for i := range times {
		if n := heard[fmt.Sprintf("A news %d", i)]; n != 1 {
			t.Errorf("notification %d came %d times", i, n)
		}
	}
	if n := proxy.Stats().Pins[router.PinListen]; n != 1 {
		t.Errorf("%d sessions are pinned for LISTEN", n)
	}
	s.talk(t, query("UNLISTEN *"))
	s.wantSide(t, router.Target)
}
