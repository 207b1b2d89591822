package proxy

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crossfade-db/crossfade/router"
)

// atTheSide are a setting's values, each with the side that said it.
func (s *speaker) atTheSide(t testing.TB, name string) string {
	t.Helper()
	return s.ask(t, "SELECT current_setting('"+name+"', true) || ' at the ' || side FROM whoami LIMIT 1")
}

func TestM08DefaultsOfTheSourceHoldAtTheTarget(t *testing.T) {
	for _, on := range []string{"ROLE tenant", "DATABASE app", "ROLE tenant IN DATABASE app"} {
		t.Run(on, func(t *testing.T) {
			proxy := newState(t, nil)
			settings := []string{"work_mem = '7MB'", "search_path = owned_by, public", "app.env = 'staging'", "TimeZone = 'Asia/Tokyo'", "default_transaction_isolation = 'repeatable read'"}
			for _, setting := range settings {
				onSide(t, router.Source, "ALTER "+on+" SET "+setting)
			}
			onSide(t, router.Target, "ALTER "+on+" SET lock_timeout = '9s'")
			t.Cleanup(func() { onSides(t, "ALTER "+on+" RESET ALL") })
			s := asTenant(t, proxy)
			proxy.share(100)
			want := map[string]string{"work_mem": "7MB", "search_path": "owned_by, public", "app.env": "staging", "TimeZone": "Asia/Tokyo", "lock_timeout": "0"}
			same := func(when string) {
				t.Helper()
				for name, value := range want {
					if got := s.atTheSide(t, name); got != value+" at the target" {
						t.Errorf("%s %s is %s, want %s", when, name, got, value)
					}
				}
			}
			same("at first")
			s.talk(t, query("SET work_mem = '1MB'"))
			s.talk(t, query("SET app.env = 'other'"))
			s.talk(t, query("SET lock_timeout = '1s'"))
			if got := s.atTheSide(t, "work_mem"); got != "1MB at the target" {
				t.Errorf("after SET: %s", got)
			}
			s.talk(t, query("RESET work_mem"))
			s.talk(t, query("RESET app.env"))
			s.talk(t, query("RESET lock_timeout"))
			same("after RESET")
			s.talk(t, query("SET TIME ZONE 'UTC'"))
			s.talk(t, query("RESET ALL"))
			same("after RESET ALL")
			s.talk(t, query("DISCARD ALL"))
			same("after DISCARD ALL")
		})
	}
}

func TestM08TheStartupPacketHoldsAtTheTarget(t *testing.T) {
	proxy := newState(t, nil)
	params := map[string]string{
		"options": "-c work_mem=5MB -c app.env=packet --search_path=one,public", "application_name": "started",
		"DateStyle": "SQL, DMY", "client_encoding": "LATIN1", "TimeZone": "Asia/Tokyo",
	}
	script := []step{
		seen, q("SHOW work_mem"), q("SHOW app.env"), q("SHOW search_path"), q("SHOW application_name"), q("SHOW datestyle"), q("SHOW timezone"), q("SELECT chr(233)"),
		q("SET work_mem = '1MB'"), seen, q("SHOW work_mem"), q("RESET work_mem"), seen, q("SHOW work_mem"),
		q("SET application_name = 'changed'"), seen, q("SHOW application_name"), q("RESET application_name"), seen, q("SHOW application_name"),
		q("SET app.env = 'x'"), q("RESET app.env"), seen, q("SHOW app.env"),
		q("SET client_encoding = 'UTF8'"), seen, q("SELECT chr(233)"), q("RESET client_encoding"), seen, q("SELECT chr(233)"),
		q("SET datestyle = ISO"), q("DISCARD ALL"), seen, q("SHOW work_mem"), q("SHOW app.env"), q("SHOW search_path"), q("SHOW application_name"), q("SHOW datestyle"), q("SHOW timezone"), q("SELECT chr(233)"),
		q("RESET ALL"), seen, q("SHOW work_mem"), q("SHOW datestyle"),
	}
	if sides := sameAsDirect(t, proxy, params, script); sides["target"] < 8 {
		t.Errorf("answered %v", sides)
	}
}

func TestM08ARoleThatBecomesAnotherAtLogin(t *testing.T) {
	proxy := newState(t, nil)
	onSide(t, router.Source, "ALTER ROLE tenant SET role = 'narrow'")
	t.Cleanup(func() { onSide(t, router.Source, "ALTER ROLE tenant RESET role") })
	s := asTenant(t, proxy)
	proxy.share(100)
	const who = "SELECT current_user || ' at the ' || side FROM whoami LIMIT 1"
	for _, step := range []struct{ sql, want string }{
		{"SELECT 1", "narrow"},
		{"SET ROLE tenant", "tenant"},
		{"RESET ROLE", "narrow"},
		{"SET ROLE NONE", "tenant"},
		{"DISCARD ALL", ""},
	} {
		s.talk(t, query(step.sql))
		got := s.ask(t, who)
		if step.want != "" && got != step.want+" at the target" && got != step.want+" at the source" {
			t.Errorf("after %s: %s, want %s", step.sql, got, step.want)
		}
	}
}

func TestM08TheSameTextsAsDirectUnderARolesOwnDefaults(t *testing.T) {
	proxy := newState(t, nil)
	onSide(t, router.Source, "ALTER ROLE trusted SET work_mem = '7MB'", "ALTER ROLE trusted SET DateStyle = 'SQL, DMY'", "ALTER ROLE trusted SET statement_timeout = '33s'")
	onSide(t, router.Target, "ALTER ROLE trusted SET work_mem = '9MB'", "ALTER ROLE trusted SET IntervalStyle = 'iso_8601'")
	t.Cleanup(func() { onSides(t, "ALTER ROLE trusted RESET ALL") })
	var script []step
	all := func() {
		for _, name := range []string{"work_mem", "datestyle", "intervalstyle", "statement_timeout"} {
			script = append(script, q("SHOW "+name), seen)
		}
	}
	all()
	for _, sql := range []string{"SET work_mem = '1MB'", "RESET work_mem", "SET statement_timeout = 0", "SET statement_timeout TO DEFAULT", "SET intervalstyle = verbose", "RESET intervalstyle", "RESET ALL", "DISCARD ALL"} {
		script = append(script, q(sql))
		all()
	}
	if sides := sameAsDirect(t, proxy, nil, script); sides["target"] < 30 {
		t.Errorf("answered %v", sides)
	}
}

func TestM07ParkedLegsThatAreEndedByTheirServer(t *testing.T) {
	proxy := newState(t, nil)
	s := speakTo(t, proxy.addr, map[string]string{"application_name": "parked"})
	s.talk(t, query("SET app.tenant = 'five'"), parseAs("p", "SELECT side || current_setting('app.tenant') FROM whoami LIMIT 1"), describe("p"), syncUp)
	s.talk(t, query("PREPARE q AS SELECT side FROM whoami LIMIT 1"))
	for i := range 4 {
		side := router.Side(1 - i%2) // where the session is
		proxy.share(float64(100 * (1 - i%2)))
		s.wantSide(t, side)
		other := 1 - side
		kill := "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'parked' AND state = 'idle'"
		askSide(t, other, kill)
		eventually(t, "the parked leg has gone", func() bool {
			return askSide(t, other, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'parked'") == "0"
		})
		eventually(t, "the proxy has seen that: it has dropped the leg, or has a new one", func() bool {
			s.wantSide(t, side)
			return proxy.Stats().Backends[other] == 0 || askSide(t, other, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'parked'") == "1"
		})
		proxy.share(float64(100 * (i % 2)))
		s.wantSide(t, other)
		if got := s.talk(t, bindTo("p"), execute, syncUp)[1]; got != "D "+other.String()+"five" {
			t.Errorf("round %d: %s", i, got)
		}
		if got := s.ask(t, "EXECUTE q"); got != other.String() {
			t.Errorf("round %d: EXECUTE is answered by the %s", i, got)
		}
	}
}

func TestM07AParkedLegOutlivesTheTargetsTimeouts(t *testing.T) {
	proxy := newState(t, nil)
	onSide(t, router.Target, "ALTER SYSTEM SET idle_session_timeout = '300ms'", "SELECT pg_reload_conf()")
	t.Cleanup(func() { onSide(t, router.Target, "ALTER SYSTEM RESET idle_session_timeout", "SELECT pg_reload_conf()") })
	s := speakTo(t, proxy.addr, map[string]string{"application_name": "timed out"})
	s.talk(t, query("SET app.tenant = 'five'"))
	proxy.share(100)
	s.wantSide(t, router.Target)
	gone := func() bool {
		return askSide(t, router.Target, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'timed out'") == "0"
	}
	eventually(t, "the leg times out at the target, or is kept by us", func() bool {
		return gone() || askSide(t, router.Target, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'timed out' AND now() - state_change > '1s'") == "1"
	})
	if got := s.atTheSide(t, "app.tenant"); got != "five at the target" && got != "five at the source" {
		t.Errorf("the tenant is %s", got)
	}
	s.wantSide(t, router.Target)
}

func TestM07SettingsThatTheServerReloadsWhileTheLegIsParked(t *testing.T) {
	proxy := newState(t, nil)
	s := speakTo(t, proxy.addr, nil)
	proxy.share(100)
	s.wantSide(t, router.Target)
	for i, zone := range []string{"Asia/Tokyo", "Europe/Oslo"} {
		side := router.Side(i)
		onSide(t, side, "ALTER SYSTEM SET TimeZone = '"+zone+"'", "SELECT pg_reload_conf()")
		t.Cleanup(func() { onSide(t, side, "ALTER SYSTEM RESET TimeZone", "SELECT pg_reload_conf()") })
		eventually(t, "it has reloaded", func() bool { return askSide(t, side, "SHOW TimeZone") == zone })
	}
	for i := range 6 {
		proxy.share(float64(100 * (i % 2)))
		s.wantSide(t, router.Side(i%2))
		told := s.reports["TimeZone"]
		if got := s.ask(t, "SHOW TimeZone"); got != told {
			t.Errorf("visit %d: the zone is %s at the %s, and the client was told %s", i, got, router.Side(i%2), told)
		}
		if told != "Asia/Tokyo" && i > 1 {
			t.Errorf("visit %d: the zone is %s, at the source it is Asia/Tokyo", i, told)
		}
	}
}

func TestM08ASettingThatWasResetOnTheSourceAfterAVisit(t *testing.T) {
	proxy := newState(t, nil)
	s := speakTo(t, proxy.addr, nil)
	s.talk(t, query("SET work_mem = '1MB'"))
	s.talk(t, query("SET app.tenant = 'five'"))
	proxy.share(100)
	s.wantSide(t, router.Target)
	proxy.share(0)
	s.wantSide(t, router.Source)
	s.talk(t, query("RESET ALL"))
	proxy.share(100)
	got := []string{s.atTheSide(t, "work_mem"), s.atTheSide(t, "app.tenant")}
	if diff := cmp.Diff([]string{"4MB at the target", " at the target"}, got); diff != "" {
		t.Error(diff)
	}
}
