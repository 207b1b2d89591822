// Package journal keeps intents until their outcome is known: what a
// transaction of the authority is about to change at the other side is on the
// disk before the first of the two commits.
//
//	dir/0000000000000001.journal   segments: a head, then records
//	dir/0000000000000002.journal   the last one is written
//
//	head    magic, nonce, number, and where its predecessor ends
//	record  mark, length, start of its batch, sum of the record before it,
//	        sum of its body, sum of all that; then the body
//
// One goroutine writes: all that has come meanwhile is one batch, one write, one
// fsync. The next batch is written after that fsync only, and nothing is ever
// written to a file after a write or fsync of it has failed. So a crash can
// damage the last batch of the last segment and nothing else: its lost sectors
// read as zeros, or are not there. Any other fault is corruption, and Open says
// so instead of going on without what it cannot read.
//
//	j, open, err := journal.Open(dir, journal.Options{})
//	entry := j.Append(intent)  // returns at once
//	err = entry.Wait()         // nil: durable
//	j.Settle(entry.ID())       // the outcome is known
package journal
