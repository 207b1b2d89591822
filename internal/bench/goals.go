package main

import "fmt"

// goal is one promise about the figures: the value stays on its side of bound.
type goal struct {
	id     string // of the list of performance goals
	what   string
	cell   string
	atMost bool // else at least
	bound  float64
	gate   bool // missing it fails the benchmark; else it is for information
	spread bool // missed only if the whole interval is, as rates are noisy
	value  func(*report) (estimate, error)
}

// leastRounds is how many rounds must count for a verdict.
const leastRounds = 3

// goals are those of the goroutine driver and of the share, and for information those that the
// reactor driver is to reach.
func goals() []goal {
	all := []goal{
		cost("G8", "prepared:8", "CPU µs/query", 25, func(l line) estimate { return exact(l.Sample.CPU) }),
		cost("G8", "prepared:1", "added p50 µs", 25, func(l line) estimate { return l.AddedP50 }),
		rate("G16", "rows", direct, 1.00),
		cost("G16", "rows", "CPU ms/MB", 1.2, func(l line) estimate { return exact(l.Sample.CPU / 1000) }),
		{id: "G16", what: "peak RSS growth MB", cell: "rows", atMost: true, bound: 1, value: func(r *report) (estimate, error) {
			return exact(r.RowsGrowth / megabyte), nil
		}},
		memory("G15", "resting", 6, func(r *idleResult) idleMemory { return r.Plain }),
		memory("G15", "listening", 12, func(r *idleResult) idleMemory { return r.Listen }),
		cost("G19", "connect", "added p50 µs", 300, func(l line) estimate { return l.AddedP50 }),
	}
	all = append(all, shareGoals()...)
	all = append(all, mirrorGoals()...)
	for i := range all {
		all[i].gate = true
	}
	return append(all,
		rate("G1", "prepared:1", direct, 0.68), rate("G1", "prepared:8", direct, 0.75), rate("G1", "prepared:32", direct, 0.82),
		rate("G2", "simple:1", direct, 0.75), rate("G2", "simple:8", direct, 0.80),
		rate("G3", "tpcb:8", direct, 0.90),
		rate("G4", "prepared:1", pgbouncer, 1.05), rate("G4", "prepared:8", pgbouncer, 1.00), rate("G4", "prepared:32", pgbouncer, 1.00),
		rate("G4", "prepared:1", haproxy, 1.05), rate("G4", "prepared:8", haproxy, 1.05), rate("G4", "prepared:32", haproxy, 1.05),
		calls("syscalls:1", 6.1), calls("syscalls:8", 5.0),
	)
}

func exact(v float64) estimate { return estimate{v, v, v} }

// cost is a goal about one figure of crossfade in a cell.
func cost(id, cell, what string, bound float64, of func(line) estimate) goal {
	return goal{id: id, what: what, cell: cell, atMost: true, bound: bound, value: func(r *report) (estimate, error) {
		result, err := r.cell(cell)
		if err != nil {
			return estimate{}, err
		}
		l, _ := result.line(crossfade)
		return of(l), nil
	}}
}

// rate is a goal about crossfade's rate compared with that of another route in
// the same round.
func rate(id, cell, than string, bound float64) goal {
	return goal{id: id, what: "rate / " + than, cell: cell, bound: bound, spread: true, value: func(r *report) (estimate, error) {
		result, err := r.cell(cell)
		if err != nil {
			return estimate{}, err
		}
		return estimateOf(each(result.counted(), func(r round) float64 {
			if than == direct {
				return r.Proxies[crossfade].Rate / r.direct(sample.rate)
			}
			return r.Proxies[crossfade].Rate / r.Proxies[than].Rate
		})), nil
	}}
}

func memory(id, how string, bound float64, of func(*idleResult) idleMemory) goal {
	return goal{id: id, what: "KiB per " + how + " session", cell: "idle", atMost: true, bound: bound, value: func(r *report) (estimate, error) {
		return exact(of(r.Idle).PerSession / kib), nil
	}}
}

func calls(cell string, bound float64) goal {
	return goal{id: "G7", what: "system calls/query", cell: cell, atMost: true, bound: bound, value: func(r *report) (estimate, error) {
		result := r.syscalls(cell)
		if result.Skipped != "" {
			return estimate{}, fmt.Errorf("not measured: %s", result.Skipped)
		}
		return exact(result.total(crossfade)), nil
	}}
}

// state is how a goal was met.
type state string

const (
	unclear state = "unclear" // there are not enough figures
	missed  state = "FAIL"
	noisy   state = "pass within noise" // the median misses it, its interval does not
	met     state = "pass"
)

// verdict is one goal judged.
type verdict struct {
	Goal   string   `json:"goal"`
	What   string   `json:"what"`
	Cell   string   `json:"cell"`
	Gate   bool     `json:"gate"`
	State  state    `json:"state"`
	Value  estimate `json:"value"`
	AtMost bool     `json:"at_most"`
	Bound  float64  `json:"bound"`
	Why    string   `json:"why,omitempty"` // it is unclear
}

// judgeAll judges the goals whose cells have run.
func judgeAll(r *report) []verdict {
	var all []verdict
	for _, g := range goals() {
		if r.ran(g.cell) {
			all = append(all, g.judge(r))
		}
	}
	return all
}

func (g goal) judge(r *report) verdict {
	v := verdict{Goal: g.id, What: g.what, Cell: g.cell, Gate: g.gate, AtMost: g.atMost, Bound: g.bound}
	value, err := g.value(r)
	if err != nil {
		v.State, v.Why = unclear, err.Error()
		return v
	}
	v.Value = value
	best := value.High
	if g.atMost {
		best = value.Low
	}
	switch {
	case g.keeps(value.Median):
		v.State = met
	case g.spread && g.keeps(best):
		v.State = noisy
	default:
		v.State = missed
	}
	return v
}

func (g goal) keeps(v float64) bool {
	if g.atMost {
		return v <= g.bound
	}
	return v >= g.bound
}

// failed says whether the verdict fails the benchmark.
func (v verdict) failed() bool { return v.Gate && (v.State == missed || v.State == unclear) }
