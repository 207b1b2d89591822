package repair

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/shadow"
)

// kindred has a table of parents that sorts behind that of their children.
const kindred = "CREATE TABLE z (id int PRIMARY KEY); CREATE TABLE a (id int PRIMARY KEY, z int REFERENCES z)"

func TestAWalkGetsOnWhileKeysBecomeDirtyAllTheTime(t *testing.T) {
	f := newField(t, setup{both: plain + "; CREATE TABLE busy (id int PRIMARY KEY)"})
	f.super(router.Source, "INSERT INTO t SELECT n, n FROM generate_series(1, 1000) n")
	f.walked("public.t", shadow.CauseNew)
	next := 0
	more := func(string, Outcome) {
		next++
		f.dirty("public.busy", "", shadow.CauseRequested, key(next))
	}
	more("", Equal)
	f.hand.opt.Observe.Key = more
	for turns := 0; f.ledger.Counts("public.t").Ranges > 0; turns++ {
		if turns == 100 {
			t.Fatal("the walk is not done after 100 turns")
		}
		_, _, err := f.hand.turn(t.Context())
		f.must(err)
	}
	if next < 3 {
		t.Errorf("%d keys were looked at meanwhile", next)
	}
	f.same(whole)
}

func TestKeysWaitForTheWalksOfWhatTheyReferTo(t *testing.T) {
	f := newField(t, setup{both: kindred})
	f.super(router.Source, "INSERT INTO z SELECT generate_series(1, 500)", "INSERT INTO a SELECT n, n FROM generate_series(1, 500) n")
	f.walked("public.a", shadow.CauseNew)
	f.walked("public.z", shadow.CauseNew)
	var keys []rewrite.RowKey
	for n := range 500 {
		keys = append(keys, key(n+1))
	}
	f.dirty("public.a", "", shadow.CauseRequested, keys...)
	var mu sync.Mutex
	outcomes := map[Outcome]int{}
	f.opt.Observe.Key = func(_ string, o Outcome) { mu.Lock(); defer mu.Unlock(); outcomes[o]++ }
	f.drain()
	f.same("SELECT count(*) FROM a")
	if len(outcomes) != 1 || outcomes[Equal] != 500 {
		t.Errorf("the outcomes are %v, want 500 equal", outcomes)
	}
	if len(f.found) != 0 {
		t.Errorf("divergences are %+v", f.found)
	}
}

func TestAWalkThatTheTargetRefusesDoesNotHoldKeys(t *testing.T) {
	f := newField(t, setup{both: kindred, target: "ALTER TABLE z ADD CHECK (id > 1000)"})
	f.both("INSERT INTO z VALUES (2000)")
	f.super(router.Source, fmt.Sprintf("INSERT INTO z SELECT generate_series(1, %d)", mostRefused+50), "INSERT INTO a VALUES (1, 2000)")
	f.walked("public.z", shadow.CauseNew)
	f.dirty("public.a", "", shadow.CauseRequested, key(1))
	f.hand.opt.Observe.Key = func(table string, o Outcome) {
		if table == "public.a" && len(f.hand.worker.tables.rest) == 0 {
			t.Errorf("its key was looked at before the walk was given up: %s", o)
		}
	}
	for turns := 0; f.value(router.Target, "SELECT count(*) FROM a") != "1"; turns++ {
		if turns == 1000 {
			t.Fatal("the key was not looked at")
		}
		_, _, err := f.hand.turn(t.Context())
		f.must(err)
	}
	if f.ledger.Counts("public.z").Ranges == 0 {
		t.Error("the refused walk is done")
	}
}

func TestAWalkThatWaitsLongDoesNotHoldKeys(t *testing.T) {
	f := newField(t, setup{both: kindred})
	f.walked("public.z", shadow.CauseRequested)
	now := time.Now()
	f.hand.opt.Now = func() time.Time { return now }
	if held := f.hand.held(); !held["public.z"] || !held["public.a"] {
		t.Errorf("held at first are %v", held)
	}
	now = now.Add(heldMost)
	if held := f.hand.held(); held["public.z"] || held["public.a"] {
		t.Errorf("held later are %v", held)
	}
	f.hand.worker.tables.move("public.z", now)
	if held := f.hand.held(); !held["public.a"] {
		t.Errorf("held when it has got on are %v", held)
	}
}

func TestAMissingParentIsNoDivergenceUntilItsTableIsWalked(t *testing.T) {
	f := newField(t, setup{both: kindred})
	f.super(router.Source, "INSERT INTO z VALUES (1)", "INSERT INTO a VALUES (1, 1)")
	f.walked("public.z", shadow.CauseNew)
	f.dirty("public.a", "", shadow.CauseRequested, key(1))
	for range 2 * triesMost {
		f.one(Obstructed)
	}
	if len(f.found) != 0 {
		t.Fatalf("divergences before the walk are %+v", f.found)
	}
	f.must(f.ledger.Finish(f.ledger.Ranges("public.z")[0].ID)) // without a look: the row stays missing
	for range triesMost {
		f.one(Obstructed)
	}
	if len(f.found) != 0 {
		t.Fatalf("tries from before the walk's end count: %+v", f.found)
	}
	f.one(Obstructed)
	f.rejected(foreignKey, "a_z_fkey")
	told := len(f.found)
	f.walked("public.z", shadow.CauseRequested)
	f.one(Obstructed)
	if len(f.found) != told {
		t.Errorf("while the table is walked again, a divergence is %+v", f.found[told])
	}
}
