package repair

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/shadow"
)

func TestAPausedWorkerSaysSoAndGoesOnAfterwards(t *testing.T) {
	f := newField(t, setup{both: plain})
	f.super(router.Source, "INSERT INTO t VALUES (1, 1)")
	w := New(f.opt)
	w.Pause()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !slices.Contains(w.Status().Waiting, "paused") {
		<-tick.C
	}
	f.dirty("public.t", "", shadow.CauseRequested, key(1))
	f.expect(router.Target, "SELECT count(*) FROM t", "0")
	w.Resume()
	f.until(router.Target, "SELECT count(*) FROM t", "1")
	stop()
	f.must(<-done)
	if s := w.Status(); s.Paused || s.Repaired != 1 || len(s.Waiting) != 0 {
		t.Errorf("the status is %+v", s)
	}
}

func TestTheBreakersWordKeepsTheWorkerFromWorking(t *testing.T) {
	f := newField(t, setup{both: plain})
	f.dirty("public.t", "", shadow.CauseRequested, key(1))
	f.hand.worker.opt.Blocked = func() string { return "breaker" }
	did, _, err := f.hand.turn(t.Context())
	if did || err != nil || f.hand.reason != "breaker" {
		t.Errorf("it did %v, %v, and waits for %q", did, err, f.hand.reason)
	}
}

func TestAWalkGivesWayToSessionsThatWaitForLocks(t *testing.T) {
	f := newField(t, setup{both: plain})
	f.super(router.Source, "INSERT INTO t VALUES (1, 1)")
	holder := f.person(router.Source)
	holder.do("BEGIN", "LOCK TABLE t IN EXCLUSIVE MODE")
	var waits []<-chan error
	for range waitersMost + 1 {
		p := f.person(router.Source)
		waits = append(waits, p.later("UPDATE t SET v = v + 1"))
		p.waiting(router.Source, "Lock")
	}
	f.walked("public.t", shadow.CauseRequested)
	for range 3 {
		f.step()
	}
	if f.hand.reason != "lock_waits" {
		t.Errorf("the walk waits for %q", f.hand.reason)
	}
	holder.do("COMMIT")
	for _, w := range waits {
		f.must(<-w)
	}
	f.hand.leave()
	f.drain()
	f.same(whole)
}

func TestATableThatIsMappedNoMoreIsLeftAlone(t *testing.T) {
	f := newField(t, setup{both: plain})
	f.dirty("public.gone", "", shadow.CauseRequested, key(1))
	f.one(Unmapped)
	if f.ledger.Counts("public.gone").Keys != 1 {
		t.Error("its key is not dirty any more")
	}
}

func TestAWalkBeginsAgainWithANewPlan(t *testing.T) {
	f := newField(t, setup{both: plain})
	f.super(router.Source, "INSERT INTO t SELECT n, n FROM generate_series(1, 1000) n")
	f.walked("public.t", shadow.CauseRequested)
	for f.hand.walk == nil || f.hand.walk.rng.Low == "" {
		f.step()
	}
	before := f.hand.walk
	again := *f.plan
	f.plan = &again
	f.step()
	if f.hand.walk == before {
		t.Error("the walk goes on by the old plan")
	}
	f.hand.leave()
	f.drain()
	f.same(whole)
}

func TestKeysThatTheSourceCannotHaveAreToldOnce(t *testing.T) {
	m := &rewrite.Mapping{Tables: []rewrite.TableMap{{
		Source:  rewrite.Name{Schema: "public", Name: "t"},
		Targets: []rewrite.TargetMap{{Target: rewrite.Name{Schema: "public", Name: "t"}}},
	}}}
	f := newField(t, setup{source: plain, target: "CREATE TABLE t (id bigint PRIMARY KEY, v int)", mapping: m})
	f.both("INSERT INTO t VALUES (1, 1), (2, 2)")
	f.super(router.Target, "INSERT INTO t VALUES (5000000000, 1), (5000000001, 1)")
	f.walked("public.t", shadow.CauseRequested)
	f.drain()
	if len(f.found) != 1 || f.found[0].Kind != Extra || f.found[0].Key != "" || f.found[0].State != Confirmed {
		t.Errorf("divergences are %+v", f.found)
	}
	f.expect(router.Target, "SELECT count(*) FROM t", "4")
}
