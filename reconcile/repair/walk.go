package repair

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/crossfade-db/crossfade/reconcile"
	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/shadow"
)

// stage is how far a walk is. A walk that begins anew, also after a restart,
// goes through all of them.
type stage uint8

const (
	settling stage = iota // transactions that the mark waits for are not over
	draining              // writers that the target had then are not gone
	copying
	sweeping // the target's own keys, where they do not sort as the source's
)

// walk is a range on its way.
type walk struct {
	pace
	shape   *shape
	rng     reconcile.DirtyRange
	stage   stage
	writers holders
	// fresh: the target had no row in the range, so that there is nothing to
	// compare with.
	fresh    bool
	tries    int              // at a chunk that others have locked
	refused  int              // rows that the target did not take
	swept    []rewrite.RowKey // the target's key up to which it was swept, per target; empty: its beginning
	foreign  bool             // the target has keys that the source cannot have
	progress *progress
}

// Bounds of a chunk.
const (
	mostBytes   = 8 << 20
	mostRefused = 100 // rows of one walk, before it waits for somebody to look
	mostTries   = 5
)

// step walks a part of a range, if there is one to be walked.
func (l *lane) step(ctx context.Context) (did bool, err error) {
	if l.walk != nil && !l.current() {
		l.leave()
	}
	if l.walk == nil && !l.choose() {
		l.stay("")
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 2*exchangeTimeout)
	defer cancel()
	var reason string
	switch l.walk.stage {
	case settling:
		reason, err = l.settled(ctx)
	case draining:
		reason, err = l.drained(ctx)
	case copying:
		reason, err = l.chunk(ctx)
	case sweeping:
		reason, err = l.sweep(ctx)
	}
	if err != nil {
		return false, l.stumble(err)
	}
	l.stay(reason)
	return reason == "", nil
}

// refusedWalk says that the target takes hardly any row of a table.
type refusedWalk struct{ err error }

func (e *refusedWalk) Error() string { return "the target takes no row of the table: " + e.err.Error() }
func (e *refusedWalk) Unwrap() error { return e.err }

// current says that the walk is still of a range of the ledger, by the plan in
// force: a mark on a range makes another one of it.
func (l *lane) current() bool {
	if l.walk.shape.plan != l.opt.Plan() {
		return false
	}
	return slices.ContainsFunc(l.opt.Ledger.Ranges(l.walk.rng.Table), func(r reconcile.DirtyRange) bool { return r.ID == l.walk.rng.ID })
}

// stumble ends a walk over an error, to be begun again; what is returned ends
// the worker.
func (l *lane) stumble(err error) error {
	table := l.walk.rng.Table
	l.leave()
	rest := walkRest
	var refused *refusedWalk
	if errors.As(err, &refused) {
		rest = refusedRest
		l.worker.tables.move(table, time.Time{})
	}
	l.worker.tables.leaveAlone(table, l.opt.Now().Add(rest))
	if errors.Is(err, ErrStale) || errors.Is(err, ErrNoFence) {
		return err
	}
	if l.stay("error") {
		l.opt.Log.Warn("a walk begins again", "table", table, "error", err)
	}
	return nil
}

// settled waits until every session mirrors, and the transactions are over that
// the mark stands for.
func (l *lane) settled(ctx context.Context) (string, error) {
	if !l.opt.Quiesced() {
		return "sessions", nil
	}
	m := l.walk.rng.Mark
	if m.Until == reconcile.Unknown {
		through, err := l.now(ctx)
		if err != nil {
			return "", err
		}
		l.opt.Ledger.StampRange(l.walk.rng.ID, l.a().life, through)
		l.walk.rng.Mark = reconcile.Mark{TxID: through, Incarnation: l.a().life, Until: reconcile.Through, Cause: m.Cause, Count: m.Count}
		return "transactions", nil
	}
	over, err := l.over(ctx, m)
	if err != nil || !over {
		return "transactions", err
	}
	answers, err := l.s().flight(ctx, query{sql: holdersText})
	if err != nil {
		return "", fmt.Errorf("ask for the writers of the target: %w", err)
	}
	l.walk.writers, l.walk.stage = holdersOf(answers[0]), draining
	return "", nil
}

// drained waits for the writers that the target had when the transactions of the
// mark were over: what they have yet to commit there is older than the mark.
func (l *lane) drained(ctx context.Context) (string, error) {
	w := l.walk
	gone, err := l.gone(ctx, w.writers)
	if err != nil || !gone {
		return "writers", err
	}
	switch w.rng.Mark.Cause {
	case shadow.CauseNew, shadow.CauseUnmirrored:
		if w.fresh, err = l.empty(ctx); err != nil {
			return "", err
		}
	}
	w.stage = copying
	return "", l.estimate(ctx)
}

// empty says that no target has a row in the range.
func (l *lane) empty(ctx context.Context) (bool, error) {
	s := l.walk.shape
	for target := range s.texts {
		q, err := s.rangeQuery(target, l.walk.rng.Low, l.walk.rng.High, 1)
		if err != nil || q.sql == "" {
			return false, err
		}
		answers, err := l.s().flight(ctx, s.pin, q)
		if err != nil {
			return false, fmt.Errorf("read the target's keys: %w", err)
		}
		if len(answers[1].rows) > 0 {
			return false, nil
		}
	}
	return true, nil
}

// rangeQuery lists keys of a target; without a text if that cannot be asked.
func (s *shape) rangeQuery(target int, low, high rewrite.RowKey, limit int) (query, error) {
	q := query{sql: s.texts[target].RangeText(low != "", high != ""), results: s.keys}
	for _, end := range []rewrite.RowKey{low, high} {
		if end == "" {
			continue
		}
		cells, err := s.targetKey(end)
		if err != nil {
			return query{}, err
		}
		q.add(cells, s.keyTypes, s.keys)
	}
	return q.limit(limit), nil
}

// sourceRange is a text of the source between two keys.
func (s *shape) sourceRange(text func(low, high bool) string, low, high rewrite.RowKey, limit int) (query, error) {
	q := query{sql: text(low != "", high != "")}
	for _, end := range []rewrite.RowKey{low, high} {
		if end == "" {
			continue
		}
		cells, err := s.cells(end)
		if err != nil {
			return query{}, err
		}
		q.add(cells, s.ownTypes, s.keys)
	}
	return q.limit(limit), nil
}

func (q *query) add(cells [][]byte, types []uint32, formats []int16) {
	q.params = append(q.params, cells...)
	q.oids = append(q.oids, types...)
	q.formats = append(q.formats, formats...)
}

const int8Type = 20

func (q query) limit(n int) query {
	q.add([][]byte{[]byte(strconv.Itoa(n))}, []uint32{int8Type}, []int16{0})
	return q
}

// chunk walks the next part of the range. It answers what keeps it from that.
func (l *lane) chunk(ctx context.Context) (string, error) {
	if reason, err := l.throttled(ctx); reason != "" || err != nil {
		return reason, err
	}
	w := l.walk
	c, err := l.read(ctx)
	if err != nil {
		return "", err
	}
	if err := l.extras(ctx, c); err != nil {
		return "", err
	}
	err = l.copy(ctx, c)
	held := l.opt.Now().Sub(c.since)
	if err != nil {
		return l.smaller(c, err)
	}
	w.tries, w.refused = 0, 0
	w.after(len(c.keys), held, l.opt.LockMost)
	l.opt.Observe.Chunk(w.rng.Table, len(c.images), c.written(), held)
	if err := l.told(c); err != nil {
		return "", err
	}
	return "", l.advance(c)
}

// smaller makes the next chunk smaller where this one could not be written. A
// row that does not go at all is left to be repaired by itself.
func (l *lane) smaller(c *chunk, err error) (string, error) {
	w := l.walk
	var refused *Refusal
	switch {
	case errors.Is(err, errLarge), errors.Is(err, errReleased):
	case errors.Is(err, errFenceHeld):
		return "authority", nil
	case !errors.As(err, &refused) || outcomeOf(err) == Broken:
		return "", err
	}
	if w.rows > 1 {
		w.smaller()
		return "", nil
	}
	if w.tries++; outcomeOf(err) == Busy && w.tries < mostTries {
		return "busy", nil
	}
	if w.refused++; w.refused > mostRefused {
		return "", &refusedWalk{err}
	}
	w.tries = 0
	c.left = c.keys
	return "", l.advance(c)
}

// advance leaves the chunk behind: rows that were not written are dirty keys
// before the range is done up to there.
func (l *lane) advance(c *chunk) error {
	w := l.walk
	if err := l.leaveKeys(c.left); err != nil {
		return err
	}
	w.progress.more(l.opt.Now(), len(c.keys))
	l.worker.tables.move(w.rng.Table, l.opt.Now())
	if !c.last {
		w.rng.Low = c.high
		return l.opt.Ledger.Shrink(w.rng.ID, c.high, int64(len(c.keys)))
	}
	if w.shape.unordered() && !w.fresh {
		w.stage = sweeping
		w.swept = make([]rewrite.RowKey, len(w.shape.texts))
		return nil
	}
	return l.finish()
}

func (l *lane) finish() error {
	id := l.walk.rng.ID
	l.leave()
	return l.opt.Ledger.Finish(id)
}

// leaveKeys makes keys of the range dirty by themselves. What the range has
// waited for, they need not wait for again.
func (l *lane) leaveKeys(keys []rewrite.RowKey) error {
	if len(keys) == 0 {
		return nil
	}
	rng := l.walk.rng
	in := shadow.Intent{
		Epoch: l.opt.Epoch, TxID: rng.Mark.TxID, Incarnation: rng.Mark.Incarnation,
		Tables: []shadow.TableKeys{{Table: rng.Table, Keys: keys}},
	}
	return l.opt.Ledger.Mark(&in, rng.Mark.Cause)
}

// unordered says that a range of source keys is no range of the target's.
func (s *shape) unordered() bool {
	for _, texts := range s.texts {
		if !texts.Ordered {
			return true
		}
	}
	return false
}
