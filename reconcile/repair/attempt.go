package repair

import (
	"context"
	"errors"
	"fmt"

	"github.com/crossfade-db/crossfade/internal/failpoint"
	"github.com/crossfade-db/crossfade/rewrite"
)

// task is what one transaction on the other side has to bring about: the rows of
// these keys are as the authority has them.
type task struct {
	shape *shape
	// members are written in this order; the last is the one that is dirty, and
	// those before it were in its way.
	members []rewrite.RowKey
	// clear takes all rows of the members away before it writes any, for unique
	// values that go round in a circle.
	clear bool
	// unique are the columns of the index that the last collision was over.
	unique []string
	// outwaited says that the writers that the other side had when the task was
	// first tried are gone: what it does not show is not there.
	outwaited bool
}

// result is what an attempt has done.
type result struct {
	wrote   bool // something is to be committed
	differs bool // something was not equal
	kind    Kind // of the last member
	columns []string
	// unproven are the writers of the other side that may yet bring a row which
	// it does not show; they are to be waited for.
	unproven holders
	again    bool // the authority has changed meanwhile
}

// memberError is an error of the other side over one member of a task.
type memberError struct {
	member int
	err    error
}

func (e *memberError) Error() string { return e.err.Error() }
func (e *memberError) Unwrap() error { return e.err }

// attempt does a task once: lock and read on the authority, compare and write on
// the other side, commit there, release here.
func (r *repairer) attempt(ctx context.Context, t task) (result, error) {
	images, err := r.lock(ctx, t)
	if err != nil {
		return result{}, errors.Join(err, r.a().rollback(ctx))
	}
	r.hit(failpoint.RepairLocked)
	res, err := r.write(ctx, t, images)
	if err == nil && res.wrote {
		r.hit(failpoint.RepairWritten)
		res.again, err = r.confirm(ctx, t, images)
	}
	if err == nil && res.wrote && !res.again {
		err = r.commit(ctx)
	}
	if released := r.release(ctx); err == nil && released != nil {
		err = released
	}
	return res, err
}

// commit makes what was written last. Whether it did is not known when it fails.
func (r *repairer) commit(ctx context.Context) error {
	if _, err := r.s().flight(ctx, query{sql: "COMMIT"}); err != nil {
		return &memberError{err: err}
	}
	r.hit(failpoint.RepairCommitted)
	return nil
}

// lock locks and reads the members' rows on the authority; nil: it has none.
func (r *repairer) lock(ctx context.Context, t task) ([]rewrite.Image, error) {
	queries := r.lockTexts(t.shape)
	first := len(queries)
	for _, key := range t.members {
		q, err := t.shape.sourceRow(t.shape.source.One, key)
		if err != nil {
			return nil, err
		}
		queries = append(queries, q)
	}
	answers, err := r.a().flight(ctx, queries...)
	if err != nil {
		return nil, err
	}
	images := make([]rewrite.Image, len(t.members))
	locked := false
	for i, a := range answers[first:] {
		if len(a.rows) == 0 {
			continue
		}
		locked = true
		if images[i], err = t.shape.atTarget(a.rows[0]); err != nil {
			return nil, err
		}
	}
	if !locked {
		return images, r.a().rollback(ctx)
	}
	return images, nil
}

// begin opens a transaction on the other side behind the fence. It answers the
// other writers if anything of the task cannot be locked.
func (r *repairer) begin(ctx context.Context, s *shape, list bool) (holders, error) {
	queries := r.opening(s)
	if list {
		queries = append(queries, query{sql: holdersText})
	}
	answers, err := r.s().flight(ctx, queries...)
	switch fence := r.opened(answers, err); {
	case fence != nil:
		return nil, fence
	case err != nil:
		return nil, fmt.Errorf("begin at the target: %w", err)
	case !list:
		return nil, nil
	}
	return holdersOf(answers[len(answers)-1]), nil
}

// write compares and writes the members in their order.
func (r *repairer) write(ctx context.Context, t task, images []rewrite.Image) (result, error) {
	list := t.shape.conditional()
	for _, im := range images {
		list = list || im == nil
	}
	others, err := r.begin(ctx, t.shape, list && !t.outwaited)
	if err != nil {
		return result{}, err
	}
	w := writing{repairer: r, task: t, others: others}
	if t.clear {
		if err := w.clearAll(ctx); err != nil {
			return result{}, err
		}
	}
	for i, key := range t.members {
		if images[i] == nil {
			err = w.remove(ctx, i, key)
		} else {
			err = w.bring(ctx, i, images[i])
		}
		if err != nil {
			return result{}, &memberError{member: i, err: err}
		}
	}
	return w.res, nil
}

// confirm asks the authority once more before the other side commits: rows that
// it did not have are still absent, and those that it had are still locked.
func (r *repairer) confirm(ctx context.Context, t task, images []rewrite.Image) (again bool, err error) {
	locked := false
	queries := []query{t.shape.pin}
	for i, key := range t.members {
		if images[i] != nil {
			locked = true
			continue
		}
		q, err := t.shape.sourceRow(t.shape.source.Plain, key)
		if err != nil {
			return false, err
		}
		queries = append(queries, q)
	}
	if locked {
		if err := r.a().alive(ctx); err != nil {
			return false, err
		}
	}
	if len(queries) == 1 {
		return false, nil
	}
	answers, err := r.a().flight(ctx, queries...)
	for _, a := range answers[min(1, len(answers)):] {
		again = again || len(a.rows) > 0
	}
	return again, err
}
