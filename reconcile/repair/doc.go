// Package repair makes the target equal to the source where it may differ: key
// by key for what a mirrored write left behind, range by range for what was
// never copied or lost sight of (ALGORITHMS B.i, B.iii; WRITEPATH §6, §9).
//
//	Ledger ──keys───► key:   marks finished? ─► lock on A ─► compare on S ─► write ─► commit S ─► release A ─► subtract
//	       ──ranges─► walk:  writers before it ended? ─► keys ─► lock a chunk on A ─► compare on S ─► write ─► … ─► shrink
//
// A is the authority, S the other side. Whatever is written on S is a whole
// mapped row, as A has it at this moment and under A's lock, so that a repair is
// idempotent and never brings an older row over a newer one (P7). Three things
// make that so:
//
//   - The lock on A is bounded by A itself (lock_timeout, statement_timeout,
//     idle_in_transaction_session_timeout). As A may end it at any time, A is asked
//     once more when all of S's row locks are held and before S commits: a
//     transaction that A has ended meanwhile changes nothing on S.
//   - Every transaction on S begins with the fence, in two statements: the
//     advisory lock, then the epoch. In one statement the epoch would be read by
//     a snapshot older than the lock. Where writes travel behind them, nothing
//     commits before both answers are seen.
//   - A mark is subtracted only when the repair has begun after all marking
//     transactions had finished on A, and by the count that was seen then.
//
// # Absent rows
//
// A row that A does not have has nothing to lock there, and a row that another
// session of S has inserted and not committed can neither be seen nor waited for
// by DELETE (WRITEPATH §1). Placeholders would wait for it, but a table's
// constraints may refuse them. The worker uses what every writer does anyway: it
// holds the fence's advisory lock, shared, until its transaction on S is over.
//
//  1. A: the row is absent.
//  2. S: list the other holders of the fence's lock, then delete by key.
//  3. Nothing deleted and no holder: the row is absent on both sides. A writer
//     whose row A had committed before 1 held the lock before 1; it is not among
//     the holders, so it has ended before 2, and the delete saw what it left.
//  4. Nothing deleted and some holder: wait, with nothing locked, until these
//     transactions are gone, and repeat once. Writers that came after 1 are their
//     own keys' business: their marks are younger than the count that was seen.
//  5. Something deleted: read A again before S commits. Present: start over.
//
// The same holds for a row that A has and that a target's when leaves out.
//
// # Keys together
//
// Keys of one table are repaired in batches: one question for all their marks,
// one lock of all their rows on A, one comparison on S and one write of what
// differs. What is not simple goes one by one, as above: rows that are absent on
// A, that others hold locked, or that are not to be on S. A batch that S refuses
// is halved until the row is alone that it refuses.
//
// # Ranges
//
// A range is walked when every transaction that A had begun before the mark has
// finished, and every writer that S had at that time, so that what the mark
// stands for is there to be seen. Rows that others hold locked are not waited
// for: they become dirty keys before the range shrinks past them. Keys that only
// S has are never deleted on the chunk's word: they become dirty keys, too.
package repair
