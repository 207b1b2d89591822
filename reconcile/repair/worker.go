package repair

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/crossfade-db/crossfade/reconcile"
	"github.com/crossfade-db/crossfade/rewrite"
)

// Worker repairs what the ledger says is dirty. Its methods may be called at the
// same time.
type Worker struct {
	opt    Options
	wake   chan struct{}
	tables board

	mu      sync.Mutex
	paused  bool
	reasons map[string]int // what lanes wait for, and how many do
	waits   map[rowID]wait
	flaps   map[rowID][]time.Time // unexplained repairs
	forgot  time.Time             // when waits and flaps were last looked through
	counts  [outcomes]uint64
}

// rowID is a row of a table.
type rowID struct {
	table string
	key   rewrite.RowKey
}

// wait is why and how long a key is left alone.
type wait struct {
	until  time.Time
	since  time.Time
	why    Outcome
	tries  int
	blamed int // of the tries: those that no walk to come explains
}

const (
	idlePoll   = 50 * time.Millisecond
	cleanPoll  = time.Second // while nothing is dirty; what becomes dirty wakes a lane
	failedPoll = time.Second
	takeMost   = 200
)

// New makes a worker that does nothing until Run.
func New(o Options) *Worker {
	w := &Worker{
		opt: o.withDefaults(), wake: make(chan struct{}, 1), reasons: map[string]int{}, waits: map[rowID]wait{}, flaps: map[rowID][]time.Time{},
	}
	w.tables.taken, w.tables.walks = map[string]bool{}, map[string]*progress{}
	w.tables.rest, w.tables.moved = map[string]time.Time{}, map[string]time.Time{}
	return w
}

// Run works until ctx ends, which is no error, or the fence says that the
// authority has changed (ErrStale) or is missing (ErrNoFence).
func (w *Worker) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for range w.opt.Workers {
		group.Go(func() error {
			l := lane{worker: w, repairer: repairer{opt: w.opt}}
			defer l.close()
			return l.run(ctx)
		})
	}
	return group.Wait()
}

// Pause keeps the worker from taking anything new.
func (w *Worker) Pause() { w.pause(true) }

// Resume lets it go on, also with keys that it has given up because they
// differed again and again.
func (w *Worker) Resume() {
	w.mu.Lock()
	clear(w.flaps)
	clear(w.waits)
	w.mu.Unlock()
	w.pause(false)
	w.Wake()
}

func (w *Worker) pause(on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.paused = on
}

// Wake says that there may be something to do.
func (w *Worker) Wake() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// blocked is what keeps everything from going on; empty: nothing.
func (w *Worker) blocked() string {
	w.mu.Lock()
	paused := w.paused
	w.mu.Unlock()
	if paused {
		return "paused"
	}
	return w.opt.Blocked()
}

// skip says that a key is to be left alone for now.
func (w *Worker) skip(table string, key rewrite.RowKey) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	wait, ok := w.waits[rowID{table, key}]
	return ok && w.opt.Now().Before(wait.until)
}

// lane is one goroutine of the worker with its own connections.
type lane struct {
	worker *Worker
	repairer
	kin    kin
	walk   *walk
	reason string
	later  time.Time // when keys are looked for again
	rows   int       // of the next batch of keys; 0: batchMost
}

func (l *lane) run(ctx context.Context) error {
	defer func() { l.stay(""); l.leave() }()
	for ctx.Err() == nil {
		did, pause, err := l.turn(ctx)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		if !did {
			l.rest(ctx, pause)
			continue
		}
		l.worker.Wake() // another lane may rest
	}
	return nil
}

// turn does something, or says how long there is nothing to do.
func (l *lane) turn(ctx context.Context) (did bool, pause time.Duration, err error) {
	if reason := l.worker.blocked(); reason != "" {
		l.stay(reason)
		return false, idlePoll, nil
	}
	if err := l.ready(ctx); err != nil {
		if ctx.Err() == nil && l.stay("unreachable") {
			l.opt.Log.Warn("repair waits for a database", "error", err)
		}
		return false, failedPoll, nil
	}
	keys := l.takeKeys()
	if err := l.repairKeys(ctx, keys); err != nil {
		return true, 0, err
	}
	// Neither keys nor walks wait until there is nothing left of the others.
	did, err = l.step(ctx)
	if !did && len(keys) == 0 && l.opt.Ledger.Clean() {
		return false, cleanPoll, err
	}
	return did || len(keys) > 0, min(idlePoll, max(time.Millisecond, l.later.Sub(l.opt.Now()))), err
}

// takeKeys leases keys, but not those that a walk is to look at first. Where that
// was for nothing, the ledger, which looks through all its keys and lets nobody
// in meanwhile, is left alone for a while.
func (l *lane) takeKeys() []reconcile.DirtyKey {
	began := l.opt.Now()
	if began.Before(l.later) {
		return nil
	}
	held := l.held()
	keys := l.opt.Ledger.TakeKeys(takeMost, func(table string, key rewrite.RowKey) bool {
		return held[table] || l.worker.skip(table, key)
	})
	if len(keys) == 0 {
		now := l.opt.Now()
		l.later = now.Add(max(idlePoll/2, 20*now.Sub(began)))
	}
	return keys
}

func (l *lane) rest(ctx context.Context, pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-l.worker.wake:
	case <-l.opt.Ledger.Work():
	}
}

// stay notes what the lane waits for; it says whether that is news.
func (l *lane) stay(reason string) bool {
	if l.reason == reason {
		return false
	}
	w := l.worker
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.reasons[l.reason]--; w.reasons[l.reason] <= 0 {
		delete(w.reasons, l.reason)
	}
	if l.reason = reason; reason != "" {
		w.reasons[reason]++
	}
	return true
}
