package main

import (
	"errors"
	"fmt"
)

// unchanged is how far a figure with a target may be from the one without and
// still count as the same: such a difference is not to be told from the noise
// of any machine that this runs on.
const unchanged = 0.02

// shareGoals are those of the share, and have its name instead of a number.
func shareGoals() []goal {
	return []goal{
		atMostOf("prepared:8", "CPU", func(s sample) float64 { return s.CPU }),
		atMostOf("prepared:1", "p50", func(s sample) float64 { return s.P50 }),
		atMostOf("rows", "CPU", func(s sample) float64 { return s.CPU }),
		atMostOf("rows", "time", func(s sample) float64 { return s.P50 }),
		memory("share", "two-leg", 8, func(r *idleResult) idleMemory { return r.TwoLegs }),
		memory("share", "moved", 8, func(r *idleResult) idleMemory { return r.Moved }),
		moving("there", func(r movesRound) float64 { return r.There }),
		moving("back", func(r movesRound) float64 { return r.Back }),
		deciding("ns", 20, func(m microResult) estimate { return m.NS }),
		deciding("allocations", 0, func(m microResult) estimate { return exact(m.Allocations) }),
	}
}

// atMostOf is the goal that a figure at share 0 is that of a proxy without a
// target, both in the same rounds.
func atMostOf(cell, what string, of func(sample) float64) goal {
	return goal{
		id: "share", what: what + " at share 0 / without target", cell: cell, atMost: true, bound: 1 + unchanged, spread: true,
		value: func(r *report) (estimate, error) {
			result, err := r.cell(cell)
			if err != nil {
				return estimate{}, err
			}
			if _, ran := result.line(shareNone); !ran {
				return estimate{}, errors.New("no proxy with a target was measured")
			}
			return estimateOf(each(result.counted(), func(r round) float64 {
				return of(r.Proxies[shareNone]) / of(r.Proxies[crossfade])
			})), nil
		},
	}
}

// moving is the goal about sessions whose legs are dialled: how much longer
// their reads take when each moves.
func moving(where string, of func(movesRound) float64) goal {
	return goal{
		id: "share", what: fmt.Sprintf("added ms, %d sessions move %s", movedSessions, where), cell: string(moves), atMost: true, bound: 1000,
		value: func(r *report) (estimate, error) { return r.Moves.added(of), nil },
	}
}

func deciding(what string, bound float64, of func(microResult) estimate) goal {
	return goal{
		id: "share", what: what + " per decision", cell: string(decide), atMost: true, bound: bound,
		value: func(r *report) (estimate, error) {
			for _, m := range r.Decide {
				if m.Name == benchDecide {
					return of(m), nil
				}
			}
			return estimate{}, errors.New(benchDecide + " has not run")
		},
	}
}
