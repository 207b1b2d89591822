package wire

import "fmt"

// Fault says whose failure an error is.
type Fault uint8

const (
	// ByProxy: ours.
	ByProxy Fault = iota
	// ByClient: the client broke the protocol or may not do what it asked.
	ByClient
	// BySource and ByTarget: that side's server failed.
	BySource
	ByTarget
)

// String is the word used in logs and metrics.
func (f Fault) String() string {
	switch f {
	case ByProxy:
		return "proxy"
	case ByClient:
		return "client"
	case BySource:
		return "source"
	case ByTarget:
		return "target"
	default:
		return "unknown"
	}
}

// Error is what a client may see of a failure that is not a database's own
// message; a database's own messages pass byte for byte. The dialect renders
// it. Cause is for our log only and never reaches a client.
type Error struct {
	Fault   Fault
	Code    string // SQLSTATE, five characters
	Message string
	Detail  string
	Hint    string
	Cause   error
}

// Error is the line for the log.
func (e *Error) Error() string {
	if e.Cause != nil {
		return fmt.Sprintf("%s (%s, by %s): %v", e.Message, e.Code, e.Fault, e.Cause)
	}
	return fmt.Sprintf("%s (%s, by %s)", e.Message, e.Code, e.Fault)
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }
