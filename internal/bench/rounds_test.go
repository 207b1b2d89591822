package main

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"
)

var testRoutes = []route{{name: direct}, {name: crossfade}, {name: pgbouncer}, {name: haproxy}}

// scripted is a load whose rate comes from rates, by route and run; it notes
// the order of the routes.
func scripted(order *[]string, rateOf func(via string, run int) float64) load {
	runs := map[string]int{}
	return func(_ context.Context, via route) (outcome, error) {
		*order = append(*order, via.name)
		runs[via.name]++
		return outcome{rate: rateOf(via.name, runs[via.name]), latency: []time.Duration{time.Millisecond}, allUnits: 1}, nil
	}
}

func TestEachRoundStandsBetweenTwoDirectRuns(t *testing.T) {
	var order []string
	rounds, err := interleave(t.Context(), scripted(&order, func(string, int) float64 { return 100 }), testRoutes, 3)
	if err != nil {
		t.Fatal(err)
	}
	if len(rounds) != 3 || len(order) != 1+3*4 {
		t.Fatalf("%d rounds, runs %v, want 3 rounds in 13 runs", len(rounds), order)
	}
	for i, name := range order {
		if (i%4 == 0) != (name == direct) {
			t.Errorf("run %d is on %s: %v", i, name, order)
		}
	}
	for i := range 3 {
		proxies := slices.Sorted(slices.Values(order[1+4*i : 4+4*i]))
		if !slices.Equal(proxies, []string{crossfade, haproxy, pgbouncer}) {
			t.Errorf("round %d runs on %v, want each proxy once", i, proxies)
		}
	}
}

func TestASpoiltRoundIsRepeatedAndDoesNotCount(t *testing.T) {
	var order []string
	rounds, err := interleave(t.Context(), scripted(&order, func(via string, run int) float64 {
		if via == direct && run == 2 {
			return 50 // between the first two rounds: spoils both
		}
		return 100
	}), testRoutes, 3)
	if err != nil {
		t.Fatal(err)
	}
	result := summarise(cell{kind: prepared, clients: 8}, rounds)
	if len(rounds) != 5 || result.Counted != 3 {
		t.Errorf("%d rounds of which %d count, want 5 of which 3 count", len(rounds), result.Counted)
	}
	if l, _ := result.line(crossfade); l.Ratio != (estimate{1, 1, 1}) {
		t.Errorf("ratio = %v, want 1: the disturbed baseline must not be in it", l.Ratio)
	}
}

func TestAMachineThatNeverRestsEndsAfterTwiceTheRounds(t *testing.T) {
	var order []string
	rounds, err := interleave(t.Context(), scripted(&order, func(_ string, run int) float64 {
		return float64(100 * (1 + run%2))
	}), testRoutes, 3)
	if err != nil {
		t.Fatal(err)
	}
	result := summarise(cell{kind: rows}, rounds)
	if len(rounds) != 6 || result.Counted != 0 || len(result.Lines) != 0 {
		t.Errorf("%d rounds, %d count, %d lines, want 6, 0, 0", len(rounds), result.Counted, len(result.Lines))
	}
}

func TestARunThatDidNothingIsAnError(t *testing.T) {
	for name, out := range map[string]outcome{
		"no transactions": {rate: 1, allUnits: 1},
		"no rate":         {latency: []time.Duration{1}, allUnits: 1},
		"no units":        {rate: 1, latency: []time.Duration{1}},
	} {
		t.Run(name, func(t *testing.T) {
			load := func(context.Context, route) (outcome, error) { return out, nil }
			if _, err := observe(t.Context(), load, testRoutes[0]); !errors.Is(err, errNothing) {
				t.Errorf("got %v, want %v", err, errNothing)
			}
		})
	}
}

func TestAStalledRunIsRepeatedOnce(t *testing.T) {
	for name, test := range map[string]struct {
		stalls int
		want   error
	}{
		"one stall is forgiven": {1, nil},
		"a second one is not":   {2, errStalled},
	} {
		t.Run(name, func(t *testing.T) {
			runs := 0
			load := func(context.Context, route) (outcome, error) {
				if runs++; runs <= test.stalls {
					return outcome{}, errStalled
				}
				return outcome{rate: 1, latency: []time.Duration{1}, allUnits: 1}, nil
			}
			if _, err := observeTwice(t.Context(), load, testRoutes[0]); !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
}

func TestARouteThatFailsFailsTheCell(t *testing.T) {
	gone := errors.New("gone")
	load := func(_ context.Context, via route) (outcome, error) {
		if via.name == haproxy {
			return outcome{}, gone
		}
		return outcome{rate: 1, latency: []time.Duration{1}, allUnits: 1}, nil
	}
	if _, err := interleave(t.Context(), load, testRoutes, 3); !errors.Is(err, gone) {
		t.Errorf("got %v, want %v", err, gone)
	}
}
