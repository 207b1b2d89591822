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

func statusRows(s admin.Status) [][2]string {
	d := s.Divergences
	rows := [][2]string{
		{"phase", s.Phase},
		{"authority", fmt.Sprintf("%s (epoch %d)", s.Authority, s.Epoch)},
		{"share", percent(s.Share) + "%"},
		{"version", strconv.FormatUint(s.Version, 10)},
		{"applied", fmt.Sprintf("at version %d, %d sessions still to move", s.Applied, s.Sessions.Pending)},
		{"sessions", fmt.Sprintf("source %d, target %d", s.Sessions.Source, s.Sessions.Target)},
		{"backends", fmt.Sprintf("source %d, target %d", s.Backends.Source, s.Backends.Target)},
		{"pins", pins(s.Pins)},
		{"target", targetWords(s.Target)},
		{"writes", or(s.Writes, "not set")},
		{"dirty", strconv.Itoa(s.Dirty)},
		{"divergences", fmt.Sprintf("suspected %d, confirmed %d, repaired %d, verified %d, waived %d",
			d.Suspected, d.Confirmed, d.Repaired, d.Verified, d.Waived)},
	}
	if s.Mirror != nil {
		rows = append(rows, [2]string{"mirror", sinceWords(s.Mirror.State, s.Mirror.Since, s.Mirror.Reason)})
		if j := s.Mirror.Journal; j != nil {
			rows = append(rows, [2]string{"journal", journalWords(j)})
		}
	}
	if s.Draining {
		rows = append(rows, [2]string{"draining", "yes"})
	}
	return rows
}

func shareRows(s admin.Share) [][2]string {
	return [][2]string{{"share", percent(s.Share) + "%"}, {"version", strconv.FormatUint(s.Version, 10)}}
}

func explanationRows(e admin.Explanation) [][2]string {
	in := "no"
	if e.In {
		in = "yes"
	}
	return [][2]string{
		{"key", e.Key},
		{"hashed", or(e.Hashed, "none of canary.key")},
		{"bucket", strconv.Itoa(int(e.Bucket))},
		{"share", percent(e.Share) + "%"},
		{"forced", or(e.Forced, "no")},
		{"in", in},
		{"why", e.Why},
	}
}

func verdictRows(v admin.Verdict) [][2]string {
	rows := [][2]string{{"records", strconv.FormatUint(v.Records, 10)}, {"head", v.Head}, {"verdict", "ok"}}
	if !v.OK {
		rows[2][1] = fmt.Sprintf("broken at record %d: %s", v.Broken, v.Why)
	}
	return rows
}

func reloadedRows(r admin.Reloaded) [][2]string {
	return [][2]string{
		{"before", r.Before},
		{"after", r.After},
		{"changed", or(strings.Join(r.Changed, ", "), "nothing")},
		{"takes a restart", or(strings.Join(r.Restart, ", "), "nothing")},
	}
}

func percent(share float64) string { return strconv.FormatFloat(share, 'f', -1, 64) }

func pins(by map[string]int) string {
	var words []string
	for _, why := range slices.Sorted(maps.Keys(by)) {
		words = append(words, fmt.Sprintf("%s %d", why, by[why]))
	}
	return or(strings.Join(words, ", "), "none")
}

func targetWords(t admin.Target) string { return sinceWords(t.State, t.Since, t.Reason) }

// sinceWords is a state, since when, and why.
func sinceWords(state string, since *time.Time, reason string) string {
	if since != nil {
		state += " since " + since.UTC().Format(time.RFC3339)
	}
	if reason != "" {
		state += ": " + reason
	}
	return state
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// journalWords say how far back commits are remembered.
func journalWords(j *admin.Journal) string {
	words := fmt.Sprintf("%s open, remembers %s", numbered(strconv.Itoa(j.Open), "transaction"), short(j.Window))
	if j.Window < j.TTL {
		words += " of " + short(j.TTL) + ", as it is full"
	}
	return words
}
