package live

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-memdb"

	"github.com/crossfade-db/crossfade/router"
)

// Options is what is so at the beginning.
type Options struct {
	Policy router.Policy
	Target router.TargetState
}

// Backend is what is known of a side. Only the target's state decides
// anything; the source's is for those who look.
type Backend struct {
	Side   router.Side
	State  router.TargetState
	Reason string // why it is in this state, for people; no data
	Since  time.Time
}

// Live is the live state. Its methods may be called at the same time. The zero
// value can be read and sends everything to the source; New makes one that can
// be changed.
type Live struct {
	tables  *memdb.MemDB
	current atomic.Pointer[router.Snapshot]
	stop    context.CancelFunc
	stopped chan struct{} // closed when the watch is over

	mu      sync.Mutex
	shown   uint64        // the last change that current has
	changed chan struct{} // closed when shown rises
}

// New begins to watch; Close ends it.
func New(o Options) (*Live, error) {
	tables, err := newTables()
	if err != nil {
		return nil, fmt.Errorf("make the tables of the live state: %w", err)
	}
	txn := tables.Txn(true)
	must(txn.Insert(policies, &policy{Policy: owned(o.Policy)}))
	for side := range router.Side(router.Sides) {
		must(txn.Insert(backends, &backend{Backend: Backend{Side: side}}))
	}
	must(txn.Insert(backends, &backend{Backend: Backend{Side: router.Target, State: o.Target}}))
	txn.Commit()

	ctx, stop := context.WithCancel(context.Background())
	l := &Live{tables: tables, stop: stop, stopped: make(chan struct{}), changed: make(chan struct{})}
	snapshot, _ := l.read(nil)
	l.current.Store(snapshot)
	go l.watch(ctx)
	return l, nil
}

// Close ends the watch and waits for it. What is set afterwards is in force all
// the same.
func (l *Live) Close() {
	if l.stop != nil {
		l.stop()
		<-l.stopped
	}
}

// Snapshot is what is in force; never nil.
func (l *Live) Snapshot() *router.Snapshot { return l.Pointer().Load() }

// Pointer is where the hot path reads what is in force. It is never nil and
// never holds nil; nobody else writes it.
func (l *Live) Pointer() *atomic.Pointer[router.Snapshot] {
	if l.current.Load() == nil {
		l.current.CompareAndSwap(nil, &router.Snapshot{})
	}
	return &l.current
}

// Changed is closed at the next change of policy or backends. Who waits for
// changes takes it before looking.
func (l *Live) Changed() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.changed == nil {
		l.changed = make(chan struct{})
	}
	return l.changed
}

// SetPolicy changes the policy and returns when the hot path reads the change.
// No other change comes between what change is given and what it returns; it
// may not call the Live.
func (l *Live) SetPolicy(change func(router.Policy) router.Policy) {
	l.set(func(txn *memdb.Txn, number uint64) {
		next := owned(change(owned(readPolicy(txn, nil).Policy)))
		must(txn.Insert(policies, &policy{Policy: next, change: number}))
	})
}

// SetBackend says what is known of a side now and returns when the hot path
// reads it.
func (l *Live) SetBackend(b Backend) {
	l.set(func(txn *memdb.Txn, number uint64) {
		must(txn.Insert(backends, &backend{Backend: b, change: number}))
	})
}

// Backend is what is known of a side.
func (l *Live) Backend(side router.Side) Backend {
	if l.tables == nil {
		return Backend{Side: side}
	}
	return readBackend(l.tables.Txn(false), side, nil).Backend
}

// set makes one change, with the next number, and waits until it is shown.
func (l *Live) set(do func(txn *memdb.Txn, number uint64)) {
	txn := l.tables.Txn(true) // one writer at a time
	defer txn.Abort()         // of no effect after Commit
	number := lastChange(txn, nil) + 1
	do(txn, number)
	txn.Commit()
	for {
		changed := l.Changed()
		if l.shows(number) {
			return
		}
		select {
		case <-changed:
		case <-l.stopped:
			l.show(l.read(nil))
			return
		}
	}
}

// owned shares nothing that its giver may change later.
func owned(p router.Policy) router.Policy {
	p.Keys, p.ForceIn, p.ForceOut = slices.Clone(p.Keys), slices.Clone(p.ForceIn), slices.Clone(p.ForceOut)
	return p
}
