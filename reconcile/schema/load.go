package schema

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/crossfade-db/crossfade/rewrite"
)

// Query runs one statement and gives its rows as text, nil for NULL.
type Query func(ctx context.Context, sql string) ([][]*string, error)

// mostRows is what one query of ours may bring: a catalog beyond it is not one
// that an application has.
const mostRows = 1_000_000

// begin makes one snapshot for all queries of Load. Names and operators are
// those of pg_catalog whatever a role's search_path says, format_type and
// pg_get_expr qualify whatever is not of it, and names arrive in UTF-8.
var begin = []string{
	"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
	"SET LOCAL search_path = pg_catalog, pg_temp",
	"SET LOCAL client_encoding = 'UTF8'",
	"SET LOCAL statement_timeout = '30s'",
	"SET LOCAL quote_all_identifiers = off",
}

// Load reads the schema of the database that q asks, in one read-only
// transaction of its own: the session must be outside of any. Tables of the
// system, temporary ones and those of the schema crossfade, which is the
// proxy's own, are left out. On error the session is to be closed.
func Load(ctx context.Context, q Query) (*rewrite.Schema, error) {
	for _, sql := range begin {
		if _, err := q(ctx, sql); err != nil {
			return nil, fmt.Errorf("begin reading the catalog: %w", err)
		}
	}
	s, err := read(ctx, q)
	if err != nil {
		return nil, err
	}
	if _, err := q(ctx, "COMMIT"); err != nil {
		return nil, fmt.Errorf("end reading the catalog: %w", err)
	}
	return s, nil
}

func read(ctx context.Context, q Query) (*rewrite.Schema, error) {
	l := &loading{
		schema: &rewrite.Schema{
			Tables: map[rewrite.Name]*rewrite.Table{}, Types: map[uint32]*rewrite.Type{},
			Volatile: map[string][]string{}, RowCalls: map[string]bool{},
		},
		tables: map[uint32]*rewrite.Table{}, parents: map[uint32]uint32{}, reach: newReach(),
	}
	steps := []struct {
		what, sql string
		columns   int
		take      func(*fields)
	}{
		{"the server", serverQuery, 3, l.server},
		{"types", typeQuery, 12, l.datatype},
		{"tables", tableQuery, 10, l.table},
		{"inheritance", parentQuery, 3, l.parent},
		{"columns", columnQuery, 12, l.column},
		{"keys", keyQuery, 5, l.key},
		{"foreign keys", foreignQuery, 9, l.foreign},
		{"constraints", checkQuery, 3, l.check},
		{"triggers", triggerQuery, 10, l.trigger},
		{"functions", functionQuery, 6, l.function},
		{"operators", operatorQuery, 4, l.operator},
		{"casts", castQuery, 4, l.cast},
		{"domains", domainQuery, 3, l.domain},
		{"dependencies", dependQuery, 4, l.depend},
	}
	for _, step := range steps {
		if err := each(ctx, q, step.sql, step.columns, step.take); err != nil {
			return nil, fmt.Errorf("read %s of the catalog: %w", step.what, err)
		}
	}
	l.settle()
	return l.schema, nil
}

// loading is a schema while it is read.
type loading struct {
	schema  *rewrite.Schema
	tables  map[uint32]*rewrite.Table
	parents map[uint32]uint32 // of a partition its partitioned table
	reach   *reach
}

const serverQuery = `SELECT current_setting('server_version_num'), current_setting('server_encoding'),
  EXISTS (SELECT FROM pg_event_trigger e WHERE e.evtenabled <> 'D' AND e.evtevent <> 'login')`

func (l *loading) server(f *fields) {
	l.schema.Version, l.schema.Encoding, l.schema.OnDefined = f.number(), f.text(), f.flag()
}

// settle completes what needs all of the catalog.
func (l *loading) settle() {
	settleTypes(l.schema.Types)
	l.settleReach()
	for _, oid := range slices.Sorted(maps.Keys(l.parents)) {
		if t, root := l.tables[oid], l.root(oid); t != nil && root != nil {
			partition(root, t)
		}
	}
	for _, t := range l.schema.Tables {
		for _, f := range t.ForeignKeys {
			if to := l.schema.Tables[f.To]; to != nil && f.From == t.Name {
				l.refer(to, f)
			}
		}
	}
	for _, t := range l.schema.Tables {
		arrange(t)
	}
}

// refer makes a foreign key known to the table that it refers to, and to the
// root of it.
func (l *loading) refer(to *rewrite.Table, f rewrite.ForeignKey) {
	to.Referenced = append(to.Referenced, f)
	if root := l.schema.Tables[to.Parent]; root != nil {
		root.Referenced = append(root.Referenced, f)
	}
}

// root is the partitioned table that a partition belongs to in the end.
func (l *loading) root(oid uint32) *rewrite.Table {
	for range len(l.parents) + 1 {
		parent, ok := l.parents[oid]
		if !ok {
			return l.tables[oid]
		}
		oid = parent
	}
	return nil
}

var errForm = errors.New("the server's answer has another form than the query asks for")

// each runs a query and gives every row to take.
func each(ctx context.Context, q Query, sql string, columns int, take func(*fields)) error {
	rows, err := q(ctx, sql)
	if err != nil {
		return err
	}
	if len(rows) > mostRows {
		return fmt.Errorf("there are more than %d rows, which is the most that can be kept", mostRows)
	}
	for _, row := range rows {
		if len(row) != columns {
			return errForm
		}
		f := &fields{rest: row}
		if take(f); f.err != nil {
			return fmt.Errorf("%w: %w", errForm, f.err)
		}
	}
	return nil
}
