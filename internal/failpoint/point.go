// Package failpoint names the places of the write path where a process may
// end, so that tests can end it there.
//
// Without the build tag `failpoints` Hit does nothing and costs nothing. With
// it (Linux), CROSSFADE_FAILPOINTS names a control directory (without one Hit does
// nothing), in which
//
//	count-<point>   grows by one byte with each Hit
//	kill-<point>    is made by the test: one Hit removes it and kills the process
//	stop-<point>    one Hit removes it and stops the process (SIGCONT goes on)
//	delay-<point>   as long as it is there, each Hit waits for the duration inside
//	                (put it there by a rename, whole)
//
// A kill or stop strikes after the count, at one of several processes that share
// the directory.
package failpoint

// Points of the write path, in the order of an ordinary transaction, and of
// repair.
const (
	Capture       = "capture"        // the authority's rows have been seen
	Applied       = "applied"        // the other side has taken them, uncommitted
	Intended      = "intended"       // the intent is on its way to the disk
	Durable       = "durable"        // the intent is on the disk
	AuthoritySent = "authority_sent" // COMMIT has left for the authority
	AuthorityDone = "authority_done" // its answer is here
	TargetSent    = "target_sent"    // COMMIT has left for the other side
	TargetDone    = "target_done"    // its answer is here
	Settled       = "settled"        // the outcome is with the journal
	Answered      = "answered"       // the answer has left for the client

	RepairLocked     = "repair_locked"     // the row is locked at the authority
	RepairWritten    = "repair_written"    // the other side has it, uncommitted
	RepairCommitted  = "repair_committed"  // and committed
	RepairSubtracted = "repair_subtracted" // the mark has been subtracted
)

// Points are all of them.
func Points() []string {
	return []string{
		Capture, Applied, Intended, Durable, AuthoritySent, AuthorityDone, TargetSent, TargetDone, Settled, Answered,
		RepairLocked, RepairWritten, RepairCommitted, RepairSubtracted,
	}
}
