package live

import (
	"context"

	"github.com/hashicorp/go-memdb"

	"github.com/crossfade-db/crossfade/router"
)

// watch feeds the pointer from the tables until ctx ends.
func (l *Live) watch(ctx context.Context) {
	defer close(l.stopped)
	for {
		news := memdb.NewWatchSet()
		l.show(l.read(news))
		if news.WatchCtx(ctx) != nil {
			return
		}
	}
}

// read makes a snapshot of one state of the tables, and says the last change
// that is in it. Each later change wakes news, if it is not nil.
func (l *Live) read(news memdb.WatchSet) (*router.Snapshot, uint64) {
	txn := l.tables.Txn(false)
	return &router.Snapshot{
		Policy: readPolicy(txn, news).Policy,
		Target: readBackend(txn, router.Target, news).State,
	}, lastChange(txn, news)
}

// lastChange is the highest number of a change in the tables.
func lastChange(txn *memdb.Txn, news memdb.WatchSet) uint64 {
	last := readPolicy(txn, news).change
	for side := range router.Side(router.Sides) {
		last = max(last, readBackend(txn, side, news).change)
	}
	return last
}

func readPolicy(txn *memdb.Txn, news memdb.WatchSet) *policy {
	changed, row, err := txn.FirstWatch(policies, id, uint64(0))
	must(err)
	news.Add(changed)
	return row.(*policy)
}

func readBackend(txn *memdb.Txn, side router.Side, news memdb.WatchSet) *backend {
	changed, row, err := txn.FirstWatch(backends, id, uint64(side))
	must(err)
	news.Add(changed)
	return row.(*backend)
}

// show swaps the pointer, unless it has the change or a later one.
func (l *Live) show(snapshot *router.Snapshot, number uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if number <= l.shown {
		return
	}
	l.current.Store(snapshot)
	l.shown = number
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *Live) shows(number uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.shown >= number
}
