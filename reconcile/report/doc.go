// Package report makes the auditor's report of a migration: what was done and
// by whom, what was mirrored and compared and what was not, what differed and
// what became of it, and what is left open. It is one document, as JSON and as
// one page of HTML that needs no script, no network and no other file.
//
//	Input ── New ──► Report ── json.Marshal
//	                        └─ HTML
//
// Everything is computed from Input, which holds no value of a row that the
// evidence policy does not show: masking is the caller's. The package has no
// clock; a report is of the time in Subject.Made.
package report
