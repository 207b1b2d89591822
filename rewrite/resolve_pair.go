package rewrite

import (
	"slices"
	"strings"
)

// pairing is one entry of the mapping on its way to a Pair.
type pairing struct {
	*resolver
	entry    *TableMap
	source   *Table
	targets  []*targeting
	key      []string         // columns of the source that are the key
	cells    map[string]*Cell // by column, as far as asked for; nil: it cannot travel
	used     map[string]bool  // columns of the source that have a cell
	declared map[string]bool  // columns of the source that the file names
	broken   bool
}

// targeting is one target of a pairing.
type targeting struct {
	*pairing
	entry *TargetMap
	table *Table
	key   map[string]string     // column: column of the source
	named map[string]*ColumnMap // by column
	out   *Target
}

func (p *pairing) resolve() *Pair {
	p.source = p.resolver.source.Tables[p.entry.Source]
	if p.source == nil {
		p.problem(p.absent(p.entry.Source))
		return nil
	}
	if !p.fits(p.source, "source") || !p.findTargets() {
		return nil
	}
	p.bind()
	if !p.findKey() {
		return nil
	}
	for _, t := range p.targets {
		t.resolve()
	}
	p.dropped()
	if p.broken {
		return nil
	}
	return p.pair()
}

func (p *pairing) problem(x Problem) {
	p.report(p.entry, x)
	if x.Severity == Error {
		p.broken = true
	}
}

// fits says whether a relation can be one side of a pair.
func (p *pairing) fits(t *Table, side string) bool {
	x := Problem{Severity: Error, Check: "table", Remedy: "leave it out (skip: true)"}
	if side == "target" {
		x.Check, x.Remedy = "target", "name a table"
	}
	switch {
	case t.Parent != (Name{}):
		x.Message, x.Remedy = t.Name.String()+" is a partition of "+t.Parent.String(), "name "+t.Parent.String()+", which stands for all its partitions"
	case !mappable(t):
		x.Message = t.Name.String() + " is not a table: its rows cannot be seen as they change"
	case t.Inherits:
		x.Message = t.Name.String() + " inherits, or is inherited from: its rows are in several tables"
	default:
		return true
	}
	p.problem(x)
	return false
}

func (p *pairing) findTargets() bool {
	for i := range p.entry.Targets {
		m := &p.entry.Targets[i]
		t := &targeting{pairing: p, entry: m, table: p.target.Tables[m.Target], key: map[string]string{}, named: map[string]*ColumnMap{}}
		if t.table == nil {
			p.noTarget(m)
			continue
		}
		if !p.fits(t.table, "target") {
			continue
		}
		if p.defaults.OneServer && p.isSource(m.Target) {
			p.problem(Problem{
				Severity: Error, Check: "target", At: m.At,
				Message: m.Target.String() + " is a source of this mapping, and both sides are one database", Remedy: "name another table",
			})
			continue
		}
		if owner, taken := p.taken[m.Target]; taken {
			p.problem(Problem{
				Severity: Error, Check: "target", At: m.At, Message: "the target's table " + m.Target.String() + " belongs to " + owner.String(),
				Remedy: "give each table of the source a target of its own",
			})
			continue
		}
		p.taken[m.Target] = p.entry.Source
		p.targets = append(p.targets, t)
	}
	return !p.broken
}

// isSource says that the mapping takes rows from a table.
func (p *pairing) isSource(n Name) bool {
	return slices.ContainsFunc(p.mapping.Tables, func(m TableMap) bool { return m.Source == n && !m.Skip })
}

func (p *pairing) noTarget(m *TargetMap) {
	remedy := "create it, or correct the name"
	if near := similar(p.target, m.Target); near != "" {
		remedy += " (there is " + near + ")"
	}
	p.problem(Problem{Severity: Error, Check: "target", At: m.At, Message: "the target has no table " + m.Target.String(), Remedy: remedy})
}

// bind gives every entry of columns to the target that it is for.
func (p *pairing) bind() {
	for i := range p.entry.Columns {
		c := &p.entry.Columns[i]
		if c.Source != "" {
			p.declare(c)
		}
		if c.Target != "" {
			p.bindTarget(c)
		}
	}
}

func (p *pairing) declare(c *ColumnMap) {
	p.declared[c.Source] = true
	if p.source.Column(c.Source) == nil {
		p.problem(Problem{
			Severity: Error, Check: "column", Column: c.Source, At: c.At, Message: "the source's table has no such column",
			Remedy: "correct the name" + nearest(p.source, c.Source),
		})
	}
}

func (p *pairing) bindTarget(c *ColumnMap) {
	x := Problem{Severity: Error, Check: "column", Column: c.Target, At: c.At}
	t, name := p.owner(c.Target)
	switch {
	case t == nil && len(p.targets) > 1 && !strings.Contains(c.Target, "."):
		x.Message, x.Remedy = "there are several targets, and this may be a column of any", "write table.column"
	case t == nil:
		x.Message, x.Remedy = "no target of this table has such a name", "correct the name"
	case t.table.Column(name) == nil:
		x.Message, x.Remedy = "the target's table "+t.table.Name.String()+" has no such column", "create it, or correct the name"+nearest(t.table, name)
	case t.named[name] != nil:
		x.Message, x.Remedy = "gets its value twice", "keep one of the entries"
	default:
		t.named[name] = c
		return
	}
	p.problem(x)
}

// owner finds the target of "column" or "table.column".
func (p *pairing) owner(name string) (*targeting, string) {
	parts, err := SplitName(name)
	switch {
	case err != nil || len(parts) > 3:
		return nil, ""
	case len(parts) == 1 && len(p.targets) == 1:
		return p.targets[0], parts[0]
	}
	column := parts[len(parts)-1]
	for _, t := range p.targets {
		whole := []string{t.table.Name.Schema, t.table.Name.Name, column}
		if len(parts) > 1 && slices.Equal(parts, whole[3-len(parts):]) {
			return t, column
		}
	}
	return nil, ""
}

// nearest is a hint at a column that differs by capital letters only.
func nearest(t *Table, name string) string {
	for i := range t.Columns {
		if strings.EqualFold(t.Columns[i].Name, name) {
			return " (there is " + quoteIfNeeded(t.Columns[i].Name) + ")"
		}
	}
	return ""
}

// dropped warns of columns of the source that nothing is made of.
func (p *pairing) dropped() {
	for i := range p.source.Columns {
		c := &p.source.Columns[i]
		if p.used[c.Name] || p.declared[c.Name] || c.Generated {
			continue
		}
		p.problem(Problem{
			Severity: Warning, Check: "dropped", Column: c.Name, Message: "the target has nothing of it: its values are not mirrored",
			Remedy: "pair it with a column of the target, or list it alone with what the way back shall put there (down)",
		})
	}
}

// pair puts together what was found.
func (p *pairing) pair() *Pair {
	pair := &Pair{Source: p.source, Strict: p.defaults.Strict, Canary: true}
	if p.entry.Strict != nil {
		pair.Strict = *p.entry.Strict
	}
	if p.entry.Canary != nil {
		pair.Canary = *p.entry.Canary
	}
	index := map[string]int{}
	for i := range p.source.Columns {
		if name := p.source.Columns[i].Name; p.used[name] {
			index[name] = len(pair.Cells)
			pair.Cells = append(pair.Cells, *p.cells[name])
		}
	}
	for _, column := range p.key {
		pair.Key = append(pair.Key, index[column])
	}
	for _, t := range p.targets {
		for _, column := range p.key {
			t.out.Key = append(t.out.Key, KeyPair{Column: t.keyColumn(column), Cell: index[column]})
		}
		pair.Targets = append(pair.Targets, t.out)
	}
	pair.Same = p.same(pair)
	return pair
}
