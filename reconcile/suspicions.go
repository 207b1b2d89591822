package reconcile

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/crossfade-db/crossfade/reconcile/state"
	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/shadow"
)

// Ended is what the authority says of a transaction whose answer was lost.
type Ended string

// Ends. A server that lives anew is not believed: it may have given the number
// to another transaction (WRITEPATH §5).
const (
	EndedUnknown    Ended = ""
	EndedCommitted  Ended = "committed"
	EndedRolledBack Ended = "rolled back"
)

// LostCommit is the cause of an uncertain divergence while nothing is proven.
func LostCommit(life shadow.Incarnation) string {
	cause := "the source's answer to COMMIT was lost"
	if life != "" {
		cause += " (incarnation " + string(life) + ")"
	}
	return cause
}

// FoundCommit is its cause once its row has been compared.
func FoundCommit(life shadow.Incarnation, ended Ended) string {
	if ended == EndedUnknown {
		return LostCommit(life) + "; how the transaction ended is not known"
	}
	return LostCommit(life) + "; the transaction was " + string(ended)
}

// effectCause is the cause of an effect.
const effectCause = "the target did not have the row that the source changed; nothing that is known had taken it away"

// SuspicionOptions are what suspicions work with. Store, Divergences and Ledger
// are required.
type SuspicionOptions struct {
	Store interface {
		Divergences(ctx context.Context, q state.DivergenceQuery) ([]state.Divergence, error)
	}
	Divergences *Divergences
	Ledger      *Ledger
	Epoch       shadow.Epoch
	// Show is a key as the evidence policy lets it be seen; nil: not at all.
	Show func(table string, key rewrite.RowKey) string
	Log  *slog.Logger     // nil: nobody is told
	Now  func() time.Time // nil: time.Now
}

func (o SuspicionOptions) filled() SuspicionOptions {
	if o.Show == nil {
		o.Show = func(string, rewrite.RowKey) string { return "" }
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// Suspicions notes what sessions suspect of rows, while no client waits for the
// disk, and closes what no single key can prove: of a table that is clean again
// every row has been compared since. Its methods may be called at the same time.
type Suspicions struct {
	o    SuspicionOptions
	wake chan struct{}
	quit chan struct{}
	done chan struct{}

	writing sync.Mutex // who holds it takes what is queued to the disk

	mu      sync.Mutex
	queue   []suspicion
	watched map[string]struct{} // tables with suspicions that are not closed
}

// suspicion is one on its way to the disk.
type suspicion struct {
	seen  state.Seen
	key   rewrite.RowKey
	tries int
}

// Bounds of what is suspected one by one; beyond, the table is suspected as a
// whole, which is a divergence without a key.
const (
	suspectsMost = 200  // rows of a table, of one transaction
	queueMost    = 4096 // of all
	triesMost    = 30   // at noting one that there is no room for
)

// OpenSuspicions goes on with those of a former life.
func OpenSuspicions(ctx context.Context, o SuspicionOptions) (*Suspicions, error) {
	s := &Suspicions{
		o: o.filled(), wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}), watched: map[string]struct{}{},
	}
	err := s.open(ctx, "", func(d *state.Divergence) error {
		s.watched[d.Table] = struct{}{}
		return nil
	})
	if err != nil {
		return nil, err
	}
	go s.run()
	return s, nil
}

// Uncertain suspects all that a transaction has changed: whether it was
// committed is not known. The rows are dirty already.
func (s *Suspicions) Uncertain(in *shadow.Intent) {
	for _, t := range in.Tables {
		keys := t.Keys
		if t.Whole || len(keys) > suspectsMost {
			keys = []rewrite.RowKey{""}
		}
		for _, key := range keys {
			s.add(state.Sighting{
				Kind: state.Uncertain, Table: t.Table, TxID: uint64(in.TxID), Epoch: uint64(in.Epoch), Cause: LostCommit(in.Incarnation),
			}, key, state.Suspected)
		}
	}
}

// Effect notes a row that the target did not have when the source changed it,
// and that the transaction has brought there. The row is looked at again.
func (s *Suspicions) Effect(table string, key rewrite.RowKey, id shadow.TxID) {
	s.add(state.Sighting{Kind: state.Effect, Table: table, TxID: uint64(id), Epoch: uint64(s.o.Epoch), Cause: effectCause}, key, state.Repaired)
}

func (s *Suspicions) add(n state.Sighting, key rewrite.RowKey, as state.DivergenceState) {
	n.Key = string(key)
	one := suspicion{key: key, seen: state.Seen{Sighting: n, State: as, At: s.o.Now()}}
	s.mu.Lock()
	if len(s.queue) < queueMost {
		s.queue = append(s.queue, one)
	} else {
		s.queue = enqueue(s.queue, one.whole())
	}
	s.mu.Unlock()
	signal(s.wake)
}

// whole is a suspicion of the row's table instead.
func (n suspicion) whole() suspicion {
	n.key, n.seen.Key = "", ""
	return n
}

// enqueue puts one of a table into the queue, unless it is there.
func enqueue(queue []suspicion, one suspicion) []suspicion {
	if slices.ContainsFunc(queue, func(q suspicion) bool {
		return q.key == "" && q.seen.Table == one.seen.Table && q.seen.Kind == one.seen.Kind
	}) {
		return queue
	}
	return append(queue, one)
}

// every is how often tables are looked at that may be clean again.
const every = time.Second

func (s *Suspicions) run() {
	defer close(s.done)
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	healthy := true
	for {
		select {
		case <-s.quit:
			s.told(s.Drain(), &healthy)
			return
		case <-s.wake:
			if !healthy {
				continue // with the next beat
			}
			s.told(s.Drain(), &healthy)
		case <-ticker.C:
			s.told(errors.Join(s.Drain(), s.settle(context.Background())), &healthy)
		}
	}
}

// told says once that nothing can be noted.
func (s *Suspicions) told(err error, healthy *bool) {
	if err != nil && *healthy {
		s.o.Log.Warn("suspected divergences cannot be noted; they wait in memory", "error", err)
	}
	*healthy = err == nil
}

// Drain notes all that is queued: it is durable when it returns nil.
func (s *Suspicions) Drain() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.mu.Lock()
	queue := s.queue
	s.queue = nil
	s.mu.Unlock()
	if len(queue) == 0 {
		return nil
	}
	seen := make([]state.Seen, len(queue))
	for i := range queue {
		if queue[i].seen.KeyShown = ""; queue[i].key != "" {
			queue[i].seen.KeyShown = s.o.Show(queue[i].seen.Table, queue[i].key)
		}
		seen[i] = queue[i].seen
	}
	fates, err := s.o.Divergences.DivergeAll(seen...)
	if err != nil {
		s.putBack(queue)
		return err
	}
	var left []suspicion
	for i, fate := range fates {
		if one := queue[i]; errors.Is(fate, ErrDropped) && one.tries < triesMost {
			one.tries++
			left = enqueue(left, one.whole())
		}
	}
	s.putBack(left)
	return s.watch(queue)
}

func (s *Suspicions) putBack(queue []suspicion) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = append(queue, s.queue...)
}

// watch has the tables of what was noted looked at, and rows of effects again.
func (s *Suspicions) watch(noted []suspicion) error {
	again := map[string][]rewrite.RowKey{}
	s.mu.Lock()
	for _, n := range noted {
		s.watched[n.seen.Table] = struct{}{}
		if n.seen.Kind == state.Effect && n.key != "" {
			again[n.seen.Table] = append(again[n.seen.Table], n.key)
		}
	}
	s.mu.Unlock()
	in := shadow.Intent{Epoch: s.o.Epoch}
	for table, keys := range again {
		in.Tables = append(in.Tables, shadow.TableKeys{Table: table, Keys: keys})
	}
	if len(in.Tables) == 0 {
		return nil
	}
	return s.o.Ledger.Mark(&in, shadow.CauseRecheck)
}

// settle closes what is open of tables that are clean. Rows are dirty before
// they are queued, and noted before their table is watched: so a clean one has
// nothing that was not compared since.
func (s *Suspicions) settle(ctx context.Context) error {
	s.mu.Lock()
	tables := slices.Sorted(maps.Keys(s.watched))
	for _, n := range s.queue { // these come first
		tables = slices.DeleteFunc(tables, func(t string) bool { return t == n.seen.Table })
	}
	s.mu.Unlock()
	for _, table := range tables {
		if !s.o.Ledger.Counts(table).Clean() {
			continue
		}
		s.writing.Lock()
		err := s.close(ctx, table)
		s.writing.Unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

// close verifies what is open of a table; writing is held, so that nothing is
// noted meanwhile.
func (s *Suspicions) close(ctx context.Context, table string) error {
	err := s.open(ctx, table, func(d *state.Divergence) error {
		n := state.Seen{Sighting: d.Sighting, State: state.Verified, At: s.o.Now()}
		if d.Kind == state.Uncertain && d.State == state.Suspected {
			n.Cause += "; both sides were found equal"
		}
		return s.o.Divergences.Diverge(n)
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	delete(s.watched, table)
	s.mu.Unlock()
	return nil
}

// open calls do for what is not closed of a table; "": of all.
func (s *Suspicions) open(ctx context.Context, table string, do func(*state.Divergence) error) error {
	for _, kind := range []state.DivergenceKind{state.Uncertain, state.Effect} {
		for _, as := range []state.DivergenceState{state.Suspected, state.Repaired} {
			if err := s.page(ctx, state.DivergenceQuery{Table: table, Kind: kind, State: as}, do); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Suspicions) page(ctx context.Context, q state.DivergenceQuery, do func(*state.Divergence) error) error {
	for {
		found, err := s.o.Store.Divergences(ctx, q)
		if err != nil || len(found) == 0 {
			return err
		}
		for i := range found {
			if err := do(&found[i]); err != nil {
				return err
			}
		}
		q.After = found[len(found)-1].ID
	}
}

// Close notes what is queued, if it can be, and ends.
func (s *Suspicions) Close() {
	close(s.quit)
	<-s.done
}
