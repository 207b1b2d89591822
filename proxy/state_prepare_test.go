package proxy

import (
	"testing"

	"github.com/crossfade-db/crossfade/router"
)

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
