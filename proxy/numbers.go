package proxy

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/crossfade-db/crossfade/proxy/catalog"
	"github.com/crossfade-db/crossfade/proxy/engine"
	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/wire/pgwire"
)

// numbers is what the type and table numbers of one database mean on both
// sides, shared by its sessions, and what was learnt of their texts.
type numbers struct {
	pair     atomic.Pointer[catalog.Pair]
	verdicts verdicts
	stale    atomic.Bool // something was met that the catalogs do not have

	mu     sync.Mutex   // held while they are read
	loaded atomic.Int64 // when, in nanoseconds since 1970
}

// numbersPause is how long catalogs are believed after they were read, however
// many things are met that they do not have.
// numbersKept is how long without any: what differs may have been made alike.
const (
	numbersPause = 5 * time.Second
	numbersKept  = 10 * time.Minute
)

// numbersOf are shared by all sessions of the same two databases.
type numbersOf struct {
	mu  sync.Mutex
	all map[[router.Sides]string]*numbers
}

func (n *numbersOf) get(databases [router.Sides]string) *numbers {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.all == nil {
		n.all = map[[router.Sides]string]*numbers{}
	}
	if n.all[databases] == nil {
		n.all[databases] = &numbers{}
	}
	return n.all[databases]
}

// RowDescription, ParameterDescription, Parse and SameType are those of the
// catalogs as they are known now.
func (n *numbers) RowDescription(message []byte) bool { return n.pair.Load().RowDescription(message) }

// ParameterDescription: see RowDescription.
func (n *numbers) ParameterDescription(message []byte) bool {
	return n.pair.Load().ParameterDescription(message)
}

// Parse: see RowDescription.
func (n *numbers) Parse(message []byte) bool { return n.pair.Load().Parse(message) }

// SameType: see RowDescription.
func (n *numbers) SameType(oid uint32) bool { return n.pair.Load().SameType(oid) }

// fresh says that the catalogs need not be read.
func (n *numbers) fresh() bool {
	return n.pair.Load() != nil && !n.stale.Load() && time.Since(time.Unix(0, n.loaded.Load())) < numbersKept
}

// outdated asks for the catalogs to be read again.
func (n *numbers) outdated() { n.stale.Store(true) }

// learnNumbers reads the catalogs of both sides over the session's own legs,
// where nobody has yet, or they were found to be out of date.
func (s *session) learnNumbers() error {
	n := s.share.numbers
	if n.fresh() {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.fresh() || (n.pair.Load() != nil && time.Since(time.Unix(0, n.loaded.Load())) < numbersPause) {
		return nil
	}
	if p := s.server.policy(); p == nil || p.Target != router.TargetOpen {
		return errTargetClosed // found out by whoever was before us
	}
	var both [router.Sides]*catalog.Catalog
	for side, l := range s.legs {
		loaded, err := catalog.Load(s.server.ctx, s.asking(l))
		if err != nil {
			if router.Side(side) == router.Target {
				s.server.targetFailed(err) // before the next one waits for it
			}
			return fmt.Errorf("read the catalog of the %s: %w", router.Side(side), err)
		}
		both[side] = loaded
	}
	n.pair.Store(catalog.NewPair(both[router.Source], both[router.Target]))
	n.verdicts.clear()
	n.loaded.Store(time.Now().UnixNano())
	n.stale.Store(false)
	return nil
}

// legError is a failure of one of the legs, in an exchange of ours.
type legError struct {
	side router.Side
	err  error
}

func (e *legError) Error() string { return fmt.Sprintf("ask the %s: %v", e.side, e.err) }

func (e *legError) Unwrap() error { return e.err }

// insist flies what a cancel request or a timeout of the client's can hit, as
// often as that is likely to be the reason.
func (s *session) insist(l *leg, f *pgwire.Flight) (landing *pgwire.Landing, err error) {
	out, err := f.Sync()
	for range carryAttempts {
		if landing, err = s.fly(l, out, err); err != nil {
			return nil, &legError{l.side, err}
		}
		if landing.Failed == nil {
			return landing, nil
		}
		if landing.Tx != 'I' {
			if err := s.say(l, "ROLLBACK"); err != nil {
				return nil, &legError{l.side, err}
			}
		}
	}
	return nil, &legError{l.side, landing.Failed}
}

var errTargetClosed = errors.New("the breaker is open")

// asking makes a leg answer the queries of others.
func (s *session) asking(l *leg) catalog.Query {
	return func(_ context.Context, sql string) ([][]string, error) {
		var f pgwire.Flight
		f.Run(ownTransaction)
		f.Run(ownSettings)
		f.Run("SELECT pg_catalog.set_config('search_path', 'pg_catalog', true)")
		f.Run(sql)
		f.Run("ROLLBACK")
		landing, err := s.insist(l, &f)
		if err != nil {
			return nil, err
		}
		landing.Rows = landing.Rows[2:] // of our settings
		rows := make([][]string, len(landing.Rows))
		for i, row := range landing.Rows {
			rows[i] = make([]string, len(row))
			for k, v := range row {
				rows[i][k] = string(v)
			}
		}
		return rows, nil
	}
}

// verdicts are what is known of texts, within bounds.
type verdicts struct {
	mu  sync.RWMutex
	all map[uint64]engine.Verdict
}

// verdictsMost bounds how many texts are remembered; then all are forgotten,
// and learnt again.
const verdictsMost = 100_000

// Of is what is known of a text.
func (v *verdicts) Of(key uint64) engine.Verdict {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.all[key]
}

func (v *verdicts) put(key uint64, what engine.Verdict) {
	if v.Of(key) == what {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.all == nil || len(v.all) >= verdictsMost {
		v.all = map[uint64]engine.Verdict{}
	}
	v.all[key] = what
}

func (v *verdicts) clear() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.all = nil
}
