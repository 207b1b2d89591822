package shadow

import "github.com/crossfade-db/crossfade/rewrite"

// Epoch counts the changes of authority; a writer of an older one changes
// nothing (DESIGN P4).
type Epoch uint64

// TxID is a transaction of the authority: txid_current, 64 bits; 0: it has none.
type TxID uint64

// Incarnation is one life of one server: system identifier, timeline, start of
// its postmaster. Transaction ids mean something within one only.
type Incarnation string

// Cause is why a key or range may differ. Its words are metric labels.
type Cause string

// Causes.
const (
	CauseNew        Cause = "new"        // the table was mapped and has not been copied
	CauseFailed     Cause = "failed"     // the target refused or failed the write
	CauseBudget     Cause = "budget"     // the target took longer than mirror.budget
	CauseBreaker    Cause = "breaker"    // the breaker was open
	CauseOff        Cause = "off"        // mirroring was switched off by hand
	CauseLost       Cause = "lost"       // the outcome of a COMMIT is not known
	CauseCrash      Cause = "crash"      // the proxy ended between the commits
	CauseRestart    Cause = "restart"    // a server lives anew, and may have lost commits
	CauseBulk       Cause = "bulk"       // more rows than limits.inline_rows
	CauseUncaptured Cause = "uncaptured" // the rows of a write could not be seen
	CauseRequested  Cause = "requested"  // an operator asked for a walk
	CauseUnmirrored Cause = "unmirrored" // written while nothing was mirrored
	CauseRecheck    Cause = "recheck"    // repaired, and to be looked at again
)

// Explains says that a row which is dirty for this cause may differ for it; one
// that is only looked at again should be equal.
func (c Cause) Explains() bool {
	return c != CauseRecheck && c != CauseRequested && c != CauseRestart
}

// TableKeys are rows of one table, or all of it.
type TableKeys struct {
	Table string // Pair.Name
	Keys  []rewrite.RowKey
	Whole bool // any row may be concerned; Keys is empty
}

// Intent says what a transaction of the authority is about to change at the
// other side. It is durable before the first of the two commits.
type Intent struct {
	Tables      []TableKeys
	Epoch       Epoch
	TxID        TxID
	Incarnation Incarnation
}

// Outcome is how a mirrored transaction ended.
type Outcome uint8

// Outcomes.
const (
	Both      Outcome = iota // committed on both sides
	Neither                  // committed on neither: the keys are as they were
	Authority                // committed on the authority alone: the keys are dirty
	Uncertain                // whether the authority has committed is not known: in flight until it says so
)

// Ticket is an intent on its way to the disk.
type Ticket interface {
	// Wait returns when the intent is durable, or cannot be.
	Wait() error
}

// Journal keeps intents until their outcome is known. Its methods may be called
// at the same time.
type Journal interface {
	Intend(*Intent) Ticket
	// Settle ends an intent; cause is for Authority and Uncertain. What makes
	// keys dirty is in force when it returns, and durable before the intent is
	// forgotten.
	Settle(Ticket, Outcome, Cause)
	// Mark makes rows dirty without an intent; it returns when that is durable.
	Mark(*Intent, Cause) error
}
