package repair

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/crossfade-db/crossfade/rewrite"
)

// clear takes a row away; where others refer to it, it stays, with other values in
// the place of the unique ones that stand in somebody's way. It is written after.
func (w *writing) clear(ctx context.Context, target int, cells [][]byte) error {
	if _, err := w.s().flight(ctx, query{sql: "SAVEPOINT cleared"}); err != nil {
		return err
	}
	_, err := w.delete(ctx, target, cells)
	var refused *Refusal
	if !errors.As(err, &refused) || refused.Code != foreignKey {
		return err
	}
	s := w.task.shape
	text := s.vacateText(s.pair.Targets[target], w.task.unique)
	if text == "" {
		return err
	}
	_, err = w.s().flight(ctx, query{sql: "ROLLBACK TO cleared"}, s.byKey(text, cells))
	return err
}

// vacateText gives a row of a key a value of no other row in one of the columns;
// "" where no such value is known.
func (s *shape) vacateText(target *rewrite.Target, columns []string) string {
	var terms []string
	for n, cell := range s.pair.Key {
		i := slices.IndexFunc(target.Key, func(k rewrite.KeyPair) bool { return k.Cell == cell })
		if i < 0 {
			return ""
		}
		terms = append(terms, "t."+rewrite.Quote(target.Key[i].Column)+" = "+parameter(n, &s.pair.Cells[cell]))
	}
	for _, name := range columns {
		c := target.Table.Column(name)
		if c == nil || slices.ContainsFunc(target.Key, func(k rewrite.KeyPair) bool { return k.Column == name }) {
			continue
		}
		if value := vacant(c); value != "" {
			return "UPDATE " + target.Table.Name.SQL() + " AS t SET " + rewrite.Quote(name) + " = " + value + " WHERE " + strings.Join(terms, " AND ")
		}
	}
	return ""
}

// vacant is an expression of a value that hardly any row has; empty: of a type
// of which none is known.
func vacant(c *rewrite.Column) string {
	const text = "pg_catalog.md5(CAST(pg_catalog.random() AS pg_catalog.text))"
	const below = "(-1 - pg_catalog.floor(pg_catalog.random() * 30000))"
	switch {
	case !c.NotNull:
		return "NULL"
	case c.SQLType == "text", strings.HasPrefix(c.SQLType, "character"):
		return "CAST(" + text + " AS " + c.SQLType + ")"
	case c.SQLType == "uuid":
		return "CAST(" + text + " AS pg_catalog.uuid)"
	}
	switch kind, _, _ := strings.Cut(strings.ReplaceAll(c.SQLType, "(", " ("), " "); kind {
	case "smallint", "integer", "bigint", "numeric", "real", "double":
		return "CAST(" + below + " AS " + c.SQLType + ")"
	case "date", "timestamp":
		return "CAST('0001-01-01' AS pg_catalog.date) + CAST(pg_catalog.floor(pg_catalog.random() * 30000) AS pg_catalog.int4)"
	}
	return ""
}
