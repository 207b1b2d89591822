package repair

import (
	"context"
	"errors"

	"github.com/crossfade-db/crossfade/reconcile"
	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/shadow"
)

// report is what became of one key.
type report struct {
	outcome Outcome
	kind    Kind
	columns []string
	refusal Refusal     // of Obstructed, Refused
	txid    shadow.TxID // of InFlight: the oldest that is not over
	// Of InFlight, where a mark has no transaction: the last that has begun.
	through shadow.TxID
	err     error // of Broken
}

// Bounds of the tries at one key before it is left for later.
const (
	mostMembers  = 16 // rows of one transaction, over unique values
	mostAttempts = 3  // while the authority changes under them
)

// repair brings one key of a table to where the authority is. Its error is one
// of the fence: the worker may not write any more.
func (r *repairer) repair(ctx context.Context, s *shape, k reconcile.DirtyKey) (report, error) {
	flying, err := r.flying(ctx, k.Marks)
	switch {
	case err != nil:
		return reportOf(err)
	case flying.outcome == InFlight:
		return flying, nil
	}
	t := task{shape: s, members: []rewrite.RowKey{k.Key}}
	rep := report{outcome: Equal}
	for again := 0; again < mostAttempts; {
		res, err := r.attempt(ctx, t)
		if err != nil {
			next, ok := r.collision(ctx, t, err)
			if !ok {
				return reportOf(err)
			}
			t = next
			continue
		}
		if res.again {
			again++
			continue
		}
		if res.differs {
			rep.outcome, rep.kind, rep.columns = Wrote, res.kind, res.columns
		}
		if len(res.unproven) == 0 || t.outwaited {
			return rep, nil
		}
		switch over, err := r.outwait(ctx, res.unproven); {
		case err != nil:
			return reportOf(err)
		case !over:
			rep.outcome = Unproven
			return rep, nil
		}
		t.outwaited = true
	}
	rep.outcome = Busy
	return rep, nil
}

// flying says which of the marking transactions are not over.
func (r *repairer) flying(ctx context.Context, marks []reconcile.Mark) (report, error) {
	oldest, found, err := r.pending(ctx, marks)
	switch {
	case err != nil || !found:
		return report{}, err
	case oldest.Until == reconcile.Unknown:
		through, err := r.nowOnce(ctx)
		return report{outcome: InFlight, through: through}, err
	}
	return report{outcome: InFlight, txid: oldest.TxID}, nil
}

// reportOf sorts an error; those of the fence are errors still.
func reportOf(err error) (report, error) {
	if errors.Is(err, ErrStale) || errors.Is(err, ErrNoFence) {
		return report{outcome: Broken, err: err}, err
	}
	rep := report{outcome: outcomeOf(err), err: err}
	if errors.Is(err, errFenceHeld) {
		rep.outcome = Busy
	}
	var refused *Refusal
	if errors.As(err, &refused) {
		rep.refusal = *refused
	}
	return rep, nil
}
