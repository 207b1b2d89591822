package proxy

import (
	"strings"
	"testing"

	"github.com/crossfade-db/crossfade/router"
)

// pinning is what a session can have that cannot move, and how it loses it.
var pinning = []struct {
	name string
	sql  []string
	why  router.Reason
	ends []string // nil: never
}{
	{"a temporary table", []string{"CREATE TEMP TABLE x (n int)"}, router.PinTemporary, []string{"DROP TABLE x"}},
	{"SELECT INTO TEMP", []string{"SELECT 1 AS n INTO TEMP x"}, router.PinTemporary, []string{"DROP TABLE x"}},
	{"CREATE TABLE in pg_temp", []string{"CREATE TABLE pg_temp.x (n int)"}, router.PinTemporary, []string{"DISCARD TEMP"}},
	{"search_path that begins with pg_temp", []string{"SET search_path = pg_temp, public", "CREATE TABLE x (n int)", "SET search_path = public"}, router.PinTemporary, []string{"DROP TABLE pg_temp.x"}},
	{"a temporary table made by DO", []string{"DO $$ BEGIN CREATE TEMP TABLE x (n int); END $$"}, router.PinTemporary, []string{"DISCARD ALL"}},
	{"a temporary view", []string{"CREATE TEMP TABLE x (n int)", "CREATE VIEW v AS SELECT n FROM x"}, router.PinTemporary, []string{"DROP TABLE x CASCADE"}},
	{"a temporary function", []string{"CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT 1'"}, router.PinTemporary, []string{"DROP FUNCTION pg_temp.f()"}},
	{"a temporary type", []string{"CREATE TYPE pg_temp.e AS ENUM ('a')"}, router.PinTemporary, []string{"DROP TYPE pg_temp.e"}},
	{"a temporary sequence", []string{"CREATE TEMP SEQUENCE x"}, router.PinTemporary, []string{"DROP SEQUENCE x"}},
	{"a temporary table as select", []string{"CREATE LOCAL TEMPORARY TABLE x ON COMMIT PRESERVE ROWS AS SELECT 1"}, router.PinTemporary, []string{"DROP TABLE x"}},
	{"LISTEN", []string{"LISTEN news"}, router.PinListen, []string{"UNLISTEN news"}},
	{"LISTEN in DO", []string{"DO $$ BEGIN LISTEN news; END $$"}, router.PinListen, []string{"UNLISTEN *"}},
	{"a cursor with hold", []string{"DECLARE c CURSOR WITH HOLD FOR SELECT 1"}, router.PinCursor, []string{"CLOSE c"}},
	{"a cursor with hold in a transaction", []string{"BEGIN", "DECLARE c CURSOR WITH HOLD FOR SELECT n FROM whoami", "COMMIT"}, router.PinCursor, []string{"CLOSE ALL"}},
	{"a cursor with hold in DO", []string{"DO $$ BEGIN EXECUTE 'DECLARE c CURSOR WITH HOLD FOR SELECT 1'; END $$"}, router.PinCursor, []string{"CLOSE c"}},
	{"an advisory lock", []string{"SELECT pg_advisory_lock(77)"}, router.PinAdvisory, []string{"SELECT pg_advisory_unlock(77)"}},
	{"a tried advisory lock", []string{"SELECT pg_try_advisory_lock_shared(77, 1)"}, router.PinAdvisory, []string{"SELECT pg_advisory_unlock_all()"}},
	{"what is put together in DO", []string{"DO $$ BEGIN EXECUTE 'lis' || 'ten news'; END $$"}, router.PinListen, []string{"UNLISTEN *"}},
	{"an advisory lock in DO", []string{"DO $$ BEGIN PERFORM pg_advisory_lock(77); END $$"}, router.PinAdvisory, []string{"SELECT pg_advisory_unlock(77)"}},
	{"LOAD", []string{"LOAD 'auto_explain'"}, router.PinLoad, nil},
	{"setseed", []string{"SELECT setseed(0.5)"}, router.PinSeed, nil},
	{"SET seed", []string{"SET seed = 0.5"}, router.PinSeed, nil},
	{"setseed in DO", []string{"DO $$ BEGIN PERFORM setseed(0.5); END $$"}, router.PinOpaque, nil},
	{"set_config with a computed name", []string{"SELECT set_config('app.' || 'x', '1', false)"}, router.PinOpaque, nil},
	{"a role that is not there", []string{"SET ROLE source_only"}, router.PinState, []string{"RESET ROLE"}},
	{"a login that is not there", []string{"SET SESSION AUTHORIZATION source_only"}, router.PinState, []string{"RESET SESSION AUTHORIZATION"}},
	{"a setting of the old server", []string{"SET operator_precedence_warning = on"}, router.PinState, []string{"RESET operator_precedence_warning"}},
	{"a locale that is not there", []string{"SET default_text_search_config = 'public.old'"}, router.PinState, []string{"SET default_text_search_config = 'simple'"}},
}

func TestM10WhatCannotMovePinsTheSessionAndNoLonger(t *testing.T) {
	proxy := newState(t, nil)
	onSide(t, router.Source, "CREATE ROLE source_only", "GRANT SELECT ON whoami TO source_only", "CREATE TEXT SEARCH CONFIGURATION public.old (COPY = simple)")
	t.Cleanup(func() {
		onSide(t, router.Source, "DROP OWNED BY source_only", "DROP ROLE source_only", "DROP TEXT SEARCH CONFIGURATION public.old")
	})
	proxy.share(100)
	for _, test := range pinning {
		t.Run(test.name, func(t *testing.T) {
			s := speakTo(t, proxy.addr, nil)
			t.Cleanup(func() {
				_ = s.Close()
				eventually(t, "the session has ended", func() bool { stats := proxy.Stats(); return stats.Active+stats.Idle == 0 })
			})
			s.wantSide(t, router.Target)
			before := proxy.pinsOf(test.why)
			for _, sql := range test.sql {
				if words := s.talk(t, query(sql)); words[0][0] == 'E' {
					t.Fatalf("%s: %q", sql, words)
				}
			}
			s.wantSide(t, router.Source)
			s.wantSide(t, router.Source)
			if n := proxy.pinsOf(test.why) - before; n != 1 {
				t.Errorf("pinned %d times as %s; pins %v", n, test.why, proxy.allPins())
			}
			if n := proxy.Stats().Pins[test.why]; n != 1 {
				t.Errorf("%d sessions are pinned as %s: %v", n, test.why, proxy.Stats().Pins)
			}
			if test.ends == nil {
				return
			}
			for _, sql := range test.ends {
				if words := s.talk(t, query(sql)); words[0][0] == 'E' {
					t.Fatalf("%s: %q", sql, words)
				}
			}
			s.wantSide(t, router.Target)
			if n := proxy.Stats().Pins[test.why]; n != 0 {
				t.Errorf("%d sessions are still pinned as %s", n, test.why)
			}
		})
	}
}

func TestM10AnOpaqueTextWithInnocentWordsIsNotPinned(t *testing.T) {
	proxy := newState(t, nil)
	onSides(t, "CREATE FUNCTION twice(n int) RETURNS int LANGUAGE sql STABLE AS 'SELECT 2 * n'")
	t.Cleanup(func() { onSides(t, "DROP FUNCTION twice(int)") })
	proxy.share(100)
	for _, sql := range []string{
		"SELECT twice(n) AS payload FROM whoami", "SELECT twice(n) AS is_shared FROM whoami", "SELECT twice(n) AS dataset FROM whoami",
		"SELECT twice(n) AS executed FROM whoami", "SELECT twice(1) AS offset_seconds", "SELECT twice(3) WHERE 'load' <> 'unload'",
		"SELECT pg_advisory_unlock_shared(77)", "SELECT twice(n) AS app_settings FROM whoami",
	} {
		s := speakTo(t, proxy.addr, nil)
		s.talk(t, query(sql))
		if got := s.ask(t, "SELECT side FROM whoami LIMIT 1"); got != "target" {
			t.Errorf("after %s answered by the %s; pins %v", sql, got, proxy.allPins())
		}
		_ = s.Close()
	}
}

func (s *shared) pinsOf(why router.Reason) int { return s.allPins()[why] }

func (s *shared) allPins() map[router.Reason]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[router.Reason]int{}
	for k, v := range s.pins {
		out[k] = v
	}
	return out
}

// A refused state is asked for again when it has changed or the policy has, and
// not with each statement.
func TestM06ARefusedStateIsNotTriedWithEachStatement(t *testing.T) {
	proxy := newState(t, nil)
	onSide(t, router.Source, "CREATE ROLE source_only", "GRANT SELECT ON whoami TO source_only")
	t.Cleanup(func() { onSide(t, router.Source, "DROP OWNED BY source_only", "DROP ROLE source_only") })
	onSide(t, router.Target, "ALTER SYSTEM SET log_min_error_statement = 'error'")
	proxy.share(100)
	s := speakTo(t, proxy.addr, nil)
	s.wantSide(t, router.Target)
	refusals := func() int {
		log, err := pair.Target.Log()
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(log, `role "source_only" does not exist`)
	}
	before := refusals()
	s.talk(t, query("SET ROLE source_only"))
	for range 10 {
		s.wantSide(t, router.Source)
	}
	if n := refusals() - before; n != 1 {
		t.Errorf("tried %d times in one state, want 1", n)
	}
	s.talk(t, query("SET app.tenant = 'five'"))
	s.wantSide(t, router.Source)
	s.wantSide(t, router.Source)
	if n := refusals() - before; n != 2 {
		t.Errorf("tried %d times in two states, want 2", n)
	}
	proxy.share(100)
	s.wantSide(t, router.Source)
	s.wantSide(t, router.Source)
	if n := refusals() - before; n != 3 {
		t.Errorf("tried %d times in two states and two policies, want 3", n)
	}
	s.talk(t, query("RESET ROLE"))
	s.wantSide(t, router.Target)
	if got := s.ask(t, "SELECT current_setting('app.tenant')"); got != "five" {
		t.Errorf("the tenant is %s", got)
	}
}

func TestM06ValuesGoOverAsTheyAre(t *testing.T) {
	proxy := newState(t, nil)
	onSides(t, `CREATE SCHEMA "a b"`)
	t.Cleanup(func() { onSides(t, `DROP SCHEMA "a b"`) })
	script := []step{
		seen,
		q(`SET search_path = "a b", c, "$user", public`), seen, q("SHOW search_path"), q("SELECT current_schemas(true)"),
		q("SET DateStyle = 'SQL, DMY'"), q("SELECT DATE '2020-01-02', 1 FROM whoami LIMIT 1"), q("SHOW datestyle"),
		q(`SET app.quoted = 'it''s "a, b" \ %s ünd'`), q("SHOW app.quoted"), q("SELECT current_setting('APP.Quoted')"),
		q("SET TIME ZONE INTERVAL '-03:30' HOUR TO MINUTE"), q("SELECT TIMESTAMPTZ '2020-01-01 00:00:00Z', 1 FROM whoami LIMIT 1"), q("SHOW timezone"),
		q("SET TIME ZONE -7"), q("SELECT TIMESTAMPTZ '2020-01-01 00:00:00Z', 1 FROM whoami LIMIT 1"),
		q("SET work_mem = 12345"), q("SHOW work_mem"), q("SET work_mem TO DEFAULT"), q("SHOW work_mem"),
		q("SET extra_float_digits = 0"), q("SELECT 0.1::float8 + 0.2::float8"),
		q("SET bytea_output = 'escape'"), q(`SELECT '\x01ff'::bytea`),
		q("SET IntervalStyle = 'iso_8601'"), q("SELECT INTERVAL '1 day 2 hours'"),
		q("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ"), q("SHOW transaction_isolation"), q("SELECT 1"),
		q("SET ROLE narrow"), seen, q("SELECT current_user, session_user"), q("SET app.x = '1'"), seen, q("SELECT current_user, session_user"),
		q("SET SESSION AUTHORIZATION tenant"), seen, q("SELECT current_user, session_user"), q("SET ROLE narrow"), seen, q("SELECT current_user, session_user"),
		q("RESET ALL"), seen, q("SELECT current_user, session_user"), q("SHOW search_path"), q("SHOW app.quoted"),
		q("RESET SESSION AUTHORIZATION"), q("SELECT current_user, session_user"), seen, q("DISCARD ALL"), seen, q("SHOW work_mem"), q("SELECT current_user, session_user"),
	}
	if sides := sameAsDirect(t, proxy, nil, script); sides["target"] < 6 {
		t.Errorf("answered %v", sides)
	}
}

// Numbers of sequences are those of the source, which has the writes.
func TestM09SequencesAreTheSources(t *testing.T) {
	proxy := newState(t, nil)
	onSides(t, "CREATE SEQUENCE numbers", "CREATE TABLE numbered (id serial, t text)")
	onSide(t, router.Target, "SELECT setval('numbers', 500)", "SELECT setval('numbered_id_seq', 500)")
	t.Cleanup(func() { onSides(t, "DROP SEQUENCE numbers", "DROP TABLE numbered") })
	proxy.share(100)
	s := speakTo(t, proxy.addr, nil)
	s.wantSide(t, router.Target)
	for want := range []string{"", "", ""} {
		for _, sql := range []string{"SELECT nextval('numbers')", "SELECT currval('numbers')", "SELECT lastval()", "SELECT pg_sequence_last_value('numbers'::regclass)"} {
			if got := s.ask(t, sql); got != []string{"1", "2", "3"}[want] {
				t.Errorf("%s: %s, want %d", sql, got, want+1)
			}
		}
		s.wantSide(t, router.Target)
	}
	if got := s.ask(t, "SELECT setval('numbers', 40)"); got != "40" {
		t.Errorf("setval: %s", got)
	}
	if got := s.talk(t, extended("SELECT currval($1)", "numbers")...)[3]; got != "D 40" {
		t.Errorf("currval: %s", got)
	}
	if got := s.ask(t, "SELECT currval ( 'numbers' )"); got != "40" {
		t.Errorf("currval: %s", got)
	}
	if v := askSide(t, router.Target, "SELECT last_value FROM numbers"); v != "500" {
		t.Errorf("the target's sequence is at %s", v)
	}
}

// What the source refuses is an error, as directly, and changes nothing: not
// when the session comes back from the target, which knows the setting.
func TestM06ASettingThatOnlyTheTargetKnows(t *testing.T) {
	proxy := newState(t, nil)
	var script []step
	for _, sql := range []string{
		"SET idle_session_timeout = '1h'", "SELECT set_config('idle_session_timeout', '1h', false)", "SET LOCAL idle_session_timeout = '1h'",
		"BEGIN; SET LOCAL idle_session_timeout = '1h'", "RESET idle_session_timeout",
	} {
		script = append(script, seen, q(sql), q("ROLLBACK"), seen, q("SET app.tenant = 'five'"), seen, q("SHOW app.tenant"))
	}
	if sides := sameAsDirect(t, proxy, nil, script); sides["target"] < 10 {
		t.Errorf("answered %v", sides)
	}
}
