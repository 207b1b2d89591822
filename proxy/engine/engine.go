// Package engine is the fast lane of a session: a pure protocol tracker per
// wire protocol. It is fed the bytes that were read from one end and answers
// with actions on ranges of those bytes. It has no goroutine, socket, clock,
// lock or logger, so that tables and fuzzers reach all of it.
//
//	used, actions := e.Client(read, actions[:0])  // what to do with these bytes
//	switch e.Wants() { … }                        // and whose socket to wait on
//
// The fast lane never invents a message, has one busy leg, and holds back no
// byte that the other end could use: what it leaves unused is the beginning of
// a message that means nothing before the rest of it has arrived.
package engine

import (
	"github.com/crossfade-db/crossfade/router"
)

// End is one of the up to three connections of a session.
type End uint8

const (
	// Client is the application's end.
	Client End = iota
	// Source and Target are the legs to the two sides.
	Source
	Target
)

// EndOf is the end of the leg to side s.
func EndOf(s router.Side) End { return Source + End(s) }

// Op is what the driver is to do with a range of the input.
type Op uint8

const (
	// Forward writes the range to the end To.
	Forward Op = iota
	// Close ends the session; Why says what to tell the client. What was
	// forwarded before it is written first.
	Close
	// Swallow drops the range.
	Swallow
	// Hold keeps the range back; Release writes all that is kept back.
	Hold
	Release
	// Escalate hands the session to the slow lane; Why says what for. The
	// message at From has not been used.
	Escalate
)

// Action is one step for the driver. From and Upto are offsets in the input
// of the call that returned it.
type Action struct {
	Op         Op
	To         End
	From, Upto int
	Why        Reason
}

// Turn says whose bytes a session waits for.
type Turn uint8

const (
	// ClientTurn: nothing is owed to the client; the next byte is the client's.
	ClientTurn Turn = iota
	// LegTurn: the busy leg owes answers and needs nothing from the client.
	LegTurn
	// Both: either end may send next (COPY IN, COPY BOTH, a batch without its
	// Sync, more than 64 KiB unanswered, a session that may be listening).
	Both
)

// Reason says why a session is closed by the engine.
type Reason uint8

const (
	// None is no reason.
	None Reason = iota
	// BadClientLength and BadServerLength: a length that no honest peer sends.
	BadClientLength
	BadServerLength
	// UnknownClientMessage and UnknownServerMessage: a type byte that the
	// protocol does not have.
	UnknownClientMessage
	UnknownServerMessage
	// UnexpectedClientMessage and UnexpectedServerMessage: a message that the
	// protocol does not have at this point.
	UnexpectedClientMessage
	UnexpectedServerMessage

	// Reasons to escalate; all concern the target.

	// RetryError and RetryNumbers: the source is to answer instead, and can.
	RetryError
	RetryNumbers
	// WrongNumbers: a description that cannot be told to the client, too late
	// for another answer.
	WrongNumbers
	// LegLost: the target ends the connection.
	LegLost
)

// String is the sentence for the log and, for the client's own faults, for
// the client.
func (r Reason) String() string {
	switch r {
	case None:
		return "none"
	case BadClientLength:
		return "invalid message length"
	case BadServerLength:
		return "invalid message length from the server"
	case UnknownClientMessage:
		return "invalid frontend message type"
	case UnknownServerMessage:
		return "invalid message type from the server"
	case UnexpectedClientMessage:
		return "message not allowed at this point of the protocol"
	case UnexpectedServerMessage:
		return "message from the server not expected at this point of the protocol"
	case RetryError:
		return "the target answered with an error"
	case RetryNumbers, WrongNumbers:
		return "the target's type numbers differ"
	case LegLost:
		return "the target closed the connection"
	default:
		return "unknown"
	}
}

// ByClient says whether the client is at fault.
func (r Reason) ByClient() bool {
	switch r {
	case BadClientLength, UnknownClientMessage, UnexpectedClientMessage:
		return true
	case None, BadServerLength, UnknownServerMessage, UnexpectedServerMessage, RetryError, RetryNumbers, WrongNumbers, LegLost:
		return false
	default:
		return false
	}
}

// Counts are statements answered since the last call of TakeCounts.
type Counts struct{ OK, Failed uint32 }

// forward appends the range to out, or lengthens the last action where the
// range follows it: one read leaves as one write.
func forward(out []Action, to End, from, upto int) []Action {
	if n := len(out); n > 0 && out[n-1].Op == Forward && out[n-1].To == to && out[n-1].Upto == from {
		out[n-1].Upto = upto
		return out
	}
	return append(out, Action{Op: Forward, To: to, From: from, Upto: upto})
}
