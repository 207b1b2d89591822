package repair

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/crossfade-db/crossfade/reconcile"
	"github.com/crossfade-db/crossfade/rewrite"
)

// walkRest is how long a table is left alone whose walk has met an error, and
// refusedRest one whose rows the target does not take.
const walkRest, refusedRest = time.Second, time.Minute

// choose takes a range to be walked: of a table that no other lane walks, and
// that refers to no table which has ranges itself.
func (l *lane) choose() bool {
	plan := l.opt.Plan()
	if plan == nil {
		return false
	}
	open := l.ranges(plan)
	if len(open) == 0 {
		return false
	}
	b := &l.worker.tables
	b.mu.Lock()
	defer b.mu.Unlock()
	first := ""
	walking := false
	for _, p := range plan.Pairs {
		name := p.Name()
		if len(open[name]) == 0 {
			continue
		}
		if b.taken[name] || l.opt.Now().Before(b.rest[name]) {
			walking = true
			continue
		}
		if !l.waitsForParent(plan, name, open) {
			first = name
			break
		}
		if first == "" {
			first = name
		}
	}
	if first == "" || walking && l.waitsForParent(plan, first, open) {
		return false
	}
	l.take(plan, open[first][0])
	return true
}

// take begins a walk; the board is locked.
func (l *lane) take(plan *rewrite.Plan, r reconcile.DirtyRange) {
	b := &l.worker.tables
	b.taken[r.Table] = true
	if b.walks[r.Table] == nil || b.walks[r.Table].id != r.ID {
		b.walks[r.Table] = &progress{id: r.ID, done: r.Rows}
	}
	l.walk = &walk{shape: l.shapes.of(plan, r.Table), rng: r, pace: pace{rows: firstRows}, progress: b.walks[r.Table]}
}

// leave ends a walk, done or not.
func (l *lane) leave() {
	if l.walk == nil {
		return
	}
	b := &l.worker.tables
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.taken, l.walk.rng.Table)
	l.walk = nil
}

const (
	// waitersMost are sessions of the source that wait for locks, before walks
	// wait for them.
	waitersMost   = 8
	throttleEvery = time.Second
)

// throttled names what keeps walks, not repairs, from going on.
func (l *lane) throttled(ctx context.Context) (string, error) {
	b := &l.worker.tables
	now := l.opt.Now()
	b.mu.Lock()
	due := now.Sub(b.asked) >= throttleEvery
	reason := b.throttle
	if due {
		b.asked = now
	}
	b.mu.Unlock()
	if !due {
		return reason, nil
	}
	answers, err := l.a().flight(ctx, query{sql: "SELECT pg_catalog.count(DISTINCT pid) FROM pg_catalog.pg_locks WHERE NOT granted"})
	if err != nil {
		return "", fmt.Errorf("count the sessions that wait for locks: %w", err)
	}
	waiters, err := strconv.Atoi(string(answers[0].rows[0][0]))
	reason = ""
	if waiters > waitersMost {
		reason = "lock_waits"
	}
	b.mu.Lock()
	b.throttle = reason
	b.mu.Unlock()
	return reason, err
}

// estimate asks how many rows the table has, for the progress.
func (l *lane) estimate(ctx context.Context) error {
	name := l.walk.shape.pair.Source.Name
	answers, err := l.a().flight(ctx, textQuery("WITH RECURSIVE t (oid) AS ("+
		"SELECT c.oid FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2 "+
		"UNION ALL SELECT i.inhrelid FROM pg_catalog.pg_inherits AS i JOIN t ON i.inhparent = t.oid) "+
		"SELECT pg_catalog.sum(CASE WHEN c.reltuples > 0 THEN c.reltuples ELSE 0 END)::pg_catalog.int8 "+
		"FROM t JOIN pg_catalog.pg_class AS c ON c.oid = t.oid", name.Schema, name.Name))
	if err != nil {
		return fmt.Errorf("estimate the rows of a table: %w", err)
	}
	var total int64
	if len(answers[0].rows) == 1 {
		total, _ = strconv.ParseInt(string(answers[0].rows[0][0]), 10, 64)
	}
	l.walk.progress.begin(l.opt.Now(), total)
	return nil
}
