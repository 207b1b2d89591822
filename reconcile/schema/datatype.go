package schema

import "github.com/crossfade-db/crossfade/rewrite"

// typeQuery reads all types. An array is what is the array of some type:
// int2vector and its like have elements and are none. The multirange of a range
// exists from 14 on and is read by name.
const typeQuery = `SELECT t.oid, n.nspname, t.typname,
  CASE WHEN e.oid IS NULL THEN t.typtype ELSE 'a' END,
  coalesce(e.oid, r.rngsubtype, m.rngtypid), t.typarray, t.typbasetype,
  (SELECT json_agg(a.atttypid::int8 ORDER BY a.attnum) FROM pg_attribute a
    WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped),
  (SELECT json_agg(l.enumlabel ORDER BY l.enumsortorder) FROM pg_enum l WHERE l.enumtypid = t.oid),
  t.typsend <> 0 AND t.typreceive <> 0,
  t.typtype = 'b' AND EXISTS (SELECT FROM pg_opclass o JOIN pg_am m ON m.oid = o.opcmethod
    WHERE o.opcdefault AND m.amname IN ('btree', 'hash')
      AND (o.opcintype = t.oid OR EXISTS (SELECT FROM pg_cast c
        WHERE c.castsource = t.oid AND c.casttarget = o.opcintype AND c.castmethod = 'b' AND c.castcontext = 'i'))),
  t.typtype = 'c' AND t.typrelid IN (SELECT c.oid FROM pg_class c WHERE c.relpersistence = 't')
FROM pg_type t
JOIN pg_namespace n ON n.oid = t.typnamespace
LEFT JOIN pg_type e ON e.typarray = t.oid
LEFT JOIN pg_range r ON r.rngtypid = t.oid
LEFT JOIN pg_range m ON (to_jsonb(m) ->> 'rngmultitypid')::oid = t.oid`

func (l *loading) datatype(f *fields) {
	t := &rewrite.Type{OID: f.oid(), Name: f.name(), Kind: rewrite.TypeKind(f.letter())}
	t.Element, t.Array, t.Base = f.oid(), f.oid(), f.oid()
	f.json(&t.Fields)
	f.json(&t.Labels)
	t.Binary, t.Equality = f.flag(), f.flag()
	if temporary := f.flag(); !temporary {
		l.schema.Types[t.OID] = t
	}
}

// settleTypes decides of types that are made of others whether they have a
// binary form and equality: they have functions for it in any case, which fail
// where a part has none (array_send, record_eq).
func settleTypes(types map[uint32]*rewrite.Type) {
	binary, equality := map[uint32]bool{}, map[uint32]bool{}
	for oid := range types {
		binary[oid] = parts{types, func(t *rewrite.Type) bool { return t.Binary }}.hold(oid, 0)
		equality[oid] = parts{types, func(t *rewrite.Type) bool { return t.Equality }}.hold(oid, 0)
	}
	for oid, t := range types {
		t.Binary, t.Equality = binary[oid], equality[oid]
	}
}

// mostNested is how deep types are looked into; what lies deeper has neither.
const mostNested = 32

// parts asks a question of the types that a type is made of.
type parts struct {
	types map[uint32]*rewrite.Type
	plain func(*rewrite.Type) bool
}

func (p parts) hold(oid uint32, depth int) bool {
	t := p.types[oid]
	if t == nil || depth > mostNested {
		return false
	}
	switch t.Kind {
	case rewrite.ArrayType, rewrite.RangeType, rewrite.MultirangeType:
		return p.hold(t.Element, depth+1)
	case rewrite.DomainType:
		return p.hold(t.Base, depth+1)
	case rewrite.CompositeType:
		for _, field := range t.Fields {
			if !p.hold(field, depth+1) {
				return false
			}
		}
		return true
	case rewrite.EnumType:
		return true
	case rewrite.BaseType, rewrite.PseudoType:
		return p.plain(t)
	}
	return false
}
