package main

import "slices"

// cellResult is what came of one cell. Lines are of the counted rounds only and
// empty when there is none.
type cellResult struct {
	Cell    string  `json:"cell"`
	Unit    string  `json:"unit"`
	Counted int     `json:"rounds_counted"`
	Lines   []line  `json:"lines"` // direct first
	Rounds  []round `json:"rounds"`
}

// line is one route's part of a cell: medians over the counted rounds, but for
// CPU and switches, which are means, as the kernel counts processor time in
// steps of 10 ms. Times are in microseconds, memory in bytes.
type line struct {
	Route    string   `json:"route"`
	Sample   sample   `json:"sample"`
	Ratio    estimate `json:"rate_to_direct"`
	AddedP50 estimate `json:"added_p50_us"`
	AddedP99 estimate `json:"added_p99_us"`
}

func summarise(c cell, rounds []round) cellResult {
	result := cellResult{Cell: c.String(), Unit: c.unit(), Rounds: rounds}
	counted := result.counted()
	result.Counted = len(counted)
	if len(counted) == 0 {
		return result
	}
	result.Lines = append(result.Lines, line{Route: direct, Sample: middle(counted, func(r round) sample { return r.Before })})
	for _, name := range routeOrder {
		if _, ran := counted[0].Proxies[name]; ran {
			result.Lines = append(result.Lines, lineOf(name, counted))
		}
	}
	return result
}

// counted are the rounds that nothing else has disturbed.
func (c cellResult) counted() []round {
	return slices.DeleteFunc(slices.Clone(c.Rounds), round.spoilt)
}

// line finds a route's line.
func (c cellResult) line(route string) (line, bool) {
	i := slices.IndexFunc(c.Lines, func(l line) bool { return l.Route == route })
	if i < 0 {
		return line{}, false
	}
	return c.Lines[i], true
}

func lineOf(name string, rounds []round) line {
	return line{
		Route:  name,
		Sample: middle(rounds, func(r round) sample { return r.Proxies[name] }),
		Ratio:  estimateOf(each(rounds, func(r round) float64 { return r.Proxies[name].Rate / r.direct(sample.rate) })),
		AddedP50: estimateOf(each(rounds, func(r round) float64 {
			return r.Proxies[name].P50 - r.direct(func(s sample) float64 { return s.P50 })
		})),
		AddedP99: estimateOf(each(rounds, func(r round) float64 {
			return r.Proxies[name].P99 - r.direct(func(s sample) float64 { return s.P99 })
		})),
	}
}

func (s sample) rate() float64 { return s.Rate }

// middle is the typical sample of one route.
func middle(rounds []round, of func(round) sample) sample {
	field := func(f func(sample) float64) []float64 {
		return each(rounds, func(r round) float64 { return f(of(r)) })
	}
	return sample{
		Rate:     median(field(sample.rate)),
		P50:      median(field(func(s sample) float64 { return s.P50 })),
		P99:      median(field(func(s sample) float64 { return s.P99 })),
		CPU:      mean(field(func(s sample) float64 { return s.CPU })),
		Switches: mean(field(func(s sample) float64 { return s.Switches })),
		RSS:      median(field(func(s sample) float64 { return s.RSS })),

		Statement: median(field(func(s sample) float64 { return s.Statement })),
		Commit:    median(field(func(s sample) float64 { return s.Commit })),
		Split:     middleSplit(each(rounds, func(r round) *split { return of(r).Split })),
		Mirror:    middleMirror(each(rounds, func(r round) *mirrorShare { return of(r).Mirror })),
	}
}

func each[R, T any](rounds []R, f func(R) T) []T {
	values := make([]T, len(rounds))
	for i, r := range rounds {
		values[i] = f(r)
	}
	return values
}

func mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}
