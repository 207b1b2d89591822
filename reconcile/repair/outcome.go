package repair

import (
	"context"
	"errors"
	"time"
)

// Outcome is what became of a leased key.
type Outcome uint8

// Outcomes.
const (
	Equal      Outcome = iota // nothing differed
	Wrote                     // the other side has been made equal
	InFlight                  // a marking transaction is not over
	Busy                      // a lock was not had in time
	Unproven                  // other writers may hide a row, and do not end
	Obstructed                // another row is in the way: of a foreign key, of a unique one
	Refused                   // the other side does not take the row
	Flapping                  // it differs again and again
	Unmapped                  // its table is not mapped any more
	Broken                    // a connection was lost, or the ledger could not be written
	outcomes                  // how many there are
)

var outcomeWords = [outcomes]string{"equal", "repaired", "in_flight", "busy", "unproven", "obstructed", "refused", "flapping", "unmapped", "broken"}

// String is the word of metrics.
func (o Outcome) String() string { return outcomeWords[o] }

// done says that the marks that were seen can be subtracted.
func (o Outcome) done() bool { return o == Equal || o == Wrote }

// pause is how long a key is left alone.
func (o Outcome) pause(tries int) time.Duration {
	switch o {
	case Equal, Wrote, outcomes:
		return 0
	case InFlight, Busy:
		return min(10*time.Millisecond<<min(tries, 6), 500*time.Millisecond)
	case Unproven, Obstructed:
		return min(50*time.Millisecond<<min(tries, 7), 5*time.Second)
	case Broken:
		return time.Second
	case Refused:
		return min(time.Second<<min(tries, 6), time.Minute)
	case Unmapped:
		return time.Second
	case Flapping:
		return 24 * time.Hour
	}
	return time.Second
}

// outcomeOf sorts an error. Those of the fence end the worker, and are not sorted.
func outcomeOf(err error) Outcome {
	var refused *Refusal
	switch {
	case errors.Is(err, errReleased):
		return Busy
	case errors.Is(err, errUnkeyed):
		return Refused
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return Broken
	case !errors.As(err, &refused):
		return Broken
	case refused.busy():
		return Busy
	case refused.Code == foreignKey, refused.Code == uniqueKey:
		return Obstructed
	case refused.lasting():
		return Refused
	}
	return Broken
}
