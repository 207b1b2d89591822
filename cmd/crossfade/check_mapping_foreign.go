package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/crossfade-db/crossfade/rewrite"
)

// foreignKeys compares what refers to what on both sides.
func (m *mappingProof) foreignKeys(ctx context.Context) error {
	for _, pair := range m.plan.Pairs {
		for _, f := range pair.Source.ForeignKeys {
			if f.Writes() {
				m.cascade(pair, f)
			}
		}
		for _, target := range pair.Targets {
			for _, f := range target.Table.ForeignKeys {
				if err := m.targetKey(ctx, pair, target, f); err != nil {
					return fmt.Errorf("count references of %s: %w", pair.Name(), err)
				}
			}
		}
	}
	return nil
}

// cascade is a foreign key of the source by which a change of another table
// writes this one, unseen.
func (m *mappingProof) cascade(pair *rewrite.Pair, f rewrite.ForeignKey) {
	parent := m.plan.Pair(f.To)
	if parent != nil && m.alike(pair, parent, f) {
		m.add(finding{
			Severity: "info", Check: "foreign keys", Table: pair.Name(), Column: onlyName(f.Columns),
			Message: fmt.Sprintf("%s writes it when %s changes, which the target does alike", rewrite.Quote(f.Name), f.To),
		})
	}
	m.lives(f.To.String(), fmt.Sprintf("writes %s by the foreign key %s", pair.Name(), rewrite.Quote(f.Name)))
}

// alike says whether a target of the pair has the same foreign key with the same
// actions.
func (m *mappingProof) alike(pair, parent *rewrite.Pair, f rewrite.ForeignKey) bool {
	for _, target := range pair.Targets {
		for _, g := range target.Table.ForeignKeys {
			if g.OnDelete == f.OnDelete && g.OnUpdate == f.OnUpdate && m.corresponds(pair, target, parent, f, g) {
				return true
			}
		}
	}
	return false
}

// corresponds says whether a foreign key of the target is one of the source.
func (m *mappingProof) corresponds(pair *rewrite.Pair, target *rewrite.Target, parent *rewrite.Pair, f, g rewrite.ForeignKey) bool {
	to := targetOf(parent, g.To)
	if to == nil || parent.Source.Name != f.To || len(f.Columns) != len(g.Columns) {
		return false
	}
	for i := range g.Columns {
		from, refers := sourceOf(pair, target, g.Columns[i]), sourceOf(parent, to, g.Refers[i])
		at := slices.Index(f.Columns, from)
		if from == "" || at < 0 || f.Refers[at] != refers {
			return false
		}
	}
	return true
}

func targetOf(pair *rewrite.Pair, table rewrite.Name) *rewrite.Target {
	for _, t := range pair.Targets {
		if t.Table.Name == table {
			return t
		}
	}
	return nil
}

// sourceOf is the column of the source that a column of the target takes; empty:
// an expression, or none.
func sourceOf(pair *rewrite.Pair, target *rewrite.Target, column string) string {
	for _, a := range target.Columns {
		if a.Column.Name == column {
			if c := plainColumn(pair, a); c != nil {
				return c.Name
			}
		}
	}
	return ""
}

func onlyName(names []string) string {
	if len(names) == 1 {
		return names[0]
	}
	return ""
}

// targetKey is a foreign key of the target. It refuses rows, or writes them,
// where the source does not.
func (m *mappingProof) targetKey(ctx context.Context, pair *rewrite.Pair, target *rewrite.Target, g rewrite.ForeignKey) error {
	f := finding{Check: "foreign keys", Table: pair.Name(), Column: onlyName(g.Columns)}
	parent, to := m.owner(g.To)
	if parent == nil {
		f.Severity = "warning"
		f.Message = fmt.Sprintf("%s of %s refers to %s, which is not mirrored: rows are refused unless somebody else fills it", rewrite.Quote(g.Name), target.Table.Name, g.To)
		f.Remedy = "map that table, or drop the foreign key at the target until it is filled"
		m.add(f)
		return nil
	}
	for _, own := range pair.Source.ForeignKeys {
		if own.To == parent.Source.Name && m.corresponds(pair, target, parent, own, g) {
			if g.Writes() && (g.OnDelete != own.OnDelete || g.OnUpdate != own.OnUpdate) {
				m.add(otherAction(f, target, g))
			}
			return nil
		}
	}
	if g.Writes() {
		m.add(otherAction(f, target, g))
	}
	return m.orphans(ctx, pair, target, parent, to, g)
}

func otherAction(f finding, target *rewrite.Target, g rewrite.ForeignKey) finding {
	f.Severity = "error"
	f.Message = fmt.Sprintf("%s of %s changes rows at the target where the source does not", rewrite.Quote(g.Name), target.Table.Name)
	f.Remedy = "give it the actions that the source has (ON DELETE, ON UPDATE)"
	return f
}

// owner finds the pair that fills a table of the target.
func (m *mappingProof) owner(table rewrite.Name) (*rewrite.Pair, *rewrite.Target) {
	for _, pair := range m.plan.Pairs {
		if t := targetOf(pair, table); t != nil {
			return pair, t
		}
	}
	return nil, nil
}

// orphans counts the rows of the source that a foreign key of the target alone
// will refuse.
func (m *mappingProof) orphans(ctx context.Context, pair *rewrite.Pair, target *rewrite.Target, parent *rewrite.Pair, to *rewrite.Target, g rewrite.ForeignKey) error {
	f := finding{
		Severity: "warning", Check: "foreign keys", Table: pair.Name(), Column: onlyName(g.Columns),
		Message: fmt.Sprintf("%s of %s has no like at the source, and its rows could not be counted there", rewrite.Quote(g.Name), target.Table.Name),
		Remedy:  "create the foreign key at the source as well, or drop it at the target",
	}
	var same, set []string
	for i := range g.Columns {
		from, refers := sourceOf(pair, target, g.Columns[i]), sourceOf(parent, to, g.Refers[i])
		if from == "" || refers == "" {
			m.add(f)
			return nil
		}
		same = append(same, "b."+rewrite.Quote(refers)+" = a."+rewrite.Quote(from))
		set = append(set, "a."+rewrite.Quote(from)+" IS NOT NULL")
	}
	counts, err := m.source.numbers(ctx, fmt.Sprintf("SELECT pg_catalog.count(*) FROM %s a WHERE %s AND NOT EXISTS (SELECT FROM %s b WHERE %s)",
		pair.Source.Name.SQL(), strings.Join(set, " AND "), parent.Source.Name.SQL(), strings.Join(same, " AND ")))
	switch {
	case refusedWith(err) != "":
	case err != nil:
		return err
	case counts[0] > 0:
		f.Severity, f.Remedy = "error", "correct the rows at the source, or drop the foreign key at the target"
		f.Message = fmt.Sprintf("%s refer to no row of %s, which %s of %s demands", plural(counts[0], "row"), parent.Name(), rewrite.Quote(g.Name), target.Table.Name)
	default:
		f.Message = fmt.Sprintf("%s of %s has no like at the source: all rows meet it now, and later ones may not", rewrite.Quote(g.Name), target.Table.Name)
	}
	m.add(f)
	return nil
}

const viewQuery = `SELECT v.oid::pg_catalog.regclass::pg_catalog.text, pg_catalog.string_agg(DISTINCT d.refobjid::pg_catalog.text, ',')
FROM pg_catalog.pg_class v
JOIN pg_catalog.pg_rewrite w ON w.ev_class OPERATOR(pg_catalog.=) v.oid
JOIN pg_catalog.pg_depend d ON d.objid OPERATOR(pg_catalog.=) w.oid
  AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_rewrite'::pg_catalog.regclass
  AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
WHERE v.relkind OPERATOR(pg_catalog.=) 'v' AND pg_catalog.pg_relation_is_updatable(v.oid, true) OPERATOR(pg_catalog.<>) 0
  AND d.refobjid OPERATOR(pg_catalog.<>) v.oid
GROUP BY v.oid`

// views are ways to write mapped tables that an image cannot be seen through.
func (m *mappingProof) views(ctx context.Context) error {
	rows, err := m.source.words(ctx, viewQuery)
	if err != nil {
		return fmt.Errorf("read views: %w", err)
	}
	over := map[string]string{}
	for _, row := range rows {
		for _, oid := range strings.Split(row[1], ",") {
			over[oid] = row[0]
			for _, pair := range m.plan.Pairs {
				if fmt.Sprint(pair.Source.OID) == oid {
					m.add(finding{
						Severity: "info", Check: "views", Table: pair.Name(),
						Message: fmt.Sprintf("the view %s can be written through: such writes are not captured, and follow migration.on_uncaptured", row[0]),
					})
				}
			}
		}
	}
	return nil
}
