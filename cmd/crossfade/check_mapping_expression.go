package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/crossfade-db/crossfade/rewrite"
)

// expression is SQL of the mapping with the table that it is computed over.
type expression struct {
	text, sqlType string
	column        string
	columns       []string // definitions of what it may name
	stable        string   // why it counts as immutable, if the file says so
	what          string   // up, down or when
	words         bool     // it makes a word of an enum
}

// immutable proves that expressions give the same whenever and by whomever they
// are computed: the server takes no other one for a generated column.
func (m *mappingProof) immutable(ctx context.Context, pair *rewrite.Pair) error {
	all := m.expressions(pair)
	if len(all) == 0 {
		return nil
	}
	return m.target.scratch(ctx, func() error {
		for _, e := range all {
			err := m.target.attempt(ctx, fmt.Sprintf(`CREATE TEMPORARY TABLE "crossfade proof" (%s, "crossfade value" %s GENERATED ALWAYS AS (%s) STORED);`+
				` DROP TABLE pg_temp."crossfade proof"`, strings.Join(e.columns, ", "), e.sqlType, e.text))
			code := refusedWith(err)
			if err != nil && code == "" {
				return err
			}
			if f, wrong := e.finding(pair, code); wrong {
				m.add(f)
			}
		}
		return nil
	})
}

func (e expression) finding(pair *rewrite.Pair, code string) (finding, bool) {
	f := finding{Severity: "error", Check: "immutable", Table: pair.Name(), Column: e.column}
	switch code {
	case "":
		return f, false
	case invalidDefinition:
		f.Message = e.what + " is not immutable: what it gives hangs on a setting, on the time, or on other rows"
		f.Remedy = "name what it hangs on (AT TIME ZONE 'UTC'), or say with stable why that never changes"
		if e.words { // the server's cast of a text to an enum is not immutable, as labels are added
			f.Severity = "warning"
		}
		if e.stable != "" {
			f.Severity, f.Message, f.Remedy = "info", e.what+" is not immutable by the catalog, and stable as declared", ""
		}
	default:
		f.Check = "expression"
		f.Message = fmt.Sprintf("the target cannot compute %s (SQLSTATE %s)", e.what, code)
		f.Remedy = "use functions, operators and types that the target has"
	}
	return f, true
}

// expressions are the ups, downs and whens of a pair.
func (m *mappingProof) expressions(pair *rewrite.Pair) []expression {
	var cells []string
	for _, c := range pair.Cells {
		cells = append(cells, rewrite.Quote(c.Column)+" "+c.TargetSQLType)
	}
	var all []expression
	for _, target := range pair.Targets {
		for _, a := range target.Columns {
			from := plainColumn(pair, a)
			if from == nil || a.Up != rewrite.Quote(from.Name) && !m.isEnum(a.Column.Type) {
				all = append(all, expression{
					text: a.Up, sqlType: a.Column.SQLType, column: a.Column.Name, columns: cells, stable: m.stable(pair, target, a.Column.Name), what: "up",
					words: m.isEnum(a.Column.Type),
				})
			}
		}
		if target.When != "" {
			all = append(all, expression{text: target.When, sqlType: "pg_catalog.bool", columns: cells, what: "when"})
		}
	}
	return append(all, m.downs(pair)...)
}

// downs are the ways back of a pair with one target; those over several tables
// cannot be put into one.
func (m *mappingProof) downs(pair *rewrite.Pair) []expression {
	entry := m.entry(pair)
	if entry == nil || len(pair.Targets) > 1 {
		return nil
	}
	var columns []string
	for _, c := range pair.Targets[0].Table.Columns {
		columns = append(columns, rewrite.Quote(c.Name)+" "+c.SQLType)
	}
	var all []expression
	for _, c := range entry.Columns {
		from := pair.Source.Column(c.Source)
		if c.Down == "" || from == nil || c.Target == "" && isConstant(pair, c.Down) {
			continue
		}
		if cell := cellOf(pair, c.Source); cell != nil {
			all = append(all, expression{
				text: "(" + c.Down + ")::" + cell.TargetSQLType, sqlType: cell.TargetSQLType, column: c.Source, columns: columns, stable: c.Stable, what: "down",
			})
		}
	}
	return all
}

func (m *mappingProof) isEnum(oid uint32) bool {
	t := m.target.schema.Types[oid]
	return t != nil && t.Kind == rewrite.EnumType
}

// isConstant says that a way back names no column of the targets: it is an
// initial value of the source.
func isConstant(pair *rewrite.Pair, sql string) bool {
	for _, target := range pair.Targets {
		if columns, _ := mentioned(target, sql); len(columns) > 0 {
			return false
		}
	}
	return true
}

func cellOf(pair *rewrite.Pair, column string) *rewrite.Cell {
	i := slices.IndexFunc(pair.Cells, func(c rewrite.Cell) bool { return c.Column == column })
	if i < 0 {
		return nil
	}
	return &pair.Cells[i]
}

// stable is what the file says of an expression that cannot be proven immutable.
func (m *mappingProof) stable(pair *rewrite.Pair, target *rewrite.Target, column string) string {
	entry := m.entry(pair)
	if entry == nil {
		return ""
	}
	for _, c := range entry.Columns {
		if c.Target == column || c.Target == target.Table.Name.Name+"."+column {
			return c.Stable
		}
	}
	return ""
}

// hidden counts rows of the source whose values nobody sees at the target: the
// way back gives one value for all.
func (m *mappingProof) hidden(ctx context.Context, pair *rewrite.Pair) error {
	entry := m.entry(pair)
	if entry == nil {
		return nil
	}
	for _, c := range entry.Columns {
		if c.Source == "" || c.Target != "" || c.Down == "" || !isConstant(pair, c.Down) {
			continue
		}
		counts, err := m.source.numbers(ctx, fmt.Sprintf("SELECT pg_catalog.count(*), pg_catalog.count(*) FILTER (WHERE %s IS DISTINCT FROM (%s)) FROM %s",
			rewrite.Quote(c.Source), c.Down, pair.Source.Name.SQL()))
		switch {
		case refusedWith(err) != "":
			continue
		case err != nil:
			return err
		case counts[1] == 0:
			continue
		}
		f := finding{
			Severity: "warning", Check: "initial values", Table: pair.Name(), Column: c.Source,
			Message: fmt.Sprintf("%d of %s have another value than the way back gives: it is not in the target", counts[1], plural(counts[0], "row")),
			Remedy:  "pair the column, or say with lossy why its values are not needed",
		}
		if c.Lossy != "" {
			f.Severity, f.Remedy = "info", ""
			f.Message += ", as declared"
		}
		m.add(f)
	}
	return nil
}
