package writes

import (
	"slices"

	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/rewrite/pgsql/copyin"
	"github.com/crossfade-db/crossfade/shadow"
)

func (p *Plan) truncate(st *rewrite.Statement, env *Env) {
	all := emptied{plan: p, env: env, cascade: st.Cascade}
	for _, ref := range append([]rewrite.Ref{st.Target}, st.Also...) {
		t, known := env.find(ref)
		if !known {
			p.probe(WhyUnknown)
			continue
		}
		all.add(t)
		p.partly(t, ref, env)
	}
	if p.Class == Pass && len(p.Pairs) > 0 {
		p.Class, p.Kind = Truncate, shadow.Truncated
	}
}

// partly: what empties a part of a pair only is not done again at the target.
func (p *Plan) partly(t *rewrite.Table, ref rewrite.Ref, env *Env) {
	if t == nil {
		return
	}
	pair := env.Plan.Pair(t.Name)
	if pair != nil && (pair.Source.Name != t.Name || ref.Only && t.Kind == rewrite.PartitionedTable || t.Inherits) {
		p.probe(WhyInherits)
	}
}

// emptied follows a TRUNCATE, with CASCADE through the tables that refer to others.
type emptied struct {
	plan    *Plan
	env     *Env
	cascade bool
	seen    []*rewrite.Table
}

func (e *emptied) add(t *rewrite.Table) {
	if t == nil || slices.Contains(e.seen, t) {
		return
	}
	e.seen = append(e.seen, t)
	if pair := e.env.Plan.Pair(t.Name); pair != nil && !slices.Contains(e.plan.Pairs, pair) {
		e.plan.Pairs = append(e.plan.Pairs, pair)
	}
	if fires(t, func(g rewrite.Trigger) bool { return g.Truncate }) {
		e.plan.probe(WhyTrigger)
	}
	if !e.cascade {
		return
	}
	for _, f := range t.Referenced {
		e.add(e.env.Plan.Source.Tables[f.From])
	}
}

func (p *Plan) copyIn(st *rewrite.Statement, env *Env) {
	t, known := env.find(st.Target)
	if !known || t == nil {
		p.Class = Pass // a temporary table, or one that is not known; COPY cannot be watched
		return
	}
	if p.Pair = env.Plan.Pair(t.Name); p.Pair != nil {
		p.Class, p.Why, p.Form = Copy, WhyCopy, copyForm(st, t, p.Pair, env)
	}
	if inserts(t) || volatile(st, env) { // what these write beside it cannot be asked for
		p.Class, p.Why, p.Pairs, p.Form = Copy, WhyTrigger, env.Plan.Pairs, nil
	}
}

// copyForm is how the keys of the rows are read from the data; nil: they are not
// in it, or not for certain.
func copyForm(st *rewrite.Statement, t *rewrite.Table, pair *rewrite.Pair, env *Env) *copyin.Form {
	if env.Encoded || env.Plan.Source.Encoding != "UTF8" || t.Rules || t.Inherits || t.Kind == rewrite.View {
		return nil
	}
	var columns []*rewrite.Column
	for _, name := range st.Assigned {
		c := t.Column(name)
		if c == nil {
			return nil
		}
		columns = append(columns, c)
	}
	for i := range t.Columns {
		if len(st.Assigned) == 0 && !t.Columns[i].Generated {
			columns = append(columns, &t.Columns[i])
		}
	}
	var key []string
	for _, i := range pair.Key {
		cell := &pair.Cells[i]
		if c := t.Column(cell.Column); !cell.Binary || c == nil || c.Type != cell.Type || c.Generated {
			return nil
		}
		key = append(key, cell.Column)
	}
	form, _ := copyin.FormOf(st.Copy, columns, key)
	return form
}

// inserts says that rows which COPY puts into a table may write others. It heeds
// no rules, and of views those with triggers; foreign keys act on other changes.
func inserts(t *rewrite.Table) bool {
	return t.Kind == rewrite.ForeignTable || t.WriteActs || fires(t, func(g rewrite.Trigger) bool { return g.Insert })
}
