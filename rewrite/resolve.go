package rewrite

import (
	"cmp"
	"slices"
	"strings"
)

// Severity says what a problem means for its table.
type Severity string

// Severities.
const (
	Error   Severity = "error"   // the table is not mirrored
	Warning Severity = "warning" // it is, and something may be lost or refused
	Info    Severity = "info"
)

// Problem is something that the catalogs have against a mapping.
type Problem struct {
	Severity Severity
	Check    string // a word: table, target, key, column, type, values, expression, labels, narrower, dropped, identity, order
	Table    string // of the source, as users write it
	Column   string // empty: the table as a whole
	At       At     // zero: nothing in the file is to blame
	Message  string
	Remedy   string
}

// Defaults are what a table has that does not say otherwise.
type Defaults struct {
	Strict bool
	// OneServer: both schemas are of one database, where a table of the same name
	// is the table itself.
	OneServer bool
}

// Resolve holds a mapping against the catalogs of both sides. Listed tables
// come as declared; every other table of the source that has a table of the
// same name at the target maps to it. A table with a problem that is an Error
// is not in the plan. No mapping is an empty plan.
func Resolve(m *Mapping, source, target *Schema, defaults Defaults) (*Plan, []Problem) {
	r := &resolver{
		plan: &Plan{Source: source, Target: target}, source: source, target: target,
		defaults: defaults, taken: map[Name]Name{}, mapping: m,
	}
	if m == nil {
		return r.plan, nil
	}
	r.listed(m)
	if !defaults.OneServer {
		r.unlisted(m)
	}
	slices.SortFunc(r.plan.Pairs, func(a, b *Pair) int { return cmp.Compare(a.Name(), b.Name()) })
	return r.plan, r.problems
}

type resolver struct {
	plan           *Plan
	source, target *Schema
	mapping        *Mapping
	defaults       Defaults
	problems       []Problem
	taken          map[Name]Name // tables of the target, and the source's that has each
}

func (r *resolver) listed(m *Mapping) {
	seen := map[Name]bool{}
	for i := range m.Tables {
		t := &m.Tables[i]
		switch {
		case seen[t.Source]:
			r.report(t, Problem{Severity: Error, Check: "table", Message: "is listed twice", Remedy: "keep one of the entries"})
		case t.Skip:
			if r.source.Tables[t.Source] == nil {
				r.report(t, r.absent(t.Source))
			}
		default:
			r.table(t)
		}
		seen[t.Source] = true
	}
}

// unlisted maps what the file does not name to the table of the same name.
func (r *resolver) unlisted(m *Mapping) {
	listed := map[Name]bool{}
	for i := range m.Tables {
		listed[m.Tables[i].Source] = true
	}
	for _, t := range r.tables() {
		if listed[t.Name] || t.Parent != (Name{}) || !mappable(t) || foreign(t.Name.Schema) {
			continue
		}
		entry := &TableMap{Source: t.Name, Targets: []TargetMap{{Target: t.Name}}}
		switch other := r.target.Tables[t.Name]; {
		case other == nil:
			r.report(entry, Problem{
				Severity: Info, Check: "target", Message: "the target has no table of this name: its rows are not mirrored",
				Remedy: "create it, name the table that it becomes, or leave it out (skip: true)",
			})
		case r.taken[t.Name] != (Name{}):
			r.report(entry, Problem{
				Severity: Warning, Check: "target", Message: "the table of this name at the target belongs to " + r.taken[t.Name].String() + ": its rows are not mirrored",
				Remedy: "name the table that it becomes, or leave it out (skip: true)",
			})
		default:
			r.table(entry)
		}
	}
}

// tables are those of the source by name.
func (r *resolver) tables() []*Table {
	var all []*Table
	for _, t := range r.source.Tables {
		all = append(all, t)
	}
	slices.SortFunc(all, func(a, b *Table) int { return cmp.Compare(a.Name.String(), b.Name.String()) })
	return all
}

// foreign says that a schema is not the application's.
func foreign(schema string) bool {
	return strings.HasPrefix(schema, "pg_") || schema == "information_schema" || schema == "crossfade"
}

func mappable(t *Table) bool { return t.Kind == OrdinaryTable || t.Kind == PartitionedTable }

// table makes the pair of one entry, and keeps it if nothing is an error.
func (r *resolver) table(m *TableMap) {
	p := &pairing{resolver: r, entry: m, cells: map[string]*Cell{}, used: map[string]bool{}, declared: map[string]bool{}}
	if pair := p.resolve(); pair != nil && !p.broken {
		r.plan.Pairs = append(r.plan.Pairs, pair)
	}
}

func (r *resolver) report(m *TableMap, p Problem) {
	p.Table = m.Source.String()
	if p.At == (At{}) {
		p.At = m.At
	}
	r.problems = append(r.problems, p)
}

// absent says that the source has no such table, and which may be meant.
func (r *resolver) absent(n Name) Problem {
	p := Problem{Severity: Error, Check: "table", Message: "the source has no such table", Remedy: "correct the name, or remove the entry"}
	if near := similar(r.source, n); near != "" {
		p.Remedy = "correct the name (there is " + near + "), or remove the entry"
	}
	return p
}

// similar finds a table that differs by its schema, or by capital letters.
func similar(s *Schema, n Name) string {
	var near []string
	for other := range s.Tables {
		if strings.EqualFold(other.Name, n.Name) {
			near = append(near, other.String())
		}
	}
	slices.Sort(near)
	if len(near) == 0 {
		return ""
	}
	return near[0]
}
