package main

import (
	"errors"
	"fmt"
)

// mirrorGoals are those of mirrored writes: G12, and what the mirror must not
// cost whom it does not concern.
func mirrorGoals() []goal {
	all := []goal{
		plainGoal(plainRead, 8, "CPU", func(s sample) float64 { return s.CPU }),
		plainGoal(plainRead, 1, "p50", func(s sample) float64 { return s.P50 }),
		plainGoal(plainWrite, 8, "CPU", func(s sample) float64 { return s.CPU }),
		plainGoal(plainWrite, 1, "p50", func(s sample) float64 { return s.P50 }),
		plainGoal(mappedRead, 8, "CPU", func(s sample) float64 { return s.CPU }),
		plainGoal(mappedRead, 1, "p50", func(s sample) float64 { return s.P50 }),
		throughput(32),
		{id: "mirror", what: "rows/s walked", cell: string(backfill), bound: 100_000, spread: true, value: func(r *report) (estimate, error) {
			return r.Backfill.all(func(b backfillRound) float64 { return b.Walk }), nil
		}},
	}
	for _, at := range []string{"", "@0.5ms", "@2ms"} {
		all = append(all,
			autocommit("update:1"+at, mirrored, 2*1.1), autocommit("update:1"+at, answered, 1.5),
			statements("transaction:1"+at), commits("transaction:1"+at),
		)
	}
	for _, clients := range []int{1, 8, 16, 32} {
		for _, name := range []string{mirrored, answered} {
			all = append(all, growth(clients, name), inline(clients, name))
		}
	}
	return all
}

// ofRounds is a figure of a cell, taken in each round.
func ofRounds(cell string, of func(round) float64) func(*report) (estimate, error) {
	return func(r *report) (estimate, error) {
		result, err := r.cell(cell)
		if err != nil {
			return estimate{}, err
		}
		return estimateOf(each(result.counted(), of)), nil
	}
}

// autocommit compares a mirrored write with the same write on each side.
func autocommit(cell, name string, bound float64) goal {
	return goal{
		id: "G12", what: "p50 / (source + target), " + name, cell: cell, atMost: true, bound: bound, spread: true,
		value: ofRounds(cell, func(r round) float64 { return r.Proxies[name].P50 / r.bothSides() }),
	}
}

// bothSides is the time of a write at the source and of one at the target.
func (r round) bothSides() float64 {
	return r.direct(func(s sample) float64 { return s.P50 }) + r.Proxies[directTarget].P50
}

// statements compares what a transaction does before its end with the same
// through a proxy that maps nothing, which has the same way to go.
func statements(cell string) goal {
	return goal{
		id: "G12", what: "statement p50 / nothing mapped", cell: cell, atMost: true, bound: 1.05, spread: true,
		value: ofRounds(cell, func(r round) float64 { return r.Proxies[mirrored].Statement / r.Proxies[unmapped].Statement }),
	}
}

// commits compares COMMIT with two of the source's and one statement at the
// target, which is the last apply.
func commits(cell string) goal {
	return goal{
		id: "G12", what: "COMMIT p50 / (2 of the source + a statement at the target)", cell: cell, atMost: true, bound: 1, spread: true,
		value: ofRounds(cell, func(r round) float64 { return r.Proxies[mirrored].Commit / r.commitBound() }),
	}
}

func (r round) commitBound() float64 {
	return 2*r.direct(func(s sample) float64 { return s.Commit }) + r.Proxies[directTarget].Statement
}

// plainGoal is the goal that what is not written on both sides costs what it
// does through a proxy that maps nothing.
func plainGoal(k kind, clients int, what string, of func(sample) float64) goal {
	c := cell{kind: k, clients: clients}.String()
	return goal{
		id: "G12", what: what + " / nothing mapped", cell: c, atMost: true, bound: 1 + unchanged, spread: true,
		value: ofRounds(c, func(r round) float64 { return of(r.Proxies[mirrored]) / of(r.Proxies[unmapped]) }),
	}
}

func throughput(clients int) goal {
	c := cell{kind: update, clients: clients}.String()
	return goal{
		id: "mirror", what: "mirrored writes/s", cell: c, bound: 5000, spread: true,
		value: ofRounds(c, func(r round) float64 { return r.Proxies[mirrored].Rate }),
	}
}

var errNotMirrored = errors.New("nothing was mirrored")

// ofMirror is a figure of what became of the writes.
func ofMirror(cell, name string, of func(*mirrorShare) float64) func(*report) (estimate, error) {
	return func(r *report) (estimate, error) {
		result, err := r.cell(cell)
		if err != nil {
			return estimate{}, err
		}
		l, found := result.line(name)
		if !found || l.Sample.Mirror == nil {
			return estimate{}, errNotMirrored
		}
		return exact(of(l.Sample.Mirror)), nil
	}
}

// growth is the goal that a run leaves no more behind than it has found, in
// the worst of its rounds.
func growth(clients int, name string) goal {
	c := cell{kind: update, clients: clients}.String()
	return goal{
		id: "mirror", what: "growth of the backlog, " + name, cell: c, atMost: true, bound: 0,
		value: ofMirror(c, name, func(m *mirrorShare) float64 { return m.After - m.Before }),
	}
}

// inline is the goal that writes reach both sides at once, in the worst round.
func inline(clients int, name string) goal {
	c := cell{kind: update, clients: clients}.String()
	return goal{
		id: "mirror", what: "part that reached both sides at once, " + name, cell: c, bound: 0.999,
		value: ofMirror(c, name, func(m *mirrorShare) float64 { return m.Inline }),
	}
}

// mirrorTables are what a cell of mirrored writes says beside its rates.
func (c cellResult) mirrorTables() []table {
	var all []table
	if t := c.splitTable(); len(t.Rows) > 0 {
		all = append(all, t)
	}
	if t := c.ledgerTable(); len(t.Rows) > 0 {
		all = append(all, t)
	}
	if t := c.commitTable(); len(t.Rows) > 0 {
		all = append(all, t)
	}
	return all
}

// splitTable says whose processor time a unit takes.
func (c cellResult) splitTable() table {
	t := table{
		Title: c.Cell + ": processor time in µs/" + c.Unit + ", user + system",
		Head:  []string{"route", "proxy", "source", "target", "load", "all", "cores busy with it", "machine idle %"},
	}
	for _, l := range c.Lines {
		s := l.Sample.Split
		if s == nil {
			continue
		}
		row := []string{l.Route}
		for _, part := range []share{s.Proxy, s.Source, s.Target, s.Load} {
			row = append(row, figure(part.User)+" + "+figure(part.System))
		}
		t.Rows = append(t.Rows, append(row, figure(s.sum()), figure(s.sum()*l.Sample.Rate/1e6), figure(100*s.Idle)))
	}
	return t
}

// ledgerTable says what became of the writes.
func (c cellResult) ledgerTable() table {
	t := table{
		Title: c.Cell + ": what became of the writes",
		Head:  []string{"route", "p50 / (source + target)", "at once on both sides, least", "backlog before and after, worst", "fsyncs/" + c.Unit, "fsync p50 µs", "fsync mean µs"},
	}
	for _, l := range c.Lines {
		m := l.Sample.Mirror
		if m == nil {
			continue
		}
		ratio := estimateOf(each(c.counted(), func(r round) float64 { return r.Proxies[l.Route].P50 / r.bothSides() }))
		t.Rows = append(t.Rows, []string{
			l.Route, ratio.String(), fmt.Sprintf("%.5f", m.Inline), figure(m.Before) + " to " + figure(m.After), figure(m.Syncs), figure(m.Fsync), figure(m.Mean),
		})
	}
	return t
}

// commitTable shows the parts of explicit transactions.
func (c cellResult) commitTable() table {
	t := table{
		Title: c.Cell + ": statements and COMMIT",
		Head:  []string{"route", "statement p50 µs", "to nothing mapped", "COMMIT p50 µs", "to 2 of the source + a statement at the target"},
	}
	for _, l := range c.Lines {
		s := l.Sample
		if s.Commit == 0 {
			continue
		}
		row := []string{l.Route, figure(s.Statement), none, figure(s.Commit), none}
		if l.Route == mirrored || l.Route == answered {
			row[2] = estimateOf(each(c.counted(), func(r round) float64 { return r.Proxies[l.Route].Statement / r.Proxies[unmapped].Statement })).String()
			row[4] = estimateOf(each(c.counted(), func(r round) float64 { return r.Proxies[l.Route].Commit / r.commitBound() })).String()
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}
