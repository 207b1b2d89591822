// Package live is what is so at this moment: the policy in force, the state of
// the sides, the sessions and the latest acts, in tables that can be watched.
//
//	SetPolicy ──► policy ───┐
//	                        ├─ watch ─► Snapshot ─► the hot path: one pointer
//	SetBackend ─► backends ─┘              └──────► Changed: whoever waits for news
//	PutSession ─► sessions ─► Sessions, CountSessions
//	AddAct ─────► acts ─────► Acts
//
// Nothing here lasts: what must survive is in the state database before it is
// set here. Setters return when the hot path reads what they have set.
package live
