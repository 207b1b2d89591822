package reconcile

import (
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/crossfade-db/crossfade/reconcile/journal"
	"github.com/crossfade-db/crossfade/reconcile/state"
	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/shadow"
)

// doubting is a ledger that tells of lost answers, with its files.
type doubting struct {
	testing.TB
	store  *state.Store
	ledger *Ledger
	all    *Divergences
	*Suspicions
}

func newDoubting(t *testing.T, o DivergenceOptions) *doubting {
	t.Helper()
	d := &doubting{TB: t}
	dir := t.TempDir()
	var err error
	d.store, err = state.Open(filepath.Join(dir, "state"))
	d.must(err)
	j, _, err := journal.Open(filepath.Join(dir, "journal"), journal.Options{})
	d.must(err)
	d.ledger, err = OpenLedger(d.store, j, LedgerOptions{Uncertain: func(in *shadow.Intent) { d.Uncertain(in) }})
	d.must(err)
	d.all = NewDivergences(d.store, o)
	d.open()
	t.Cleanup(func() {
		d.Close()
		d.must(d.ledger.Close())
		d.must(j.Close())
		d.must(d.store.Close())
	})
	return d
}

func (d *doubting) must(err error) {
	d.Helper()
	if err != nil {
		d.Error(err)
	}
}

func (d *doubting) open() {
	d.Helper()
	var err error
	d.Suspicions, err = OpenSuspicions(d.Context(), SuspicionOptions{
		Store: d.store, Divergences: d.all, Ledger: d.ledger, Epoch: 1, Show: func(_ string, key rewrite.RowKey) string { return "shown " + string(key) },
	})
	d.must(err)
}

// ends has a transaction of rows end so.
func (d *doubting) ends(outcome shadow.Outcome, tables ...shadow.TableKeys) {
	d.Helper()
	ticket := d.ledger.Intend(&shadow.Intent{Epoch: 1, TxID: 7, Incarnation: "one", Tables: tables})
	d.must(ticket.Wait())
	d.ledger.Settle(ticket, outcome, shadow.CauseLost)
}

// repairs takes all marks off, as a worker does that has found all equal.
func (d *doubting) repairs() {
	d.Helper()
	for _, k := range d.ledger.TakeKeys(1000, nil) {
		d.must(d.ledger.Subtract(k))
	}
	for _, table := range d.ledger.Tables() {
		for _, r := range d.ledger.Ranges(table) {
			d.must(d.ledger.Finish(r.ID))
		}
	}
}

// list is a line for each divergence.
func (d *doubting) list() []string {
	d.Helper()
	found, err := d.store.Divergences(d.Context(), state.DivergenceQuery{})
	d.must(err)
	lines := []string{}
	for _, f := range found {
		lines = append(lines, strings.Join([]string{string(f.State), string(f.Kind), f.Table, f.KeyShown}, "|"))
	}
	return lines
}

func (d *doubting) want(lines ...string) {
	d.Helper()
	if diff := cmp.Diff(lines, d.list()); diff != "" {
		d.Error(diff)
	}
}

func keysOf(n int) []rewrite.RowKey {
	keys := make([]rewrite.RowKey, n)
	for i := range keys {
		keys[i] = rewrite.RowKey("k" + string(rune('a'+i%26)) + string(rune('a'+i/26)))
	}
	return keys
}

func TestALostAnswerIsSuspectedUntilItsTableIsClean(t *testing.T) {
	d := newDoubting(t, DivergenceOptions{})
	d.ends(shadow.Both, shadow.TableKeys{Table: "public.other", Keys: keysOf(1)})
	d.ends(shadow.Authority, shadow.TableKeys{Table: "public.failed", Keys: keysOf(1)})
	d.ends(shadow.Uncertain, shadow.TableKeys{Table: "public.a", Keys: keysOf(2)}, shadow.TableKeys{Table: "public.b", Whole: true})
	d.must(d.Drain())
	d.want("suspected|uncertain|public.a|shown kaa", "suspected|uncertain|public.a|shown kba", "suspected|uncertain|public.b|")
	d.must(d.settle(t.Context()))
	d.want("suspected|uncertain|public.a|shown kaa", "suspected|uncertain|public.a|shown kba", "suspected|uncertain|public.b|")
	d.repairs()
	d.must(d.settle(t.Context()))
	d.want("verified|uncertain|public.a|shown kaa", "verified|uncertain|public.a|shown kba", "verified|uncertain|public.b|")
	found, err := d.store.Divergences(t.Context(), state.DivergenceQuery{Table: "public.b"})
	d.must(err)
	if len(found) != 1 || found[0].TxID != 7 || found[0].Cause != "the source's answer to COMMIT was lost (incarnation one); both sides were found equal" {
		t.Errorf("found %+v", found)
	}
}

func TestALostAnswerOfManyRowsIsOneOfTheTable(t *testing.T) {
	d := newDoubting(t, DivergenceOptions{PerSecond: 1000})
	d.ends(shadow.Uncertain, shadow.TableKeys{Table: "public.a", Keys: keysOf(suspectsMost)})
	d.ends(shadow.Uncertain, shadow.TableKeys{Table: "public.b", Keys: keysOf(suspectsMost + 1)})
	d.must(d.Drain())
	of := map[string]int{}
	for _, line := range d.list() {
		of[strings.Split(line, "|")[2]]++
	}
	if diff := cmp.Diff(map[string]int{"public.a": suspectsMost, "public.b": 1}, of); diff != "" {
		t.Error(diff)
	}
}

func TestSuspicionsThatComeTooFastAreOneOfTheTable(t *testing.T) {
	var later atomic.Int64
	d := newDoubting(t, DivergenceOptions{PerSecond: 2, Now: func() time.Time { return time.Unix(1000+later.Load(), 0) }})
	d.ends(shadow.Uncertain, shadow.TableKeys{Table: "public.a", Keys: keysOf(5)})
	d.must(d.Drain())
	d.want("suspected|uncertain|public.a|shown kaa", "suspected|uncertain|public.a|shown kba")
	later.Store(1)
	d.must(d.Drain())
	d.want("suspected|uncertain|public.a|shown kaa", "suspected|uncertain|public.a|shown kba", "suspected|uncertain|public.a|")
}

func TestSuspicionsOutliveTheProxy(t *testing.T) {
	d := newDoubting(t, DivergenceOptions{})
	d.ends(shadow.Uncertain, shadow.TableKeys{Table: "public.a", Keys: keysOf(1)})
	d.Close()
	d.open()
	d.repairs()
	d.must(d.settle(t.Context()))
	d.want("verified|uncertain|public.a|shown kaa")
}

func TestAnEffectIsRepairedAndLookedAtAgain(t *testing.T) {
	d := newDoubting(t, DivergenceOptions{})
	d.Effect("public.a", "kaa", 9)
	d.must(d.Drain())
	d.want("repaired|effect|public.a|shown kaa")
	if !d.ledger.Dirty("public.a", "kaa") || d.ledger.Dirty("public.a", "kba") {
		t.Error("not the effect's row is dirty")
	}
	d.must(d.settle(t.Context()))
	d.want("repaired|effect|public.a|shown kaa")
	d.repairs()
	d.must(d.settle(t.Context()))
	d.want("verified|effect|public.a|shown kaa")
}

// TestSuspicionsAreNotedByThemselves lets the clock do it.
func TestSuspicionsAreNotedByThemselves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoubting(t, DivergenceOptions{})
		d.ends(shadow.Uncertain, shadow.TableKeys{Table: "public.a", Keys: keysOf(1)})
		for len(d.list()) == 0 {
			<-time.After(every / 10)
		}
		d.repairs()
		for deadline := time.Now().Add(5 * every); d.list()[0] != "verified|uncertain|public.a|shown kaa"; {
			if time.Now().After(deadline) {
				t.Fatalf("still %q", d.list())
			}
			<-time.After(every / 10)
		}
	})
}
