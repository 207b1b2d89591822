package reconcile

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/crossfade-db/crossfade/reconcile/journal"
	"github.com/crossfade-db/crossfade/reconcile/state"
	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/shadow"
)

// ErrClosed says that the ledger is closed.
var ErrClosed = errors.New("the ledger is closed")

// LedgerOptions are what a ledger works with. The zero value is good.
type LedgerOptions struct {
	// Open are the intents of a former life: what journal.Open returned.
	Open []journal.OpenIntent
	// DirtyKeys is how many keys are kept one by one, of all tables together; 0:
	// a million. Beyond, the table with the most of them is dirty as a whole.
	DirtyKeys int
	// KeyBytes bounds what these keys take, without the bookkeeping; 0: 128 for
	// each.
	KeyBytes int
	Log      *slog.Logger     // nil: nobody is told
	Now      func() time.Time // nil: time.Now
	// Marked is told of what became dirty; nil: nobody is. It must not call the
	// ledger.
	Marked func(table string, why shadow.Cause, keys int)
	// Uncertain is told of an intent whose outcome nobody knows, once its rows are
	// dirty; nil: nobody is. The intent is the caller's again when it returns.
	Uncertain func(*shadow.Intent)
}

func (o LedgerOptions) filled() LedgerOptions {
	if o.DirtyKeys <= 0 {
		o.DirtyKeys = 1_000_000
	}
	if o.KeyBytes <= 0 {
		o.KeyBytes = 128 * o.DirtyKeys
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Marked == nil {
		o.Marked = func(string, shadow.Cause, int) {}
	}
	if o.Uncertain == nil {
		o.Uncertain = func(*shadow.Intent) {}
	}
	return o
}

// Ledger knows which keys and ranges may differ. Its methods may be called at
// the same time.
type Ledger struct {
	o       LedgerOptions
	store   store
	journal intents
	tables  atomic.Pointer[map[string]*table] // replaced under mu, read without

	flying flying

	wake chan struct{} // the committer has something to write
	work chan struct{} // something became dirty
	quit chan struct{}
	done chan struct{} // the committer has ended

	mu      sync.Mutex
	seq     uint64    // of the newest mark
	lastID  int64     // of the ranges
	queue   list.List // of *item: the order in which keys are taken
	bytes   int
	next    *batch
	chunk   int           // keys of one transaction
	failing error         // why the store could not be written last time
	cleaned chan struct{} // closed, and replaced, when something was taken off
	closed  bool
}

var _ shadow.Journal = (*Ledger)(nil)

// store is what a ledger needs of state.Store.
type store interface {
	Change(context.Context, *state.Changes) error
	DirtyKeys(context.Context, func(state.DirtyKey) error) error
	DirtyRanges(context.Context) ([]state.DirtyRange, error)
	Mapped(context.Context) ([]state.MappedTable, error)
}

// table is what is dirty of one table.
type table struct {
	name        string
	keys        map[rewrite.RowKey]*item
	ranges      []*span
	fingerprint string
	known       bool // it was mapped before, and is walked or being walked
	oldest      time.Time
	stale       bool // oldest has to be looked for
	inFlight    int

	// What Ready reads, without the lock.
	readyKeys   atomic.Int64
	readyRanges atomic.Int64
	readyKnown  atomic.Bool
}

// OpenLedger reads what is dirty. Open intents of a former life are dirty before
// it returns. The caller keeps store and journal open until Close has returned.
func OpenLedger[E Entry](s *state.Store, j Journal[E], o LedgerOptions) (*Ledger, error) {
	return open(s, journalOf[E]{j}, o)
}

func open(s store, j intents, o LedgerOptions) (*Ledger, error) {
	l := &Ledger{
		o: o.filled(), store: s, journal: j,
		wake: make(chan struct{}, 1), work: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}),
		next: newBatch(), chunk: keysMost, cleaned: make(chan struct{}),
	}
	l.tables.Store(&map[string]*table{})
	if err := l.load(context.Background()); err != nil {
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	l.mu.Lock()
	for i := range o.Open {
		l.markAll(&o.Open[i].Intent, shadow.CauseCrash)
		l.next.settleLater(o.Open[i].ID)
	}
	l.mu.Unlock()
	l.o.Open = nil
	go l.commit()
	l.wakeUp()
	return l, nil
}

func (l *Ledger) load(ctx context.Context) error {
	mapped, err := l.store.Mapped(ctx)
	if err != nil {
		return err
	}
	for _, m := range mapped {
		l.table(m.Table).know(m.Fingerprint)
	}
	ranges, err := l.store.DirtyRanges(ctx)
	if err != nil {
		return err
	}
	for i := range ranges {
		l.table(ranges[i].Table).restore(&ranges[i])
		l.lastID = max(l.lastID, int64(ranges[i].ID))
	}
	var items []*item
	err = l.store.DirtyKeys(ctx, func(k state.DirtyKey) error {
		items = append(items, &item{
			table: l.table(k.Table), key: rewrite.RowKey(k.Key), marks: marksOf(k.Marks), epoch: shadow.Epoch(k.Epoch),
			cause: shadow.Cause(k.Cause), first: k.First, last: k.Last,
		})
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortStableFunc(items, func(a, b *item) int { return a.first.Compare(b.first) })
	for _, i := range items {
		l.insert(i.table, i.key, i)
	}
	return nil
}

// table finds or makes a table, with mu held or before anybody else knows the
// ledger.
func (l *Ledger) table(name string) *table {
	have := *l.tables.Load()
	if t := have[name]; t != nil {
		return t
	}
	t := &table{name: name, keys: map[rewrite.RowKey]*item{}}
	more := make(map[string]*table, len(have)+1)
	for n, other := range have {
		more[n] = other
	}
	more[name] = t
	l.tables.Store(&more)
	return t
}

func (t *table) know(fingerprint string) {
	t.known, t.fingerprint = true, fingerprint
	t.readyKnown.Store(true)
}

// Work has a value when something became dirty since it was last received.
func (l *Ledger) Work() <-chan struct{} { return l.work }

// Close writes what is waiting, once, and ends the ledger. An error says that
// something could not be written; it is dirty again at the next start, as its
// intents are still open, but for a mark whose Mark has returned an error.
func (l *Ledger) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	l.mu.Unlock()
	close(l.quit)
	<-l.done
	if l.failing != nil {
		return fmt.Errorf("close ledger: %w", l.failing)
	}
	return nil
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // there is one already
	}
}

func (l *Ledger) wakeUp() { signal(l.wake) }
