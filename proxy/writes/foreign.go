package writes

import (
	"slices"

	"github.com/crossfade-db/crossfade/rewrite"
)

// cascades notes what the server changes in tables that refer to this one.
func (p *Plan) cascades(t *rewrite.Table, env *Env, action func(rewrite.ForeignKey) byte) {
	for _, f := range t.Referenced {
		a := action(f)
		if a != 'c' && a != 'n' && a != 'd' {
			continue
		}
		child := env.Plan.Pair(f.From)
		p.Watch = true
		if child != nil && cascadesAlike(f, child, p.Pair, action) && !slices.Contains(p.Same, child) {
			p.Same = append(p.Same, child)
		}
	}
}

// loses notes the pairs whose rows a delete takes along, or changes, at the
// target alone.
func (p *Plan) loses(t *rewrite.Table, env *Env) {
	for _, target := range p.Pair.Targets {
		for _, f := range target.Table.Referenced {
			if f.OnDelete != 'c' && f.OnDelete != 'n' && f.OnDelete != 'd' {
				continue
			}
			for _, child := range env.Plan.Pairs {
				if slices.ContainsFunc(child.Targets, func(c *rewrite.Target) bool { return c.Table.Name == f.From }) &&
					!slices.Contains(p.Same, child) && !slices.Contains(p.Loses, child) && child != p.Pair {
					p.Loses = append(p.Loses, child)
				}
			}
		}
	}
}

// moves notes what follows a change of the key: the target has it as a delete and
// an insert, whose foreign keys act otherwise than those of an update.
func (p *Plan) moves(t *rewrite.Table, env *Env) {
	acts := func(f rewrite.ForeignKey) bool { return f.Writes() }
	follows := slices.ContainsFunc(t.Referenced, acts)
	for _, target := range p.Pair.Targets {
		follows = follows || slices.ContainsFunc(target.Table.Referenced, acts)
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
func cascadesAlike(f rewrite.ForeignKey, child, parent *rewrite.Pair, action func(rewrite.ForeignKey) byte) bool {
	if !child.Same || !parent.Same {
		return false
	}
	return slices.ContainsFunc(child.Targets[0].Table.ForeignKeys, func(g rewrite.ForeignKey) bool {
		return g.To == parent.Targets[0].Table.Name && slices.Equal(g.Columns, f.Columns) &&
			slices.Equal(g.Refers, f.Refers) && action(g) == action(f)
	})
}
