package rewrite

import "slices"

// Numbers of types that mean the same on every server (pg_type.dat).
const (
	int8OID        = 20
	int2OID        = 21
	int4OID        = 23
	textOID        = 25
	float4OID      = 700
	float8OID      = 701
	bpcharOID      = 1042
	varcharOID     = 1043
	dateOID        = 1082
	timestampOID   = 1114
	timestamptzOID = 1184
	bitOID         = 1560
	varbitOID      = 1562
	numericOID     = 1700
)

// numbered are types whose binary form is the number of an object of one
// server; their text is its name.
var numbered = []uint32{24, 2202, 2203, 2204, 2205, 2206, 3734, 3769, 4089, 4096, 4191}

// cell says how a column of the source travels; nil if it cannot, which has
// been said then.
func (p *pairing) cell(column string) *Cell {
	if c, known := p.cells[column]; known {
		return c
	}
	from := p.source.Column(column)
	if from == nil {
		return nil
	}
	var cell *Cell
	if to := p.typeAt(from.Type); to != nil {
		cell = &Cell{
			Column: column, Type: from.Type, TargetType: to.OID, TargetSQLType: typeSQL(to, p.target),
			Binary: p.binary(from.Type) && to.Binary,
		}
	} else {
		p.problem(Problem{
			Severity: Error, Check: "type", Column: column, Message: "its type " + from.SQLType + " does not exist at the target, or is another",
			Remedy: "create the type there, with the same schema, name and parts",
		})
	}
	p.cells[column] = cell
	return cell
}

// typeAt finds what a type of the source is at the target; nil: nothing.
func (r *resolver) typeAt(oid uint32) *Type {
	from := r.source.Types[oid]
	switch {
	case from == nil:
		return nil
	case from.BuiltIn():
		return r.target.Types[oid]
	}
	switch from.Kind {
	case ArrayType:
		if element := r.typeAt(from.Element); element != nil {
			return r.target.Types[element.Array]
		}
		return nil
	case EnumType:
		if to := r.target.TypeNamed(from.Name); to != nil && to.Kind == EnumType && len(missing(from, to)) == 0 {
			return to
		}
		return r.target.Types[textOID]
	case DomainType:
		if to := r.target.TypeNamed(from.Name); to != nil && to.Kind == DomainType {
			return to
		}
		return r.typeAt(from.Base)
	case BaseType, CompositeType, RangeType, MultirangeType, PseudoType:
		if to := r.target.TypeNamed(from.Name); to != nil && to.Kind == from.Kind && r.alike(from, to) {
			return to
		}
	}
	return nil
}

// alike says that two types of one name have the same fields, or elements.
func (r *resolver) alike(from, to *Type) bool {
	if from.Element != 0 {
		element := r.typeAt(from.Element)
		return element != nil && element.OID == to.Element
	}
	return slices.EqualFunc(from.Fields, to.Fields, func(a, b uint32) bool {
		field := r.typeAt(a)
		return field != nil && field.OID == b
	})
}

// missing are the labels of an enum that another lacks.
func missing(from, to *Type) []string {
	var lacking []string
	for _, label := range from.Labels {
		if !slices.Contains(to.Labels, label) {
			lacking = append(lacking, label)
		}
	}
	return lacking
}

// binary says that values of a type may travel in binary: there is such a form,
// and it means the same on another server once the numbers of types in it are
// translated.
func (r *resolver) binary(oid uint32) bool {
	t := r.source.Types[oid]
	if t == nil || !t.Binary || slices.Contains(numbered, oid) {
		return false
	}
	switch t.Kind {
	case ArrayType, RangeType, MultirangeType:
		return r.binary(t.Element)
	case DomainType:
		return r.binary(t.Base)
	case CompositeType:
		return !slices.ContainsFunc(t.Fields, func(f uint32) bool { return !r.binary(f) })
	case BaseType, EnumType, PseudoType:
	}
	return true
}

// typeSQL is a type as statements of ours write it. "char", bit and bpchar are
// other types without their quotes.
func typeSQL(t *Type, s *Schema) string {
	if t.Kind == ArrayType {
		if element := s.Types[t.Element]; element != nil {
			return typeSQL(element, s) + "[]"
		}
	}
	return t.Name.SQL()
}

// base is a type without its domains.
func (s *Schema) base(oid uint32) *Type {
	t := s.Types[oid]
	for depth := 0; t != nil && t.Kind == DomainType && depth < mostDomains; depth++ {
		t = s.Types[t.Base]
	}
	return t
}

// mostDomains bounds a chain of domains over domains.
const mostDomains = 32
