package catalog

import (
	"cmp"
	"slices"
)

// Pair is what the numbers of the target mean at the source. It never changes;
// when either catalog has, a new one takes its place.
//
// A nil *Pair is that of two servers of which nothing is known: only the
// built-in plain values are the same, and no table is.
type Pair struct {
	plain  set                 // plain types that both servers have
	same   map[uint32]struct{} // other types that are one on both sides
	tables map[uint32]table    // by their numbers at the target
	types  map[uint32]*typ     // of the target
}

// table is where a relation of the target lies at the source.
type table struct {
	source  uint32  // 0: nowhere
	serial  bool    // it is a sequence, whose values are each server's own
	columns []place // in the order of the target's numbers
}

// place is where a column of the target lies at the source.
type place struct {
	target int16  // its number there
	number uint16 // at the source; 0: there is none
	typ    uint32 // at the source, as a result shows it
	typmod int32
}

// NewPair compares two catalogs, in time and memory linear in their sizes.
func NewPair(source, target *Catalog) *Pair {
	p := &Pair{same: map[uint32]struct{}{}, tables: make(map[uint32]table, len(target.relations)), types: target.types}
	s := &sameness{source: source, target: target, known: map[uint32]bool{}}
	for oid := range target.types {
		switch {
		case oid < firstAssigned && plain.has(oid) && s.sameName(oid):
			p.plain.add(oid)
		case oid >= firstAssigned && s.same(oid):
			p.same[oid] = struct{}{}
		}
	}
	for oid, r := range target.relations {
		p.tables[oid] = tableOf(source, r)
	}
	return p
}

// tableOf looks a relation of the target up at the source, by its name and the
// names of its columns.
func tableOf(source *Catalog, r *relation) table {
	t := table{serial: r.kind == "S"}
	var twin map[string]place
	if at := source.relNames[r.name]; at != nil {
		t.source = at.oid
		twin = make(map[string]place, len(at.columns))
		for _, c := range at.columns {
			base, typmod := source.resolve(c.typ, c.typmod)
			twin[c.name] = place{number: uint16(c.number), typ: base, typmod: typmod}
		}
	}
	t.columns = make([]place, 0, len(r.columns))
	for _, c := range r.columns {
		at := twin[c.name]
		at.target = c.number
		t.columns = append(t.columns, at)
	}
	return t
}

// column finds a column by its number at the target.
func (t table) column(number int16) (place, bool) {
	at, found := slices.BinarySearchFunc(t.columns, number, func(p place, number int16) int {
		return cmp.Compare(p.target, number)
	})
	if !found {
		return place{}, false
	}
	return t.columns[at], true
}

// SameType reports whether a type's number means the same on both sides: a
// built-in type of plain values that both have, or a type of equal qualified
// name, number and structure (element, base, range and attribute types as
// well). It is false for what names things of one server, such as oid, the reg
// types and transaction ids, and for their arrays.
func (p *Pair) SameType(oid uint32) bool {
	switch {
	case oid >= firstAssigned:
		return p.sameAssigned(oid)
	case p == nil:
		return plain.has(oid)
	default:
		return p.plain.has(oid)
	}
}

func (p *Pair) sameAssigned(oid uint32) bool {
	if p == nil {
		return false
	}
	_, same := p.same[oid]
	return same
}

// sameness compares the types of two catalogs.
type sameness struct {
	source, target *Catalog
	known          map[uint32]bool // a type that is being compared is false: no type contains itself
}

// sameName reports whether both have a type of this number, of one name and kind.
func (s *sameness) sameName(oid uint32) bool {
	a, b := s.source.types[oid], s.target.types[oid]
	return a != nil && b != nil && a.name == b.name && a.kind == b.kind
}

// same reports whether a type of the target and all that it consists of are the
// source's of the same numbers.
func (s *sameness) same(oid uint32) bool {
	if oid < firstAssigned {
		return plain.has(oid) && s.sameName(oid)
	}
	if same, known := s.known[oid]; known {
		return same
	}
	s.known[oid] = false
	s.known[oid] = s.sameName(oid) && s.sameParts(s.source.types[oid], s.target.types[oid])
	return s.known[oid]
}

func (s *sameness) sameParts(a, b *typ) bool {
	if a.element != b.element || a.base != b.base || a.subtype != b.subtype || a.typmod != b.typmod {
		return false
	}
	for _, part := range [...]uint32{b.element, b.base, b.subtype} {
		if part != 0 && !s.same(part) {
			return false
		}
	}
	return b.kind != kindComposite || s.sameColumns(s.source.relations[a.relation], s.target.relations[b.relation])
}

// sameColumns compares composites by what a value of theirs has: its fields, in
// order. Dropped columns are not in a value, and the numbers of the relations
// and columns do not matter.
func (s *sameness) sameColumns(a, b *relation) bool {
	if a == nil || b == nil || len(a.columns) != len(b.columns) {
		return false
	}
	for i, c := range b.columns {
		if twin := a.columns[i]; twin.name != c.name || twin.typ != c.typ || !s.same(c.typ) {
			return false
		}
	}
	return true
}
