// Package parse says what a PostgreSQL statement reads, writes and calls, and
// where texts of ours go into it.
//
//	text ──guard──▶ pg_query (grammar of 17) ──▶ rewrite.Statement ──┐
//	  │                                                              ├─▶ Capture, OldKeys
//	  └──────────── scanner ──▶ offsets, Key, Resplice ──────────────┘
//
// What a text means comes from PostgreSQL's own grammar, whose C code ends the
// process on very long chains of operators; so every text passes a guard first,
// which counts with our scanner what makes the syntax tree deep. Where a text of
// ours goes comes from the scanner alone, since the grammar has no end positions,
// and is held against the tree; where the two disagree the statement is Unknown.
//
// Key makes statements that differ in nothing but literals, comments and white
// space equal, so that one analysis serves all of them:
//
//	key, ok := parse.Key(text, buffer[:0])  // cold: Analyse; warm: Resplice
//
// Errors never hold a part of the text. A text that is not understood has Kind
// Unknown and goes to the authority as it is.
package parse
