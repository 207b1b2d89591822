package repair

import (
	"time"

	"github.com/crossfade-db/crossfade/reconcile"
	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/shadow"
)

// Ledger is what is dirty: reconcile.Ledger, which says what each of them does.
type Ledger interface {
	TakeKeys(n int, skip func(table string, key rewrite.RowKey) bool) []reconcile.DirtyKey
	Release(k reconcile.DirtyKey)
	InFlight(k reconcile.DirtyKey)
	StampKey(k reconcile.DirtyKey, life shadow.Incarnation, through shadow.TxID)
	Subtract(k reconcile.DirtyKey) error
	Mark(in *shadow.Intent, why shadow.Cause) error
	Ranges(table string) []reconcile.DirtyRange
	StampRange(id int64, life shadow.Incarnation, through shadow.TxID)
	Shrink(id int64, low rewrite.RowKey, rows int64) error
	Finish(id int64) error
	Explained(table string, key rewrite.RowKey, lease uint64) bool
	Clean() bool
	Work() <-chan struct{}
}

var _ Ledger = (*reconcile.Ledger)(nil)

// Kind is what differs.
type Kind string

// Kinds of divergences.
const (
	Missing  Kind = "missing"  // the other side lacks the row
	Extra    Kind = "extra"    // only the other side has it
	Value    Kind = "value"    // columns differ
	Rejected Kind = "rejected" // the other side does not take the row
	// Uncertain: the answer to the COMMIT of its transaction was lost. The worker
	// tells of it only what it has found where it was suspected before.
	Uncertain Kind = "uncertain"
)

// State is where a divergence is in its life.
type State string

// States that the worker brings about.
const (
	Confirmed State = "confirmed" // it is there
	Repaired  State = "repaired"  // the other side has been written
	Verified  State = "verified"  // and was still equal when looked at again
)

// Divergence is a row that differed while nothing in flight explained it. It
// holds no values.
type Divergence struct {
	Table   string
	Key     rewrite.RowKey // empty: rows of the target whose keys the source's type cannot hold
	Kind    Kind           // empty with Verified: whatever it was
	State   State
	Columns []string // of the target; for Value
	Cause   shadow.Cause
	// Of Rejected:
	Code       string // SQLSTATE
	Constraint string
	// Of Uncertain: the life of the authority that TxID is of, and how that ended.
	Life  shadow.Incarnation
	Ended reconcile.Ended
	TxID  shadow.TxID // the last transaction that marked the key
	Epoch shadow.Epoch
	Seen  time.Time
}

// Sink takes divergences, of several goroutines at the same time; an error keeps
// the key dirty.
type Sink interface{ Diverge(Divergence) error }

type nobody struct{}

func (nobody) Diverge(Divergence) error { return nil }
