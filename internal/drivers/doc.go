// Package drivers proves that a driver never sees a type or table number of the
// other side, with drivers that remember such numbers for life: pgx, psycopg,
// asyncpg and pgJDBC.
//
// Two servers have the same types and tables under different numbers
// (Prepare). Each driver runs one script, three rounds on one connection,
// through a Tap that keeps every byte its server sends:
//
//	          ┌── Tap ── the source ────────────────────── Run ─┐
//	script ───┤                                                 ├── Judge
//	          └── Tap ── the proxy ──┬── the source ─────  Run ─┘
//	                                 └── the target
//
// Between the rounds whoever calls moves the share: 0, 100, 0. Judge wants what
// the proxy sent to be, byte for byte, what the source alone sends, whichever
// side answered; so it sees numbers also where no message shows them, inside of
// arrays, composites and copied data. Every row says which server it came from:
// plain sections must come from the target in the second round, all others from
// the source.
package drivers
