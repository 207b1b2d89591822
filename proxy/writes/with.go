package writes

import (
	"slices"

	"github.com/crossfade-db/crossfade/rewrite"
)

// with captures a statement whose WITH list writes, where each of its writes can
// be: no two of one table, as one would not see what another has done to a row
// (manual, 7.8.4). What it changes is counted in any case, and what was not
// returned makes its table dirty.
func (p *Plan) with(st *rewrite.Statement, env *Env) {
	if p.Class != Probe || p.Why != WhyCTE || len(st.CTEs) == 0 || len(p.Pairs) > 0 {
		return
	}
	var pairs []*rewrite.Pair
	add := func(st *rewrite.Statement) (one *Plan, ok bool) {
		t, known := env.find(st.Target)
		if !known || t == nil {
			return nil, false
		}
		if env.Plan.Pair(t.Name) == nil {
			return nil, !reaches(t, env) && !t.ReadActs
		}
		one = &Plan{Statement: st}
		one.write(st, env)
		text := slices.ContainsFunc(env.Plan.Pair(t.Name).Cells, func(c rewrite.Cell) bool { return !c.Binary })
		if one.Class != Capture || one.Old || text || len(one.Pairs)+len(one.Moves)+len(one.Loses) > 0 || slices.Contains(pairs, one.Pair) {
			return nil, false
		}
		pairs = append(pairs, one.Pair)
		return one, true
	}
	all := make([]*Plan, len(st.CTEs))
	for i, cte := range st.CTEs {
		one, ok := add(cte.Statement)
		if !ok {
			return
		}
		all[i] = one
	}
	var main *Plan
	if !st.Queries {
		alone, ok := *st, false
		alone.Writes, alone.CTEs = nil, nil
		if main, ok = add(&alone); !ok {
			return
		}
	}
	if len(pairs) == 0 {
		return
	}
	p.Class, p.Why, p.Pair, p.With, p.Main, p.Watch = Capture, Captured, nil, all, main, true
}
