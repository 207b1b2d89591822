package writes

import (
	"slices"

	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/shadow"
)

func (p *Plan) truncate(st *rewrite.Statement, env *Env) {
	for _, ref := range append([]rewrite.Ref{st.Target}, st.Also...) {
		t, known := env.find(ref)
		if !known {
			p.probe(WhyUnknown)
			continue
		}
		p.truncated(t, env, st.Cascade)
		p.partly(t, ref, env)
	}
	if p.Class == Pass && len(p.Pairs) > 0 {
		p.Class, p.Kind = Truncate, shadow.Truncated
	}
}

// partly: what empties a part of a pair only, or has triggers, is not done again
// at the target.
func (p *Plan) partly(t *rewrite.Table, ref rewrite.Ref, env *Env) {
	if t == nil {
		return
	}
	pair := env.Plan.Pair(t.Name)
	switch {
	case slices.ContainsFunc(t.Triggers, func(g rewrite.Trigger) bool { return g.Truncate }):
		p.probe(WhyTrigger)
	case pair != nil && (pair.Source.Name != t.Name || ref.Only && t.Kind == rewrite.PartitionedTable || t.Inherits):
		p.probe(WhyInherits)
	}
}

// truncated adds a table, and with CASCADE those that refer to it.
func (p *Plan) truncated(t *rewrite.Table, env *Env, cascade bool) {
	if t == nil {
		return
	}
	if pair := env.Plan.Pair(t.Name); pair != nil {
		if slices.Contains(p.Pairs, pair) {
			return
		}
		p.Pairs = append(p.Pairs, pair)
	}
	if !cascade {
		return
	}
	for _, f := range t.Referenced {
		if f.From != t.Name {
			p.truncated(env.Plan.Source.Tables[f.From], env, true)
		}
	}
}

func (p *Plan) copyIn(st *rewrite.Statement, env *Env) {
	t, known := env.find(st.Target)
	if !known || t == nil {
		p.Class = Pass // a temporary table, or one that is not known; COPY cannot be watched
		return
	}
	if p.Pair = env.Plan.Pair(t.Name); p.Pair != nil {
		p.Class, p.Why = Copy, WhyCopy
	}
	if reaches(t, env) { // what a trigger writes beside it cannot be asked for
		p.Class, p.Why, p.Pairs = Copy, WhyTrigger, env.Plan.Pairs
	}
}
