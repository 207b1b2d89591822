package reconcile

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/crossfade-db/crossfade/reconcile/journal"
	"github.com/crossfade-db/crossfade/reconcile/state"
	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/shadow"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// disk is what outlives a ledger: a state database and a journal that can be
// looked into, and that fail when they are told to.
type disk struct {
	mu     sync.Mutex
	life   int // a ledger of a former life writes nothing any more
	full   bool
	noLog  bool // the journal takes nothing
	writes int
	// before and after are called around every write, by whoever writes.
	before, after func()

	mapped map[string]state.MappedTable
	keys   map[string]map[string]state.DirtyKey
	ranges map[uint64]state.DirtyRange

	lastID  uint64
	open    map[uint64]shadow.Intent // durable and not settled
	settled []shadow.Intent          // the window
}

func newDisk() *disk {
	return &disk{
		mapped: map[string]state.MappedTable{}, keys: map[string]map[string]state.DirtyKey{}, ranges: map[uint64]state.DirtyRange{},
		open: map[uint64]shadow.Intent{},
	}
}

var errFull = errors.New("the disk is full")

// fakeStore and fakeJournal are the disk as one life of the proxy has it.
type fakeStore struct {
	*disk
	life int
}

func (s fakeStore) Change(_ context.Context, c *state.Changes) error {
	if s.before != nil {
		s.before()
	}
	if s.after != nil {
		defer s.after()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.full || s.life != s.disk.life {
		return errFull
	}
	s.writes++
	for _, m := range c.Mapped {
		s.mapped[m.Table] = m
	}
	for _, name := range c.Unmapped {
		delete(s.mapped, name)
	}
	for _, r := range c.Ranges {
		s.ranges[r.ID] = r
	}
	for _, id := range c.Finished {
		delete(s.ranges, id)
	}
	for _, name := range c.Cleared {
		delete(s.keys, name)
	}
	for _, k := range c.Keys {
		if s.keys[k.Table] == nil {
			s.keys[k.Table] = map[string]state.DirtyKey{}
		}
		s.keys[k.Table][k.Key] = k
		if len(k.Marks) == 0 {
			delete(s.keys[k.Table], k.Key)
		}
	}
	return nil
}

func (s fakeStore) DirtyKeys(_ context.Context, each func(state.DirtyKey) error) error {
	var all []state.DirtyKey
	for _, keys := range s.keys {
		all = slices.AppendSeq(all, maps.Values(keys))
	}
	slices.SortFunc(all, func(a, b state.DirtyKey) int { return a.First.Compare(b.First) })
	for _, k := range all {
		if err := each(k); err != nil {
			return err
		}
	}
	return nil
}

func (s fakeStore) DirtyRanges(context.Context) ([]state.DirtyRange, error) {
	return slices.Collect(maps.Values(s.ranges)), nil
}

func (s fakeStore) Mapped(context.Context) ([]state.MappedTable, error) {
	return slices.Collect(maps.Values(s.mapped)), nil
}

type fakeJournal struct {
	*disk
	life int
}

type fakeEntry struct {
	j    fakeJournal
	id   uint64
	in   shadow.Intent
	once sync.Once
	err  error
}

func (e *fakeEntry) ID() uint64 { return e.id }

// Wait is when the intent comes to the disk.
func (e *fakeEntry) Wait() error {
	e.once.Do(func() {
		e.j.mu.Lock()
		defer e.j.mu.Unlock()
		if e.err = errFull; !e.j.noLog && e.j.life == e.j.disk.life {
			e.err = nil
			e.j.open[e.id] = e.in
		}
	})
	return e.err
}

func (j fakeJournal) Append(in *shadow.Intent) *fakeEntry {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lastID++
	return &fakeEntry{j: j, id: j.lastID, in: *in}
}

func (j fakeJournal) Settle(id uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if in, there := j.open[id]; there && j.life == j.disk.life {
		delete(j.open, id)
		j.settled = append(j.settled, in)
	}
}

func (j fakeJournal) Window(yes func(*shadow.Intent)) error {
	j.mu.Lock()
	all := append(slices.Collect(maps.Values(j.open)), j.settled...)
	j.mu.Unlock()
	for i := range all {
		yes(&all[i])
	}
	return nil
}

// start begins a life on the disk.
func (d *disk) start(t interface{ Fatal(...any) }, o LedgerOptions) *Ledger {
	for id, in := range d.open {
		o.Open = append(o.Open, journal.OpenIntent{ID: id, Intent: in})
	}
	l, err := open(fakeStore{d, d.life}, journalOf[*fakeEntry]{fakeJournal{d, d.life}}, o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// crash ends a life: nothing that the ledger still does reaches the disk.
func (d *disk) crash(l *Ledger) {
	d.mu.Lock()
	d.life++
	d.mu.Unlock()
	_ = l.Close() // it cannot write
}

// holds says that the disk remembers a row: read in the order in which the
// ledger writes, so that what is on its way is seen at one of the two.
func (d *disk) holds(table string, key rewrite.RowKey) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, in := range d.open {
		for _, part := range in.Tables {
			if part.Table == table && (part.Whole || slices.Contains(part.Keys, key)) {
				return true
			}
		}
	}
	for _, r := range d.ranges {
		if r.Table == table {
			return true
		}
	}
	_, there := d.keys[table][string(key)]
	return there
}

func (d *disk) set(full bool) {
	d.mu.Lock()
	d.full = full
	d.mu.Unlock()
}

// of makes an intent of one transaction for keys of one table.
func of(id shadow.TxID, table string, keys ...rewrite.RowKey) *shadow.Intent {
	return &shadow.Intent{TxID: id, Incarnation: "life 1", Epoch: 1, Tables: []shadow.TableKeys{{Table: table, Keys: keys}}}
}

func whole(id shadow.TxID, table string) *shadow.Intent {
	return &shadow.Intent{TxID: id, Incarnation: "life 1", Epoch: 1, Tables: []shadow.TableKeys{{Table: table, Whole: true}}}
}

func key(text string) rewrite.RowKey { return rewrite.KeyFrom([][]byte{[]byte(text)}) }

func mustMark(t *testing.T, l *Ledger, in *shadow.Intent, why shadow.Cause) {
	t.Helper()
	if err := l.Mark(in, why); err != nil {
		t.Fatal(err)
	}
}

func mustEnd(t *testing.T, l *Ledger) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}
