package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/crossfade-db/crossfade/internal/admin"
)

// listings are the lists that answers have, by their verbs.
var listings = map[string]listing{
	"table list":       tableList,
	"table ready":      tableList,
	"dirty list":       dirtyList,
	"coverage":         coverageList,
	"reconcile status": walkList,
	"reconcile pause":  walkList,
	"reconcile resume": walkList,
	"reconcile run":    walkList,
	"backfill":         walkList,
}

var tableList = listingOf("tables", []column[admin.Table]{
	{name: "source", cell: func(t *admin.Table) string { return t.Source }},
	{name: "target", cell: func(t *admin.Table) string { return t.Target }},
	{name: "ready", cell: func(t *admin.Table) string { return yes(t.Ready) }},
	{name: "ranges", cell: func(t *admin.Table) string { return strconv.Itoa(t.Ranges) }},
	{name: "dirty", cell: func(t *admin.Table) string { return strconv.Itoa(t.Dirty) }},
	{name: "in_flight", cell: func(t *admin.Table) string { return strconv.Itoa(t.InFlight) }, wide: true},
	{name: "strict", cell: func(t *admin.Table) string { return yes(t.Strict) }},
	{name: "declared", cell: func(t *admin.Table) string { return t.Declared }, wide: true},
	{name: "reason", cell: func(t *admin.Table) string { return t.Reason }},
})

var dirtyList = listingOf("items", []column[admin.DirtyItem]{
	{name: "table", cell: func(d *admin.DirtyItem) string { return d.Table }},
	{name: "key", cell: func(d *admin.DirtyItem) string { return d.Key }},
	{name: "range", cell: func(d *admin.DirtyItem) string { return yes(d.Range) }},
	{name: "cause", cell: func(d *admin.DirtyItem) string { return d.Cause }},
	{name: "since", cell: func(d *admin.DirtyItem) string { return stamp(&d.Since) }},
	{name: "epoch", cell: func(d *admin.DirtyItem) string { return strconv.FormatUint(d.Epoch, 10) }, wide: true},
	{name: "attempts", cell: func(d *admin.DirtyItem) string { return strconv.Itoa(d.Attempts) }},
	{name: "in_flight", cell: func(d *admin.DirtyItem) string { return yes(d.InFlight) }},
	{name: "error", cell: func(d *admin.DirtyItem) string { return d.Error }},
})

var coverageList = listingOf("statements", []column[admin.Statement]{
	{name: "digest", cell: func(s *admin.Statement) string { return s.Digest }},
	{name: "kind", cell: func(s *admin.Statement) string { return s.Kind }},
	{name: "tables", cell: func(s *admin.Statement) string { return strings.Join(s.Tables, " ") }},
	{name: "seen", cell: func(s *admin.Statement) string { return strconv.FormatUint(s.Seen, 10) }},
	{name: "mirrored", cell: func(s *admin.Statement) string { return strconv.FormatUint(s.Mirrored, 10) }},
	{name: "compared", cell: func(s *admin.Statement) string { return strconv.FormatUint(s.Compared, 10) }},
	{name: "matched", cell: func(s *admin.Statement) string { return strconv.FormatUint(s.Matched, 10) }},
	{name: "diverged", cell: func(s *admin.Statement) string { return strconv.FormatUint(s.Diverged, 10) }},
	{name: "skipped", cell: func(s *admin.Statement) string { return skipped(s.Skipped) }},
})

var walkList = listingOf("tables", []column[admin.Progress]{
	{name: "table", cell: func(p *admin.Progress) string { return p.Table }},
	{name: "copied", cell: func(p *admin.Progress) string { return strconv.FormatUint(p.Copied, 10) }},
	{name: "total", cell: func(p *admin.Progress) string { return strconv.FormatUint(p.Total, 10) }},
	{name: "wrote", cell: func(p *admin.Progress) string { return strconv.FormatUint(p.Wrote, 10) }},
	{name: "state", cell: func(p *admin.Progress) string { return p.State }},
	{name: "reason", cell: func(p *admin.Progress) string { return p.Reason }},
})

var divergenceList = listingOf("divergences", []column[admin.Divergence]{
	{name: "id", cell: func(d *admin.Divergence) string { return strconv.FormatUint(d.ID, 10) }},
	{name: "state", cell: func(d *admin.Divergence) string { return d.State }},
	{name: "open", cell: func(d *admin.Divergence) string { return yes(d.Open) }},
	{name: "kind", cell: func(d *admin.Divergence) string { return d.Kind }},
	{name: "table", cell: func(d *admin.Divergence) string { return d.Table }},
	{name: "key", cell: func(d *admin.Divergence) string { return d.Key }},
	{name: "columns", cell: func(d *admin.Divergence) string { return strings.Join(d.Columns, " ") }},
	{name: "digest", cell: func(d *admin.Divergence) string { return d.Digest }, wide: true},
	{name: "transaction", cell: func(d *admin.Divergence) string { return strconv.FormatUint(d.Transaction, 10) }, wide: true},
	{name: "first_seen", cell: func(d *admin.Divergence) string { return stamp(&d.FirstSeen) }},
	{name: "last_seen", cell: func(d *admin.Divergence) string { return stamp(&d.LastSeen) }, wide: true},
	{name: "seen", cell: func(d *admin.Divergence) string { return strconv.FormatUint(d.Seen, 10) }, wide: true},
	{name: "epoch", cell: func(d *admin.Divergence) string { return strconv.FormatUint(d.Epoch, 10) }, wide: true},
	{name: "confirmed", cell: func(d *admin.Divergence) string { return stamp(d.Life.Confirmed) }, wide: true},
	{name: "repaired", cell: func(d *admin.Divergence) string { return stamp(d.Life.Repaired) }, wide: true},
	{name: "verified", cell: func(d *admin.Divergence) string { return stamp(d.Life.Verified) }, wide: true},
	{name: "waived_by", cell: func(d *admin.Divergence) string { return waiver(d).Actor }, wide: true},
	{name: "waived_until", cell: func(d *admin.Divergence) string { until := waiver(d).Until; return stamp(&until) }, wide: true},
	{name: "waived_reason", cell: func(d *admin.Divergence) string { return waiver(d).Reason }, wide: true},
	{name: "cause", cell: func(d *admin.Divergence) string { return d.Cause }},
})

func waiver(d *admin.Divergence) admin.WaiverOf {
	if d.Waiver == nil {
		return admin.WaiverOf{}
	}
	return *d.Waiver
}

func divergenceRows(d admin.Divergence) [][2]string {
	rows := [][2]string{
		{"id", strconv.FormatUint(d.ID, 10)},
		{"state", d.State},
		{"open", yes(d.Open)},
		{"kind", d.Kind},
		{"table", d.Table},
		{"key", d.Key},
		{"columns", or(strings.Join(d.Columns, ", "), "none")},
		{"digest", or(d.Digest, "not known")},
		{"transaction", or(strings.TrimPrefix(strconv.FormatUint(d.Transaction, 10), "0"), "not known")},
		{"epoch", strconv.FormatUint(d.Epoch, 10)},
		{"cause", d.Cause},
		{"seen", fmt.Sprintf("%d times, first %s, last %s", d.Seen, stamp(&d.FirstSeen), stamp(&d.LastSeen))},
		{"confirmed", or(stamp(d.Life.Confirmed), "no")},
		{"repaired", or(stamp(d.Life.Repaired), "no")},
		{"verified", or(stamp(d.Life.Verified), "no")},
	}
	if w := d.Waiver; w != nil {
		rows = append(rows, [2]string{"waived", fmt.Sprintf("by %s %s until %s: %s", w.Actor, stamp(&w.Since), stamp(&w.Until), w.Reason)})
	}
	return rows
}

func reconcileRows(r admin.Reconcile) [][2]string {
	return [][2]string{
		{"worker", sinceWords(r.State, nil, r.Reason)},
		{"dirty", fmt.Sprintf("%d (%s, %s)", r.Dirty, numbered(strconv.Itoa(r.Keys), "key"), numbered(strconv.Itoa(r.Ranges), "range"))},
		{"in flight", strconv.Itoa(r.InFlight)},
		{"oldest", short(r.OldestSeconds)},
		{"repaired", strconv.FormatUint(r.Repaired, 10)},
		{"flapping", strconv.Itoa(r.Flapping)},
	}
}

func dirtyRows(d admin.Dirty) [][2]string {
	return [][2]string{
		{"dirty", strconv.Itoa(d.Dirty)},
		{"oldest", short(d.OldestSeconds)},
		{"repaired", strconv.FormatUint(d.Repaired, 10)},
		{"flapping", strconv.Itoa(d.Flapping)},
	}
}

// numbered is a number with its noun.
func numbered(n, noun string) string {
	if n == "1" {
		return n + " " + noun
	}
	return n + " " + noun + "s"
}

func yes(is bool) string {
	if is {
		return "yes"
	}
	return "no"
}

// stamp is a time, empty if there is none.
func stamp(t *time.Time) string {
	if t == nil || t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// short is a number of seconds as people read it.
func short(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	if d >= time.Minute {
		return d.Round(time.Second).String()
	}
	return d.Round(100 * time.Millisecond).String()
}

func skipped(by map[string]uint64) string {
	var words []string
	for _, why := range slices.Sorted(maps.Keys(by)) {
		words = append(words, fmt.Sprintf("%s %d", why, by[why]))
	}
	return strings.Join(words, ", ")
}
