package reconcile

import (
	"slices"
	"time"

	"github.com/crossfade-db/crossfade/reconcile/state"
	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/shadow"
)

// DirtyRange is low < key <= high of a table, in the order of the database; an
// empty end is open. Its ID names the range with these marks: a mark on the same
// rows gives what is left another one.
type DirtyRange struct {
	ID        int64
	Table     string
	Low, High rewrite.RowKey
	// Mark stands for all marks: Nothing, Unknown, or Through.
	Mark    Mark
	Epoch   shadow.Epoch
	Rows    int64 // done so far
	Started time.Time
	Updated time.Time
}

// Whole says that it is all of the table.
func (r *DirtyRange) Whole() bool { return r.Low == "" && r.High == "" }

// rangesMost of a table are kept apart; then the table is dirty as a whole.
const rangesMost = 256

// span is a dirty range.
type span struct {
	id        int64
	low, high rewrite.RowKey
	marks     marks
	epoch     shadow.Epoch
	cause     shadow.Cause // of the newest mark
	rows      int64
	started   time.Time
	updated   time.Time
	// begun: some of it is done, so that what is marked from now on may lie in
	// the part that is not looked at again.
	begun bool
}

func (s *span) covers(low, high rewrite.RowKey) bool {
	return !s.begun && (s.low == "" || s.low == low) && (s.high == "" || s.high == high)
}

// addRange marks a range; mu is held. What it covers becomes part of it, unless
// its walk has begun: else a table that is marked again and again would never be
// walked to its end. A range that is marked anew gets a new number, so that
// whoever has looked at the old one cannot say that it is done.
func (l *Ledger) addRange(t *table, low, high rewrite.RowKey, n mark, epoch shadow.Epoch) *span {
	now := l.o.Now()
	for _, s := range t.ranges {
		if s.covers(low, high) {
			low, high = s.low, s.high
			break
		}
	}
	full := len(t.ranges) >= rangesMost
	if full {
		low, high = "", ""
	}
	r := &span{low: low, high: high, cause: n.Cause, started: now, updated: now}
	for _, s := range slices.Clone(t.ranges) {
		within := (low == "" || s.low == low) && (high == "" || s.high == high)
		if !within || s.begun && !full {
			continue
		}
		r.take(s)
		l.drop(t, s)
	}
	if n.Count > 0 {
		r.marks.add(n)
		r.cause = n.Cause
	}
	r.epoch = max(r.epoch, epoch)
	l.lastID++
	r.id = l.lastID
	t.ranges = append(t.ranges, r)
	t.readyRanges.Store(int64(len(t.ranges)))
	l.next.span(t, r.id)
	return r
}

// take makes another range part of this one.
func (s *span) take(other *span) {
	for _, n := range other.marks {
		s.marks.add(n)
	}
	s.epoch = max(s.epoch, other.epoch)
	if s.cause == "" {
		s.cause = other.cause
	}
	if other.started.Before(s.started) {
		s.started = other.started
	}
}

func (l *Ledger) drop(t *table, s *span) {
	t.ranges = slices.DeleteFunc(t.ranges, func(other *span) bool { return other == s })
	t.readyRanges.Store(int64(len(t.ranges)))
	l.next.span(t, s.id)
}

// Ranges are those of a table, the oldest first.
func (l *Ledger) Ranges(table string) []DirtyRange {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := (*l.tables.Load())[table]
	if t == nil {
		return nil
	}
	out := make([]DirtyRange, len(t.ranges))
	for i, s := range t.ranges {
		out[i] = DirtyRange{
			ID: s.id, Table: table, Low: s.low, High: s.high, Mark: s.marks.all(), Epoch: s.epoch,
			Rows: s.rows, Started: s.started, Updated: s.updated,
		}
	}
	return out
}

// Shrink says that a range is done up to and including a key, by so many rows
// more. Like Subtract it is durable later, and of no effect for a range that is
// no longer there: then Ranges has what is left to do.
func (l *Ledger) Shrink(id int64, low rewrite.RowKey, rows int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return ErrClosed
	}
	t, s := l.span(id)
	if s == nil {
		return nil
	}
	s.low, s.begun, s.updated = low, true, l.o.Now()
	s.rows += rows
	l.next.span(t, id)
	l.wakeUp()
	return nil
}

// Finish says that all of a range is done, as Shrink does.
func (l *Ledger) Finish(id int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return ErrClosed
	}
	t, s := l.span(id)
	if s == nil {
		return nil
	}
	l.drop(t, s)
	l.announce(t)
	l.wakeUp()
	return nil
}

// StampRange does for a range what StampKey does for a key. The range keeps its
// number.
func (l *Ledger) StampRange(id int64, life shadow.Incarnation, through shadow.TxID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t, s := l.span(id)
	if s == nil {
		return
	}
	s.marks.stamp(l.seq, life, through)
	l.next.span(t, id)
	l.wakeUp()
}

func (l *Ledger) span(id int64) (*table, *span) {
	for _, t := range *l.tables.Load() {
		for _, s := range t.ranges {
			if s.id == id {
				return t, s
			}
		}
	}
	return nil, nil
}

func (t *table) restore(r *state.DirtyRange) {
	t.ranges = append(t.ranges, &span{
		id: int64(r.ID), low: rewrite.RowKey(r.Low), high: rewrite.RowKey(r.High), marks: marksOf(r.Marks), epoch: shadow.Epoch(r.Epoch),
		cause: shadow.Cause(r.Cause), rows: int64(r.Rows), started: r.Started, updated: r.Updated,
	})
	t.readyRanges.Store(int64(len(t.ranges)))
}

// storedRange is what the state database is to hold of a range; false: it is gone.
func (t *table) storedRange(id int64) (state.DirtyRange, bool) {
	for _, s := range t.ranges {
		if s.id == id {
			return state.DirtyRange{
				ID: uint64(id), Table: t.name, Low: string(s.low), High: string(s.high), Epoch: uint64(s.epoch), Cause: string(s.cause),
				Rows: uint64(s.rows), Started: s.started, Updated: s.updated, Marks: s.marks.stored(),
			}, true
		}
	}
	return state.DirtyRange{}, false
}
