package demo

import (
	"fmt"
	"strings"

	"github.com/crossfade-db/crossfade/internal/admin"
	"github.com/crossfade-db/crossfade/router"
)

// fillCheck: the target began empty, and the worker has filled it under load.
func (r *report) fillCheck() check {
	f := &r.filled
	return check{
		f.before == 0 && f.after > 0 && f.told > 0 && f.orders > 0 && len(f.tables) == len(tablesOf[router.Source]) && unwalked(f.tables) == "",
		fmt.Sprintf("filled: from %s rows to %s in %s s, %d tables, while %s orders were sold",
			grouped(f.before), grouped(f.after), seconds(f.took), len(f.tables), grouped(int64(f.orders))),
	}
}

// reasonCheck: what the target cannot answer rightly, the source has answered.
func (r *report) reasonCheck() check {
	var shaped [router.Sides]int
	for _, s := range r.spans() {
		for side := range shaped {
			shaped[side] += s.shaped[side]
		}
	}
	n := r.end.fallbacks[router.Shape.String()]
	return check{
		shaped[router.Source] > 0 && shaped[router.Target] == 0 && n > 0,
		fmt.Sprintf("shape: %s readings of the reshaped table, %d of them answered by the target; %s were of canary sessions (reason %s)",
			grouped(int64(shaped[router.Source]+shaped[router.Target])), shaped[router.Target], grouped(n), router.Shape),
	}
}

// ownCheck: sessions of the canary write, and find at the target what they have
// written. One that does not is a client's error.
func (r *report) ownCheck() check {
	var own [router.Sides]int
	for _, s := range r.spans() {
		for side := range own {
			own[side] += s.own[side]
		}
	}
	return check{
		own[router.Target] > 0 && own[router.Source] > 0,
		fmt.Sprintf("own writes: read back %s times at the source and %s times at the target, each time as just written",
			grouped(int64(own[router.Source])), grouped(int64(own[router.Target]))),
	}
}

// constraintChecks: what the target refused was found, explained, waived, and
// healed when the constraint had gone.
func (r *report) constraintChecks() []check {
	p := &r.planted
	found, healed := 0, 0
	for i := range p.rejected {
		d := &p.rejected[i]
		if d.Kind == "rejected" && d.Table == "public.order_items" && strings.Contains(d.Cause, "few_of_each") {
			found++
		}
	}
	ids := map[uint64]bool{}
	for i := range p.healed {
		if p.healed[i].State == admin.Verified {
			ids[p.healed[i].ID] = true
		}
	}
	for i := range p.rejected {
		if ids[p.rejected[i].ID] {
			healed++
		}
	}
	w := p.waived
	waived := w.State == admin.Waived && w.Waiver != nil && w.Waiver.Reason != "" && w.Waiver.Actor != "" && w.Waiver.Until.After(w.Waiver.Since)
	claim := "constraint: none was waived"
	if waived {
		claim = fmt.Sprintf("constraint: divergence %d waived with a name, a reason and an expiry", w.ID)
	}
	return []check{
		{found == wholesale, fmt.Sprintf("constraint: %d of %d refused rows found, with the constraint's name as cause", found, wholesale)},
		{waived, claim},
		{healed == wholesale, fmt.Sprintf("constraint: %d of %d verified after it had been dropped", healed, wholesale)},
	}
}

// strayCheck: the row that was changed at the target was found and repaired.
func (r *report) strayCheck() check {
	ok := len(r.planted.stray) == 1
	columns := ""
	for i := range r.planted.stray {
		d := &r.planted.stray[i]
		ok = ok && d.Kind == "value" && d.Table == strayTable && d.State == admin.Verified && d.Life.Repaired != nil
		columns += strings.Join(d.Columns, ", ")
	}
	return check{
		ok && columns == "name",
		fmt.Sprintf("stray change: %s found by a walk, columns %q, repaired and verified", plural(len(r.planted.stray), "row"), columns),
	}
}

// equalChecks: both sides have the same rows, by what the servers themselves say.
func (r *report) equalChecks() []check {
	if len(r.dumps) != len(dumps()) {
		return []check{{false, "dump: not all tables were dumped"}}
	}
	var checks []check
	for i := range r.dumps {
		d := &r.dumps[i]
		claim := fmt.Sprintf("dump: %s are the same %s rows on both sides", d.name, grouped(d.rows[router.Source]))
		if !d.equal() {
			claim = fmt.Sprintf("dump: %s differ: %s rows at the source, %s at the target", d.name, grouped(d.rows[router.Source]), grouped(d.rows[router.Target]))
		}
		checks = append(checks, check{d.equal() && d.rows[router.Source] > 0, claim})
	}
	return checks
}

// storyCheck: the report has each fault, and nothing is left open.
func (r *report) storyCheck() check {
	s := &r.story
	rejected, refused := s.divergences("rejected")
	value, stray := s.divergences("value")
	waived := 0
	for _, a := range r.acts {
		if strings.HasPrefix(a.name, "divergence waive") && s.decided(a.name, a.reason) {
			waived++
		}
	}
	return check{
		s.page > 0 && len(s.Outages) > 0 && waived == 1 && s.Divergences.Open == 0 && s.Backlog.Dirty == 0 && s.Coverage.Writes.Mirrored > 0 &&
			rejected == wholesale && refused.Verified == wholesale && value == 1 && stray.Verified == 1 && s.Divergences.Total == wholesale+1,
		fmt.Sprintf("report: %s, %s rejected, %s, %s changed at the target; of %s %d are open, and %s dirty",
			plural(len(s.Outages), "outage"), plural(rejected, "row"), plural(waived, "waiver"), plural(value, "row"),
			plural(s.Divergences.Total, "divergence"), s.Divergences.Open, plural(s.Backlog.Dirty, "key")),
	}
}
