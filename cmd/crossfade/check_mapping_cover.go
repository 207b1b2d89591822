package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/crossfade-db/crossfade/rewrite"
)

// problems are what the catalogs alone have against the mapping.
func (m *mappingProof) problems(problems []rewrite.Problem) {
	for _, p := range problems {
		message := p.Message
		if p.At != (rewrite.At{}) {
			message = fmt.Sprintf("line %d: %s", p.At.Line, message)
		}
		m.add(finding{Severity: string(p.Severity), Check: p.Check, Table: p.Table, Column: p.Column, Message: message, Remedy: p.Remedy})
	}
}

// coverage says which tables of the source are mirrored, and why the others are
// not.
func (m *mappingProof) coverage(problems []rewrite.Problem) {
	told := map[string]bool{}
	for _, p := range problems {
		told[p.Table] = true
	}
	skipped := map[rewrite.Name]bool{}
	for _, t := range m.mapping.Tables {
		skipped[t.Source] = t.Skip
	}
	all, covered := 0, 0
	for _, t := range sortedTables(m.source.schema) {
		if t.Parent != (rewrite.Name{}) || t.Kind == rewrite.View || t.Kind == rewrite.MaterializedView {
			continue
		}
		all++
		switch {
		case m.plan.Pair(t.Name) != nil:
			covered++
		case skipped[t.Name]:
			m.notCovered(t, "info", "is left out, as the file says", "")
		case t.Kind == rewrite.ForeignTable:
			m.notCovered(t, "warning", "is a foreign table, whose rows are elsewhere: writes through it are not mirrored", "")
		case !told[t.Name.String()]:
			m.notCovered(t, "warning", "is not mirrored", "list it in migration.tables")
		}
	}
	m.add(finding{Severity: "info", Check: "coverage", Message: fmt.Sprintf("%d of %s of the source are mirrored", covered, plural(all, "table"))})
	if covered == 0 {
		m.add(finding{Severity: "error", Check: "coverage", Message: "nothing is mirrored", Remedy: "correct the errors of the tables, or list tables"})
	}
}

func (m *mappingProof) notCovered(t *rewrite.Table, severity, message, remedy string) {
	m.add(finding{Severity: severity, Check: "coverage", Table: t.Name.String(), Message: message, Remedy: remedy})
}

func sortedTables(s *rewrite.Schema) []*rewrite.Table {
	return slices.SortedFunc(maps.Values(s.Tables), func(a, b *rewrite.Table) int {
		return cmp.Compare(a.Name.String(), b.Name.String())
	})
}

// relations are what the tables themselves are.
func (m *mappingProof) relations() {
	for _, pair := range m.plan.Pairs {
		if pair.Source.Rules {
			m.lives(pair.Name(), "has a rule, which may write other rows")
		}
		for _, target := range pair.Targets {
			if target.Table.Rules {
				m.add(finding{
					Severity: "error", Check: "rules", Table: pair.Name(),
					Message: fmt.Sprintf("%s has a rule at the target: the server refuses INSERT … ON CONFLICT there, which brings the rows", target.Table.Name),
					Remedy:  "drop the rule at the target, or make a trigger of it",
				})
			}
		}
	}
}

// lives notes why writes of a table will not be captured.
func (m *mappingProof) lives(table, reason string) {
	if !slices.Contains(m.reasons[table], reason) {
		m.reasons[table] = append(m.reasons[table], reason)
	}
}

// uncaptured says which tables will live by repair alone.
func (m *mappingProof) uncaptured() {
	for _, table := range slices.Sorted(maps.Keys(m.reasons)) {
		m.add(finding{
			Severity: "warning", Check: "uncaptured", Table: table,
			Message: "some of its writes cannot be seen as they happen, and follow migration.on_uncaptured: it " + strings.Join(m.reasons[table], "; it "),
			Remedy:  "expect the table to be dirty while such writes go on, or remove the reason",
		})
	}
}
