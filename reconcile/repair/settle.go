package repair

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/crossfade-db/crossfade/internal/failpoint"
	"github.com/crossfade-db/crossfade/reconcile"
	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/shadow"
)

const (
	recheckAfter = time.Second
	flapWithin   = 10 * time.Minute
	flapMost     = 3 // repairs that nothing explains
	triesMost    = 5 // at a row that another one is in the way of
)

// repaired is a leased key and what became of it.
type repaired struct {
	reconcile.DirtyKey
	report
	excused bool // it is Obstructed by what a walk may bring
}

// singlyMost is how long keys are repaired one by one before walks have a turn.
const singlyMost = 250 * time.Millisecond

// repairKeys repairs leased keys, and gives back those that it does not come to.
func (l *lane) repairKeys(ctx context.Context, keys []reconcile.DirtyKey) error {
	l.asked, l.latest = map[reconcile.Mark]bool{}, 0
	defer func() { l.asked, l.latest = nil, 0 }()
	keys, err := l.repairTogether(ctx, keys)
	if err != nil {
		l.giveBack(keys)
		return err
	}
	return l.repairSingly(ctx, keys)
}

func (l *lane) repairSingly(ctx context.Context, keys []reconcile.DirtyKey) error {
	end := l.opt.Now().Add(singlyMost)
	var done []repaired
	for i, k := range keys {
		if ctx.Err() != nil || l.worker.blocked() != "" || l.opt.Now().After(end) {
			l.giveBack(keys[i:])
			break
		}
		rep, err := l.repairKey(ctx, k)
		if err != nil {
			l.giveBack(keys[i:])
			l.settle(done)
			return err
		}
		done = append(done, repaired{DirtyKey: k, report: rep})
		if rep.outcome == Broken {
			l.giveBack(keys[i+1:])
			break
		}
	}
	l.settle(done)
	return nil
}

func (l *lane) giveBack(keys []reconcile.DirtyKey) {
	for _, k := range keys {
		l.opt.Ledger.Release(k)
	}
}

func (l *lane) repairKey(ctx context.Context, k reconcile.DirtyKey) (report, error) {
	ctx, cancel := context.WithTimeout(ctx, exchangeTimeout)
	defer cancel()
	s := l.shapes.of(l.opt.Plan(), k.Table)
	if s == nil {
		return report{outcome: Unmapped}, nil
	}
	if err := l.ready(ctx); err != nil {
		return report{outcome: Broken, err: err}, nil
	}
	return l.repair(ctx, s, k)
}

// settle tells the ledger and everybody else what became of keys. A repaired key
// is dirty for another look before its marks are taken off.
func (l *lane) settle(done []repaired) {
	var again []repaired
	for _, d := range done {
		if d.outcome == Wrote {
			again = append(again, d)
		}
	}
	if err := l.recheck(again); err != nil {
		l.opt.Log.Warn("repaired keys stay dirty", "error", err)
		for i := range done {
			if done[i].outcome == Wrote {
				done[i].outcome = Broken
			}
		}
	}
	for _, d := range done {
		l.end(d)
	}
}

func (l *lane) recheck(wrote []repaired) error {
	byTable := map[string][]rewrite.RowKey{}
	for _, d := range wrote {
		byTable[d.Table] = append(byTable[d.Table], d.Key)
	}
	in := shadow.Intent{Epoch: l.opt.Epoch}
	for table, keys := range byTable {
		in.Tables = append(in.Tables, shadow.TableKeys{Table: table, Keys: keys})
	}
	if len(in.Tables) == 0 {
		return nil
	}
	return l.opt.Ledger.Mark(&in, shadow.CauseRecheck)
}

func (l *lane) end(d repaired) {
	d.excused = d.outcome == Obstructed && d.refusal.Code == foreignKey && l.incomplete(d.Table)
	if err := l.tell(d); err != nil {
		l.opt.Log.Warn("a divergence could not be noted", "table", d.Table, "error", err)
		d.outcome = Broken
	}
	flapping := l.worker.note(d)
	if flapping {
		l.opt.Log.Warn("a row differs again and again: look at the mapping and at who else writes to the target", "table", d.Table)
		l.opt.Observe.Flap(d.Table)
	}
	l.opt.Observe.Key(d.Table, d.outcome)
	switch {
	case d.outcome.done():
	case d.through != 0:
		l.opt.Ledger.StampKey(d.DirtyKey, l.a().life, d.through)
		return
	case d.outcome == InFlight:
		l.opt.Ledger.InFlight(d.DirtyKey)
		return
	default:
		l.opt.Ledger.Release(d.DirtyKey)
		return
	}
	if err := l.opt.Ledger.Subtract(d.DirtyKey); err != nil {
		l.opt.Log.Warn("a repaired key stays dirty", "table", d.Table, "error", err)
		return
	}
	l.hit(failpoint.RepairSubtracted)
}

// unexplained says that nothing that the proxy knows of made the row differ.
func unexplained(marks []reconcile.Mark) bool {
	return !slices.ContainsFunc(marks, func(m reconcile.Mark) bool { return !suspicious(m.Cause) })
}

// suspicious says that a row which is dirty for this cause should be equal.
func suspicious(c shadow.Cause) bool {
	switch c {
	case shadow.CauseRecheck, shadow.CauseRequested, shadow.CauseRestart:
		return true
	case shadow.CauseNew, shadow.CauseFailed, shadow.CauseBudget, shadow.CauseBreaker, shadow.CauseOff, shadow.CauseLost,
		shadow.CauseCrash, shadow.CauseBulk, shadow.CauseUncaptured, shadow.CauseUnmirrored:
	}
	return false
}

// tell notes divergences: what differed without a reason, what the other side
// does not take, and what was still equal when it was looked at again.
func (l *lane) tell(d repaired) error {
	if err := l.tellUncertain(d); err != nil {
		return err
	}
	v := Divergence{Table: d.Table, Key: d.Key, Epoch: l.opt.Epoch, Seen: l.opt.Now()}
	for _, m := range d.Marks {
		v.Cause, v.TxID = m.Cause, max(v.TxID, m.TxID)
	}
	switch {
	case d.outcome == Wrote && unexplained(d.Marks) && !l.opt.Ledger.Explained(d.Table, d.Key, d.Lease):
		v.Kind, v.State, v.Columns = d.kind, Repaired, d.columns
	case d.outcome == Equal && slices.ContainsFunc(d.Marks, func(m reconcile.Mark) bool { return m.Cause == shadow.CauseRecheck }):
		v.State = Verified
	case d.outcome == Refused, d.outcome == Obstructed && !d.excused && l.worker.blamed(d) >= triesMost:
		v.Kind, v.State, v.Code, v.Constraint = Rejected, Confirmed, d.refusal.Code, d.refusal.Constraint
	default:
		return nil
	}
	return l.opt.Divergences.Diverge(v)
}

func (w *Worker) blamed(d repaired) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.waits[rowID{d.Table, d.Key}].blamed
}

// note keeps count of what became of a key; it says that the key is given up
// just now, because it differs again and again.
func (w *Worker) note(d repaired) (flapping bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	id, now := rowID{d.Table, d.Key}, w.opt.Now()
	w.counts[d.outcome]++
	w.forget(now)
	switch {
	case d.outcome == Equal:
		delete(w.waits, id)
		return false
	case d.outcome == Wrote:
		if unexplained(d.Marks) && !w.opt.Ledger.Explained(d.Table, d.Key, d.Lease) && w.flapped(id, now) {
			w.waits[id] = wait{until: now.Add(Flapping.pause(0)), since: now, why: Flapping}
			return true
		}
		w.waits[id] = wait{until: now.Add(recheckAfter), since: now, why: Wrote}
		return false
	}
	last := w.waits[id]
	next := wait{since: now, why: d.outcome}
	if last.why == d.outcome && !last.since.IsZero() {
		next.since, next.tries, next.blamed = last.since, last.tries+1, last.blamed+1
	}
	if d.excused {
		next.blamed = 0
	}
	next.until = now.Add(d.outcome.pause(next.tries))
	w.waits[id] = next
	return false
}

// waitsMost are remembered before those that are over are forgotten: a key can
// have gone otherwise, with all of its table.
const waitsMost = 10_000

func (w *Worker) forget(now time.Time) {
	if len(w.waits)+len(w.flaps) < waitsMost || now.Sub(w.forgot) < time.Second {
		return
	}
	w.forgot = now
	maps.DeleteFunc(w.waits, func(_ rowID, wait wait) bool { return now.Sub(wait.until) > time.Minute })
	maps.DeleteFunc(w.flaps, func(_ rowID, at []time.Time) bool { return now.Sub(at[len(at)-1]) > flapWithin })
}

// flapped notes one more unexplained repair, and says that there are too many.
func (w *Worker) flapped(id rowID, now time.Time) bool {
	recent := slices.DeleteFunc(w.flaps[id], func(at time.Time) bool { return now.Sub(at) > flapWithin })
	w.flaps[id] = append(recent, now)
	return len(w.flaps[id]) > flapMost
}
