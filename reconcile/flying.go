package reconcile

import (
	"sync"

	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/shadow"
)

// flying are the rows of intents whose outcome is not known yet: whoever finds
// one of them different has found nothing (DESIGN P8).
type flying struct {
	mu    sync.Mutex
	rows  map[rowName]int
	whole map[string]int
}

type rowName struct {
	table string
	key   rewrite.RowKey
}

// add counts the rows of an intent once more, or once less.
func (f *flying) add(in *shadow.Intent, n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.rows == nil {
		f.rows, f.whole = map[rowName]int{}, map[string]int{}
	}
	for _, t := range in.Tables {
		if t.Whole {
			count(f.whole, t.Table, n)
		}
		for _, key := range t.Keys {
			count(f.rows, rowName{t.Table, key}, n)
		}
	}
}

func count[K comparable](counts map[K]int, k K, n int) {
	if counts[k] += n; counts[k] == 0 {
		delete(counts, k)
	}
}

func (f *flying) has(table string, key rewrite.RowKey) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.whole[table] > 0 || f.rows[rowName{table, key}] > 0
}

// Explained says that a difference of a row has a reason that the ledger knows
// of beside the marks of a lease: a transaction whose outcome is open, or a mark
// that is newer. A lease of 0 has seen none. The intent of a transaction is there
// before its commit can be seen, and its mark before the intent is gone.
func (l *Ledger) Explained(table string, key rewrite.RowKey, lease uint64) bool {
	if l.flying.has(table, key) {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	t := (*l.tables.Load())[table]
	if t == nil || t.keys[key] == nil {
		return false
	}
	for _, n := range t.keys[key].marks {
		if n.seq > lease && n.Cause.Explains() {
			return true
		}
	}
	return false
}
