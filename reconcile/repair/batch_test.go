package repair

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/crossfade-db/crossfade/internal/failpoint"
	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/shadow"
)

// upTo are the keys from 1.
func upTo(n int) []rewrite.RowKey {
	keys := make([]rewrite.RowKey, n)
	for i := range keys {
		keys[i] = key(i + 1)
	}
	return keys
}

// together repairs all keys that may be taken now, in batches where they can
// be, and tells what became of them by how many they are.
func (f *field) together() (map[Outcome]int, error) {
	f.Helper()
	outcomes := map[Outcome]int{}
	f.hand.opt.Observe.Key = func(_ string, o Outcome) { outcomes[o]++ }
	return outcomes, f.hand.repairKeys(f.Context(), f.ledger.TakeKeys(takeMost, nil))
}

// all says that every key had one outcome.
func (f *field) all(n int, want Outcome) {
	f.Helper()
	got, err := f.together()
	f.must(err)
	if len(got) != 1 || got[want] != n {
		f.Errorf("the outcomes are %v, want %d %s", got, n, want)
	}
}

// locks counts the transactions that lock rows of the source.
func (f *field) locks() *int {
	n := new(int)
	f.hand.hook = func(point string) {
		if point == failpoint.RepairLocked {
			*n++
		}
	}
	return n
}

func TestKeysOfATableAreRepairedTogether(t *testing.T) {
	f := newField(t, setup{both: plain})
	f.both("INSERT INTO t SELECT n, n FROM generate_series(1, 60) n")
	f.super(router.Source, "UPDATE t SET v = 0 WHERE id <= 20", "INSERT INTO t SELECT n, n FROM generate_series(61, 100) n")
	f.dirty("public.t", "", shadow.CauseRequested, upTo(100)...)
	n := f.locks()
	got, err := f.together()
	f.must(err)
	if *n != 1 || got[Equal] != 40 || got[Wrote] != 60 {
		t.Errorf("%d locks, outcomes %v, want 1, 40 equal and 60 written", *n, got)
	}
	f.same(whole)
	kinds := map[Kind]int{}
	for _, d := range f.found {
		if d.State == Repaired && (d.Kind != Value || len(d.Columns) == 1 && d.Columns[0] == "v") {
			kinds[d.Kind]++
		}
	}
	if kinds[Missing] != 40 || kinds[Value] != 20 {
		t.Errorf("found %v, want 40 missing and 20 of other value", kinds)
	}

	// The other look writes nothing.
	before := f.value(router.Target, "SELECT md5(string_agg(xmin || ' ' || id, ',' ORDER BY id)) FROM t")
	*n = 0
	f.all(60, Equal)
	f.expect(router.Target, "SELECT md5(string_agg(xmin || ' ' || id, ',' ORDER BY id)) FROM t", before)
	if *n != 1 || len(f.found) != 120 || f.found[119].State != Verified {
		t.Errorf("%d locks, %d divergences", *n, len(f.found))
	}
	f.clean()
}

func TestWhatIsUnusualIsRepairedByItself(t *testing.T) {
	f := newField(t, setup{both: plain, target: "ALTER TABLE t ADD CHECK (v <> 77)", lock: 25 * time.Millisecond})
	f.super(router.Source, "INSERT INTO t SELECT n, n FROM generate_series(1, 100) n WHERE n <> 50")
	f.super(router.Target, "INSERT INTO t VALUES (50, 50)")
	client := f.person(router.Source)
	client.do("BEGIN", "UPDATE t SET v = -1 WHERE id = 7")
	f.dirty("public.t", "", shadow.CauseRequested, upTo(100)...)
	f.dirty("public.t", client.ask("SELECT txid_current()"), shadow.CauseFailed, key(8))
	locker := f.person(router.Source)
	locker.do("BEGIN", "SELECT FROM t WHERE id = 9 FOR UPDATE")
	n := f.locks()
	got, err := f.together()
	f.must(err)
	want := map[Outcome]int{Wrote: 96, InFlight: 1, Busy: 2, Refused: 1}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the outcomes are %v, want %v", got, want)
	}
	if *n > 30 {
		t.Errorf("there were %d transactions", *n)
	}
	f.expect(router.Target, "SELECT count(*) FROM t WHERE id IN (7, 8, 9, 50, 77)", "0")
	client.do("COMMIT")
	locker.do("ROLLBACK")
	f.super(router.Source, "UPDATE t SET v = 78 WHERE v = 77")
	f.drain()
	f.same(whole)
}

func TestKeysOfOtherKindsAreFoundTogether(t *testing.T) {
	for name, id := range map[string]string{
		"a text": "id text PRIMARY KEY", "two columns": "id int, x text DEFAULT 'a', PRIMARY KEY (x, id)",
		"a number": "id numeric(10,2) PRIMARY KEY", "an enum and a number": "id int, x mood DEFAULT 'glad', PRIMARY KEY (id, x)",
		"a domain": "id positive PRIMARY KEY", "a uuid": "id uuid PRIMARY KEY",
	} {
		t.Run(name, func(t *testing.T) {
			f := newField(t, setup{both: "CREATE TYPE mood AS ENUM ('glad', 'sad'); CREATE DOMAIN positive AS int CHECK (VALUE > 0); CREATE TABLE t (" + id + ", v int)"})
			value := "n"
			if name == "a uuid" {
				value = "md5(n::text)::uuid"
			}
			f.super(router.Source, "INSERT INTO t (id, v) SELECT "+value+", n FROM generate_series(1, 50) n")
			s := f.hand.shapes.of(f.plan, "public.t")
			q := query{sql: s.source.Keys(false, false), results: s.keys}
			answers, err := f.hand.a().flight(t.Context(), s.pin, q.limit(100))
			f.must(err)
			for _, row := range answers[1].rows {
				f.dirty("public.t", "", shadow.CauseRequested, rewrite.KeyFrom(row))
			}
			n := f.locks()
			f.all(50, Wrote)
			if *n != 1 {
				t.Errorf("there were %d transactions", *n)
			}
			f.same(whole)
		})
	}
}

func TestAFrozenBatchNeitherHoldsTheSourceNorWritesWhatItReadThere(t *testing.T) {
	f := newField(t, setup{both: plain, lock: 25 * time.Millisecond})
	f.both("INSERT INTO t SELECT n, n FROM generate_series(1, 10) n")
	f.super(router.Source, "UPDATE t SET v = 20")
	f.dirty("public.t", "", shadow.CauseRequested, upTo(10)...)
	client := f.person(router.Source)
	f.at(failpoint.RepairWritten, func() {
		f.must(<-client.later("UPDATE t SET v = 30"))
		f.hand.hook = func(point string) {
			if point == failpoint.RepairCommitted {
				f.expect(router.Target, "SELECT count(*) FROM t WHERE v = 20", "0")
			}
		}
	})
	_, err := f.together()
	f.must(err)
	f.expect(router.Target, "SELECT count(*) FROM t WHERE v = 20", "0")
	f.hand.hook = nil
	f.drain()
	f.same(whole)
}

func TestABatchOfAStaleEpochWritesNothing(t *testing.T) {
	f := newField(t, setup{both: plain + "; CREATE TABLE u (id int PRIMARY KEY)"})
	f.super(router.Source, "INSERT INTO t SELECT n, n FROM generate_series(1, 10) n")
	f.dirty("public.t", "", shadow.CauseRequested, upTo(10)...)
	f.dirty("public.u", "", shadow.CauseRequested, upTo(10)...)
	f.at(failpoint.RepairLocked, func() {
		f.must(Install(t.Context(), f.dial(router.Target, "service"), Fence{Epoch: 2, Side: router.Source, Instance: "two"}))
	})
	if _, err := f.together(); !errors.Is(err, ErrStale) {
		t.Errorf("the error is %v", err)
	}
	f.expect(router.Target, "SELECT count(*) FROM t", "0")
	if n := len(f.ledger.TakeKeys(takeMost, nil)); n != 20 {
		t.Errorf("%d keys were given back", n)
	}
}

func TestABatchDuringAnAuthorityChangeWritesNothing(t *testing.T) {
	f := newField(t, setup{both: plain})
	f.super(router.Source, "INSERT INTO t SELECT n, n FROM generate_series(1, 10) n")
	f.dirty("public.t", "", shadow.CauseRequested, upTo(10)...)
	control := f.person(router.Target)
	control.do("BEGIN", fmt.Sprintf("SELECT pg_advisory_xact_lock(%d)", shadow.FenceKey))
	f.all(10, Busy)
	f.expect(router.Target, "SELECT count(*) FROM t", "0")
	control.do("COMMIT")
	f.drain()
	f.same(whole)
}

func TestALostConnectionInABatchLosesNothing(t *testing.T) {
	for _, point := range []string{failpoint.RepairLocked, failpoint.RepairWritten, failpoint.RepairCommitted} {
		for _, side := range []router.Side{router.Source, router.Target} {
			t.Run(point+" "+side.String(), func(t *testing.T) {
				f := newField(t, setup{both: plain})
				f.super(router.Source, "INSERT INTO t SELECT n, n FROM generate_series(1, 10) n")
				f.dirty("public.t", "", shadow.CauseFailed, upTo(10)...)
				f.all(10, InFlight)
				pid := f.hand.links[side].pg.PID()
				f.at(point, func() {
					f.super(side, fmt.Sprintf("SELECT pg_terminate_backend(%d)", pid))
					f.until(side, fmt.Sprintf("SELECT count(*) FROM pg_stat_activity WHERE pid = %d", pid), "0")
				})
				_, err := f.together()
				f.must(err)
				if n := f.ledger.Counts("public.t").Keys; n != 10 && f.value(router.Target, "SELECT count(*) FROM t") != "10" {
					t.Errorf("%d keys are dirty", n)
				}
				f.drain()
				f.same(whole)
			})
		}
	}
}

func TestARowThatIsNotToBeThereIsProvenByItself(t *testing.T) {
	m := &rewrite.Mapping{Tables: []rewrite.TableMap{{
		Source:  rewrite.Name{Schema: "public", Name: "t"},
		Targets: []rewrite.TargetMap{{Target: rewrite.Name{Schema: "public", Name: "big"}, When: "v > 5", Key: []rewrite.KeyMap{{Target: "id", Source: "id"}}}},
		Columns: []rewrite.ColumnMap{{Source: "v", Target: "big.v"}},
	}}}
	f := newField(t, setup{source: plain, target: "CREATE TABLE big (id int PRIMARY KEY, v int NOT NULL)", mapping: m, lock: 25 * time.Millisecond})
	f.super(router.Source, "INSERT INTO t SELECT n, n FROM generate_series(1, 10) n")
	f.super(router.Target, "INSERT INTO big VALUES (2, 2)")
	late := f.writer()
	late.do("INSERT INTO big VALUES (3, 3)")
	f.dirty("public.t", "", shadow.CauseRequested, upTo(10)...)
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	for f.ledger.Counts("public.t").Keys > 5 && ctx.Err() == nil {
		_, err := f.together()
		f.must(err)
	}
	f.expect(router.Target, "SELECT string_agg(id::text, ' ' ORDER BY id) FROM big", "6 7 8 9 10")
	if k, dirty := f.ledger.TakeKey("public.t", key(3)); !dirty {
		t.Error("the key whose row is yet to come is not dirty any more")
	} else {
		f.ledger.Release(k)
	}
	late.do("COMMIT")
	f.drain()
	f.expect(router.Target, "SELECT string_agg(id::text, ' ' ORDER BY id) FROM big", "6 7 8 9 10")
}
