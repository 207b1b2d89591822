package rewrite

import (
	"fmt"
	"strings"
)

// fit says whether values of a cell can become a column's by themselves.
type fit struct {
	ok                     bool
	check, message, remedy string // a warning where it is ok
}

// widening are the casts between types of numbers and texts that keep every
// value or refuse it, whatever the session's settings are.
var widening = map[[2]uint32]bool{
	{int2OID, int4OID}: true, {int2OID, int8OID}: true, {int2OID, numericOID}: true, {int2OID, float4OID}: true, {int2OID, float8OID}: true,
	{int4OID, int8OID}: true, {int4OID, numericOID}: true, {int4OID, float8OID}: true,
	{int8OID, numericOID}: true, {float4OID, float8OID}: true,
	{varcharOID, textOID}: true, {textOID, varcharOID}: true, {bpcharOID, textOID}: true, {bpcharOID, varcharOID}: true,
	{dateOID, timestampOID}: true,
}

// narrowing are those that refuse values, or drop trailing blanks.
var narrowing = map[[2]uint32]bool{
	{int4OID, int2OID}: true, {int8OID, int4OID}: true, {int8OID, int2OID}: true,
	{textOID, bpcharOID}: true, {varcharOID, bpcharOID}: true,
}

// instants are the types of which a cast goes by the session's time zone.
var instants = map[uint32]bool{dateOID: true, timestampOID: true, timestamptzOID: true}

// compare holds a cell against a column of the target.
func (t *targeting) compare(cell *Cell, from, to *Column) fit {
	a, b := t.target.base(cell.TargetType), t.target.base(to.Type)
	switch {
	case a == nil || b == nil:
		return fit{message: "its type " + to.SQLType + " is not known", remedy: "write how the value is made (up)"}
	case a == b:
		return narrower(from, to)
	case narrowing[[2]uint32{a.OID, b.OID}]:
		return fit{ok: true, check: "narrower", message: fmt.Sprintf("%s becomes %s: what it cannot hold is refused", from.SQLType, to.SQLType), remedy: "widen the target's column, if such values occur"}
	case widening[[2]uint32{a.OID, b.OID}]:
		return narrower(from, to)
	}
	return t.unfit(cell, from, to)
}

// narrower warns of a length or precision that is less than the source's.
func narrower(from, to *Column) fit {
	if !limited(to) || limited(from) && holds(from, to) {
		return fit{ok: true}
	}
	return fit{
		ok: true, check: "narrower", message: fmt.Sprintf("%s becomes %s: longer values are refused, and more precise ones rounded", from.SQLType, to.SQLType),
		remedy: "widen the target's column, if such values occur",
	}
}

// limited says that a column has a length or precision.
func limited(c *Column) bool { return c.Typmod >= 0 && strings.Contains(c.SQLType, "(") }

// holds says that a column's length or precision is enough for another's.
func holds(from, to *Column) bool {
	letters := func(t uint32) bool { return t == varcharOID || t == bpcharOID }
	switch {
	case from.Type == numericOID && to.Type == numericOID:
		a, b := from.Typmod-typmodHeader, to.Typmod-typmodHeader
		return a&0xffff <= b&0xffff && a>>16-a&0xffff <= b>>16-b&0xffff
	case from.Type == to.Type || letters(from.Type) && letters(to.Type):
		return from.Typmod <= to.Typmod
	}
	return false
}

// typmodHeader is what a modifier of numeric is moved by (VARHDRSZ; precision
// and scale are the halves of the rest, numeric.c).
const typmodHeader = 4

// unfit says what to write where no cast goes by itself.
func (t *targeting) unfit(cell *Cell, from, to *Column) fit {
	x := fit{message: fmt.Sprintf("%s does not become %s by itself", from.SQLType, to.SQLType)}
	source, label := t.sourceBase(from), quoteIfNeeded(from.Name)
	target := t.target.base(to.Type)
	switch {
	case source != nil && source.Kind == EnumType && target.Kind == EnumType && source.Name == target.Name:
		return fit{
			ok: true, check: "labels", message: fmt.Sprintf("%s lacks labels at the target: %s", to.SQLType, list(missing(source, target))),
			remedy: "ALTER TYPE … ADD VALUE at the target, or list what they become (values)",
		}
	case target.Kind == EnumType:
		x.remedy = "list what each word becomes (values), or write a cast (up: " + label + "::" + to.SQLType + ")"
	case instants[cell.TargetType] && instants[target.OID]:
		x.message += ", as the outcome hangs on the session's time zone"
		x.remedy = "name the zone (up: \"" + label + " AT TIME ZONE 'UTC'\")"
	default:
		x.remedy = "write how the value is made (up: " + label + "::" + to.SQLType + ")"
	}
	return x
}

// sourceBase is the type of a column of the source without its domains.
func (p *pairing) sourceBase(c *Column) *Type { return p.resolver.source.base(c.Type) }

// cast casts an expression to a column's type. Types of a length are named
// without it: an explicit cast would cut what is too long, where the assignment
// that follows refuses it.
func (t *targeting) cast(expression string, c *Column) string {
	return "CAST((" + expression + ") AS " + t.castType(c) + ")"
}

func (t *targeting) castType(c *Column) string {
	of := t.target.base(c.Type)
	if of == nil {
		return c.SQLType
	}
	element := of
	if of.Kind == ArrayType {
		element = t.target.base(of.Element)
	}
	if element != nil {
		switch element.OID {
		case varcharOID, bpcharOID, bitOID, varbitOID:
			return typeSQL(of, t.target)
		}
	}
	return c.SQLType
}
