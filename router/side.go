// Package router decides which side answers a session.
//
// It is pure: no goroutine, clock, lock, socket or logger. Today it holds the
// two sides only; share, policy and decisions follow with the canary.
package router

// Side names one of the two databases of a migration. Sides keep their names
// for the whole migration, also after the authority has moved.
type Side uint8

const (
	// Source is the side being left; the zero value, so that a lost decision
	// means yesterday's behaviour.
	Source Side = iota
	// Target is the side being moved to.
	Target
)

// Sides is how many sides there are: the length of every array indexed by Side.
const Sides = 2

// String is the word used in logs, metrics and messages.
func (s Side) String() string {
	switch s {
	case Source:
		return "source"
	case Target:
		return "target"
	default:
		return "unknown"
	}
}
