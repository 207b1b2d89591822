// Package state keeps what lasts in the state directory: the phase and share
// in force and the chain of acts that made them so, what may differ between the
// two sides, what has been proven to differ, and what was compared; in one
// SQLite database.
//
//	state.dir/lock          who uses the directory: flock, and its process id
//	state.dir/state.db      acts, head; mapped_tables, dirty_keys, dirty_ranges,
//	                        divergences, coverage (with -wal and -shm beside it while open)
//
// There is no stored phase or share beside the acts: what is in force is what
// the last act says is in force, so that nothing can take effect without its
// evidence. An act is durable before the call that writes it returns.
//
//	store, err := state.Open("var")
//	now, err := store.Runtime(ctx)
//	now.Version, now.Share = now.Version+1, 500
//	record, err := store.Commit(ctx, now, state.Act{Actor: "ops", Act: "canary set", Reason: "first step"})
//
// docs/evidence.md defines the form that is hashed; docs/verify_acts.py checks
// an export without this program.
package state
