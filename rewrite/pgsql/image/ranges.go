package image

import (
	"slices"
	"strings"

	"github.com/crossfade-db/crossfade/rewrite"
)

// bounds compares the columns of a key, as one row, with the cells of low and
// high; next is the number of the parameter after them.
type bounds struct {
	columns []string
	types   []uint32
	cell    func(n, key int) string // the n-th parameter as a value for that column of the key
}

func (b *bounds) where(low, high bool) (where string, next int) {
	var terms []string
	next = 1
	if low {
		terms = append(terms, b.term(">", next))
		next += len(b.columns)
	}
	if high {
		terms = append(terms, b.term("<=", next))
		next += len(b.columns)
	}
	if len(terms) == 0 {
		return "", next
	}
	return " WHERE " + strings.Join(terms, " AND "), next
}

func (b *bounds) term(op string, first int) string {
	var cells []string
	for i := range b.columns {
		cells = append(cells, b.cell(first+i, i))
	}
	op = " " + operator(op, b.types...) + " "
	if len(cells) == 1 {
		return b.columns[0] + op + cells[0]
	}
	return "ROW(" + strings.Join(b.columns, ", ") + ")" + op + "ROW(" + strings.Join(cells, ", ") + ")"
}

func (m *mapper) rangeText(low, high bool) string {
	fields, ok := m.keyByCell()
	if !ok {
		return ""
	}
	b := bounds{cell: func(n, key int) string {
		return cast(parameter(n, &m.pair.Cells[m.pair.Key[key]]), fields[key].column.SQLType)
	}}
	var out []string
	for i := range fields {
		b.columns = append(b.columns, "t."+rewrite.Quote(fields[i].column.Name))
		b.types = append(b.types, fields[i].column.Type)
		out = append(out, asCell(b.columns[i], fields[i].column.Type, &m.pair.Cells[m.pair.Key[i]]))
	}
	where, next := b.where(low, high)
	return "SELECT " + strings.Join(out, ", ") + " FROM " + m.target.Table.Name.SQL() + " AS t" + where +
		" ORDER BY " + strings.Join(b.columns, ", ") + " LIMIT " + number("$", next) + "::bigint"
}

// keyByCell gives the columns of the target's key in the order of the pair's.
func (m *mapper) keyByCell() ([]field, bool) {
	if len(m.target.Key) != len(m.pair.Key) {
		return nil, false
	}
	var fields []field
	for _, cell := range m.pair.Key {
		i := slices.IndexFunc(m.target.Key, func(k rewrite.KeyPair) bool { return k.Cell == cell })
		if i < 0 || !m.keys[i].plain {
			return nil, false
		}
		fields = append(fields, m.keys[i])
	}
	return fields, true
}

// asCell is a column of the target as a value of its cell, NULL where that
// cannot hold the number.
func asCell(column string, from uint32, c *rewrite.Cell) string {
	value := cast(column, c.TargetSQLType)
	limits, integer := integers[c.TargetType]
	if !integer || from == c.TargetType {
		return value
	}
	within := column + " OPERATOR(pg_catalog.>=) '" + limits[0] + "' AND " + column + " OPERATOR(pg_catalog.<=) '" + limits[1] + "'"
	switch from {
	case int2, int4, int8:
		if wider(c.TargetType, from) {
			return value
		}
	case numeric:
		within += " AND pg_catalog.trunc(" + column + ") OPERATOR(pg_catalog.=) " + column
	default:
		return value
	}
	return "CASE WHEN " + within + " THEN " + value + " END"
}
