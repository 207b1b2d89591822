// Package reconcile remembers what is in doubt and what was found: the ledger
// of dirty keys and ranges, the divergences, and what was compared.
//
//	shadow.Tx ── Intend ──► journal                       (durable before the first commit)
//	          ── Settle ──► index ─► committer ─► state database ─► intent settled
//	worker    ── TakeKeys, Ranges ──► index ◄── Subtract, Shrink, Finish
//	router    ── Ready ──► one atomic per table
//
// A change that may be on one side only is at every moment in one of three
// places: an open intent of the journal, the index, the state database. It
// leaves the journal after it has come to the state database, and the index
// after it was proven equal (DESIGN §6).
//
//	ledger, err := reconcile.OpenLedger(store, journal, reconcile.LedgerOptions{DirtyKeys: 1_000_000, Open: open})
//	ticket := ledger.Intend(&intent)
//	err = ticket.Wait()
//	// both sides commit
//	ledger.Settle(ticket, shadow.Both, "")
package reconcile
