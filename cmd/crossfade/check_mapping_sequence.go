package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/crossfade-db/crossfade/rewrite"
)

// sequenceQuery reads the sequences that belong to columns, with where they
// are: "" of one that nothing was drawn from, or that the login may not see.
const sequenceQuery = `SELECT n.nspname, c.relname, a.attname,
  CASE WHEN pg_catalog.has_sequence_privilege(s.oid, 'USAGE, SELECT') THEN pg_catalog.pg_sequence_last_value(s.oid) END,
  pg_catalog.has_sequence_privilege(s.oid, 'USAGE, SELECT')
FROM pg_catalog.pg_class s
JOIN pg_catalog.pg_depend d ON d.objid OPERATOR(pg_catalog.=) s.oid AND d.refobjsubid OPERATOR(pg_catalog.>) 0
  AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
  AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
  AND d.deptype OPERATOR(pg_catalog.=) ANY ('{a,i}'::pg_catalog."char"[])
JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) d.refobjid
JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) c.oid AND a.attnum OPERATOR(pg_catalog.=) d.refobjsubid
JOIN pg_catalog.pg_sequence q ON q.seqrelid OPERATOR(pg_catalog.=) s.oid
WHERE s.relkind OPERATOR(pg_catalog.=) 'S' AND q.seqincrement OPERATOR(pg_catalog.>) 0`

// drawer is the sequence of a column.
type drawer struct {
	last    int64
	visible bool
}

type columnName struct {
	table  rewrite.Name
	column string
}

func (s *mappedSide) drawers(ctx context.Context) (map[columnName]drawer, error) {
	rows, err := s.words(ctx, sequenceQuery)
	if err != nil {
		return nil, fmt.Errorf("read sequences of the %s: %w", s.side, err)
	}
	all := map[columnName]drawer{}
	for _, row := range rows {
		d := drawer{visible: row[4] == "t"}
		if row[3] != "" {
			if d.last, err = strconv.ParseInt(row[3], 10, 64); err != nil {
				return nil, errUnasked
			}
		}
		all[columnName{rewrite.Name{Schema: row[0], Name: row[1]}, row[2]}] = d
	}
	return all, nil
}

// sequences compares where the numbers of columns are on both sides. They are
// not carried over: the side that does the writes draws them.
func (m *mappingProof) sequences(ctx context.Context) error {
	source, err := m.source.drawers(ctx)
	if err != nil {
		return err
	}
	target, err := m.target.drawers(ctx)
	if err != nil {
		return err
	}
	for _, pair := range m.plan.Pairs {
		for _, t := range pair.Targets {
			for _, a := range t.Columns {
				here, drawn := source[columnName{pair.Source.Name, sourceOf(pair, t, a.Column.Name)}]
				if !drawn {
					continue
				}
				there, both := target[columnName{t.Table.Name, a.Column.Name}]
				if f, wrong := compareDrawers(here, there, both); wrong {
					f.Check, f.Table, f.Column = "sequences", pair.Name(), a.Column.Name
					m.add(f)
				}
			}
		}
	}
	return nil
}

func compareDrawers(here, there drawer, both bool) (finding, bool) {
	switch {
	case !both:
		return finding{
			Severity: "warning", Message: "draws its numbers from a sequence at the source, and has none at the target",
			Remedy: "make it an identity column at the target before writes move there",
		}, true
	case !here.visible || !there.visible:
		return finding{
			Severity: "info", Message: "its sequences cannot be compared: the service logins may not see them", Remedy: "GRANT SELECT on them",
		}, true
	case there.last < here.last:
		return finding{
			Severity: "info", Message: "the target's sequence is behind the source's, which is not carried over",
			Remedy: "set it beyond the source's (setval) before writes move there",
		}, true
	}
	return finding{}, false
}
