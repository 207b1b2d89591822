package main

import (
	"errors"
	"fmt"

	"github.com/crossfade-db/crossfade/reconcile"
	"github.com/crossfade-db/crossfade/reconcile/repair"
	"github.com/crossfade-db/crossfade/reconcile/state"
)

// sink takes the differences that the worker finds.
type sink struct{ m *dualWrites }

// Diverge notes one; what there is no room for is counted there.
func (s sink) Diverge(d repair.Divergence) error {
	seen := state.Seen{State: state.DivergenceState(d.State), At: d.Seen}
	if d.Kind == repair.Uncertain {
		seen.Known = true
		if err := s.m.suspicions.Drain(); err != nil { // what is proven was suspected before
			return err
		}
	}
	seen.Sighting = state.Sighting{
		Kind: state.DivergenceKind(d.Kind), Table: d.Table, Key: string(d.Key), KeyShown: s.m.shown(d.Table, d.Key),
		Columns: d.Columns, TxID: uint64(d.TxID), Epoch: uint64(d.Epoch), Cause: causeOf(d),
	}
	err := s.m.divergences.Diverge(seen)
	if errors.Is(err, reconcile.ErrDropped) || errors.Is(err, state.ErrNoRoom) {
		return nil
	}
	return err
}

func causeOf(d repair.Divergence) string {
	switch {
	case d.Kind == repair.Uncertain:
		return reconcile.FoundCommit(d.Life, d.Ended)
	case d.Code == "":
		return string(d.Cause)
	default:
		return fmt.Sprintf("the target refuses it: SQLSTATE %s %s", d.Code, d.Constraint)
	}
}
