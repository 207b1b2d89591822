package repair

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/crossfade-db/crossfade/rewrite"
)

// collision gives the task that goes on where a unique value was taken on the
// other side: the row that has it joins the transaction, before the one that it
// stood in the way of. Where it is a member already the values go round in a
// circle, and all members are taken away before any is written.
func (r *repairer) collision(ctx context.Context, t task, err error) (task, bool) {
	var at *memberError
	var refused *Refusal
	if !errors.As(err, &at) || !errors.As(err, &refused) || refused.Code != uniqueKey || t.clear {
		return t, false
	}
	other, columns, found := r.collider(ctx, t, at.member, refused)
	switch {
	case !found || len(t.members) >= mostMembers:
		return t, false
	case slices.Contains(t.members, other):
		t.clear, t.unique = true, columns
		return t, true
	}
	t.members = slices.Insert(slices.Clone(t.members), at.member, other)
	return t, true
}

// collider finds the key of the row on the other side that has the unique
// values of a member, and the columns of these.
func (r *repairer) collider(ctx context.Context, t task, member int, refused *Refusal) (rewrite.RowKey, []string, bool) {
	q, err := t.shape.sourceRow(t.shape.source.Plain, t.members[member])
	if err != nil {
		return "", nil, false
	}
	rows, err := r.a().flight(ctx, t.shape.pin, q)
	if err != nil || len(rows[1].rows) == 0 {
		return "", nil, false
	}
	im, err := t.shape.atTarget(rows[1].rows[0])
	if err != nil {
		return "", nil, false
	}
	for _, target := range t.shape.pair.Targets {
		if name := target.Table.Name; name.Schema != refused.Schema || name.Name != refused.Table {
			continue
		}
		columns, err := r.uniqueColumns(ctx, target.Table.Name, refused.Constraint)
		if err != nil {
			return "", nil, false
		}
		text := t.shape.colliderText(target, columns)
		if text == "" {
			return "", nil, false
		}
		found, err := r.s().flight(ctx, t.shape.pin, t.shape.plain(text, im, t.shape.keys))
		if err != nil || len(found[1].rows) == 0 {
			return "", nil, false
		}
		return rewrite.KeyFrom(found[1].rows[0]), columns, true
	}
	return "", nil, false
}

// uniqueColumns are those of a unique index without expressions.
func (r *repairer) uniqueColumns(ctx context.Context, table rewrite.Name, index string) ([]string, error) {
	answers, err := r.s().flight(ctx, textQuery("SELECT a.attname FROM pg_catalog.pg_index AS i "+
		"JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid "+
		"JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace "+
		"CROSS JOIN LATERAL pg_catalog.unnest(i.indkey) WITH ORDINALITY AS k (number, place) "+
		"LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.number AND k.number > 0 "+
		"WHERE n.nspname = $1 AND c.relname = $2 AND k.place <= i.indnkeyatts ORDER BY k.place", table.Schema, index))
	if err != nil {
		return nil, err
	}
	var columns []string
	for _, row := range answers[0].rows {
		if row[0] == nil {
			return nil, errors.New("a unique index of expressions")
		}
		columns = append(columns, string(row[0]))
	}
	return columns, nil
}

// colliderText answers the key cells of the other row that has an image's
// values in these columns; "" if that cannot be said.
func (s *shape) colliderText(target *rewrite.Target, columns []string) string {
	var cells, values, same, keys, self []string
	for i := range s.pair.Cells {
		c := &s.pair.Cells[i]
		cells = append(cells, parameter(i, c)+" AS "+rewrite.Quote(c.Column))
	}
	for n, column := range columns {
		i := slices.IndexFunc(target.Columns, func(a rewrite.Assignment) bool { return a.Column.Name == column })
		if i < 0 {
			return ""
		}
		name := "u" + strconv.Itoa(n)
		values = append(values, "("+target.Columns[i].Up+")::"+target.Columns[i].Column.SQLType+" AS "+name)
		same = append(same, "t."+rewrite.Quote(column)+" = m."+name)
	}
	for _, cell := range s.pair.Key {
		i := slices.IndexFunc(target.Key, func(k rewrite.KeyPair) bool { return k.Cell == cell })
		if i < 0 {
			return ""
		}
		c := &s.pair.Cells[cell]
		column := "t." + rewrite.Quote(target.Key[i].Column)
		keys = append(keys, column+"::"+c.TargetSQLType)
		self = append(self, column+" = "+parameter(cell, c))
	}
	if len(same) == 0 || len(keys) == 0 {
		return ""
	}
	return fmt.Sprintf("SELECT %s FROM %s AS t, (SELECT %s FROM (SELECT %s OFFSET 0) AS %s) AS m WHERE %s AND NOT (%s)",
		strings.Join(keys, ", "), target.Table.Name.SQL(), strings.Join(values, ", "), strings.Join(cells, ", "),
		rewrite.Quote(s.pair.Source.Name.Name), strings.Join(same, " AND "), strings.Join(self, " AND "))
}

// parameter is a cell of an image as the target's parameters take it.
func parameter(cell int, c *rewrite.Cell) string {
	if c.Binary {
		return "$" + strconv.Itoa(cell+1) + "::" + c.TargetSQLType
	}
	return "$" + strconv.Itoa(cell+1) + "::pg_catalog.text::" + c.TargetSQLType
}
