package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/crossfade-db/crossfade/rewrite"
)

// sampleRows is how many rows of a table travel to the target to be tried there,
// and refusedRows how many refused ones are told apart.
const (
	sampleRows  = 10_000
	sampleSize  = 64 << 20 // bytes, beyond which fewer rows are enough
	fetchRows   = 50
	refusedRows = 100
)

// Names in a trial at the target.
const (
	rawTable = `pg_temp."crossfade raw"`
	ordinal  = `"crossfade n"`
)

// trial tries rows of one pair in temporary tables at the target that are like
// the pair's, in a transaction that is rolled back: no table of the application
// is touched, no trigger fires, no number is drawn.
type trial struct {
	*mappingProof
	pair  *rewrite.Pair
	rows  int
	whole bool // all rows of the table
}

// try brings a sample of the source's rows to the target.
func (m *mappingProof) try(ctx context.Context, pair *rewrite.Pair) error {
	rows, whole, err := m.draw(ctx, pair)
	if err != nil {
		return fmt.Errorf("read rows of %s: %w", pair.Name(), err)
	}
	t := &trial{mappingProof: m, pair: pair, rows: len(rows), whole: whole}
	if t.rows == 0 {
		return nil
	}
	return m.target.scratch(ctx, func() error {
		if err := t.bring(ctx, rows); err != nil {
			return fmt.Errorf("try rows of %s at the target: %w", pair.Name(), err)
		}
		for _, target := range pair.Targets {
			if err := t.fill(ctx, target); err != nil {
				return fmt.Errorf("try rows of %s in %s: %w", pair.Name(), target.Table.Name, err)
			}
		}
		return t.compare(ctx)
	})
}

// draw reads rows as text: all of a small table, some from all over a large one.
func (m *mappingProof) draw(ctx context.Context, pair *rewrite.Pair) (rows [][]*string, whole bool, err error) {
	var cells []string
	for _, c := range pair.Cells {
		cells = append(cells, rewrite.Quote(c.Column)+"::pg_catalog.text")
	}
	from := "SELECT " + strings.Join(cells, ", ") + " FROM " + pair.Source.Name.SQL()
	err = m.source.scratch(ctx, func() error {
		if known := pair.Source.Rows; known > 2*sampleRows {
			rows, _, err = m.fetch(ctx, fmt.Sprintf("%s TABLESAMPLE SYSTEM (%f)", from, 150*sampleRows/known))
		}
		if err == nil && len(rows) == 0 {
			rows, whole, err = m.fetch(ctx, from)
		}
		return err
	})
	return rows, whole, err
}

// fetch reads rows until there are enough or they are large; whole says that
// there are no more.
func (m *mappingProof) fetch(ctx context.Context, sql string) (rows [][]*string, whole bool, err error) {
	if err := m.source.do(ctx, `DECLARE "crossfade sample" NO SCROLL CURSOR FOR `+sql); err != nil {
		return nil, false, err
	}
	for size := 0; !whole && len(rows) < sampleRows && size < sampleSize; {
		more, err := m.source.ask(ctx, fmt.Sprintf(`FETCH %d FROM "crossfade sample"`, fetchRows))
		if err != nil {
			return nil, false, err
		}
		for _, row := range more {
			for _, value := range row {
				if value != nil {
					size += len(*value)
				}
			}
		}
		rows, whole = append(rows, more...), len(more) < fetchRows
	}
	return rows, whole, m.source.do(ctx, `CLOSE "crossfade sample"`)
}

// bring copies the sample into a table of texts.
func (t *trial) bring(ctx context.Context, rows [][]*string) error {
	columns, names := []string{ordinal + " pg_catalog.int4"}, []string{ordinal}
	for _, c := range t.pair.Cells {
		columns = append(columns, rewrite.Quote(c.Column)+" pg_catalog.text")
		names = append(names, rewrite.Quote(c.Column))
	}
	if err := t.target.do(ctx, "CREATE TEMPORARY TABLE "+rawTable+" ("+strings.Join(columns, ", ")+")"); err != nil {
		return err
	}
	_, err := t.target.CopyFrom(ctx, strings.NewReader(copied(rows)), "COPY "+rawTable+" ("+strings.Join(names, ", ")+") FROM STDIN")
	return withoutWords(err)
}

var copyEscapes = strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`, "\t", `\t`)

// copied are rows in the text form of COPY (manual, COPY), each after its number.
func copied(rows [][]*string) string {
	var b strings.Builder
	for i, row := range rows {
		b.WriteString(strconv.Itoa(i))
		for _, value := range row {
			b.WriteByte('\t')
			if value == nil {
				b.WriteString(`\N`)
				continue
			}
			_, _ = copyEscapes.WriteString(&b, *value)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// cells are the sample as the images of rows would arrive.
func (t *trial) cells() string {
	list := []string{ordinal}
	for _, c := range t.pair.Cells {
		list = append(list, rewrite.Quote(c.Column)+"::"+c.TargetSQLType+" AS "+rewrite.Quote(c.Column))
	}
	return "(SELECT " + strings.Join(list, ", ") + " FROM " + rawTable + ")"
}

// shape is the temporary table that is like a target: in the order of targets,
// under the target's own name, so that expressions find it.
func shape(target *rewrite.Target) string { return "pg_temp." + rewrite.Quote(target.Table.Name.Name) }

// fill makes a table like the target and puts the sample in, as much as fits.
func (t *trial) fill(ctx context.Context, target *rewrite.Target) error {
	create := fmt.Sprintf("CREATE TEMPORARY TABLE %s (LIKE %s INCLUDING CONSTRAINTS INCLUDING GENERATED);", shape(target), target.Table.Name.SQL())
	create += " ALTER TABLE " + shape(target) + " ADD COLUMN " + ordinal + " pg_catalog.int4"
	names, values := []string{ordinal}, []string{ordinal}
	set := map[string]bool{}
	for _, a := range slices.Concat(target.Columns, target.Initial) {
		if a.Up == "DEFAULT" {
			continue
		}
		set[a.Column.Name] = true
		names, values = append(names, rewrite.Quote(a.Column.Name)), append(values, a.Up)
	}
	for _, c := range target.Table.Columns {
		if c.NotNull && !set[c.Name] && !c.Generated {
			create += ", ALTER COLUMN " + rewrite.Quote(c.Name) + " DROP NOT NULL"
		}
	}
	if err := t.target.do(ctx, create); err != nil {
		return err
	}
	f := filling{trial: t, target: target, refused: map[refusal]int{}}
	f.insert = "INSERT INTO " + shape(target) + " (" + strings.Join(names, ", ") + ") SELECT " + strings.Join(values, ", ") +
		" FROM " + t.cells() + " AS " + rewrite.Quote(t.pair.Source.Name.Name)
	if err := f.rows(ctx, 0, t.rows); err != nil {
		return err
	}
	f.tell()
	return t.homes(ctx, target)
}

// filling puts a sample into one target and counts what is refused, by reason.
type filling struct {
	*trial
	target  *rewrite.Target
	insert  string
	refused map[refusal]int
	total   int
}

// rows inserts the rows from low up to high, by halves where some are refused.
func (f *filling) rows(ctx context.Context, low, high int) error {
	if f.total >= refusedRows || low == high {
		return nil
	}
	where := fmt.Sprintf(" WHERE %s >= %d AND %s < %d", ordinal, low, ordinal, high)
	if f.target.When != "" {
		where += " AND (" + f.target.When + ")"
	}
	err := f.trial.target.attempt(ctx, f.insert+where)
	var reason *refusal
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &reason) || reason.code == queryCanceled:
		return err
	case high-low > 1:
		middle := low + (high-low)/2
		if err := f.rows(ctx, low, middle); err != nil {
			return err
		}
		return f.rows(ctx, middle, high)
	default:
		f.refused[*reason]++
		f.total++
		return nil
	}
}

// tell reports what was refused, but for what the source has counted in all of
// its rows.
func (f *filling) tell() {
	reasons := slices.SortedFunc(maps.Keys(f.refused), func(a, b refusal) int {
		return cmp.Or(cmp.Compare(a.code, b.code), cmp.Compare(a.constraint, b.constraint), cmp.Compare(a.column, b.column))
	})
	for _, reason := range reasons {
		told := refusal{code: reason.code, column: reason.column, constraint: reason.constraint}
		if f.counted[countedReason{f.pair.Name(), told}] {
			continue
		}
		n := fmt.Sprint(f.refused[reason])
		if f.total >= refusedRows {
			n = "at least " + n
		}
		f.add(finding{
			Severity: "error", Check: "rows", Table: f.pair.Name(), Column: reason.column,
			Message: fmt.Sprintf("%s of %s cannot be a row of %s: %s", n, f.drawn(), f.target.Table.Name, reason.says()),
			Remedy:  "correct the rows at the source, the mapping, or the target's table",
		})
	}
}

// drawn says how many rows were tried.
func (t *trial) drawn() string {
	if t.whole {
		return plural(t.rows, "row")
	}
	return fmt.Sprintf("a sample of %s", plural(t.rows, "row"))
}

// says names the reason of a refusal.
func (r *refusal) says() string {
	word := map[string]string{
		notNullViolation: "no value for a NOT NULL column", checkViolation: "a CHECK constraint", valueTooLong: "a value is too long",
		outOfRange: "a number is out of range", badForm: "a value has another form than the type", "22007": "a value has another form than the type",
		"22008": "a time is out of range", "22P05": "a character that the target's encoding lacks", "42883": "a function or operator that the target lacks",
		"42704": "a type that the target lacks", "42846": "a cast that the target lacks", "42501": "the service login may not",
	}[r.code]
	if word == "" {
		word = "refused"
	}
	for _, name := range []string{r.constraint, r.column} {
		if name != "" {
			return fmt.Sprintf("%s, %s (SQLSTATE %s)", word, rewrite.Quote(name), r.code)
		}
	}
	return fmt.Sprintf("%s (SQLSTATE %s)", word, r.code)
}
