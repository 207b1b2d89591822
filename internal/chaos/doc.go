// Command chaos lets faults strike a proxy that mirrors, and its two databases,
// while sixteen sessions write the same rows through it, and looks afterwards
// whether all that was promised has held.
//
//	go run ./internal/chaos                     # 100 rounds
//	go run ./internal/chaos -rounds 10          # the short form
//	go run ./internal/chaos -seed 42 -only 7    # that round of that run, by itself
//
// A round is some seconds of load with its strikes: the proxy, the source or the
// target is killed (SIGKILL, all of its processes) or stands still (SIGSTOP),
// the proxy dies at a named point of the write path (package failpoint), or
// synchronous commits of the source wait for a standby that is not there. Then
// everything is up again, the load stops, and the worker has to bring the
// backlog to an end. What is asked then, and meanwhile:
//
//   - both sides are equal, by an ordered dump through the mapping, written by
//     hand here, and SHA-256;
//   - the bank adds up, account by account; no acknowledged token is missing, no
//     refused one is there, and one of unknown outcome is whole or not there;
//   - no table of the bank or the storm became dirty as a whole;
//   - what differs while the load runs is known to be dirty or under way, by a
//     checker of its own, which is itself tried with a planted write;
//   - what the worker found without a mark, or outside of what was written, is
//     nothing; no row at the target ever went back to an older state;
//   - where nothing was struck, 999 of 1,000 changes were mirrored inline.
package main
