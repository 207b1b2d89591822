package schema

import (
	"maps"
	"slices"

	"github.com/crossfade-db/crossfade/rewrite"
)

// referred is the class of what an object depends on, and known leaves out all
// that calls nothing. The server's own objects are not noted in pg_depend at all.
const (
	referred = `CASE d.refclassid WHEN 'pg_proc'::regclass THEN 'f' WHEN 'pg_operator'::regclass THEN 'o'
  WHEN 'pg_type'::regclass THEN 't' ELSE 'r' END`
	known = `d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass, 'pg_type'::regclass, 'pg_class'::regclass)`
)

// dependQuery reads what the query of a view (v) calls and reads, and the
// defaults (d), checks (c) and policies in force (p) of a table.
const dependQuery = `SELECT 'v', w.ev_class, ` + referred + `, d.refobjid
FROM pg_rewrite w JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid
WHERE w.rulename = '_RETURN' AND d.refobjid >= 16384 AND d.refobjid <> w.ev_class AND ` + known + `
UNION
SELECT 'd', a.adrelid, ` + referred + `, d.refobjid
FROM pg_attrdef a JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = a.oid
WHERE d.refobjid >= 16384 AND d.refclassid <> 'pg_class'::regclass AND ` + known + `
UNION
SELECT 'c', k.conrelid, ` + referred + `, d.refobjid
FROM pg_constraint k JOIN pg_depend d ON d.classid = 'pg_constraint'::regclass AND d.objid = k.oid
WHERE k.contype IN ('c', 'x') AND k.conrelid <> 0 AND d.refobjid >= 16384 AND d.refclassid <> 'pg_class'::regclass AND ` + known + `
UNION
SELECT 'p', p.polrelid, ` + referred + `, d.refobjid
FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid AND c.relrowsecurity
JOIN pg_depend d ON d.classid = 'pg_policy'::regclass AND d.objid = p.oid
WHERE d.refobjid >= 16384 AND d.refobjid <> p.polrelid AND ` + known

// objectID is an object of the catalog: a function (f), an operator (o), a type
// (t) or a relation (r).
type objectID struct {
	class byte
	oid   uint32
}

// reach is what calls what, while the catalog is read.
type reach struct {
	names map[objectID]rewrite.Name // of functions and operators of users
	acts  map[objectID]bool         // those that are volatile, or run one
	made  map[uint32]bool           // types whose values are made with one of these
	used  map[uint32]bool           // types whose values are converted or compared with one
	reads map[uint32][]objectID     // what reading a relation calls and reads
	calls map[uint32][]objectID     // what writing one does
}

func newReach() *reach {
	return &reach{
		names: map[objectID]rewrite.Name{}, acts: map[objectID]bool{}, made: map[uint32]bool{}, used: map[uint32]bool{},
		reads: map[uint32][]objectID{}, calls: map[uint32][]objectID{},
	}
}

func (l *loading) depend(f *fields) {
	kind, relation, what := f.letter(), f.oid(), objectID{f.letter(), f.oid()}
	if kind == 'v' || kind == 'p' {
		l.reach.reads[relation] = append(l.reach.reads[relation], what)
	}
	if kind != 'v' {
		l.reach.calls[relation] = append(l.reach.calls[relation], what)
	}
}

// settleReach says of every relation whether to read or write it may call a
// volatile function.
func (l *loading) settleReach() {
	l.settleActs()
	for _, t := range l.tables {
		for _, c := range t.Columns {
			t.ReadActs = t.ReadActs || l.reach.used[c.Type]
			t.WriteActs = t.WriteActs || l.reach.used[c.Type] || l.reach.made[c.Type]
		}
		l.uses(t)
	}
	for again := true; again; { // views of views
		again = false
		for oid, t := range l.tables {
			if !t.ReadActs && slices.ContainsFunc(l.reach.reads[oid], l.runs) {
				t.ReadActs, again = true, true
			}
		}
	}
	for oid, t := range l.tables {
		t.WriteActs = t.WriteActs || slices.ContainsFunc(l.reach.calls[oid], l.runs)
	}
}

// uses notes what a table's definition is made with.
func (l *loading) uses(t *rewrite.Table) {
	for _, what := range l.reach.calls[t.OID] {
		if name, ok := l.reach.names[what]; ok {
			t.Uses = append(t.Uses, name)
		}
	}
	for _, g := range t.Triggers {
		t.Uses = append(t.Uses, g.Function)
	}
}

// runs says that an object is one that acts; what a materialized view has was
// there before.
func (l *loading) runs(what objectID) bool {
	switch what.class {
	case 'r':
		t := l.tables[what.oid]
		return t != nil && t.ReadActs && t.Kind != rewrite.MaterializedView
	case 't':
		return l.reach.made[what.oid]
	default:
		return l.reach.acts[what]
	}
}

// settleActs takes types that are made of others into account, and enters the
// names of types.
func (l *loading) settleActs() {
	types := l.schema.Types
	for _, set := range []map[uint32]bool{l.reach.made, l.reach.used} {
		if len(set) == 0 {
			continue
		}
		direct := maps.Clone(set)
		for oid := range types {
			if (parts{types, nil}).some(oid, direct, 0) {
				set[oid] = true
			}
		}
	}
	l.schema.TypesAct = len(l.reach.made) > 0
	for oid := range l.reach.made {
		if t := types[oid]; t != nil && !t.BuiltIn() {
			l.volatile(t.Name)
		}
	}
	for _, schemas := range l.schema.Volatile {
		slices.Sort(schemas)
	}
}

// some says that a type, or one that it is made of, is in a set.
func (p parts) some(oid uint32, set map[uint32]bool, depth int) bool {
	t := p.types[oid]
	switch {
	case set[oid]:
		return true
	case t == nil || depth > mostNested:
		return false
	}
	inner := func(oid uint32) bool { return oid != 0 && p.some(oid, set, depth+1) }
	return inner(t.Element) || inner(t.Base) || slices.ContainsFunc(t.Fields, inner)
}
