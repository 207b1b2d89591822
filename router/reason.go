package router

// Reason says why a side answers: one enumeration for decisions, metrics,
// explain and refusals. Its words are metric labels and stay.
type Reason uint8

const (
	// None: nothing stands against the target.
	None Reason = iota

	// What a policy decides.

	InShare    // the bucket is below the share
	OutOfShare // the bucket is not below the share
	ListedIn   // a forced list
	ListedOut
	WrongPhase // the phase sends nobody to the target
	NoTarget   // there is no target
	Broken     // the breaker holds the target off
	Began      // canary.writes: target keeps a session where it began

	// What a statement is.

	TypeOID     // it shows type numbers that differ between the sides
	Catalog     // it reads system catalogs
	ServerBound // it asks for what only one server has: sequences, process ids, locks, snapshots
	SetsState   // it may change what the session carries
	Unknown     // it cannot be read, or uses a statement that only its own leg has
	TooLarge    // the request is longer than limits.retry_keep
	Portal      // it leaves a portal open within its transaction
	Isolation   // its transaction is stricter than the target may answer
	TargetError // the target has failed to answer it
	Mixed       // its batch has a part that the source must answer
	Writing     // it writes, or may
	NotMapped   // it reads a table that is not mapped
	Shape       // it reads a table whose shape differs
	NotReady    // it reads a table that is not equal yet
	Locking     // it locks rows
	Recent      // an earlier commit of its tables is not at the target yet
	OwnWrites   // its transaction has written

	// What a session has that cannot move: pins.

	PinTemporary // temporary objects
	PinListen    // LISTEN
	PinAdvisory  // session-level advisory locks
	PinCursor    // cursors WITH HOLD
	PinReplication
	PinSeed     // setseed
	PinLoad     // LOAD
	PinPrepare  // an SQL PREPARE that cannot be isolated
	PinOpaque   // a function that may hide state from every probe
	PinState    // a setting, role or value that the other side refuses
	PinProtocol // what its server still owes cannot be known
	PinEncoding // a client encoding whose texts cannot be read
	Reasons     // how many there are; not a reason
)

var reasonWords = [Reasons]string{
	None: "none", InShare: "in_share", OutOfShare: "out_of_share", ListedIn: "forced_in", ListedOut: "forced_out",
	WrongPhase: "phase", NoTarget: "no_target", Broken: "breaker", Began: "keeps_side",
	TypeOID: "type_oid", Catalog: "catalog", ServerBound: "server_bound", SetsState: "state", Unknown: "unprepared",
	TooLarge: "too_large", Portal: "portal", Isolation: "isolation", TargetError: "target_error", Mixed: "mixed",
	Writing: "write", NotMapped: "not_mapped", Shape: "shape", NotReady: "not_ready", Locking: "locking", Recent: "recent_write", OwnWrites: "own_writes",
	PinTemporary: "temporary_objects", PinListen: "listen", PinAdvisory: "advisory_lock", PinCursor: "held_cursor",
	PinReplication: "replication", PinSeed: "setseed", PinLoad: "load", PinPrepare: "sql_prepare",
	PinOpaque: "opaque_function", PinState: "state_rejected", PinProtocol: "protocol", PinEncoding: "encoding",
}

// String is the word of metrics, status and explain.
func (r Reason) String() string {
	if r >= Reasons {
		return "unknown"
	}
	return reasonWords[r]
}

// Pins says that the reason belongs to a session and not to a statement.
func (r Reason) Pins() bool { return r >= PinTemporary && r < Reasons }
