package reconcile

import (
	"context"
	"time"

	"github.com/crossfade-db/crossfade/reconcile/state"
	"github.com/crossfade-db/crossfade/rewrite"
)

// batch is what has changed since the committer took the last one. It names keys
// and ranges, and what is written is what they are then: a key that changes a
// hundred times while the disk is busy is written once.
type batch struct {
	keys     map[*table]map[rewrite.RowKey]struct{}
	spans    map[int64]*table
	cleared  map[*table]struct{}
	mapped   map[*table]struct{}
	unmapped map[string]struct{}
	settle   []uint64 // intents that end when all of it is durable
	done     chan struct{}
	err      error // once done is closed
}

func newBatch() *batch {
	b := &batch{keys: map[*table]map[rewrite.RowKey]struct{}{}, done: make(chan struct{})}
	b.noHeads()
	return b
}

func (b *batch) key(t *table, key rewrite.RowKey) {
	if b.keys[t] == nil {
		b.keys[t] = map[rewrite.RowKey]struct{}{}
	}
	b.keys[t][key] = struct{}{}
}

func (b *batch) span(t *table, id int64) { b.spans[id] = t }

func (b *batch) clear(t *table) {
	delete(b.keys, t)
	b.cleared[t] = struct{}{}
}

// settlesMost intents wait for a state database that cannot be written; those
// beyond stay open until the next start, which makes their keys dirty again.
const settlesMost = 1 << 20

func (b *batch) settleLater(id uint64) {
	if id != 0 && len(b.settle) < settlesMost {
		b.settle = append(b.settle, id)
	}
}

// merge takes over what another batch names.
func (b *batch) merge(old *batch) {
	for t, keys := range old.keys {
		for key := range keys {
			b.key(t, key)
		}
	}
	for _, id := range old.settle {
		b.settleLater(id)
	}
}

// How often the committer tries a state database that cannot be written.
const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = 5 * time.Second
)

// commit writes batches until the ledger is closed, and one then.
func (l *Ledger) commit() {
	defer close(l.done)
	pause := firstRetry
	retry := time.NewTimer(lastRetry)
	retry.Stop()
	defer retry.Stop()
	healthy := true
	for {
		select {
		case <-l.wake:
			if !healthy {
				continue
			}
		case <-retry.C:
		case <-l.quit:
			l.flush()
			return
		}
		if healthy = l.flush(); healthy {
			pause = firstRetry
			continue
		}
		retry.Reset(pause)
		pause = min(2*pause, lastRetry)
	}
}

// flush writes all that has changed so far, and says that it could.
func (l *Ledger) flush() bool {
	l.mu.Lock()
	b := l.next
	l.next = newBatch()
	l.mu.Unlock()
	for more := true; more; {
		var (
			c    *state.Changes
			undo func()
		)
		l.mu.Lock()
		c, undo, more = l.render(b)
		l.mu.Unlock()
		if empty(c) {
			continue
		}
		if err := l.store.Change(context.Background(), c); err != nil {
			l.fail(b, undo, err)
			return false
		}
	}
	l.succeed(b)
	return true
}

func empty(c *state.Changes) bool {
	return len(c.Keys)+len(c.Ranges)+len(c.Finished)+len(c.Cleared)+len(c.Mapped)+len(c.Unmapped) == 0
}

// keysMost go into one transaction, so that an act never waits long for its turn.
const keysMost = 2000

// render is the next transaction of a batch: some of its keys, and all that is
// known of ranges by now. A key that has become part of a range is gone, and may
// not be gone in the database before that range is there. undo names the same
// again; mu is held for both.
func (l *Ledger) render(b *batch) (c *state.Changes, undo func(), more bool) {
	l.next.headsTo(b)
	spans, cleared, mapped, unmapped := b.spans, b.cleared, b.mapped, b.unmapped
	c = b.heads(l.o.Now())
	var keys []state.DirtyKey
	for t, changed := range b.keys {
		for key := range changed {
			if len(keys) == l.chunk {
				break
			}
			keys = append(keys, t.stored(key))
			delete(changed, key)
		}
		if len(changed) == 0 {
			delete(b.keys, t)
		}
	}
	c.Keys = keys
	undo = func() {
		b.spans, b.cleared, b.mapped, b.unmapped = spans, cleared, mapped, unmapped
		b.headsTo(l.next)
		for _, k := range keys {
			if t := (*l.tables.Load())[k.Table]; t != nil {
				l.next.key(t, rewrite.RowKey(k.Key))
			}
		}
	}
	return c, undo, len(b.keys) > 0
}

// headsTo gives all that does not concern single keys to another batch.
func (b *batch) headsTo(to *batch) {
	for id, t := range b.spans {
		to.spans[id] = t
	}
	for t := range b.cleared {
		to.cleared[t] = struct{}{}
	}
	for t := range b.mapped {
		to.mapped[t] = struct{}{}
	}
	for name := range b.unmapped {
		to.unmapped[name] = struct{}{}
	}
	b.noHeads()
}

func (b *batch) noHeads() {
	b.spans, b.cleared = map[int64]*table{}, map[*table]struct{}{}
	b.mapped, b.unmapped = map[*table]struct{}{}, map[string]struct{}{}
}

// heads takes out what does not concern single keys, as it is to be written.
func (b *batch) heads(now time.Time) *state.Changes {
	c := &state.Changes{}
	for id, t := range b.spans {
		if r, there := t.storedRange(id); there {
			c.Ranges = append(c.Ranges, r)
		} else {
			c.Finished = append(c.Finished, uint64(id))
		}
	}
	for t := range b.cleared {
		c.Cleared = append(c.Cleared, t.name)
	}
	for t := range b.mapped {
		if t.known {
			c.Mapped = append(c.Mapped, state.MappedTable{Table: t.name, Fingerprint: t.fingerprint, Since: now})
		}
	}
	for name := range b.unmapped {
		c.Unmapped = append(c.Unmapped, name)
	}
	b.noHeads()
	return c
}

// succeed settles the intents of a batch that is durable.
func (l *Ledger) succeed(b *batch) {
	l.mu.Lock()
	recovered := l.failing != nil
	l.failing = nil
	l.mu.Unlock()
	for _, id := range b.settle {
		l.journal.settle(id)
	}
	close(b.done)
	if recovered {
		l.o.Log.Info("the state database takes dirty keys again")
	}
}

// fail puts a batch back, and tells all who wait: for it, and for the next,
// which can be no better.
func (l *Ledger) fail(b *batch, undo func(), err error) {
	l.mu.Lock()
	undo()
	l.next.merge(b)
	waiting := l.next
	l.next = newBatch()
	waiting.headsTo(l.next)
	l.next.merge(waiting)
	first := l.failing == nil
	l.failing = err
	l.mu.Unlock()
	for _, lost := range []*batch{b, waiting} {
		lost.err = err
		close(lost.done)
	}
	if first {
		l.o.Log.Warn("dirty keys cannot be written: they stay in the journal and in memory; free space in state.dir, which is tried again", "error", err)
	}
}
