// Package rewrite holds what is common to both SQL dialects once a statement
// is understood: the Statement (kind, tables, keys, the text that arrived and
// the text that leaves), the Mapping between the two schema shapes, and the
// plan cache that remembers the outcome per text.
//
// The package is pure: no goroutine, clock, lock, socket or logger, so that
// tables and fuzzers reach everything. What knows a dialect lives in the
// packages below it:
//
//	rewrite          Statement, Mapping, plan cache
//	rewrite/pgsql    PostgreSQL: token scanner, effects, analysis, rewriting
//	rewrite/mysql    MySQL: the same
package rewrite
