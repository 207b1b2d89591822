package reconcile

import (
	"context"
	"fmt"
	"time"

	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/shadow"
)

// Counts are what is dirty of a table.
type Counts struct {
	Keys     int
	Ranges   int
	Oldest   time.Time // since when; zero: nothing is dirty
	InFlight int       // keys that waited for a transaction when they were last looked at
}

// Clean says that nothing is dirty.
func (c Counts) Clean() bool { return c.Keys == 0 && c.Ranges == 0 }

// Clean says that nothing is dirty at all. It takes no lock.
func (l *Ledger) Clean() bool {
	for _, t := range *l.tables.Load() {
		if t.readyKeys.Load() > 0 || t.readyRanges.Load() > 0 {
			return false
		}
	}
	return true
}

// Counts are those of a table.
func (l *Ledger) Counts(table string) Counts {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t := (*l.tables.Load())[table]; t != nil {
		return t.counts()
	}
	return Counts{}
}

// All are the counts of all tables.
func (l *Ledger) All() map[string]Counts {
	l.mu.Lock()
	defer l.mu.Unlock()
	tables := *l.tables.Load()
	all := make(map[string]Counts, len(tables))
	for name, t := range tables {
		all[name] = t.counts()
	}
	return all
}

func (t *table) counts() Counts {
	c := Counts{Keys: len(t.keys), Ranges: len(t.ranges), Oldest: t.oldestKey(), InFlight: t.inFlight}
	for _, s := range t.ranges {
		if c.Oldest.IsZero() || s.started.Before(c.Oldest) {
			c.Oldest = s.started
		}
	}
	return c
}

// Ready says that the other side has all rows of a table but fewer than keyLimit
// (DESIGN §6). It is false for a table that was never given to Adopt. It takes
// no lock and no memory.
func (l *Ledger) Ready(table string, keyLimit int) bool {
	t := (*l.tables.Load())[table]
	return t != nil && t.readyKnown.Load() && t.readyRanges.Load() == 0 && t.readyKeys.Load() < int64(keyLimit)
}

// Adopt takes the tables that are mapped from now on, by name, with something
// that changes when the mapping of the table does. What is new or mapped anew is
// dirty as a whole; tables that are no longer named are forgotten, so that they
// are new should they come back. All of it is durable when it returns nil; with
// an error no mapping may be put in force.
//
// in.TxID is the newest transaction of the authority that may have written
// without a mirror: the last one that had begun when the mapping was put in
// force. 0: not known yet (Unknown).
func (l *Ledger) Adopt(tables map[string]string, in shadow.Intent) error {
	b, failing, err := l.change(func() {
		for name, t := range *l.tables.Load() {
			if _, stays := tables[name]; !stays {
				l.forget(t)
			}
		}
		for name, fingerprint := range tables {
			t := l.table(name)
			if t.known && t.fingerprint == fingerprint {
				continue
			}
			l.addRange(t, "", "", l.newMark(&in, shadow.CauseNew), in.Epoch)
			t.know(fingerprint)
			l.next.mapped[t] = struct{}{}
			l.o.Marked(name, shadow.CauseNew, 0)
		}
	})
	if err != nil {
		return err
	}
	if failing == nil {
		<-b.done
		failing = b.err
	}
	if failing != nil {
		return fmt.Errorf("remember which tables are mapped: %w", failing)
	}
	return nil
}

// forget drops a table that is no longer mapped.
func (l *Ledger) forget(t *table) {
	for _, i := range t.keys {
		l.remove(i)
	}
	for _, s := range t.ranges {
		l.next.span(t, s.id)
	}
	t.ranges, t.known = nil, false
	t.readyRanges.Store(0)
	t.readyKnown.Store(false)
	l.next.clear(t)
	l.next.unmapped[t.name] = struct{}{}
	l.announce(t)
}

// Declare says that a table was made equal by other means: its ranges that wait
// for nothing but the first walk are done. It says whether there were any.
func (l *Ledger) Declare(table string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := (*l.tables.Load())[table]
	if t == nil || l.closed {
		return false
	}
	found := false
	for _, s := range append([]*span(nil), t.ranges...) {
		if s.fresh() {
			l.drop(t, s)
			found = true
		}
	}
	l.announce(t)
	l.wakeUp()
	return found
}

// fresh says that the range is there as the table is new, and for nothing else.
func (s *span) fresh() bool {
	for _, n := range s.marks {
		if n.Cause != shadow.CauseNew && n.Cause != shadow.CauseUnmirrored && n.Cause != shadow.CauseRequested {
			return false
		}
	}
	return true
}

// WaitClean returns nil once nothing is dirty in any of the tables at one
// moment; none named: in all.
func (l *Ledger) WaitClean(ctx context.Context, tables []string) error {
	for {
		l.mu.Lock()
		clean, changed := l.clean(tables), l.cleaned
		l.mu.Unlock()
		if clean {
			return nil
		}
		select {
		case <-changed:
		case <-l.done:
			return ErrClosed
		case <-ctx.Done():
			return fmt.Errorf("wait for clean tables: %w", context.Cause(ctx))
		}
	}
}

func (t *table) isClean() bool { return len(t.keys) == 0 && len(t.ranges) == 0 }

func (l *Ledger) clean(tables []string) bool {
	all := *l.tables.Load()
	if len(tables) == 0 {
		for _, t := range all {
			if !t.isClean() {
				return false
			}
		}
		return true
	}
	for _, name := range tables {
		if t := all[name]; t != nil && !t.isClean() {
			return false
		}
	}
	return true
}

// Dirty says that a key is dirty, or may be as part of a range. Of a clean table
// it takes no lock.
func (l *Ledger) Dirty(table string, key rewrite.RowKey) bool {
	t := (*l.tables.Load())[table]
	if t == nil || t.readyKeys.Load() == 0 && t.readyRanges.Load() == 0 {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(t.ranges) > 0 || t.keys[key] != nil
}
