package main

import (
	"math"
	"math/rand/v2"
	"slices"
)

// estimate is the median of some measurements and the interval that holds it
// with 95 % confidence.
type estimate struct {
	Median float64 `json:"median"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
}

const (
	resamples  = 10_000
	confidence = 0.95
)

// estimateOf bootstraps the median of values (Efron 1979, percentile method):
// it draws as many values as there are, with replacement, many times over, and
// takes the middle 95 % of the medians of the draws. The draws are the same in
// every call, so that the same values have the same interval. No values have no
// median: all three figures are NaN.
func estimateOf(values []float64) estimate {
	if len(values) == 0 {
		return estimate{math.NaN(), math.NaN(), math.NaN()}
	}
	source := rand.New(rand.NewPCG(1, 2))
	medians := make([]float64, resamples)
	draw := make([]float64, len(values))
	for i := range medians {
		for j := range draw {
			draw[j] = values[source.IntN(len(values))]
		}
		medians[i] = median(draw)
	}
	slices.Sort(medians)
	tail := (1 - confidence) / 2
	return estimate{Median: median(slices.Clone(values)), Low: quantile(medians, tail), High: quantile(medians, 1-tail)}
}

// median sorts values and returns the middle one, or the mean of the middle two.
func median(values []float64) float64 {
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

// quantile is the smallest of the sorted values that at least the share q of
// them does not exceed (nearest rank). It needs at least one value.
func quantile[T any](sorted []T, q float64) T {
	rank := int(math.Ceil(q * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}
