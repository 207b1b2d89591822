package repair

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crossfade-db/crossfade/reconcile"
	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/shadow"
)

// TestWhatALostAnswerLeftIsToldWithItsEnd: the worker says of rows whose COMMIT
// was not answered what it has found, and what the source says became of it.
func TestWhatALostAnswerLeftIsToldWithItsEnd(t *testing.T) {
	for _, test := range []struct {
		name, end string
		former    bool
		state     State
		ended     reconcile.Ended
	}{
		{"it was committed", "COMMIT", false, Repaired, reconcile.EndedCommitted},
		{"it was rolled back", "ROLLBACK", false, Verified, reconcile.EndedRolledBack},
		{"of a former life nothing is known", "COMMIT", true, Repaired, reconcile.EndedUnknown},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newField(t, setup{both: plain})
			f.both("INSERT INTO t VALUES (1, 1)")
			p := f.person(router.Source)
			p.do("BEGIN", "UPDATE t SET v = 2")
			id := p.ask("SELECT txid_current()")
			if test.former {
				f.life = "1/1/1"
			}
			f.dirty("public.t", id, shadow.CauseLost, key(1))
			if !test.former {
				f.one(InFlight)
			}
			if len(f.found) != 0 {
				t.Errorf("it is told of while nothing is known: %+v", f.found)
			}
			p.do(test.end)
			want := Wrote
			if test.state == Verified {
				want = Equal
			}
			f.one(want)
			if len(f.found) != 1 {
				t.Fatalf("found %+v", f.found)
			}
			got := f.found[0]
			if got.Kind != Uncertain || got.State != test.state || got.Ended != test.ended || got.Life != f.life {
				t.Errorf("found %+v", got)
			}
			if diff := cmp.Diff(test.state == Repaired, len(got.Columns) == 1); diff != "" {
				t.Errorf("columns %v", got.Columns)
			}
			f.same(whole)
		})
	}
}

func TestOtherCausesAreNotUncertain(t *testing.T) {
	f := newField(t, setup{both: plain})
	f.super(router.Source, "INSERT INTO t VALUES (1, 1)")
	f.dirty("public.t", "", shadow.CauseRequested, key(1))
	f.one(Wrote)
	f.dirty("public.t", "", shadow.CauseFailed, key(1))
	for _, d := range f.found {
		if d.Kind == Uncertain {
			t.Errorf("found %+v", d)
		}
	}
}
