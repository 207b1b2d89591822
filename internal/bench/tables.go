package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// table is a part of the report that is printed as text and as Markdown.
type table struct {
	Title string
	Head  []string
	Rows  [][]string
}

func (r *report) tables() []table {
	var all []table
	for _, c := range r.Cells {
		all = append(all, c.table())
		all = append(all, c.mirrorTables()...)
	}
	if r.Idle != nil {
		all = append(all, r.Idle.table())
	}
	if r.Moves != nil {
		all = append(all, r.Moves.table())
	}
	if r.Decide != nil {
		all = append(all, decideTable(r.Decide))
	}
	for _, s := range r.Syscalls {
		all = append(all, s.table())
	}
	if r.Backfill != nil {
		all = append(all, r.Backfill.table())
	}
	return all
}

func (c cellResult) table() table {
	t := table{
		Title: fmt.Sprintf("%s (%d of %d rounds count)", c.Cell, c.Counted, len(c.Rounds)),
		Head: []string{
			"route", c.Unit + "/s", "to direct", "p50 µs", "p99 µs", "added p50 µs", "added p99 µs",
			"CPU µs/" + c.Unit, "switches/" + c.Unit, "RSS MiB",
		},
	}
	for _, l := range c.Lines {
		t.Rows = append(t.Rows, l.row())
	}
	return t
}

const none = "-"

func (l line) row() []string {
	s := l.Sample
	row := []string{l.Route, figure(s.Rate), none, figure(s.P50), figure(s.P99), none, none, none, none, none}
	if l.Route == direct {
		return row
	}
	row[2], row[5], row[6] = l.Ratio.String(), l.AddedP50.String(), l.AddedP99.String()
	if l.Route != directTarget {
		row[7], row[8], row[9] = figure(s.CPU), figure(s.Switches), figure(s.RSS/kib/kib)
	}
	return row
}

func (i *idleResult) table() table {
	t := table{
		Title: "idle (crossfade)",
		Head:  []string{"sessions", "few", "RSS MiB with few", "all", "RSS MiB with all", "KiB per session"},
	}
	for _, row := range []struct {
		name   string
		memory idleMemory
	}{
		{"resting, one query each", i.Plain},
		{"listening", i.Listen},
		{"two legs, the first query at the target", i.TwoLegs},
		{"two legs, moved later", i.Moved},
	} {
		m := row.memory
		t.Rows = append(t.Rows, []string{
			row.name, strconv.Itoa(m.Few), figure(m.Before / kib / kib),
			strconv.Itoa(m.All), figure(m.After / kib / kib), figure(m.PerSession / kib),
		})
	}
	return t
}

func (m *movesResult) table() table {
	t := table{
		Title: fmt.Sprintf("moves (crossfade, one read in each of %d sessions, %d at once, %d rounds)", m.Sessions, atOnce, len(m.Rounds)),
		Head:  []string{"reads", "ms for all", "added ms", "proxy CPU µs/session"},
	}
	for _, p := range phases {
		row := []string{p.name, m.all(p.of).String(), m.added(p.of).String(), none}
		switch p.name {
		case phaseSource:
			row[2] = none
		case phaseThere:
			row[3] = m.all(func(r movesRound) float64 { return r.CPU }).String()
		}
		t.Rows = append(t.Rows, row)
	}
	t.Rows = append(t.Rows, []string{"moves to the target and dials, once", figure(m.First), none, none})
	return t
}

func decideTable(all []microResult) table {
	t := table{Title: "decide (go test -bench, package router)", Head: []string{"benchmark", "ns", "allocations"}}
	for _, m := range all {
		t.Rows = append(t.Rows, []string{m.Name, m.NS.String(), figure(m.Allocations)})
	}
	return t
}

// shownCalls is how often a call must come per query to be shown by its name.
const shownCalls = 0.005

func (r syscallResult) table() table {
	t := table{Title: r.Cell + " (strace, prepared statements)", Head: []string{"route", "calls/query", "of which"}}
	if r.Skipped != "" {
		t.Title += ": " + r.Skipped
		return t
	}
	for _, name := range []string{crossfade, pgbouncer, haproxy} {
		t.Rows = append(t.Rows, []string{name, figure(r.total(name)), list(r.Calls[name])})
	}
	return t
}

// list names the calls, the most frequent first.
func list(calls map[string]float64) string {
	names := slices.SortedFunc(maps.Keys(calls), func(a, b string) int {
		if calls[a] != calls[b] {
			if calls[a] > calls[b] {
				return -1
			}
			return 1
		}
		return strings.Compare(a, b)
	})
	var words []string
	for _, name := range names {
		if calls[name] >= shownCalls {
			words = append(words, name+" "+figure(calls[name]))
		}
	}
	return strings.Join(words, ", ")
}
