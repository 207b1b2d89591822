package reconcile

import (
	"slices"
	"time"

	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/shadow"
)

// DirtyKey is a leased key with the marks that it had then. It may be read at
// the authority, and subtracted, only once every one of its Marks is over there.
type DirtyKey struct {
	Table string
	Key   rewrite.RowKey
	Count int // of marks
	Marks []Mark
	Epoch shadow.Epoch
	Cause shadow.Cause // of the newest mark
	First time.Time
	Last  time.Time
	// Flying: a transaction was not over when it was last looked at.
	Flying bool
	Lease  uint64 // the ledger's: whose it is, and which marks were there
}

// TakeKeys leases up to n keys, the longest waiting first, that nobody else has
// and that skip, which must not call the ledger, does not name; nil: it names
// none. A lease ends with Release, InFlight or Subtract, and with the process.
func (l *Ledger) TakeKeys(n int, skip func(table string, key rewrite.RowKey) bool) []DirtyKey {
	l.mu.Lock()
	defer l.mu.Unlock()
	var taken []DirtyKey
	for at := l.queue.Front(); at != nil && len(taken) < n; at = at.Next() {
		i, _ := at.Value.(*item)
		if i.lease != 0 || skip != nil && skip(i.table.name, i.key) {
			continue
		}
		taken = append(taken, l.take(i))
	}
	return taken
}

// TakeKey leases one key; false: it is not dirty, or somebody else has it.
func (l *Ledger) TakeKey(table string, key rewrite.RowKey) (DirtyKey, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := (*l.tables.Load())[table]
	if t == nil || t.keys[key] == nil || t.keys[key].lease != 0 {
		return DirtyKey{}, false
	}
	return l.take(t.keys[key]), true
}

func (l *Ledger) take(i *item) DirtyKey {
	l.seq++ // numbers of leases and of marks come from one counter: all marks so far are below
	i.lease = l.seq
	k := i.shown()
	k.Lease = i.lease
	return k
}

func (i *item) shown() DirtyKey {
	return DirtyKey{
		Table: i.table.name, Key: i.key, Count: int(i.marks.count()), Marks: i.marks.public(), Epoch: i.epoch, Cause: i.cause,
		First: i.first, Last: i.last, Flying: i.inFlight,
	}
}

// leased is the item of a lease; nil: it is over, as its table was folded.
func (l *Ledger) leased(k *DirtyKey) *item {
	t := (*l.tables.Load())[k.Table]
	if t == nil || k.Lease == 0 {
		return nil
	}
	i := t.keys[k.Key]
	if i == nil || i.lease != k.Lease {
		return nil
	}
	return i
}

// Release gives a key back as it is, behind all others.
func (l *Ledger) Release(k DirtyKey) { l.giveBack(&k, false) }

// InFlight gives a key back of which a marking transaction is not over.
func (l *Ledger) InFlight(k DirtyKey) { l.giveBack(&k, true) }

func (l *Ledger) giveBack(k *DirtyKey, inFlight bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := l.leased(k)
	if i == nil {
		return
	}
	i.lease = 0
	i.flies(inFlight)
	l.queue.MoveToBack(i.place)
}

func (i *item) flies(now bool) {
	if i.inFlight == now {
		return
	}
	i.inFlight = now
	if now {
		i.table.inFlight++
	} else {
		i.table.inFlight--
	}
}

// Subtract takes off the marks that the key had when it was leased, and no
// other, and ends the lease. The caller has proven both sides equal, or made
// them so: the other side has committed. That it is durable later is as good:
// what is taken off twice is looked at twice. After a second call, or one for a
// key that has become part of a range, nothing has changed.
func (l *Ledger) Subtract(k DirtyKey) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return ErrClosed
	}
	i := l.leased(&k)
	if i == nil {
		return nil
	}
	i.lease = 0
	i.flies(false)
	i.marks.subtract(k.Lease, k.Marks)
	l.next.key(i.table, i.key)
	if len(i.marks) == 0 {
		l.remove(i)
		l.announce(i.table)
	} else {
		l.queue.MoveToBack(i.place)
	}
	l.wakeUp()
	return nil
}

// StampKey says of a leased key that its Unknown marks are over when every
// transaction of an incarnation up to one is: the last one that had begun when
// somebody looked. The key is given back.
func (l *Ledger) StampKey(k DirtyKey, life shadow.Incarnation, through shadow.TxID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := l.leased(&k)
	if i == nil {
		return
	}
	i.marks.stamp(k.Lease, life, through)
	i.lease = 0
	i.flies(true)
	l.queue.MoveToBack(i.place)
	l.next.key(i.table, i.key)
	l.wakeUp()
}

// announce tells those who wait for clean tables.
func (l *Ledger) announce(t *table) {
	if t.isClean() {
		close(l.cleaned)
		l.cleaned = make(chan struct{})
	}
}

// Tables are the names of the tables that the ledger knows.
func (l *Ledger) Tables() []string {
	have := *l.tables.Load()
	names := make([]string, 0, len(have))
	for name := range have {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Oldest are up to n keys of a table that became dirty first, to be shown: they
// have no lease. An empty name means all tables.
func (l *Ledger) Oldest(table string, n int) []DirtyKey {
	if n <= 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	var oldest []*item
	for at := l.queue.Front(); at != nil; at = at.Next() {
		i, _ := at.Value.(*item)
		if table != "" && i.table.name != table || len(oldest) == n && !i.first.Before(oldest[n-1].first) {
			continue
		}
		place, _ := slices.BinarySearchFunc(oldest, i, func(a, b *item) int { return a.first.Compare(b.first) })
		oldest = slices.Insert(oldest, place, i)
		oldest = oldest[:min(n, len(oldest))]
	}
	keys := make([]DirtyKey, len(oldest))
	for i, o := range oldest {
		keys[i] = o.shown()
	}
	return keys
}
