package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/crossfade-db/crossfade/internal/admin"
	"github.com/crossfade-db/crossfade/reconcile/state"
	"github.com/crossfade-db/crossfade/rewrite"
)

// Tables are all that are mapped, and those that cannot be.
func (m *dualWrites) Tables(ctx context.Context) ([]admin.Table, error) {
	var out []admin.Table
	refused, err := m.refusedRows(ctx)
	if err != nil {
		return nil, err
	}
	if plan := m.plan(); plan != nil {
		for _, pair := range plan.Pairs {
			out = append(out, m.table(pair, refused[pair.Name()]))
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range m.problems {
		if p.Severity == rewrite.Error && !slices.ContainsFunc(out, func(t admin.Table) bool { return t.Source == p.Table }) {
			out = append(out, admin.Table{Source: p.Table, Reason: "not mirrored: " + p.Message})
		}
	}
	return out, nil
}

// refusedRows are how many rows the target refuses now, by table. That somebody
// has waived one does not bring it there.
func (m *dualWrites) refusedRows(ctx context.Context) (map[string]int, error) {
	counts, err := m.store.CountDivergences(ctx)
	refused := map[string]int{}
	for _, c := range counts {
		if c.Kind == state.Rejected && (c.State == state.Confirmed || c.State == state.Waived) {
			refused[c.Table] += c.Count
		}
	}
	return refused, err
}

func (m *dualWrites) table(pair *rewrite.Pair, refused int) admin.Table {
	counts := m.ledger.Counts(pair.Name())
	t := admin.Table{
		Source: pair.Name(), Ranges: counts.Ranges, Dirty: counts.Keys, InFlight: counts.InFlight, Strict: pair.Strict,
		Ready: m.ledger.Ready(pair.Name(), dirtyMost),
	}
	var targets []string
	for _, target := range pair.Targets {
		targets = append(targets, target.Table.Name.String())
	}
	t.Target = strings.Join(targets, ", ")
	if by, ok := m.declared.Load(pair.Name()); ok {
		t.Declared, _ = by.(string)
	}
	switch {
	case counts.Ranges > 0:
		t.Reason = "ranges of it have still to be walked"
	case counts.Keys > 0 && refused > 0:
		t.Reason = fmt.Sprintf("rows of it may differ, as the target refuses some: crossfade divergence list --kind rejected has %d", refused)
	case counts.Keys > 0:
		t.Reason = "rows of it may differ"
	case !pair.Canary:
		t.Reason = "the mapping keeps its reads at the source"
	case !pair.Same:
		t.Reason = "its shape differs: reads of it are answered by the source"
	}
	return t
}

// Declare takes the ranges of a table away that wait for its first walk.
func (m *dualWrites) Declare(_ context.Context, table, by string) error {
	if m.plan() == nil || !slices.ContainsFunc(m.plan().Pairs, func(p *rewrite.Pair) bool { return p.Name() == table }) {
		return admin.Refuse(admin.Invalid, fmt.Sprintf("there is no mapped table %s", table), "crossfade table list names them")
	}
	m.ledger.Declare(table)
	m.declared.Store(table, by)
	return nil
}
