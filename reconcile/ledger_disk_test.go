package reconcile

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crossfade-db/crossfade/reconcile/journal"
	"github.com/crossfade-db/crossfade/reconcile/state"
	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/shadow"
)

// life is a ledger on a real state database and journal.
type life struct {
	*Ledger
	store   *state.Store
	journal *journal.Journal
	t       testing.TB
}

func begin(t testing.TB, dir string, o LedgerOptions) *life {
	t.Helper()
	store, err := state.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	j, open, err := journal.Open(filepath.Join(dir, "journal"), journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	o.Open = open
	l, err := OpenLedger(store, j, o)
	if err != nil {
		t.Fatal(err)
	}
	return &life{l, store, j, t}
}

func (l *life) end() {
	l.t.Helper()
	for _, c := range []interface{ Close() error }{l.Ledger, l.journal, l.store} {
		if err := c.Close(); err != nil {
			l.t.Fatal(err)
		}
	}
}

func TestALedgerOnTheDisk(t *testing.T) {
	dir := t.TempDir()
	l := begin(t, dir, LedgerOptions{})
	if err := l.Adopt(map[string]string{"public.a": "1"}, shadow.Intent{TxID: 3, Incarnation: "life 1", Epoch: 1}); err != nil {
		t.Fatal(err)
	}
	_ = l.Shrink(l.Ranges("public.a")[0].ID, key("k"), 1000)
	settled := l.Intend(of(1<<40, "public.a", key("settled")))
	open := l.Intend(of(8, "public.a", key("open")))
	both := l.Intend(of(9, "public.a", key("both")))
	for _, ticket := range []shadow.Ticket{settled, open, both} {
		if err := ticket.Wait(); err != nil {
			t.Fatal(err)
		}
	}
	l.Settle(settled, shadow.Authority, shadow.CauseBudget)
	l.Settle(both, shadow.Both, "")
	mustMark(t, l.Ledger, of(10, "public.b", "", key("\x00\xff")), shadow.CauseUncaptured)
	if err := l.MarkRange("public.b", key("low"), key("high"), shadow.Intent{Epoch: 2}, shadow.CauseRequested); err != nil {
		t.Fatal(err)
	}
	before := l.Oldest("", 99)
	l.end()

	l = begin(t, dir, LedgerOptions{})
	defer l.end()
	after := l.Oldest("", 99)
	if len(after) != len(before)+1 {
		t.Fatalf("%d keys were dirty, and an intent open; now %d are", len(before), len(after))
	}
	crashed := after[len(after)-1]
	if crashed.Key != key("open") || crashed.Cause != shadow.CauseCrash || crashed.Marks[0].TxID != 8 || crashed.Epoch != 1 {
		t.Errorf("the open intent has become %+v", crashed)
	}
	for i := range before {
		before[i].First, before[i].Last = after[i].First, after[i].Last // microseconds are kept
	}
	if diff := cmp.Diff(before, after[:len(before)]); diff != "" {
		t.Error(diff)
	}
	r := l.Ranges("public.a")
	if len(r) != 1 || r[0].Low != key("k") || r[0].Rows != 1000 || r[0].Mark != (Mark{3, "life 1", Through, shadow.CauseNew, 1}) {
		t.Errorf("got %+v", r)
	}
	if r := l.Ranges("public.b"); len(r) != 1 || r[0].Low != key("low") || r[0].High != key("high") || r[0].Mark.Until != Nothing || r[0].Epoch != 2 {
		t.Errorf("got %+v", r)
	}
	// The window of the journal still has what both sides have.
	if err := l.Restarted(shadow.CauseRestart); err != nil {
		t.Fatal(err)
	}
	if !l.Dirty("public.a", key("both")) {
		t.Error("a restart makes nothing dirty")
	}
}

func BenchmarkMarkedBySettle(b *testing.B) {
	l := begin(b, b.TempDir(), LedgerOptions{})
	defer l.end()
	n := 0
	for b.Loop() {
		n++
		ticket := l.Intend(of(shadow.TxID(n), "public.a", key(fmt.Sprint(n))))
		_ = ticket.Wait()
		l.Settle(ticket, shadow.Authority, shadow.CauseBreaker)
	}
}

func BenchmarkOpenWithAMillionKeys(b *testing.B) {
	dir := b.TempDir()
	l := begin(b, dir, LedgerOptions{})
	for n := range 1000 {
		keys := make([]rewrite.RowKey, 1000)
		for i := range keys {
			keys[i] = key(fmt.Sprintf("%012d", n*1000+i))
		}
		if err := l.Mark(of(shadow.TxID(n), "public.a", keys...), shadow.CauseBreaker); err != nil {
			b.Fatal(err)
		}
	}
	l.end()
	for b.Loop() {
		begin(b, dir, LedgerOptions{}).end()
	}
	b.ReportMetric(float64(b.Elapsed().Seconds())/float64(b.N), "s/open")
}
