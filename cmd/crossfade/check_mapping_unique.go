package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/crossfade-db/crossfade/rewrite"
)

// unique counts rows of the source that a unique key of the target alone will
// refuse.
func (m *mappingProof) unique(ctx context.Context, pair *rewrite.Pair, target *rewrite.Target) error {
	for _, key := range target.Table.Keys {
		values, sources := keyValues(pair, target, key)
		if values == nil || slices.ContainsFunc(pair.Source.Keys, func(k rewrite.Key) bool { return within(k.Columns, sources) }) {
			continue
		}
		if err := m.duplicates(ctx, pair, target, key, values); err != nil {
			return err
		}
	}
	return nil
}

// keyValues are what the columns of a key get, and the columns of the source
// that are among it unchanged; nil where an initial value makes it.
func keyValues(pair *rewrite.Pair, target *rewrite.Target, key rewrite.Key) (values, sources []string) {
	for _, column := range key.Columns {
		i := slices.IndexFunc(target.Columns, func(a rewrite.Assignment) bool { return a.Column.Name == column })
		if i < 0 {
			return nil, nil
		}
		value := target.Columns[i].Up
		if from := plainColumn(pair, target.Columns[i]); from != nil {
			value = rewrite.Quote(from.Name)
			sources = append(sources, from.Name)
		}
		values = append(values, value)
	}
	return values, sources
}

// within says that all of some names are among others.
func within(some, all []string) bool {
	return !slices.ContainsFunc(some, func(name string) bool { return !slices.Contains(all, name) })
}

func (m *mappingProof) duplicates(ctx context.Context, pair *rewrite.Pair, target *rewrite.Target, key rewrite.Key, values []string) error {
	where := []string{}
	if target.When != "" {
		where = append(where, "("+target.When+")")
	}
	for _, v := range values {
		where = append(where, "("+v+") IS NOT NULL")
	}
	counts, err := m.source.numbers(ctx, fmt.Sprintf("SELECT coalesce(pg_catalog.sum(n), 0) FROM (SELECT pg_catalog.count(*) AS n FROM %s WHERE %s GROUP BY %s HAVING pg_catalog.count(*) OPERATOR(pg_catalog.>) 1) x",
		pair.Source.Name.SQL(), strings.Join(where, " AND "), strings.Join(values, ", ")))
	name := fmt.Sprintf("the unique key %s of %s", rewrite.Quote(key.Name), target.Table.Name)
	f := finding{
		Severity: "warning", Check: "unique", Table: pair.Name(), Column: onlyName(key.Columns),
		Message: name + " has no like at the source, and its rows could not be counted there",
		Remedy:  "create the key at the source as well, or drop it at the target",
	}
	switch {
	case refusedWith(err) != "":
	case err != nil:
		return err
	case counts[0] > 0:
		f.Severity, f.Remedy = "error", "correct the rows at the source, or drop the key at the target"
		f.Message = fmt.Sprintf("%s share a value that %s takes once", plural(counts[0], "row"), name)
	default:
		f.Message = name + " has no like at the source: all rows meet it now, and later ones may not"
	}
	m.add(f)
	return nil
}

// homes asks whether every row of the sample has a partition at the target.
func (t *trial) homes(ctx context.Context, target *rewrite.Target) error {
	if target.Table.Kind != rewrite.PartitionedTable {
		return nil
	}
	rows, err := t.target.words(ctx, fmt.Sprintf(partitionQuery, target.Table.OID))
	if err != nil {
		return err
	}
	var bounds []string
	for _, row := range rows {
		if row[0] == "" {
			return nil // a partition that takes any row
		}
		bounds = append(bounds, row[0])
	}
	f := finding{
		Severity: "error", Check: "partitions", Table: t.pair.Name(), Remedy: "create the partitions at the target, or a default one",
		Message: target.Table.Name.String() + " has no partition at the target",
	}
	if len(bounds) > 0 {
		counts, err := t.attemptNumbers(ctx, "SELECT pg_catalog.count(*) FROM "+shape(target)+" AS x WHERE ("+strings.Join(bounds, " OR ")+") IS NOT TRUE")
		if refusedWith(err) != "" || err == nil && counts[0] == 0 {
			return nil
		}
		if err != nil {
			return err
		}
		f.Message = fmt.Sprintf("%d of %s have no partition of %s at the target", counts[0], t.drawn(), target.Table.Name)
	}
	t.add(f)
	return nil
}

// partitionQuery reads the bounds of all partitions that have rows themselves.
const partitionQuery = `WITH RECURSIVE parts AS (
  SELECT %d::pg_catalog.oid AS oid
  UNION SELECT i.inhrelid FROM parts p JOIN pg_catalog.pg_inherits i ON i.inhparent OPERATOR(pg_catalog.=) p.oid)
SELECT pg_catalog.pg_get_partition_constraintdef(c.oid) FROM parts p JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) p.oid
WHERE c.relkind OPERATOR(pg_catalog.<>) 'p'`
