package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/shadow"
)

func TestWhatAnOutcomeLeaves(t *testing.T) {
	cases := []struct {
		outcome shadow.Outcome
		why     shadow.Cause
		want    []Mark
	}{
		{shadow.Both, "", nil},
		{shadow.Neither, "", nil},
		{shadow.Authority, shadow.CauseBudget, []Mark{{7, "life 1", Transaction, shadow.CauseBudget, 1}}},
		{shadow.Uncertain, shadow.CauseLost, []Mark{{7, "life 1", Transaction, shadow.CauseLost, 1}}},
	}
	for _, c := range cases {
		t.Run(fmt.Sprint("outcome ", c.outcome), func(t *testing.T) {
			d := newDisk()
			l := d.start(t, LedgerOptions{})
			ticket := l.Intend(of(7, "public.a", key("1")))
			if err := ticket.Wait(); err != nil {
				t.Fatal(err)
			}
			l.Settle(ticket, c.outcome, c.why)
			l.Settle(ticket, shadow.Authority, shadow.CauseFailed) // it is settled
			var got []Mark
			for _, k := range l.TakeKeys(9, nil) {
				got = append(got, k.Marks...)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			mustEnd(t, l)
			if len(d.open) != 0 {
				t.Errorf("intents are open: %v", d.open)
			}
			if d.holds("public.a", key("1")) != (c.want != nil) {
				t.Errorf("the disk has %v", d.keys)
			}
		})
	}
}

func TestWhatAMarkWaitsFor(t *testing.T) {
	cases := []struct {
		id   shadow.TxID
		why  shadow.Cause
		want Until
	}{
		{7, shadow.CauseFailed, Transaction},
		{7, shadow.CauseRestart, Transaction},
		{7, shadow.CauseNew, Through},
		{7, shadow.CauseUnmirrored, Through},
		{0, shadow.CauseLost, Unknown},
		{0, shadow.CauseCrash, Unknown},
		{0, shadow.CauseUncaptured, Unknown},
		{0, shadow.CauseNew, Unknown},
		{0, shadow.CauseUnmirrored, Unknown},
		{0, shadow.CauseRequested, Nothing},
		{0, shadow.CauseRecheck, Nothing},
		{0, "a word of a later version", Unknown},
	}
	for _, c := range cases {
		if got := untilOf(c.id, c.why); got != c.want {
			t.Errorf("transaction %d, %s: %q, want %q", c.id, c.why, got, c.want)
		}
	}
}

// TestMarksOfManyTransactions is about which are kept: a lower number can be the
// last to end.
func TestMarksOfManyTransactions(t *testing.T) {
	var m marks
	seq := uint64(0)
	add := func(id shadow.TxID, life shadow.Incarnation) {
		seq++
		m.add(mark{Mark{id, life, Transaction, shadow.CauseFailed, 1}, seq})
	}
	add(105, "life 1")
	add(100, "life 1")
	add(105, "life 1")
	want := []Mark{{105, "life 1", Transaction, shadow.CauseFailed, 2}, {100, "life 1", Transaction, shadow.CauseFailed, 1}}
	if diff := cmp.Diff(want, m.public()); diff != "" {
		t.Errorf("an earlier number is forgotten:\n%s", diff)
	}
	for id := range shadow.TxID(marksMost) {
		add(200-id, "life 1")
	}
	if len(m) > marksMost || m[len(m)-1].TxID > 200 {
		t.Errorf("%d marks are kept: %v", len(m), m)
	}
	through := slices.IndexFunc(m, func(n mark) bool { return n.Until == Through })
	if through < 0 || m[through].TxID != 200 || m.count() != 3+marksMost {
		t.Errorf("too many are not folded into the greatest: %v", m)
	}
	add(3, "life 2")
	if len(m) != 3 && m[len(m)-1].Incarnation != "life 2" {
		t.Errorf("incarnations are not apart: %v", m)
	}
	for n := range 10 {
		add(5, shadow.Incarnation(fmt.Sprint("life ", 3+n)))
	}
	lives := map[shadow.Incarnation]bool{}
	for _, n := range m {
		lives[n.Incarnation] = true
	}
	if len(lives) > incarnationsMost+1 || !slices.ContainsFunc(m, func(n mark) bool { return n.Until == Unknown && n.Incarnation == "" }) {
		t.Errorf("%d incarnations are kept: %v", len(lives), m)
	}
	if m.count() != 3+marksMost+11 {
		t.Errorf("%d marks are counted", m.count())
	}
	m.subtract(seq, m.public())
	if len(m) != 0 {
		t.Errorf("left are %v", m)
	}
}

func TestAMarkWhileAKeyIsRepairedStays(t *testing.T) {
	l := newDisk().start(t, LedgerOptions{})
	defer mustEnd(t, l)
	mustMark(t, l, of(1, "public.a", key("1")), shadow.CauseFailed)
	k := l.TakeKeys(1, nil)[0]
	mustMark(t, l, of(1, "public.a", key("1")), shadow.CauseFailed) // the same transaction
	if more := l.TakeKeys(1, nil); len(more) != 0 {
		t.Errorf("it was leased twice: %v", more)
	}
	if err := l.Subtract(k); err != nil {
		t.Fatal(err)
	}
	if c := l.Counts("public.a"); c.Keys != 1 {
		t.Fatalf("the second mark is gone: %+v", c)
	}
	again := l.TakeKeys(1, nil)
	if len(again) != 1 || again[0].Count != 1 {
		t.Fatalf("got %+v", again)
	}
	_ = l.Subtract(k) // a lease that is over
	if c := l.Counts("public.a"); c.Keys != 1 {
		t.Error("an old lease takes marks off")
	}
	_ = l.Subtract(again[0])
	if c := l.Counts("public.a"); !c.Clean() || !c.Oldest.IsZero() {
		t.Errorf("it is not clean: %+v", c)
	}
}

func TestKeysAreTakenInTurn(t *testing.T) {
	l := newDisk().start(t, LedgerOptions{})
	defer mustEnd(t, l)
	for _, text := range []string{"1", "2", "3"} {
		mustMark(t, l, of(1, "public.a", key(text)), shadow.CauseFailed)
	}
	mustMark(t, l, of(1, "public.b", key("4")), shadow.CauseFailed)
	first := l.TakeKeys(1, nil)
	l.InFlight(first[0])
	if c := l.Counts("public.a"); c.InFlight != 1 {
		t.Errorf("got %+v", c)
	}
	var order []string
	for _, k := range l.TakeKeys(9, func(table string, k rewrite.RowKey) bool { return k == key("2") }) {
		cells, _ := k.Key.Cells()
		order = append(order, k.Table+" "+string(cells[0]))
		l.Release(k)
	}
	if diff := cmp.Diff([]string{"public.a 3", "public.b 4", "public.a 1"}, order); diff != "" {
		t.Error(diff)
	}
	if c := l.Counts("public.a"); c.InFlight != 0 {
		t.Errorf("got %+v", c)
	}
	shown := l.Oldest("public.a", 2)
	if len(shown) != 2 || shown[0].Key != key("1") || shown[1].Key != key("2") || shown[0].Lease != 0 {
		t.Errorf("the oldest are %+v", shown)
	}
}

// TestARangeThatIsMarkedAgainIsWalkedAgain: before its walk has begun it takes
// the mark in and gets another number; after that, the mark is a range of its
// own, and the walk goes on.
func TestARangeThatIsMarkedAgainIsWalkedAgain(t *testing.T) {
	l := newDisk().start(t, LedgerOptions{})
	defer mustEnd(t, l)
	mustMark(t, l, whole(1, "public.a"), shadow.CauseUncaptured)
	seen := l.Ranges("public.a")[0]
	mustMark(t, l, whole(2, "public.a"), shadow.CauseUncaptured)
	if now := l.Ranges("public.a"); len(now) != 1 || now[0].ID == seen.ID || now[0].Mark.TxID != 2 || now[0].Mark.Until != Through {
		t.Fatalf("got %+v after %+v", now, seen)
	}
	_ = l.Finish(seen.ID)
	_ = l.Shrink(seen.ID, key("5"), 3)
	walked := l.Ranges("public.a")
	if len(walked) != 1 || walked[0].Low != "" {
		t.Fatalf("an old number did something: %+v", walked)
	}
	_ = l.Shrink(walked[0].ID, key("5"), 3)
	for id := range shadow.TxID(20) {
		mustMark(t, l, whole(3+id, "public.a"), shadow.CauseUncaptured)
	}
	now := l.Ranges("public.a")
	if len(now) != 2 || now[0].ID != walked[0].ID || now[0].Low != key("5") || now[0].Rows != 3 || !now[1].Whole() || now[1].Mark.TxID != 22 {
		t.Fatalf("got %+v", now)
	}
	_ = l.Finish(now[0].ID)
	_ = l.Finish(now[1].ID)
	if c := l.Counts("public.a"); !c.Clean() {
		t.Errorf("got %+v", c)
	}
}

func TestRangesOfATableAreBounded(t *testing.T) {
	l := newDisk().start(t, LedgerOptions{})
	defer mustEnd(t, l)
	for n := range 3 * rangesMost {
		low := key(fmt.Sprint(n))
		l.mu.Lock()
		r := l.addRange(l.table("public.a"), low, "", l.newMark(of(1, "public.a"), shadow.CauseBulk), 1)
		r.begun = true
		l.mu.Unlock()
		if c := l.Counts("public.a"); c.Ranges > rangesMost {
			t.Fatalf("there are %d", c.Ranges)
		}
	}
	if !slices.ContainsFunc(l.Ranges("public.a"), func(r DirtyRange) bool { return r.Whole() }) {
		t.Error("none is the whole table")
	}
}

func TestTooManyKeysAreTheWholeTable(t *testing.T) {
	d := newDisk()
	l := d.start(t, LedgerOptions{DirtyKeys: 10})
	mustMark(t, l, of(1, "public.b", key("1"), key("2")), shadow.CauseFailed)
	for n := range 9 {
		mustMark(t, l, of(shadow.TxID(n), "public.a", key(fmt.Sprint(n))), shadow.CauseFailed)
	}
	if c := l.Counts("public.a"); c.Keys != 0 || c.Ranges != 1 || c.Oldest.IsZero() {
		t.Errorf("the table with the most keys has %+v", c)
	}
	if c := l.Counts("public.b"); c.Keys != 2 || c.Ranges != 0 {
		t.Errorf("the other one has %+v", c)
	}
	r := l.Ranges("public.a")[0]
	if !r.Whole() || r.Mark.Until != Unknown || r.Mark.Count != 9 { // transaction 0 has no number
		t.Errorf("got %+v", r)
	}
	l.StampRange(r.ID, "life 1", 99)
	if r := l.Ranges("public.a")[0]; r.Mark.Until != Through || r.Mark.TxID != 99 {
		t.Errorf("stamped it is %+v", r)
	}
	mustEnd(t, l)
	if len(d.keys["public.a"]) != 0 || len(d.ranges) != 1 {
		t.Errorf("the disk has %v, %v", d.keys, d.ranges)
	}
	t.Run("or too long ones", func(t *testing.T) {
		l := newDisk().start(t, LedgerOptions{DirtyKeys: 10, KeyBytes: 100})
		defer mustEnd(t, l)
		mustMark(t, l, of(1, "public.a", key(string(make([]byte, 50))), key(string(make([]byte, 60)))), shadow.CauseFailed)
		if c := l.Counts("public.a"); c.Keys != 0 || c.Ranges != 1 {
			t.Errorf("got %+v", c)
		}
	})
}

// TestAKeyIsNotGoneBeforeItsRangeIsThere: a table becomes a range while its keys
// are being written, a key at a time.
func TestAKeyIsNotGoneBeforeItsRangeIsThere(t *testing.T) {
	d := newDisk()
	l := d.start(t, LedgerOptions{DirtyKeys: 3})
	l.mu.Lock()
	l.chunk = 1
	l.mu.Unlock()
	keys := []rewrite.RowKey{key("1"), key("2"), key("3"), key("4")}
	mustMark(t, l, of(1, "public.a", keys[:3]...), shadow.CauseFailed)
	writes := 0
	d.before = func() {
		if writes++; writes == 2 {
			ticket := l.Intend(of(3, "public.a", key("4")))
			_ = ticket.Wait()
			l.Settle(ticket, shadow.Authority, shadow.CauseFailed)
		}
	}
	checked := 0
	d.after = func() {
		for _, k := range keys[:3] {
			if checked++; !d.holds("public.a", k) {
				t.Errorf("after write %d a crash would forget %q: %v, %v", writes, k, d.keys, d.ranges)
			}
		}
	}
	mustMark(t, l, of(2, "public.a", keys[:3]...), shadow.CauseFailed)
	mustEnd(t, l)
	if c := l.Counts("public.a"); c.Keys != 0 || c.Ranges != 1 || checked < 9 || !d.holds("public.a", key("4")) {
		t.Errorf("%d looks, in the end %+v", checked, c)
	}
}

func TestAStateDatabaseThatCannotBeWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		l := d.start(t, LedgerOptions{})
		synctest.Wait()
		d.set(true)
		ticket := l.Intend(of(1, "public.a", key("1")))
		_ = ticket.Wait()
		l.Settle(ticket, shadow.Authority, shadow.CauseFailed)
		synctest.Wait()
		if len(d.open) != 1 || len(l.TakeKeys(9, nil)) != 1 {
			t.Errorf("open is %v", d.open)
		}
		mustMark(t, l, of(2, "public.a", key("2")), shadow.CauseUncaptured) // by the journal
		if !d.holds("public.a", key("2")) {
			t.Error("a crash would forget the mark")
		}
		if err := l.Adopt(map[string]string{"public.a": "x"}, shadow.Intent{}); !errors.Is(err, errFull) {
			t.Errorf("a mapping is in force that nobody will remember: %v", err)
		}
		d.noLog = true
		if err := l.Mark(of(3, "public.a", key("3")), shadow.CauseUncaptured); !errors.Is(err, errFull) {
			t.Errorf("nobody remembers it: %v", err)
		}
		if c := l.Counts("public.a"); c.Keys != 3 {
			t.Errorf("got %+v", c)
		}
		d.noLog = false
		d.set(false)
		time.Sleep(2 * lastRetry) //nolint:forbidigo // of the bubble
		synctest.Wait()
		if len(d.open) != 0 || len(d.keys["public.a"]) != 3 {
			t.Errorf("with space again: %v, %v", d.open, d.keys)
		}
		mustEnd(t, l)
	})
}

func TestManyMarksAreOneTransaction(t *testing.T) {
	d := newDisk()
	l := d.start(t, LedgerOptions{})
	const marks = 50
	first, all, once := make(chan struct{}), make(chan struct{}), sync.Once{}
	d.before = func() { once.Do(func() { close(first); <-all }) }
	done := make(chan error, marks+1)
	mark := func(n int) { done <- l.Mark(of(1, "public.a", key(fmt.Sprint(n))), shadow.CauseFailed) }
	go mark(0)
	<-first // it is being written
	for n := range marks {
		go mark(n + 1)
	}
	for l.Counts("public.a").Keys <= marks {
		<-l.Work()
	}
	close(all)
	for range marks + 1 {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	if d.writes != 2 {
		t.Errorf("%d marks took %d transactions", marks+1, d.writes)
	}
	mustEnd(t, l)
}

func TestReadiness(t *testing.T) {
	d := newDisk()
	l := d.start(t, LedgerOptions{})
	adopt := func(tables map[string]string) {
		t.Helper()
		if err := l.Adopt(tables, shadow.Intent{TxID: 50, Incarnation: "life 1", Epoch: 1}); err != nil {
			t.Fatal(err)
		}
	}
	ready := func(table string, want bool, when string) {
		t.Helper()
		if got := l.Ready(table, 2); got != want {
			t.Errorf("%s: %s is ready: %t", when, table, got)
		}
	}
	ready("public.a", false, "nobody knows it")
	adopt(map[string]string{"public.a": "1", "public.b": "1"})
	ready("public.a", false, "it is new")
	if r := l.Ranges("public.a")[0]; r.Mark.Until != Through || r.Mark.TxID != 50 {
		t.Errorf("a new table waits for %+v", r.Mark)
	}
	for _, table := range []string{"public.a", "public.b"} {
		_ = l.Finish(l.Ranges(table)[0].ID)
	}
	ready("public.a", true, "it was walked")
	mustMark(t, l, of(1, "public.a", key("1")), shadow.CauseFailed)
	ready("public.a", true, "one key of two")
	mustMark(t, l, of(1, "public.a", key("2")), shadow.CauseFailed)
	ready("public.a", false, "two keys of two")
	ready("public.b", true, "another table")
	for _, k := range l.TakeKeys(9, nil) {
		_ = l.Subtract(k)
	}
	mustEnd(t, l)

	l = d.start(t, LedgerOptions{})
	ready("public.a", true, "the proxy has started again")
	adopt(map[string]string{"public.a": "1", "public.b": "2"})
	ready("public.a", true, "nothing has changed")
	ready("public.b", false, "its mapping has changed")
	adopt(map[string]string{"public.b": "2"})
	ready("public.a", false, "it is not mapped")
	adopt(map[string]string{"public.a": "1", "public.b": "2"})
	ready("public.a", false, "it was written meanwhile")
	if !l.Declare("public.a") {
		t.Error("it could not be declared equal")
	}
	ready("public.a", true, "somebody has copied it")
	mustMark(t, l, whole(9, "public.a"), shadow.CauseUncaptured)
	if l.Declare("public.a") {
		t.Error("a copy does not make up for a write")
	}
	mustEnd(t, l)
}

func TestReadyTakesNoMemory(t *testing.T) {
	l := newDisk().start(t, LedgerOptions{})
	defer mustEnd(t, l)
	mustMark(t, l, of(1, "public.a", key("1")), shadow.CauseFailed)
	if n := testing.AllocsPerRun(1000, func() { l.Ready("public.a", 5); l.Ready("public.x", 5) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestWaitClean(t *testing.T) {
	l := newDisk().start(t, LedgerOptions{})
	mustMark(t, l, of(1, "public.a", key("1")), shadow.CauseFailed)
	mustMark(t, l, whole(1, "public.b"), shadow.CauseFailed)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.WaitClean(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if err := l.WaitClean(ctx, []string{"public.c"}); err != nil {
		t.Errorf("a table that was never dirty: %v", err)
	}
	done := make(chan error, 2)
	go func() { done <- l.WaitClean(t.Context(), []string{"public.a"}) }()
	_ = l.Subtract(l.TakeKeys(1, nil)[0])
	if err := <-done; err != nil {
		t.Error(err)
	}
	go func() { done <- l.WaitClean(t.Context(), nil) }()
	_ = l.Finish(l.Ranges("public.b")[0].ID)
	if err := <-done; err != nil {
		t.Error(err)
	}
	mustMark(t, l, of(1, "public.a", key("1")), shadow.CauseFailed)
	go func() { done <- l.WaitClean(t.Context(), nil) }()
	mustEnd(t, l)
	if err := <-done; !errors.Is(err, ErrClosed) {
		t.Errorf("got %v", err)
	}
	for name, err := range map[string]error{
		"mark": l.Mark(of(1, "public.a"), shadow.CauseFailed), "finish": l.Finish(1), "shrink": l.Shrink(1, "", 0),
		"subtract": l.Subtract(DirtyKey{}), "restarted": l.Restarted(shadow.CauseRestart),
		"range": l.MarkRange("public.a", "", "", shadow.Intent{}, shadow.CauseRequested), "adopt": l.Adopt(nil, shadow.Intent{}),
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s of a closed ledger: %v", name, err)
		}
	}
}

func TestAStampIsForWhatWasSeen(t *testing.T) {
	l := newDisk().start(t, LedgerOptions{})
	defer mustEnd(t, l)
	mustMark(t, l, of(0, "public.a", key("1")), shadow.CauseLost)
	k := l.TakeKeys(1, nil)[0]
	l.StampKey(k, "life 1", 500)
	k = l.TakeKeys(1, nil)[0]
	if len(k.Marks) != 1 || k.Marks[0].Until != Through || k.Marks[0].TxID != 500 || !k.Flying {
		t.Fatalf("got %+v", k)
	}
	mustMark(t, l, of(0, "public.a", key("1")), shadow.CauseLost)
	l.StampKey(k, "life 1", 400)
	k = l.TakeKeys(1, nil)[0]
	if !slices.ContainsFunc(k.Marks, func(m Mark) bool { return m.Until == Unknown }) {
		t.Errorf("a mark that came after the look was stamped: %+v", k.Marks)
	}
}
