package image

import (
	"strconv"
	"strings"

	"github.com/crossfade-db/crossfade/rewrite"
)

func number(prefix string, n int) string { return prefix + strconv.Itoa(n) }

// mapped is the sub-select m: the fields of images whose cells are given, of
// those for which condition holds.
func (m *mapper) mapped(cells []int, f form, columns []string, condition string) string {
	if f == all {
		columns = append(columns, rewrite.Quote(m.ordinal)+" AS ord")
	}
	where := ""
	if condition != "" {
		where = " WHERE " + condition
	}
	return "(SELECT " + strings.Join(columns, ", ") + " FROM " + m.cells(cells, f) + where + ") AS m"
}

// cells is the sub-select that the expressions of the mapping see.
func (m *mapper) cells(cells []int, f form) string {
	var columns []string
	for n, i := range cells {
		c := &m.pair.Cells[i]
		columns = append(columns, m.cell(n+1, c, f)+" AS "+rewrite.Quote(c.Column))
	}
	if f == all {
		first := &m.pair.Cells[cells[0]]
		columns = append(columns, "pg_catalog.generate_subscripts("+array(1, first)+", 1) AS "+rewrite.Quote(m.ordinal))
	}
	return "(SELECT " + strings.Join(columns, ", ") + " OFFSET 0) AS " + rewrite.Quote(m.pair.Source.Name.Name)
}

// cell is a parameter as a value of its cell's type. A set of the select list
// keeps composites whole, which unnest in FROM would take apart.
func (m *mapper) cell(n int, c *rewrite.Cell, f form) string {
	if f == one {
		return parameter(n, c)
	}
	if c.Binary {
		return "pg_catalog.unnest(" + array(n, c) + ")"
	}
	return "pg_catalog.unnest(" + array(n, c) + ")::" + bare(c.TargetSQLType)
}

func parameter(n int, c *rewrite.Cell) string {
	if c.Binary {
		return number("$", n) + "::" + bare(c.TargetSQLType)
	}
	return number("$", n) + "::pg_catalog.text::" + bare(c.TargetSQLType)
}

func array(n int, c *rewrite.Cell) string {
	if c.Binary {
		return number("$", n) + "::" + bare(c.TargetSQLType) + "[]"
	}
	return number("$", n) + "::pg_catalog.text[]"
}

func (m *mapper) everyCell() []int {
	cells := make([]int, len(m.pair.Cells))
	for i := range cells {
		cells[i] = i
	}
	return cells
}

// value is what an assignment gives, cast to a type of the server.
func value(a *rewrite.Assignment) string {
	if a.Column.Type >= rewrite.FirstUserOID {
		return "(" + a.Up + ")"
	}
	return cast(a.Up, a.Column.SQLType)
}

// values are the fields as columns of m.
func values(fields []field) []string {
	var columns []string
	for i := range fields {
		columns = append(columns, fields[i].up+" AS "+fields[i].name)
	}
	return columns
}

// when is the condition of images that have a row here.
func (m *mapper) when() string {
	if m.target.When == "" {
		return ""
	}
	return "(" + m.target.When + ")"
}

// match joins t and m by the target's key.
func (m *mapper) match(t string) string {
	var terms []string
	for i := range m.keys {
		k := &m.keys[i]
		terms = append(terms, t+"."+rewrite.Quote(k.column.Name)+" "+operator("=", k.column.Type)+" m."+k.name)
	}
	return strings.Join(terms, " AND ")
}

// operator is that of the server for types of the server; for a type of a user
// it is found by search_path, since the catalog names no schema for it.
func operator(name string, types ...uint32) string {
	for _, t := range types {
		if t >= rewrite.FirstUserOID {
			return name
		}
	}
	return "OPERATOR(pg_catalog." + name + ")"
}
