package reconcile

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/shadow"
)

// duty is a change that may be on one side only, and that somebody has been told
// is remembered.
type duty struct {
	table string
	key   rewrite.RowKey
	at    int // step
}

// model runs a ledger beside what must be true of it.
type model struct {
	t      *rapid.T
	disk   *disk
	ledger *Ledger
	step   int
	txid   shadow.TxID
	duties []duty
	open   []ongoing
	leases []lease
	walks  []walking
}

type ongoing struct {
	ticket shadow.Ticket
	intent *shadow.Intent
	at     int
}

type lease struct {
	DirtyKey
	at int
}

type walking struct {
	DirtyRange
	at int
}

var (
	someTables = []string{"public.a", "public.b"}
	someKeys   = []rewrite.RowKey{key("1"), key("2"), key("3"), key("4"), key("5")}
)

func (m *model) options() LedgerOptions { return LedgerOptions{DirtyKeys: 6} }

func (m *model) intent() *shadow.Intent {
	m.txid++
	table := rapid.SampledFrom(someTables).Draw(m.t, "table")
	life := rapid.SampledFrom([]shadow.Incarnation{"life 1", "life 2"}).Draw(m.t, "life")
	in := &shadow.Intent{TxID: m.txid, Incarnation: life, Tables: []shadow.TableKeys{{Table: table}}}
	if rapid.IntRange(0, 9).Draw(m.t, "whole") == 0 {
		in.Tables[0].Whole = true
		return in
	}
	in.Tables[0].Keys = rapid.SliceOfNDistinct(rapid.SampledFrom(someKeys), 1, 3, rapid.ID).Draw(m.t, "keys")
	return in
}

func (m *model) owe(in *shadow.Intent, at int) {
	for _, part := range in.Tables {
		keys := part.Keys
		if part.Whole {
			keys = someKeys
		}
		for _, k := range keys {
			m.duties = append(m.duties, duty{part.Table, k, at})
		}
	}
}

func (m *model) intend(*rapid.T) {
	in := m.intent()
	ticket := m.ledger.Intend(in)
	if ticket.Wait() != nil {
		m.ledger.Settle(ticket, shadow.Neither, "")
		return
	}
	m.open = append(m.open, ongoing{ticket, in, m.step})
}

func (m *model) settle(t *rapid.T) {
	if len(m.open) == 0 {
		t.Skip("nothing is open")
	}
	i := rapid.IntRange(0, len(m.open)-1).Draw(t, "which")
	o := m.open[i]
	m.open = slices.Delete(m.open, i, i+1)
	outcome := rapid.SampledFrom([]shadow.Outcome{shadow.Both, shadow.Neither, shadow.Authority, shadow.Uncertain}).Draw(t, "outcome")
	m.ledger.Settle(o.ticket, outcome, shadow.CauseFailed)
	if outcome == shadow.Authority || outcome == shadow.Uncertain {
		m.owe(o.intent, m.step)
	}
}

func (m *model) mark(*rapid.T) {
	in := m.intent()
	if m.ledger.Mark(in, shadow.CauseUncaptured) == nil {
		m.owe(in, m.step)
	}
}

func (m *model) restarted(*rapid.T) {
	if m.ledger.Restarted(shadow.CauseRestart) != nil {
		return
	}
	m.disk.mu.Lock()
	settled := slices.Clone(m.disk.settled)
	m.disk.mu.Unlock()
	for i := range settled {
		m.owe(&settled[i], m.step)
	}
}

func (m *model) take(t *rapid.T) {
	for _, k := range m.ledger.TakeKeys(rapid.IntRange(1, 4).Draw(t, "n"), nil) {
		m.leases = append(m.leases, lease{k, m.step})
	}
}

func (m *model) giveBack(t *rapid.T) {
	if len(m.leases) == 0 {
		t.Skip("nothing is leased")
	}
	i := rapid.IntRange(0, len(m.leases)-1).Draw(t, "which")
	k := m.leases[i]
	m.leases = slices.Delete(m.leases, i, i+1)
	switch rapid.SampledFrom([]string{"subtract", "release", "in flight", "stamp"}).Draw(t, "how") {
	case "release":
		m.ledger.Release(k.DirtyKey)
	case "in flight":
		m.ledger.InFlight(k.DirtyKey)
	case "stamp":
		m.ledger.StampKey(k.DirtyKey, "life 2", m.txid)
	case "subtract": // whoever took the key made both sides equal after that
		m.duties = slices.DeleteFunc(m.duties, func(d duty) bool { return d.table == k.Table && d.key == k.Key && d.at < k.at })
		_ = m.ledger.Subtract(k.DirtyKey)
		_ = m.ledger.Subtract(k.DirtyKey)
	}
}

func (m *model) look(t *rapid.T) {
	ranges := m.ledger.Ranges(rapid.SampledFrom(someTables).Draw(t, "table"))
	if len(ranges) == 0 {
		t.Skip("there is no range")
	}
	m.walks = append(m.walks, walking{rapid.SampledFrom(ranges).Draw(t, "range"), m.step})
}

// walk brings a walk to its end, or a part of the way: rows up to key 2. Whatever
// was owed before the look is done where it went, also if the range is no longer
// there.
func (m *model) walk(t *rapid.T) {
	if len(m.walks) == 0 {
		t.Skip("nobody walks")
	}
	i := rapid.IntRange(0, len(m.walks)-1).Draw(t, "which")
	w := m.walks[i]
	m.walks = slices.Delete(m.walks, i, i+1)
	if w.Low == "" && rapid.Bool().Draw(t, "a part") {
		_ = m.ledger.Shrink(w.ID, key("2"), 2)
		m.duties = slices.DeleteFunc(m.duties, func(d duty) bool { return d.table == w.Table && d.at < w.at && d.key <= key("2") })
		w.Low = key("2")
		m.walks = append(m.walks, w)
		return
	}
	_ = m.ledger.Finish(w.ID)
	m.duties = slices.DeleteFunc(m.duties, func(d duty) bool { return d.table == w.Table && d.at < w.at && d.key > w.Low })
}

func (m *model) space(t *rapid.T) { m.disk.set(rapid.Bool().Draw(t, "full")) }

// idle lets the committer come to what was changed so far.
func (m *model) idle(t *rapid.T) {
	b, failing, err := m.ledger.change(func() {})
	if err != nil {
		t.Fatal(err)
	}
	if failing == nil {
		<-b.done
	}
}

func (m *model) reopen(t *rapid.T) {
	if rapid.Bool().Draw(t, "crash") {
		m.disk.crash(m.ledger)
	} else {
		_ = m.ledger.Close()
	}
	for _, o := range m.open { // nobody will ever settle them
		m.owe(o.intent, m.step)
	}
	m.open, m.leases, m.walks = nil, nil, nil
	m.start(t)
}

func (m *model) start(t *rapid.T) {
	m.ledger = m.disk.start(t, m.options())
	m.ledger.mu.Lock()
	m.ledger.chunk = 2
	m.ledger.mu.Unlock()
}

func (m *model) check(t *rapid.T) {
	m.step++
	for _, d := range m.duties {
		if !m.ledger.Dirty(d.table, d.key) {
			t.Fatalf("%q of %s differs since step %d, and is not dirty", d.key, d.table, d.at)
		}
		if !m.disk.holds(d.table, d.key) {
			t.Fatalf("%q of %s differs since step %d, and a crash would forget it", d.key, d.table, d.at)
		}
	}
	for _, o := range m.open {
		for _, part := range o.intent.Tables {
			for _, k := range part.Keys {
				if !m.disk.holds(part.Table, k) {
					t.Fatalf("%q of %s may differ by an intent of step %d, and a crash would forget it", k, part.Table, o.at)
				}
			}
		}
	}
	m.bounded(t)
}

func (m *model) bounded(t *rapid.T) {
	total := 0
	for table, c := range m.ledger.All() {
		total += c.Keys
		if ready := m.ledger.Ready(table, 3); ready && (c.Ranges > 0 || c.Keys >= 3) {
			t.Fatalf("%s is ready with %+v", table, c)
		}
		if (c.Keys+c.Ranges == 0) != c.Oldest.IsZero() {
			t.Fatalf("%s has %+v", table, c)
		}
		if c.InFlight > c.Keys || c.InFlight < 0 {
			t.Fatalf("%s has %+v", table, c)
		}
	}
	if total > 6 {
		t.Fatalf("%d keys are kept", total)
	}
}

// drain makes everything equal; then nothing may be left anywhere.
func (m *model) drain(t *rapid.T) {
	m.disk.set(false)
	m.reopen(t)
	for _, table := range someTables {
		for _, r := range m.ledger.Ranges(table) {
			_ = m.ledger.Finish(r.ID)
		}
	}
	for _, k := range m.ledger.TakeKeys(100, nil) {
		_ = m.ledger.Subtract(k)
	}
	if err := m.ledger.Close(); err != nil {
		t.Fatal(err)
	}
	left := len(m.disk.keys["public.a"]) + len(m.disk.keys["public.b"]) + len(m.disk.ranges) + len(m.disk.open)
	if left > 0 {
		t.Fatalf("%d things are left: %v, %v, %v", left, m.disk.keys, m.disk.ranges, m.disk.open)
	}
}

// TestNothingThatMayDifferIsForgotten: whatever happens in whatever order, a
// change that may be on one side only is dirty, and on the disk (I1, I16); what
// is kept is bounded (I17); and in the end nothing is left.
func TestNothingThatMayDifferIsForgotten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &model{t: t, disk: newDisk()}
		m.start(t)
		defer func() { _ = m.ledger.Close() }()
		t.Repeat(map[string]func(*rapid.T){
			"intend": m.intend, "settle": m.settle, "mark": m.mark, "restarted": m.restarted, "take": m.take, "give back": m.giveBack,
			"look": m.look, "walk": m.walk, "space": m.space, "idle": m.idle, "reopen": m.reopen, "": m.check,
		})
		m.drain(t)
	})
}
