package writes

import (
	"slices"

	"github.com/crossfade-db/crossfade/rewrite"
)

// cascades notes what the server changes in tables that refer to this one.
func (p *Plan) cascades(t *rewrite.Table, env *Env, action acting) {
	for _, f := range t.Referenced {
		if !acts(action(f)) {
			continue
		}
		child := env.Plan.Pair(f.From)
		p.Watch = true
		if child != nil && cascadesAlike(f, child, p.Pair, action) && !slices.Contains(p.Same, child) {
			p.Same = append(p.Same, child)
		}
	}
}

// acting is what a foreign key does to the rows that refer to a changed one.
type acting func(rewrite.ForeignKey) byte

func onDelete(f rewrite.ForeignKey) byte { return f.OnDelete }

// onUpdate is what foreign keys do whose columns the statement may change.
func (p *Plan) onUpdate(st *rewrite.Statement) acting {
	assigned := st.Assigned
	if st.Kind != rewrite.Update {
		assigned = st.Reassigned
	}
	return func(f rewrite.ForeignKey) byte {
		touched := slices.ContainsFunc(f.Refers, func(column string) bool { return slices.Contains(assigned, column) })
		if !touched && !p.Old && len(assigned) > 0 {
			return 0
		}
		return f.OnUpdate
	}
}

func acts(action byte) bool { return action == 'c' || action == 'n' || action == 'd' }

// loses notes the pairs whose rows a change takes along, or changes, at the
// target alone: directly, or through tables between.
func (p *Plan) loses(env *Env, action acting) {
	seen := map[rewrite.Name]bool{}
	for _, target := range p.Pair.Targets {
		p.losesFrom(p.Pair, target.Table, env, action, seen)
	}
}

func (p *Plan) losesFrom(parent *rewrite.Pair, table *rewrite.Table, env *Env, action acting, seen map[rewrite.Name]bool) {
	if seen[table.Name] {
		return
	}
	seen[table.Name] = true
	for _, f := range table.Referenced {
		if !acts(action(f)) {
			continue
		}
		next := acting(func(g rewrite.ForeignKey) byte { return g.OnUpdate })
		if f.OnDelete == 'c' && action(f) == f.OnDelete {
			next = onDelete
		}
		for _, child := range env.Plan.Pairs {
			if !slices.ContainsFunc(child.Targets, func(c *rewrite.Target) bool { return c.Table.Name == f.From }) {
				continue
			}
			if !alike(child, parent, f, action) && !slices.Contains(p.Loses, child) {
				p.Loses = append(p.Loses, child)
			}
			for _, c := range child.Targets {
				if c.Table.Name == f.From {
					p.losesFrom(child, c.Table, env, next, seen)
				}
			}
		}
		if between := env.Plan.Target.Tables[f.From]; between != nil && !seen[f.From] {
			p.losesFrom(nil, between, env, next, seen)
		}
	}
}

// alike says that the source has a foreign key that does the same as one of the
// target's.
func alike(child, parent *rewrite.Pair, f rewrite.ForeignKey, action acting) bool {
	return parent != nil && slices.ContainsFunc(parent.Source.Referenced, func(g rewrite.ForeignKey) bool {
		return g.From == child.Source.Name && slices.Equal(g.Columns, f.Columns) && slices.Equal(g.Refers, f.Refers) &&
			action(g) == action(f) && cascadesAlike(g, child, parent, action)
	})
}

// moves notes what follows a change of the key: the target has it as a delete and
// an insert, whose foreign keys act otherwise than those of an update.
func (p *Plan) moves(t *rewrite.Table, env *Env) {
	writes := func(f rewrite.ForeignKey) bool { return f.Writes() }
	follows := slices.ContainsFunc(t.Referenced, writes)
	for _, target := range p.Pair.Targets {
		follows = follows || slices.ContainsFunc(target.Table.Referenced, writes)
	}
	if !follows {
		return
	}
	p.Moves = append(p.Moves, p.Pair)
	for _, f := range t.Referenced {
		if child := env.Plan.Pair(f.From); child != nil && !slices.Contains(p.Moves, child) {
			p.Moves = append(p.Moves, child)
		}
	}
	for _, pair := range env.Plan.Pairs {
		for _, target := range pair.Targets {
			if slices.ContainsFunc(target.Table.ForeignKeys, func(f rewrite.ForeignKey) bool { return p.has(f.To) }) && !slices.Contains(p.Moves, pair) {
				p.Moves = append(p.Moves, pair)
			}
		}
	}
}

// has says that a table of the target is one of the pair.
func (p *Plan) has(n rewrite.Name) bool {
	return slices.ContainsFunc(p.Pair.Targets, func(t *rewrite.Target) bool { return t.Table.Name == n })
}

// cascadesAlike says that the target has the same foreign key, so that it does
// the same to the same rows.
func cascadesAlike(f rewrite.ForeignKey, child, parent *rewrite.Pair, action acting) bool {
	if !child.Same || !parent.Same {
		return false
	}
	return slices.ContainsFunc(child.Targets[0].Table.ForeignKeys, func(g rewrite.ForeignKey) bool {
		return g.To == parent.Targets[0].Table.Name && slices.Equal(g.Columns, f.Columns) &&
			slices.Equal(g.Refers, f.Refers) && action(g) == action(f)
	})
}
