package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/crossfade-db/crossfade/rewrite"
)

// doubt is a predicate over the rows of a source table that none may meet.
type doubt struct {
	predicate string // SQL over the source's columns
	found     finding
	says      string // what the rows are that meet it
	reason    refusal
}

// doubts are what the source itself can count in all rows of a target.
func (m *mappingProof) doubts(pair *rewrite.Pair, target *rewrite.Target) []doubt {
	var all []doubt
	for _, a := range target.Columns {
		all = append(all, columnDoubts(pair, target, a)...)
		if d, ok := m.labelDoubt(pair, target, a); ok {
			all = append(all, d)
		}
	}
	if entry := m.entry(pair); entry != nil {
		for _, c := range entry.Columns {
			if d, ok := valuesDoubt(pair, c); ok {
				all = append(all, d)
			}
		}
	}
	return all
}

// valuesDoubt is the predicate of words that the file does not list.
func valuesDoubt(pair *rewrite.Pair, c rewrite.ColumnMap) (doubt, bool) {
	d := doubt{reason: refusal{code: badForm}, found: finding{
		Severity: "error", Check: "values", Table: pair.Name(), Column: c.Source,
		Remedy: "list the words, or say what becomes of the rest (else)",
	}}
	if c.Else == rewrite.ElseNull {
		d.found.Severity = "warning"
	}
	d.says = map[rewrite.Else]string{rewrite.ElseError: "have a word that is not listed", rewrite.ElseNull: "have a word that is not listed, and become NULL"}[c.Else]
	if len(c.Values) == 0 || d.says == "" {
		return doubt{}, false
	}
	words := []string{}
	for _, v := range c.Values {
		if !v.SourceNull {
			words = append(words, rewrite.Literal(v.Source))
		}
	}
	column := rewrite.Quote(c.Source)
	d.predicate = column + " IS NOT NULL"
	if len(words) > 0 {
		d.predicate = column + "::pg_catalog.text NOT IN (" + strings.Join(words, ", ") + ")"
	}
	return d, true
}

func columnDoubts(pair *rewrite.Pair, target *rewrite.Target, a rewrite.Assignment) []doubt {
	var all []doubt
	column := target.Table.Name.String() + "." + a.Column.Name
	from, value := plainColumn(pair, a), a.Up
	if from != nil {
		value = rewrite.Quote(from.Name)
	}
	add := func(severity, check, predicate, says, remedy string) {
		reason := map[string]refusal{
			"not null": {code: notNullViolation, column: a.Column.Name}, "length": {code: valueTooLong}, "range": {code: outOfRange},
		}[check]
		all = append(all, doubt{predicate: predicate, says: says, reason: reason, found: finding{
			Severity: severity, Check: check, Table: pair.Name(), Column: a.Column.Name, Remedy: remedy,
		}})
	}
	if a.Column.NotNull && (from == nil || !from.NotNull) {
		add("error", "not null", "("+value+") IS NULL", "have no value for "+column+", which is NOT NULL", "fill them at the source, give the column an up that does, or drop NOT NULL at the target")
	}
	if n := length(a.Column); n > 0 && !(from != nil && from.Type == a.Column.Type && length(from) > 0 && length(from) <= n) {
		add("error", "length", fmt.Sprintf("pg_catalog.char_length((%s)::pg_catalog.text) > %d", value, n),
			fmt.Sprintf("are longer than %s, which is %s", column, a.Column.SQLType), "widen the column at the target, or shorten it by its up")
	}
	if from != nil && numeric(from.Type) && !(from.Type == a.Column.Type && from.Typmod == a.Column.Typmod) {
		if outside, rounded := numericDoubts(value, from, a.Column); outside != "" {
			add("error", "range", outside, "are outside of "+column+", which is "+a.Column.SQLType, "widen the column at the target")
			add("warning", "lossy", rounded, "lose digits in "+column+", which is "+a.Column.SQLType, "widen the column at the target, or declare it with lossy")
		}
	}
	return all
}

// plainColumn is the column of the source that a column of the target takes
// unchanged; nil: an expression.
func plainColumn(pair *rewrite.Pair, a rewrite.Assignment) *rewrite.Column {
	if !a.Plain {
		return nil
	}
	for i := range pair.Source.Columns {
		c := &pair.Source.Columns[i]
		if name := rewrite.Quote(c.Name); a.Up == name || strings.HasPrefix(a.Up, "CAST(("+name+") AS ") {
			return c
		}
	}
	return nil
}

// Numbers of built-in types (catalog/pg_type.dat).
const (
	typeInt8, typeInt2, typeInt4, typeNumeric = 20, 21, 23, 1700
	typeBpchar, typeVarchar                   = 1042, 1043
)

// headerSize is in every type modifier of a type of variable length
// (VARHDRSZ in c.h).
const headerSize = 4

// length is the most characters of a column; 0: any.
func length(c *rewrite.Column) int {
	if (c.Type == typeVarchar || c.Type == typeBpchar) && c.Typmod > headerSize {
		return int(c.Typmod) - headerSize
	}
	return 0
}

func numeric(oid uint32) bool {
	return oid == typeInt2 || oid == typeInt4 || oid == typeInt8 || oid == typeNumeric
}

// numericDoubts are the predicates of numbers that the column to cannot hold,
// and of those that it rounds; none where it holds all.
func numericDoubts(column string, from, to *rewrite.Column) (outside, rounded string) {
	width := map[uint32]int{typeInt2: 1, typeInt4: 2, typeInt8: 3, typeNumeric: 4}
	value := column + "::pg_catalog.numeric"
	switch {
	case to.Type == typeNumeric && to.Typmod >= headerSize:
		precision, scale := int((to.Typmod-headerSize)>>16), int((to.Typmod-headerSize)&0x7ff^0x400)-0x400
		if from.Typmod >= headerSize {
			p, s := int((from.Typmod-headerSize)>>16), int((from.Typmod-headerSize)&0x7ff^0x400)-0x400
			if s <= scale && p-s <= precision-scale {
				return "", ""
			}
		}
		return fmt.Sprintf("%[1]s <> 'NaN' AND pg_catalog.abs(pg_catalog.round(%[1]s, %[2]d)) >= pg_catalog.power(10::pg_catalog.numeric, %[3]d)", value, scale, precision-scale),
			fmt.Sprintf("%[1]s <> pg_catalog.round(%[1]s, %[2]d)", value, scale)
	case width[to.Type] == 0 || to.Type == typeNumeric || width[from.Type] <= width[to.Type]:
		return "", ""
	}
	bound := map[uint32]string{typeInt2: "32767", typeInt4: "2147483647", typeInt8: "9223372036854775807"}[to.Type]
	return fmt.Sprintf("pg_catalog.round(%s) NOT BETWEEN -%s - 1 AND %s", value, bound, bound),
		fmt.Sprintf("%[1]s <> pg_catalog.round(%[1]s)", value)
}

// countedReason is why rows of a table are refused, where that has been told of
// all of its rows.
type countedReason struct {
	table  string
	reason refusal
}

// checkDoubts are the CHECK constraints of a target, as the source can count
// them: over the mapped columns, cast as the target has them.
func (m *mappingProof) checkDoubts(pair *rewrite.Pair, target *rewrite.Target) []doubt {
	var all []doubt
	for _, c := range target.Table.Checks {
		columns, whole := mentioned(target, c.Expression)
		if !whole || pair.Same && hasCheck(pair.Source, c.Expression) {
			continue
		}
		var list []string
		for _, a := range columns {
			list = append(list, "("+a.Up+")::"+a.Column.SQLType+" AS "+rewrite.Quote(a.Column.Name))
		}
		if len(list) == 0 {
			continue
		}
		all = append(all, doubt{
			predicate: "(SELECT NOT (" + c.Expression + ") FROM (SELECT " + strings.Join(list, ", ") + ") AS " + rewrite.Quote(target.Table.Name.Name) + ")",
			reason:    refusal{code: checkViolation, constraint: c.Name},
			says:      fmt.Sprintf("break the constraint %s of %s", rewrite.Quote(c.Name), target.Table.Name),
			found: finding{
				Severity: "error", Check: "check constraint", Table: pair.Name(), Column: onlyColumn(columns),
				Remedy: "correct the rows at the source, or the constraint at the target",
			},
		})
	}
	return all
}

func onlyColumn(columns []rewrite.Assignment) string {
	if len(columns) == 1 {
		return columns[0].Column.Name
	}
	return ""
}

func hasCheck(t *rewrite.Table, expression string) bool {
	for _, c := range t.Checks {
		if c.Expression == expression {
			return true
		}
	}
	return false
}

// mentioned are the columns that an expression of the target may name, and
// whether an image sets all of them.
func mentioned(target *rewrite.Target, expression string) (columns []rewrite.Assignment, whole bool) {
	whole = true
	for _, c := range target.Table.Columns {
		if !strings.Contains(expression, c.Name) && !strings.Contains(expression, rewrite.Quote(c.Name)) {
			continue
		}
		set := false
		for _, a := range target.Columns {
			if a.Column.Name == c.Name {
				columns, set = append(columns, a), true
			}
		}
		whole = whole && set
	}
	return columns, whole
}

// count counts the rows that meet each doubt, in all rows of the source. What
// the source cannot compute, or not in time, is left to a sample at the target.
func (m *mappingProof) count(ctx context.Context, pair *rewrite.Pair, target *rewrite.Target, all []doubt) error {
	if len(all) == 0 {
		return nil
	}
	counts, err := m.counts(ctx, pair, target, all)
	switch {
	case err == nil:
		m.tellCounts(pair, all, counts)
		return nil
	case refusedWith(err) == "":
		return err
	case len(all) == 1 || refusedWith(err) == queryCanceled:
		return nil
	}
	for i := range all {
		if err := m.count(ctx, pair, target, all[i:i+1]); err != nil {
			return err
		}
	}
	return nil
}

func (m *mappingProof) counts(ctx context.Context, pair *rewrite.Pair, target *rewrite.Target, all []doubt) ([]int, error) {
	list := []string{"pg_catalog.count(*)"}
	for _, d := range all {
		list = append(list, "pg_catalog.count(*) FILTER (WHERE "+d.predicate+")")
	}
	return m.source.numbers(ctx, "SELECT "+strings.Join(list, ", ")+" FROM "+pair.Source.Name.SQL()+whenOf(target))
}

func whenOf(target *rewrite.Target) string {
	if target.When == "" {
		return ""
	}
	return " WHERE (" + target.When + ")"
}

func (m *mappingProof) tellCounts(pair *rewrite.Pair, all []doubt, counts []int) {
	for i, d := range all {
		if n := counts[i+1]; n > 0 {
			m.counted[countedReason{pair.Name(), d.reason}] = true
			d.found.Message = fmt.Sprintf("%d of %s %s", n, plural(counts[0], "row"), d.says)
			m.add(d.found)
		}
	}
}

// labelDoubt is the predicate of words that an enum of the target lacks.
func (m *mappingProof) labelDoubt(pair *rewrite.Pair, target *rewrite.Target, a rewrite.Assignment) (doubt, bool) {
	t := m.target.schema.Types[a.Column.Type]
	if t == nil || t.Kind != rewrite.EnumType || len(t.Labels) == 0 {
		return doubt{}, false
	}
	value := a.Up
	if from := plainColumn(pair, a); from != nil {
		value = rewrite.Quote(from.Name)
		if s := m.source.schema.Types[from.Type]; s != nil && s.Kind == rewrite.EnumType && covers(t.Labels, s.Labels) {
			return doubt{}, false
		}
	}
	var labels []string
	for _, l := range t.Labels {
		labels = append(labels, rewrite.Literal(l))
	}
	return doubt{
		predicate: "(" + value + ")::pg_catalog.text NOT IN (" + strings.Join(labels, ", ") + ")",
		reason:    refusal{code: badForm},
		says:      fmt.Sprintf("have a word that %s lacks at the target", t.Name),
		found: finding{
			Severity: "error", Check: "range", Table: pair.Name(), Column: a.Column.Name,
			Remedy: "add the word to the target's type, or map it by values",
		},
	}, true
}

func covers(all, some []string) bool {
	have := map[string]bool{}
	for _, l := range all {
		have[l] = true
	}
	for _, l := range some {
		if !have[l] {
			return false
		}
	}
	return true
}
