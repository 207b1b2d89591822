package reconcile

import (
	"container/list"
	"time"

	"github.com/crossfade-db/crossfade/reconcile/state"
	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/shadow"
)

// item is a dirty key.
type item struct {
	table    *table
	key      rewrite.RowKey
	marks    marks
	epoch    shadow.Epoch // the greatest of the marks
	cause    shadow.Cause // of the newest mark
	first    time.Time
	last     time.Time
	lease    uint64 // 0: nobody has it
	inFlight bool   // when it was last looked at
	place    *list.Element
}

// addKey marks a key; mu is held.
func (l *Ledger) addKey(t *table, key rewrite.RowKey, n mark, epoch shadow.Epoch) {
	now := l.o.Now()
	i := t.keys[key]
	if i == nil {
		i = &item{table: t, first: now}
		l.insert(t, key, i)
	}
	i.marks.add(n)
	i.epoch, i.cause, i.last = max(i.epoch, epoch), n.Cause, now
	l.next.key(t, key)
	if l.queue.Len() > l.o.DirtyKeys || l.bytes > l.o.KeyBytes {
		l.foldFullest()
	}
}

// insert takes a new item in.
func (l *Ledger) insert(t *table, key rewrite.RowKey, i *item) {
	i.key = key
	i.place = l.queue.PushBack(i)
	t.keys[key] = i
	t.readyKeys.Add(1)
	l.bytes += len(key)
	if len(t.keys) == 1 || i.first.Before(t.oldest) {
		t.oldest, t.stale = i.first, false
	}
}

// remove takes an item out.
func (l *Ledger) remove(i *item) {
	t := i.table
	l.queue.Remove(i.place)
	delete(t.keys, i.key)
	t.readyKeys.Add(-1)
	l.bytes -= len(i.key)
	if i.inFlight {
		t.inFlight--
	}
	t.stale = t.stale || !i.first.After(t.oldest)
}

// foldFullest makes one range of the table with the most keys. It is the whole
// table and not what lies between its smallest and its greatest key: the bytes
// of a key do not sort as its database does.
func (l *Ledger) foldFullest() {
	var t *table
	for _, other := range *l.tables.Load() {
		if t == nil || len(other.keys) > len(t.keys) {
			t = other
		}
	}
	first := t.oldestKey()
	r := l.addRange(t, "", "", mark{}, 0)
	for _, i := range t.keys {
		for _, n := range i.marks {
			r.marks.add(n)
		}
		r.epoch, r.cause = max(r.epoch, i.epoch), i.cause
		l.queue.Remove(i.place)
		l.bytes -= len(i.key)
	}
	if first.Before(r.started) {
		r.started = first
	}
	l.o.Log.Warn("too many dirty keys: the whole table will be walked instead; raise limits.dirty_keys to keep them one by one",
		"table", t.name, "keys", len(t.keys), "limit", l.o.DirtyKeys)
	t.keys = map[rewrite.RowKey]*item{}
	t.readyKeys.Store(0)
	t.inFlight = 0
	l.next.clear(t)
}

// oldestKey is when the oldest of a table's keys became dirty; zero: it has none.
func (t *table) oldestKey() time.Time {
	if len(t.keys) == 0 {
		return time.Time{}
	}
	if t.stale {
		t.oldest, t.stale = time.Time{}, false
		for _, i := range t.keys {
			if t.oldest.IsZero() || i.first.Before(t.oldest) {
				t.oldest = i.first
			}
		}
	}
	return t.oldest
}

// stored is what the state database is to hold of a key: without marks, nothing.
func (t *table) stored(key rewrite.RowKey) state.DirtyKey {
	i := t.keys[key]
	if i == nil {
		return state.DirtyKey{Table: t.name, Key: string(key)}
	}
	return state.DirtyKey{
		Table: t.name, Key: string(key), Epoch: uint64(i.epoch), Cause: string(i.cause),
		First: i.first, Last: i.last, Marks: i.marks.stored(),
	}
}
