package rewrite

import "slices"

// same says whether a statement means the same on both sides: one target of the
// same name with the same columns, in the same order. Where all but the order
// is the same, it says so.
func (p *pairing) same(pair *Pair) bool {
	if len(pair.Targets) != 1 {
		return false
	}
	t := pair.Targets[0]
	if t.Table.Name != p.source.Name || t.When != "" || len(t.Table.Columns) != len(p.source.Columns) {
		return false
	}
	for i := range t.Table.Columns {
		if !p.sameColumn(t, &t.Table.Columns[i]) {
			return false
		}
	}
	ordered := slices.EqualFunc(p.source.Columns, t.Table.Columns, func(a, b Column) bool { return a.Name == b.Name })
	if !ordered {
		p.problem(Problem{
			Severity: Info, Check: "order", Message: "its columns stand in another order at the target: the source answers reads of it",
			Remedy: "create the target's table with the columns in the source's order",
		})
	}
	return ordered
}

// sameColumn says that a column of the target is the source's of its name.
func (p *pairing) sameColumn(t *Target, c *Column) bool {
	from := p.source.Column(c.Name)
	if from == nil || from.SQLType != c.SQLType || from.Collation != c.Collation || from.Generated != c.Generated || !p.sameType(from.Type, c.Type) {
		return false
	}
	if c.Generated {
		return true
	}
	i := slices.IndexFunc(t.Columns, func(a Assignment) bool { return a.Column == c })
	return i >= 0 && t.Columns[i].Plain && t.Columns[i].Up == Quote(c.Name)
}

// sameType says that two types are one by name, and an enum's labels too.
func (p *pairing) sameType(source, target uint32) bool {
	a, b := p.resolver.source.base(source), p.target.base(target)
	return a != nil && b != nil && a.Name == b.Name && slices.Equal(a.Labels, b.Labels)
}
