package reconcile

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/shadow"
)

// Entry is an intent in a journal.
type Entry interface {
	Wait() error // returns nil when it is durable
	ID() uint64  // 0: it was refused
}

// Journal is what a ledger needs of journal.Journal.
type Journal[E Entry] interface {
	Append(*shadow.Intent) E
	Settle(id uint64)
	Window(func(*shadow.Intent)) error
}

// intents is a Journal whatever its entries are.
type intents interface {
	append(*shadow.Intent) Entry
	settle(id uint64)
	window(func(*shadow.Intent)) error
}

type journalOf[E Entry] struct{ j Journal[E] }

func (j journalOf[E]) append(in *shadow.Intent) Entry        { return j.j.Append(in) }
func (j journalOf[E]) settle(id uint64)                      { j.j.Settle(id) }
func (j journalOf[E]) window(yes func(*shadow.Intent)) error { return j.j.Window(yes) }

// ticket is an intent that waits for its outcome.
type ticket struct {
	entry   Entry
	intent  *shadow.Intent
	settled atomic.Bool
}

// Wait returns when the intent is durable, or cannot be.
func (t *ticket) Wait() error { return t.entry.Wait() }

// Intend writes an intent down. The caller leaves it as it is until it is
// settled.
func (l *Ledger) Intend(in *shadow.Intent) shadow.Ticket {
	l.flying.add(in, 1)
	return &ticket{entry: l.journal.append(in), intent: in}
}

// Settle ends an intent of Intend; a second time it does nothing. After
// Authority and Uncertain its keys are dirty when it returns, for Ready and for
// the worker, and the intent is forgotten once the state database has them.
func (l *Ledger) Settle(t shadow.Ticket, outcome shadow.Outcome, why shadow.Cause) {
	own, ok := t.(*ticket)
	if !ok || own.settled.Swap(true) {
		return
	}
	defer l.flying.add(own.intent, -1) // once its marks are there
	switch outcome {
	case shadow.Both, shadow.Neither:
		l.journal.settle(own.entry.ID())
	case shadow.Authority, shadow.Uncertain:
		l.dirty(own.intent, why, own.entry.ID())
	}
	if outcome == shadow.Uncertain {
		l.o.Uncertain(own.intent)
	}
}

// dirty marks the keys of an intent, which is settled when that is durable.
func (l *Ledger) dirty(in *shadow.Intent, why shadow.Cause, id uint64) {
	l.mu.Lock()
	l.markAll(in, why)
	l.next.settleLater(id)
	l.mu.Unlock()
	l.wakeUp()
	signal(l.work)
}

// Mark makes rows dirty without an intent; they are when it returns, whatever it
// returns. It returns nil when that is durable: in the state database or, when
// that cannot be written, in the journal.
func (l *Ledger) Mark(in *shadow.Intent, why shadow.Cause) error {
	return l.durable(in, func() { l.markAll(in, why) })
}

// MarkRange makes low < key <= high of a table dirty, in the order of the
// database; an empty end is open. It returns as Mark does.
func (l *Ledger) MarkRange(table string, low, high rewrite.RowKey, in shadow.Intent, why shadow.Cause) error {
	in.Tables = []shadow.TableKeys{{Table: table, Whole: true}} // what the journal can say of it
	return l.durable(&in, func() {
		t := l.table(table)
		l.addRange(t, low, high, l.newMark(&in, why), in.Epoch)
		if why == shadow.CauseNew {
			t.know(t.fingerprint)
			l.next.mapped[t] = struct{}{}
		}
		l.o.Marked(table, why, 0)
	})
}

// durable runs a change of the index and waits for it to be written, to the
// journal if it must be.
func (l *Ledger) durable(in *shadow.Intent, change func()) error {
	b, failing, err := l.change(change)
	if err != nil {
		return err
	}
	if failing == nil {
		<-b.done
		failing = b.err
	}
	if failing == nil {
		return nil
	}
	return l.durableByJournal(in, failing)
}

// change runs a change of the index under the lock. It is durable once the batch
// is done; failing says that there is no point in waiting for it.
func (l *Ledger) change(do func()) (b *batch, failing, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, nil, ErrClosed
	}
	do()
	l.wakeUp()
	signal(l.work)
	return l.next, l.failing, nil
}

// durableByJournal keeps in the journal what the store cannot write.
func (l *Ledger) durableByJournal(in *shadow.Intent, failing error) error {
	entry := l.journal.append(in)
	if err := entry.Wait(); err != nil {
		l.journal.settle(entry.ID())
		return fmt.Errorf("remember dirty rows: %w", errors.Join(failing, err))
	}
	l.mu.Lock()
	l.next.settleLater(entry.ID())
	l.mu.Unlock()
	l.wakeUp()
	return nil
}

// Restarted makes every key that the journal remembers dirty: a server lives
// anew and may have lost commits that were acknowledged. When it returns nil
// that is durable; with an error they are dirty but not durably so, and it must
// be called again.
func (l *Ledger) Restarted(why shadow.Cause) error {
	err := l.journal.window(func(in *shadow.Intent) {
		l.mu.Lock()
		l.markAll(in, why)
		l.mu.Unlock()
	})
	if err != nil {
		return fmt.Errorf("read the journal's window: %w", err)
	}
	b, failing, err := l.change(func() {})
	if err != nil {
		return err
	}
	if failing == nil {
		<-b.done
		failing = b.err
	}
	if failing != nil {
		return fmt.Errorf("remember what a restart may have lost: %w", failing)
	}
	return nil
}

// markAll marks all that an intent names; mu is held.
func (l *Ledger) markAll(in *shadow.Intent, why shadow.Cause) {
	for i := range in.Tables {
		part := &in.Tables[i]
		t := l.table(part.Table)
		if part.Whole {
			l.addRange(t, "", "", l.newMark(in, why), in.Epoch)
		}
		for _, key := range part.Keys {
			l.addKey(t, key, l.newMark(in, why), in.Epoch)
		}
		l.o.Marked(part.Table, why, len(part.Keys))
	}
}

func (l *Ledger) newMark(in *shadow.Intent, why shadow.Cause) mark {
	l.seq++
	return mark{Mark: markOf(in, why), seq: l.seq}
}
