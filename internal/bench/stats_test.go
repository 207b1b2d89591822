package main

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMedian(t *testing.T) {
	for name, test := range map[string]struct {
		values []float64
		want   float64
	}{
		"one value is its own median":               {[]float64{3}, 3},
		"an odd number has a middle one":            {[]float64{9, 1, 5}, 5},
		"an even number has the mean of the middle": {[]float64{4, 1, 2, 100}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			if got := median(test.values); got != test.want {
				t.Errorf("median = %v, want %v", got, test.want)
			}
		})
	}
}

func TestQuantileIsAlwaysOneOfTheValues(t *testing.T) {
	sorted := []int{10, 20, 30, 40}
	for q, want := range map[float64]int{0: 10, 0.25: 10, 0.26: 20, 0.5: 20, 0.75: 30, 0.99: 40, 1: 40} {
		if got := quantile(sorted, q); got != want {
			t.Errorf("quantile %v = %d, want %d", q, got, want)
		}
	}
}

func TestEqualValuesHaveAnIntervalOfNoWidth(t *testing.T) {
	if diff := cmp.Diff(estimate{2, 2, 2}, estimateOf([]float64{2, 2, 2, 2})); diff != "" {
		t.Error(diff)
	}
}

func TestTheSameValuesHaveTheSameInterval(t *testing.T) {
	values := []float64{0.7, 0.8, 0.75, 0.9, 0.6}
	if diff := cmp.Diff(estimateOf(values), estimateOf(values)); diff != "" {
		t.Error(diff)
	}
}

func TestAnEstimateLeavesItsValuesInOrder(t *testing.T) {
	values := []float64{3, 1, 2}
	estimateOf(values)
	if diff := cmp.Diff([]float64{3, 1, 2}, values); diff != "" {
		t.Error(diff)
	}
}

func TestNoValuesHaveNoMedian(t *testing.T) {
	got := estimateOf(nil)
	if !math.IsNaN(got.Median) || !math.IsNaN(got.Low) || !math.IsNaN(got.High) {
		t.Errorf("estimate of nothing = %+v, want NaN", got)
	}
}

// The interval of a median from samples of a known distribution must hold the
// true median about as often as it says. The percentile bootstrap of few values
// is known to be somewhat too narrow, hence the wide margin below.
func TestTheIntervalHoldsTheTrueMedianAsOftenAsItSays(t *testing.T) {
	const trials, size, truth = 200, 15, 5.0
	source := rand.New(rand.NewPCG(7, 7))
	holds := 0
	for range trials {
		values := make([]float64, size)
		for i := range values {
			values[i] = truth + source.NormFloat64()
		}
		if e := estimateOf(values); e.Low <= truth && truth <= e.High {
			holds++
		}
	}
	if share := float64(holds) / trials; share < 0.88 || share > 0.995 {
		t.Errorf("the interval holds the truth in %.1f %% of the trials, want about 95 %%", 100*share)
	}
}
