// Package shadow brings writes to the side that is not the authority: changes
// captured there as row images, and the transaction at the other side that
// takes them over. It has no sockets: a Leg is the other side's end of the
// conversation, a Journal remembers what is in doubt.
//
//	client's statement ── authority ── Change ── Tx.Captured ── Leg.Apply
//	client's COMMIT ───── Tx.Commit:
//	    intent durable ∥ applies answered → authority commits → other side commits → settled
//
// The order is written once, in Tx.Commit (DESIGN §4.4, ENGINE §2). Whatever
// fails on the other side rolls its transaction back and leaves the keys dirty;
// the client's way goes on.
package shadow
