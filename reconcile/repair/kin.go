package repair

import (
	"slices"
	"time"

	"github.com/crossfade-db/crossfade/reconcile"
	"github.com/crossfade-db/crossfade/rewrite"
)

// heldMost is how long keys are left to a walk that does not get on.
const heldMost = time.Minute

// kin says, once per plan, which mapped tables the rows of a table refer to at
// the target.
type kin struct {
	plan    *rewrite.Plan
	parents map[string][]string
}

// of answers a table's parents, itself not among them.
func (k *kin) of(plan *rewrite.Plan, table string) []string {
	if k.plan == plan {
		return k.parents[table]
	}
	k.plan, k.parents = plan, map[string][]string{}
	owners := map[rewrite.Name][]string{}
	for _, p := range plan.Pairs {
		for _, target := range p.Targets {
			owners[target.Table.Name] = append(owners[target.Table.Name], p.Name())
		}
	}
	for _, p := range plan.Pairs {
		for _, target := range p.Targets {
			for i := range target.Table.ForeignKeys {
				for _, parent := range owners[target.Table.ForeignKeys[i].To] {
					if parent != p.Name() && !slices.Contains(k.parents[p.Name()], parent) {
						k.parents[p.Name()] = append(k.parents[p.Name()], parent)
					}
				}
			}
		}
	}
	return k.parents[table]
}

// ranges are those of the tables that have some.
type ranges map[string][]reconcile.DirtyRange

func (l *lane) ranges(plan *rewrite.Plan) ranges {
	open := ranges{}
	for _, p := range plan.Pairs {
		if r := l.opt.Ledger.Ranges(p.Name()); len(r) > 0 {
			open[p.Name()] = r
		}
	}
	return open
}

// waitsForParent says that a table which these rows refer to at the target is yet
// to be walked, so that its rows may be missing.
func (l *lane) waitsForParent(plan *rewrite.Plan, table string, open ranges) bool {
	return slices.ContainsFunc(l.kin.of(plan, table), func(parent string) bool { return len(open[parent]) > 0 })
}

// held are the tables whose keys are left alone while walks get on: those that
// are walked themselves, as the walk compares these rows anyhow, and those whose
// rows refer to such a table, as the target would not take them.
func (l *lane) held() map[string]bool {
	plan := l.opt.Plan()
	if plan == nil {
		return nil
	}
	open := l.ranges(plan)
	moving := l.worker.tables.moving(open, l.opt.Now())
	if len(moving) == 0 {
		return nil
	}
	held := map[string]bool{}
	for _, p := range plan.Pairs {
		l.hold(plan, p.Name(), open, moving, held)
	}
	return held
}

// hold finds out about one table and those that it hangs on.
func (l *lane) hold(plan *rewrite.Plan, table string, open ranges, moving, held map[string]bool) bool {
	if is, known := held[table]; known {
		return is
	}
	held[table] = moving[table]
	for _, parent := range l.kin.of(plan, table) {
		if len(open[parent]) > 0 && l.hold(plan, parent, open, moving, held) {
			held[table] = true
		}
	}
	return held[table]
}

// incomplete says that a table which rows of this one refer to at the target, or
// are referred to from, is yet to be walked or waits for one that is: what is in
// the way of a foreign key may go by itself.
func (l *lane) incomplete(table string) bool {
	plan := l.opt.Plan()
	if plan == nil {
		return false
	}
	open := l.ranges(plan)
	if len(open) == 0 {
		return false
	}
	for _, parent := range l.kin.of(plan, table) {
		if len(open[parent]) > 0 || l.waitsForParent(plan, parent, open) {
			return true
		}
	}
	for child := range open {
		if slices.Contains(l.kin.of(plan, child), table) {
			return true
		}
	}
	return len(open[table]) > 0
}

// moving are the tables whose ranges have become less within heldMost, or were
// not there before; it forgets those that have none.
func (b *board) moving(open ranges, now time.Time) map[string]bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for table := range b.moved {
		if len(open[table]) == 0 {
			delete(b.moved, table)
		}
	}
	moving := map[string]bool{}
	for table := range open {
		at, known := b.moved[table]
		if !known {
			at = now
			b.moved[table] = now
		}
		if now.Sub(at) < heldMost {
			moving[table] = true
		}
	}
	return moving
}

// move notes that a walk has got on; or, with an early time, that it does not.
func (b *board) move(table string, at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.moved[table] = at
}
