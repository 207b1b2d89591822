package rewrite

import (
	"fmt"
	"slices"
	"strings"
)

// values gives a column what a map of words makes of one of the source. Each
// branch is cast, not the whole: a cast of CASE to an enum counts as not
// immutable. NULL stays NULL unless it is listed.
func (t *targeting) values(c *Column, m *ColumnMap, x Problem) {
	cell := t.cell(m.Source)
	if cell == nil {
		t.broken = true
		return
	}
	if !t.words(cell, c, m, x) {
		return
	}
	label := Quote(m.Source)
	var sql strings.Builder
	null := t.null(c)
	for _, v := range m.Values {
		if v.SourceNull {
			null = t.branch(v, c)
			continue
		}
		fmt.Fprintf(&sql, " WHEN %s %s CAST(%s AS %s) THEN %s", label, t.equals(cell), Literal(v.Source), cell.TargetSQLType, t.branch(v, c))
	}
	up := "CASE WHEN " + label + " IS NULL THEN " + null + sql.String() + " ELSE " + t.otherwise(cell, c, m) + " END"
	t.assign(Assignment{Column: c, Up: up}, []string{m.Source}, x)
}

func (t *targeting) branch(v ValueMap, c *Column) string {
	if v.TargetNull {
		return t.null(c)
	}
	return "CAST(" + Literal(v.Target) + " AS " + t.castType(c) + ")"
}

func (t *targeting) null(c *Column) string { return "CAST(NULL AS " + t.castType(c) + ")" }

// otherwise is what a word becomes that is not listed. That of error is an
// expression that fails for the row that reaches it: it names the column, so
// that nothing computes it beforehand, holds no value, which the server would
// log, and counts as immutable, as a cast from text to any type would not.
func (t *targeting) otherwise(cell *Cell, c *Column, m *ColumnMap) string {
	switch m.Else {
	case ElseNull:
		return t.null(c)
	case ElseSame:
		value := Quote(m.Source)
		if t.target.base(cell.TargetType) != t.target.base(c.Type) {
			value = "CAST(" + value + " AS " + Quote("pg_catalog") + "." + Quote("text") + ")"
		}
		return t.cast(value, c)
	case ElseError:
	}
	complaint := fmt.Sprintf("a value of %s.%s is not listed in the mapping", t.pairing.source.Name, quoteIfNeeded(m.Source))
	failing := "CAST(CASE WHEN " + Quote(m.Source) + " IS NULL THEN '0' ELSE " + Literal(complaint) + " END AS pg_catalog.int4)"
	return "CASE WHEN " + failing + " OPERATOR(pg_catalog.=) 0 THEN " + t.null(c) + " END"
}

// equals is the operator that tells words apart: the server's own where the
// search path could change it.
func (t *targeting) equals(cell *Cell) string {
	of := t.target.base(cell.TargetType)
	if of != nil && (of.BuiltIn() || of.Kind == EnumType) {
		return "OPERATOR(pg_catalog.=)"
	}
	return "="
}

// words checks the listed words against the labels of enums, and that the map
// says something of every label.
func (t *targeting) words(cell *Cell, c *Column, m *ColumnMap, x Problem) bool {
	from, to := t.resolver.source.base(cell.Type), t.target.base(c.Type)
	x.Check, x.Remedy = "values", "correct the word"
	before := t.broken
	var listed []string
	for _, v := range m.Values {
		listed = append(listed, v.Source)
		if from != nil && from.Kind == EnumType && !v.SourceNull && !slices.Contains(from.Labels, v.Source) {
			x.Message = fmt.Sprintf("%q is no label of the source's %s", v.Source, from.Name)
			t.problem(x)
		}
		if to != nil && to.Kind == EnumType && !v.TargetNull && !slices.Contains(to.Labels, v.Target) {
			x.Message = fmt.Sprintf("%q is no label of the target's %s", v.Target, to.Name)
			t.problem(x)
		}
	}
	if from != nil && from.Kind == EnumType && m.Else == ElseError {
		if rest := missing(from, &Type{Labels: listed}); len(rest) > 0 {
			x.Severity, x.Message = Warning, "rows with these words cannot be mapped, as they are not listed: "+list(rest)
			x.Remedy = "list them (values), or say what becomes of the rest (else: same, else: null)"
			t.problem(x)
		}
	}
	return before || !t.broken
}

// Literal is a text as a constant of SQL, whatever
// standard_conforming_strings says.
func Literal(text string) string {
	quoted := "'" + strings.ReplaceAll(text, "'", "''") + "'"
	if strings.Contains(text, `\`) {
		return "E" + strings.ReplaceAll(quoted, `\`, `\\`)
	}
	return quoted
}
