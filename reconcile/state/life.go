package state

import (
	"fmt"
	"slices"
	"time"
)

// DivergenceKind is what differs.
type DivergenceKind string

// Kinds: of writes, and those of reads.
const (
	Missing   DivergenceKind = "missing"
	Extra     DivergenceKind = "extra"
	Value     DivergenceKind = "value"
	Effect    DivergenceKind = "effect"
	Rejected  DivergenceKind = "rejected"
	Uncertain DivergenceKind = "uncertain"
	Order     DivergenceKind = "order"
	Type      DivergenceKind = "type"
	Failure   DivergenceKind = "error"
)

func (k DivergenceKind) valid() bool {
	switch k {
	case Missing, Extra, Value, Effect, Rejected, Uncertain, Order, Type, Failure:
		return true
	}
	return false
}

// DivergenceState is where a divergence is in its life.
type DivergenceState string

// States of a divergence.
const (
	Suspected DivergenceState = "suspected" // seen, and not proven
	Confirmed DivergenceState = "confirmed" // proven: nothing in flight or newer explains it
	Repaired  DivergenceState = "repaired"  // written over, and not looked at since
	Verified  DivergenceState = "verified"  // looked at again: equal
	Waived    DivergenceState = "waived"    // taken on by a named person until a day
)

// lives is the whole life cycle: what can follow a state. Anything else is an
// error. A waiver comes by Waive alone, as it has a name to it, and goes back to
// what was waived when it ends.
var lives = map[DivergenceState][]DivergenceState{
	Suspected: {Confirmed, Repaired, Verified, Waived},
	Confirmed: {Repaired, Verified, Waived},
	Repaired:  {Suspected, Confirmed, Verified, Waived},
	Verified:  {Suspected, Confirmed, Repaired},
	Waived:    {Suspected, Confirmed, Repaired, Verified},
}

// TransitionError says that a divergence cannot come to a state from where it is.
type TransitionError struct {
	ID       uint64
	From, To DivergenceState
}

func (e *TransitionError) Error() string {
	return fmt.Sprintf("divergence %d is %s and cannot become %s", e.ID, e.From, e.To)
}

func (s DivergenceState) canBecome(next DivergenceState) bool { return slices.Contains(lives[s], next) }

// Life is when a divergence last came to its states; zero: never.
type Life struct {
	Confirmed time.Time `json:"confirmed,omitzero"`
	Repaired  time.Time `json:"repaired,omitzero"`
	Verified  time.Time `json:"verified,omitzero"`
}

// reached notes a state.
func (l *Life) reached(s DivergenceState, at time.Time) {
	switch s {
	case Confirmed:
		l.Confirmed = at
	case Repaired:
		l.Repaired = at
	case Verified:
		l.Verified = at
	case Suspected, Waived:
	}
}

// Waiver is who has taken a divergence on, and until when.
type Waiver struct {
	By     string          `json:"actor"`
	Reason string          `json:"reason"`
	Since  time.Time       `json:"since"`
	Until  time.Time       `json:"until"`
	From   DivergenceState `json:"from"` // what it was
}

// lasts says that the waiver is in force.
func (w *Waiver) lasts(at time.Time) bool { return w != nil && w.Until.After(at) }

// sighted is the state of a divergence that is seen again in a state. What is
// proven stays so when it is merely suspected, and a waiver holds while it lasts,
// unless both sides turn out equal.
func (d *Divergence) sighted(as DivergenceState, at time.Time) (DivergenceState, error) {
	now := d.State
	if now == Waived && as != Verified {
		if d.Waiver.lasts(at) {
			return Waived, nil
		}
		now = d.Waiver.From
	}
	switch {
	case now == as, now == Confirmed && as == Suspected:
		return now, nil
	case as == Waived || !now.canBecome(as):
		return now, &TransitionError{ID: d.ID, From: now, To: as}
	default:
		return as, nil
	}
}
