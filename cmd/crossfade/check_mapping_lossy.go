package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/crossfade-db/crossfade/rewrite"
)

// way is a way back from the target to a column of the source.
type way struct {
	column   string // of the source
	back     string // SQL over the target's columns
	declared string // why it loses something, if the file says so
	plain    bool   // there is no expression, only casts
}

// compare asks whether the way back from the target gives what the source has:
// down(up(x)) = x, in the rows that fitted.
func (t *trial) compare(ctx context.Context) error {
	for _, w := range t.ways() {
		sql := fmt.Sprintf("SELECT pg_catalog.count(*), pg_catalog.count(*) FILTER (WHERE %s) FROM (SELECT (%s)::%s AS back, \"crossfade there\" AS there FROM %s) x",
			differs(cellOf(t.pair, w.column)), w.back, cellOf(t.pair, w.column).TargetSQLType, t.joined(w.column))
		counts, err := t.attemptNumbers(ctx, sql)
		switch {
		case refusedWith(err) != "":
			t.add(lossyFinding(t.pair, w, "warning", fmt.Sprintf("the way back could not be tried at the target (SQLSTATE %s)", refusedWith(err))))
		case err != nil:
			return err
		case counts[1] > 0:
			t.add(lossyFinding(t.pair, w, w.severity(), fmt.Sprintf("%d of %s lose something on the way there and back", counts[1], t.drawn())))
		}
	}
	return nil
}

// differs compares what came back with what is there, as text; numbers as such,
// since one may be written with more zeroes.
func differs(c *rewrite.Cell) string {
	if c.TargetType == typeNumeric {
		return "x.back IS DISTINCT FROM x.there::pg_catalog.numeric"
	}
	return "(x.back)::pg_catalog.text COLLATE \"C\" IS DISTINCT FROM x.there"
}

func (w way) severity() string {
	switch {
	case w.declared != "":
		return "info"
	case w.plain:
		return "warning"
	default:
		return "error"
	}
}

func lossyFinding(pair *rewrite.Pair, w way, severity, message string) finding {
	f := finding{Severity: severity, Check: "lossy", Table: pair.Name(), Column: w.column, Message: message}
	if w.declared == "" {
		f.Remedy = "correct up and down, or say with lossy what is lost"
	} else {
		f.Message += ", as declared"
	}
	return f
}

func (t *trial) attemptNumbers(ctx context.Context, sql string) (counts []int, err error) {
	if err := t.target.do(ctx, "SAVEPOINT attempt"); err != nil {
		return nil, err
	}
	counts, err = t.target.numbers(ctx, sql)
	if refusedWith(err) != "" {
		if failed := t.target.do(ctx, "ROLLBACK TO attempt"); failed != nil {
			return nil, failed
		}
	}
	return counts, err
}

// ways are the ways back: the down of each entry, and the cast of a column that
// is paired without one.
func (t *trial) ways() []way {
	var all []way
	written := map[string]bool{}
	if entry := t.entry(t.pair); entry != nil {
		for _, c := range entry.Columns {
			if c.Source == "" || cellOf(t.pair, c.Source) == nil {
				continue
			}
			written[c.Source] = len(c.Values) > 0
			if c.Down != "" && len(c.Values) == 0 {
				written[c.Source] = true
				all = append(all, way{column: c.Source, back: c.Down, declared: c.Lossy})
			}
		}
	}
	for _, target := range t.pair.Targets {
		for _, a := range target.Columns {
			c := plainColumn(t.pair, a)
			if c == nil || written[c.Name] || c.Type == a.Column.Type && c.Typmod == a.Column.Typmod && c.Type < rewrite.FirstUserOID {
				continue
			}
			written[c.Name] = true
			back := rewrite.Quote(target.Table.Name.Name) + "." + rewrite.Quote(a.Column.Name)
			all = append(all, way{column: c.Name, back: back, declared: t.declaredLoss(c.Name), plain: true})
		}
	}
	return all
}

// declaredLoss is what the file says of a column's losses.
func (t *trial) declaredLoss(column string) string {
	if entry := t.entry(t.pair); entry != nil {
		for _, c := range entry.Columns {
			if c.Source == column {
				return c.Lossy
			}
		}
	}
	return ""
}

// joined are the raw values of a column with what became of their rows in each
// target. Rows that did not fit the first are not among them.
func (t *trial) joined(column string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `(SELECT %s AS "crossfade row", %s AS "crossfade there" FROM %s) r`, ordinal, rewrite.Quote(column), rawTable)
	for i, target := range t.pair.Targets {
		kind := " JOIN "
		if i > 0 {
			kind = " LEFT JOIN "
		}
		name := rewrite.Quote(target.Table.Name.Name)
		fmt.Fprintf(&b, `%s%s AS %s ON %s.%s = "crossfade row"`, kind, shape(target), name, name, ordinal)
	}
	return b.String()
}
