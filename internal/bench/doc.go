// Bench measures what Crossfade adds to a database connection, beside
// pgbouncer and haproxy, and judges the result against the project's goals. It
// is the program behind "make bench".
//
//	go run ./internal/bench                                   # about twenty-five minutes
//	go run ./internal/bench -rounds 15 -dur 2500ms -record    # long, writes docs/benchmarks.md
//	go run ./internal/bench -cells prepared:8,rows -rounds 3  # some cells only
//
// It starts one PostgreSQL server and the three proxies, all on loopback and on
// free ports, and measures in cells. A cell is one kind of load (pgbench's
// prepared statements with 8 clients, say). Its rounds look like this, with the
// routes between two direct runs in an order drawn anew for each round:
//
//	direct   pgbouncer crossfade haproxy   direct   crossfade …   direct
//	└─ neighbour                           └─ neighbour of both rounds
//
// A route's figures are compared with the two direct runs next to them, so that
// what else the machine does hits both alike. A round whose neighbours differ
// by more than a quarter is left out and another one taken in its place, up to
// twice as many as were asked for. What is missing (a peer, a transaction, a
// baseline) is an error and never a good result.
//
// Cells of reads have more routes: proxies with a target, at share 0 and 100.
// What a session costs that has a leg at both sides, and what it takes to move
// a thousand of them, is measured between an old and a new server.
//
// Mirrored writes have cells of their own, also with a delay between the proxy
// and both servers (update:1@2ms), that run between an old and a new server:
//
//	go run ./internal/bench -cells update:8,transaction:1@0.5ms,backfill -rounds 3
//
// After each of them both sides are compared, row by row.
//
// The process figures come from /proc, so it measures on Linux only.
package main
