package repair

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/crossfade-db/crossfade/internal/failpoint"
	"github.com/crossfade-db/crossfade/reconcile"
	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/shadow"
)

// repairer is one of the worker's hands: a connection to each side.
type repairer struct {
	opt    Options
	links  [router.Sides]*link
	shapes shapes
	asked  map[reconcile.Mark]bool // what is known of marks; for a while only
	latest shadow.TxID             // later than all that had begun by then; 0: not asked
	hook   func(point string)      // nil, but in tests
}

// hit is a place where a process may end in a test.
func (r *repairer) hit(point string) {
	failpoint.Hit(point)
	if r.hook != nil {
		r.hook(point)
	}
}

// dialTimeout and exchangeTimeout end what a server does not end.
const (
	dialTimeout     = 5 * time.Second
	exchangeTimeout = 10 * time.Second
)

// settings keep a role's or database's own from meaning anything; what values
// look like is pinned in each transaction (shape.pin).
var settings = []string{
	"SET search_path = ''", "SET client_encoding = 'UTF8'", "SET jit = off", "SET default_transaction_isolation = 'read committed'",
	"SET default_transaction_read_only = off", "SET default_transaction_deferrable = off",
}

// ready connects to the sides that are not connected.
func (r *repairer) ready(ctx context.Context) error {
	for side := range router.Side(router.Sides) {
		if l := r.links[side]; l != nil && !l.pg.IsClosed() {
			continue
		}
		l, err := r.dial(ctx, side)
		if err != nil {
			return fmt.Errorf("connect to the %s: %w", side, err)
		}
		r.links[side] = l
	}
	return nil
}

func (r *repairer) dial(ctx context.Context, side router.Side) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	pg, err := r.opt.Connect(ctx, side)
	if err != nil {
		return nil, refusal(side, err)
	}
	l := &link{side: side, pg: pg}
	var queries []query
	for _, text := range append(r.limits(side), settings...) {
		queries = append(queries, query{sql: text})
	}
	if _, err = l.flight(ctx, queries...); err == nil {
		l.life, err = Incarnation(ctx, pg)
	}
	if err != nil {
		l.close(ctx)
		return nil, err
	}
	return l, nil
}

// limits are how long a side lets us wait for locks, read what is not locked,
// and hold what is.
func (r *repairer) limits(side router.Side) []string {
	idle := r.opt.idleMost()
	if side == router.Target {
		idle = r.opt.otherIdleMost()
	}
	return []string{
		"SET lock_timeout = '" + milliseconds(r.opt.LockMost) + "'",
		"SET statement_timeout = '" + milliseconds(exchangeTimeout) + "'",
		"SET idle_in_transaction_session_timeout = '" + milliseconds(idle) + "'",
	}
}

// lockTexts begin a transaction on the authority that locks rows.
func (r *repairer) lockTexts(s *shape) []query {
	return []query{{sql: beginText}, limit(2 * r.opt.LockMost), s.pin}
}

const beginText = "BEGIN ISOLATION LEVEL READ COMMITTED"

// limit bounds the statements of a transaction.
func limit(most time.Duration) query {
	return query{sql: "SET LOCAL statement_timeout = '" + milliseconds(most) + "'"}
}

func (r *repairer) a() *link { return r.links[router.Source] }
func (r *repairer) s() *link { return r.links[router.Target] }

// release ends what is open on both sides: first the rows of the other side,
// then those of the authority.
func (r *repairer) release(ctx context.Context) error {
	return errors.Join(r.s().rollback(ctx), r.a().rollback(ctx))
}

func (r *repairer) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	for _, l := range r.links {
		if l != nil {
			l.close(ctx)
		}
	}
}

// shapes are made once per plan.
type shapes struct {
	plan *rewrite.Plan
	made map[string]*shape
}

// of finds the shape of a table; nil: it is not mapped any more.
func (s *shapes) of(plan *rewrite.Plan, table string) *shape {
	if plan == nil {
		return nil
	}
	if s.plan != plan {
		s.plan, s.made = plan, map[string]*shape{}
	}
	if made := s.made[table]; made != nil {
		return made
	}
	for _, p := range plan.Pairs {
		if p.Name() == table {
			s.made[table] = newShape(plan, p)
			return s.made[table]
		}
	}
	return nil
}
