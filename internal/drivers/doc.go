// Package drivers proves that a driver never sees a type or table number of the
// other side, with drivers that remember such numbers for life: pgx, psycopg,
// asyncpg and pgJDBC.
//
// Two servers have the same types and tables under different numbers
// (Prepare). Each driver runs one script, three rounds on one connection,
// through a Tap that keeps every byte its server sends:
//
//	          ┌── Tap ── the source
//	script ───┤
//	          └── Tap ── the proxy ──┬── the source
//	                                 └── the target
//
// Between the rounds an operator moves the share: 0, 100, 0 or 100, 0, 100. What
// the proxy sends must be, byte for byte, what the source alone sends, whichever
// side answered; so numbers are seen also where no message shows them, inside of
// arrays, composites and copied data. Every row says which server it came from:
// at share 100 plain sections must come from the target, all others from the
// source (Wrong).
package drivers
