package writes

import (
	"slices"

	"github.com/crossfade-db/crossfade/rewrite"
)

// definition is a statement that changes the catalog. One that changes what a
// mapped table is, or what a write of it does, is of class Definition; all others
// are done as ever, with the catalogs read again behind them.
func (p *Plan) definition(st *rewrite.Statement, env *Env) {
	p.Reloads = !st.Temporary
	p.Doubts = p.Reloads && !st.Upkeep && !st.Creates // a new name is one that the catalogs do not have
	if st.Creates {
		switch {
		case len(st.Writes) > 0: // of the query that fills it
			p.probe(WhyCTE)
		case runs(st, env), st.Executes != "":
			p.probe(WhyFunction)
		}
		p.events(st, env)
		return
	}
	p.Pairs = changed(st, env)
	switch {
	case len(p.Pairs) > 0:
		p.Class = Definition
		if runs(st, env) || env.Plan.Source.OnDefined {
			p.Why, p.Pairs = WhyFunction, append(p.Pairs, env.Plan.Pairs...)
		}
	case runs(st, env):
		p.probe(WhyFunction)
	default:
		p.events(st, env)
	}
}

// events: an event trigger may write with a definition. One that can be in no
// transaction cannot be asked about.
func (p *Plan) events(st *rewrite.Statement, env *Env) {
	switch {
	case !env.Plan.Source.OnDefined || p.Class != Pass:
	case st.Alone:
		p.Class, p.Why, p.Pairs = Copy, WhyTrigger, env.Plan.Pairs
	default:
		p.probe(WhyTrigger)
	}
}

// runs says that a definition calls volatile functions: for the rows of a table
// that it makes, fills or checks.
func runs(st *rewrite.Statement, env *Env) bool {
	if st.Alone {
		return false // what these compute is immutable
	}
	return volatile(st, env) || slices.ContainsFunc(mentioned(st), func(ref rewrite.Ref) bool {
		t, known := env.find(ref)
		return known && t != nil && (t.WriteActs && !st.Upkeep || t.ReadActs && t.Kind == rewrite.MaterializedView)
	})
}

func mentioned(st *rewrite.Statement) []rewrite.Ref {
	if st.Target.Name == "" {
		return st.Also
	}
	return append([]rewrite.Ref{st.Target}, st.Also...)
}

// changed are the pairs whose definition a statement changes.
func changed(st *rewrite.Statement, env *Env) []*rewrite.Pair {
	var pairs []*rewrite.Pair
	add := func(pair *rewrite.Pair) {
		if pair != nil && !slices.Contains(pairs, pair) {
			pairs = append(pairs, pair)
		}
	}
	if st.Upkeep {
		return nil
	}
	for _, ref := range mentioned(st) {
		if t, known := env.find(ref); known && t != nil {
			add(env.Plan.Pair(t.Name))
			continue
		}
		for _, pair := range env.Plan.Pairs { // DROP INDEX
			if hasKey(pair, ref) {
				add(pair)
			}
		}
	}
	for _, object := range st.Objects {
		for _, pair := range env.Plan.Pairs {
			if madeOf(pair, object, env.Plan.Source) {
				add(pair)
			}
		}
	}
	return pairs
}

// hasKey says that an index is a unique key of a mapped table.
func hasKey(pair *rewrite.Pair, index rewrite.Ref) bool {
	return (index.Schema == "" || index.Schema == pair.Source.Name.Schema) &&
		slices.ContainsFunc(pair.Source.Keys, func(k rewrite.Key) bool { return k.Name == index.Name })
}

// madeOf says that the definition of a mapped table, or of a partition of it, may
// change with an object.
func madeOf(pair *rewrite.Pair, object rewrite.Object, schema *rewrite.Schema) bool {
	meant := func(n rewrite.Name) bool {
		switch object.Kind {
		case rewrite.SchemaObject:
			return n.Schema == object.Ref.Name
		case rewrite.NamedObject:
			return n.Name == object.Ref.Name && (object.Ref.Schema == "" || object.Ref.Schema == n.Schema)
		case rewrite.AnyObject:
		}
		return true
	}
	in := object.Kind == rewrite.SchemaObject && slices.ContainsFunc(partsOf(pair, schema), meant)
	return in || object.Kind == rewrite.AnyObject || slices.ContainsFunc(pair.Source.Uses, meant) ||
		slices.ContainsFunc(pair.Source.Columns, func(c rewrite.Column) bool { return typed(c.Type, schema, meant, 0) })
}

// partsOf are the names of a table and its partitions.
func partsOf(pair *rewrite.Pair, schema *rewrite.Schema) []rewrite.Name {
	names := []rewrite.Name{pair.Source.Name}
	if pair.Source.Kind == rewrite.PartitionedTable {
		for name, t := range schema.Tables {
			if t.Parent == pair.Source.Name {
				names = append(names, name)
			}
		}
	}
	return names
}

const mostNested = 32 // types in types

// typed says that a type, or one that it is made of, is meant.
func typed(oid uint32, schema *rewrite.Schema, meant func(rewrite.Name) bool, depth int) bool {
	t := schema.Types[oid]
	if t == nil || depth > mostNested {
		return false
	}
	inner := func(oid uint32) bool { return oid != 0 && typed(oid, schema, meant, depth+1) }
	return !t.BuiltIn() && meant(t.Name) || inner(t.Element) || inner(t.Base) || slices.ContainsFunc(t.Fields, inner)
}
