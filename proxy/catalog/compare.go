package catalog

import (
	"cmp"
	"slices"
)

// Differences are what a target lacks of what a source has, or has otherwise,
// in order of their names. Row types and arrays are not among the types: they
// follow from their tables and elements. Whatever belongs to the system is not
// among either.
type Differences struct {
	OtherNumbers []Name // types whose numbers, or the numbers in them, differ
	NoTypes      []Name // types that the target lacks
	NoRelations  []Relation
	Columns      []ColumnDifferences
	Sequences    int // of the source
}

// Relation is one that the target lacks.
type Relation struct {
	Name
	Kind string // table, view, …
}

// ColumnDifferences are those of one relation that both sides have.
type ColumnDifferences struct {
	Table      Name
	Missing    []string // that the target lacks
	OtherTypes []string // whose types differ by name or type modifier
}

// Compare lists the differences of two catalogs.
func Compare(source, target *Catalog) Differences {
	var d Differences
	pair := NewPair(source, target)
	for oid, t := range source.types {
		if t.name.system() || t.category == categoryArray || source.rowType(t) {
			continue
		}
		other, there := target.typeNames[t.name]
		switch {
		case !there:
			d.NoTypes = append(d.NoTypes, t.name)
		case other != oid || !pair.SameType(oid):
			d.OtherNumbers = append(d.OtherNumbers, t.name)
		}
	}
	for _, r := range source.relations {
		if !r.name.system() && r.kind != relComposite {
			d.relation(source, target, r)
		}
	}
	d.sort()
	return d
}

func (d *Differences) relation(source, target *Catalog, r *relation) {
	if r.kind == relSequence {
		d.Sequences++
	}
	twin := target.relNames[r.name]
	if twin == nil || twin.kind == relComposite {
		d.NoRelations = append(d.NoRelations, Relation{r.name, relationKind(r.kind)})
		return
	}
	columns := make(map[string]column, len(twin.columns))
	for _, c := range twin.columns {
		columns[c.name] = c
	}
	found := ColumnDifferences{Table: r.name}
	for _, c := range r.columns {
		other, there := columns[c.name]
		switch {
		case !there:
			found.Missing = append(found.Missing, c.name)
		case c.typmod != other.typmod || source.typeName(c.typ) != target.typeName(other.typ):
			found.OtherTypes = append(found.OtherTypes, c.name)
		}
	}
	if len(found.Missing)+len(found.OtherTypes) > 0 {
		d.Columns = append(d.Columns, found)
	}
}

func (d *Differences) sort() {
	slices.SortFunc(d.NoTypes, byName)
	slices.SortFunc(d.OtherNumbers, byName)
	slices.SortFunc(d.NoRelations, func(a, b Relation) int { return byName(a.Name, b.Name) })
	slices.SortFunc(d.Columns, func(a, b ColumnDifferences) int { return byName(a.Table, b.Table) })
}

func byName(a, b Name) int {
	return cmp.Or(cmp.Compare(a.Schema, b.Schema), cmp.Compare(a.Name, b.Name))
}

// rowType reports whether a type is the row of a table or view.
func (c *Catalog) rowType(t *typ) bool {
	r := c.relations[t.relation]
	return t.kind == kindComposite && (r == nil || r.kind != relComposite)
}

// typeName is the name of a type; the zero Name if there is none.
func (c *Catalog) typeName(oid uint32) Name {
	if t := c.types[oid]; t != nil {
		return t.name
	}
	return Name{}
}

// system reports whether a name lies in a schema of the system's own (manual,
// 5.10.5 and 36): there the versions differ, and no application keeps rows.
func (n Name) system() bool {
	switch n.Schema {
	case "pg_catalog", "information_schema", "pg_toast":
		return true
	default:
		return false
	}
}

func relationKind(kind string) string {
	switch kind {
	case "r", "p":
		return "table"
	case "v":
		return "view"
	case "m":
		return "materialized view"
	case "f":
		return "foreign table"
	case relSequence:
		return "sequence"
	default:
		return "relation"
	}
}
