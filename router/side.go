// Package router decides which side answers a session.
//
// It is pure: no goroutine, clock, lock, socket or logger. A session has a
// place (a bucket of 10,000, or a forced list), a policy has a share, and
// Decide puts the two together with what the statement and the session are:
//
//	place := snapshot.Place(&session)             // once, at login
//	side, why := snapshot.Decide(place, against)  // per statement of a canary session
//
// The same key, salt and share give the same side everywhere and always;
// raising the share only adds sessions, lowering it only removes some.
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
