// Package reconcile remembers what is in doubt and makes both sides equal
// again: journal, divergences, worker, verify, backfill, reports and audit.
// Nothing of it exists in this version.
package reconcile
