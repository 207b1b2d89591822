package repair

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/shadow"
)

// Options are what a worker works with. Plan, Ledger and Connect are required.
type Options struct {
	// Plan is what is mapped now; nil: nothing.
	Plan   func() *rewrite.Plan
	Ledger Ledger
	// Connect logs in as the service user of a side. The connections are the
	// worker's own: it sets what it needs and closes them.
	Connect func(context.Context, router.Side) (*pgconn.PgConn, error)
	Epoch   shadow.Epoch
	Workers int // connections to each side; 0: 2
	// LockMost is how long rows of the authority are held locked; 0: 25 ms.
	LockMost time.Duration
	Log      *slog.Logger     // nil: silence
	Now      func() time.Time // nil: time.Now
	Observe  Observe
	// Divergences takes what was found; nil: nobody does.
	Divergences Sink
	// Blocked names what keeps the worker from working (breaker, pause); nil or
	// an empty word: nothing does.
	Blocked func() string
	// Quiesced says that every session mirrors by the plan in force, so that a
	// range that is walked now misses no write; nil: yes.
	Quiesced func() bool
}

// Observe is told of what the worker does; nil funcs are silence. They are
// called by several goroutines.
type Observe struct {
	Key   func(table string, o Outcome)
	Chunk func(table string, rows, written int, locked time.Duration)
	Flap  func(table string)
}

const (
	defaultWorkers  = 2
	defaultLockMost = 25 * time.Millisecond
)

func (o Options) withDefaults() Options {
	if o.Workers <= 0 {
		o.Workers = defaultWorkers
	}
	if o.LockMost <= 0 {
		o.LockMost = defaultLockMost
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Blocked == nil {
		o.Blocked = func() string { return "" }
	}
	if o.Quiesced == nil {
		o.Quiesced = func() bool { return true }
	}
	if o.Divergences == nil {
		o.Divergences = nobody{}
	}
	return o.observed()
}

func (o Options) observed() Options {
	if o.Observe.Key == nil {
		o.Observe.Key = func(string, Outcome) {}
	}
	if o.Observe.Chunk == nil {
		o.Observe.Chunk = func(string, int, int, time.Duration) {}
	}
	if o.Observe.Flap == nil {
		o.Observe.Flap = func(string) {}
	}
	return o
}

// What the other bounds are made of: all follow from LockMost, so that the
// servers keep them also when the worker does not.

// idleMost is how long the authority lets our transaction be idle.
func (o Options) idleMost() time.Duration { return 4 * o.LockMost }

// otherIdleMost is how long the other side does.
func (o Options) otherIdleMost() time.Duration { return 40 * o.LockMost }
