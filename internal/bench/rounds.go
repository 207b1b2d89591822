package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"time"
)

// route is one way to the database.
type route struct {
	name  string
	addr  string // host:port
	pid   int    // of the proxy; 0: there is none, the route is direct
	door  door   // of crossfade
	share int    // of sessions that its target answers, in percent

	servers []int // process ids of source and target, whose processor time is looked at; nil: it is not
	mirrors bool  // mapped tables are written on both sides
}

const (
	direct    = "direct"
	crossfade = "crossfade"
	pgbouncer = "pgbouncer"
	haproxy   = "haproxy"
)

// outcome is what a load itself saw of one run.
type outcome struct {
	rate     float64         // units per second, after the warm-up
	latency  []time.Duration // sorted, after the warm-up
	allUnits float64         // in the whole run, warm-up included

	statement, commit []time.Duration // sorted, of explicit transactions
	load              processorTime   // of the program that made the load; zero: not known
}

// load runs once on a route.
type load func(context.Context, route) (outcome, error)

// sample is one run on one route. Times are in microseconds, memory in bytes.
type sample struct {
	Rate     float64 `json:"rate"` // units per second
	P50      float64 `json:"p50_us"`
	P99      float64 `json:"p99_us"`
	CPU      float64 `json:"cpu_us_per_unit"` // of the proxy, user and system
	Switches float64 `json:"switches_per_unit"`
	RSS      float64 `json:"rss_bytes"` // after the run

	Statement float64      `json:"statement_p50_us,omitempty"` // within explicit transactions
	Commit    float64      `json:"commit_p50_us,omitempty"`
	Split     *split       `json:"split,omitempty"`
	Mirror    *mirrorShare `json:"mirror,omitempty"`
}

// round is one run on each proxy between two direct runs.
type round struct {
	Before  sample            `json:"direct_before"`
	After   sample            `json:"direct_after"`
	Proxies map[string]sample `json:"proxies"`
}

// spoiltAbove is the ratio of two direct neighbours above which something else
// has disturbed the round.
const spoiltAbove = 1.25

func (r round) spoilt() bool {
	return max(r.Before.Rate, r.After.Rate) > spoiltAbove*min(r.Before.Rate, r.After.Rate)
}

// direct is the mean of the two neighbours.
func (r round) direct(of func(sample) float64) float64 { return (of(r.Before) + of(r.After)) / 2 }

// interleave takes rounds until wanted of them are not spoilt, or twice as many
// have been taken. routes[0] is the direct one.
func interleave(ctx context.Context, load load, routes []route, wanted int) ([]round, error) {
	before, err := observeTwice(ctx, load, routes[0])
	if err != nil {
		return nil, err
	}
	var rounds []round
	for good := 0; good < wanted && len(rounds) < 2*wanted; {
		r := round{Before: before, Proxies: map[string]sample{}}
		for _, i := range rand.Perm(len(routes) - 1) {
			proxy := routes[1+i]
			if r.Proxies[proxy.name], err = observeTwice(ctx, load, proxy); err != nil {
				return nil, err
			}
		}
		if r.After, err = observeTwice(ctx, load, routes[0]); err != nil {
			return nil, err
		}
		if !r.spoilt() {
			good++
		}
		before = r.After
		rounds = append(rounds, r)
	}
	return rounds, nil
}

// observeTwice observes a second time, and says so, when the first run stalled
// from its warm-up to its end, as happens on a machine with other work.
func observeTwice(ctx context.Context, load load, via route) (sample, error) {
	s, err := observe(ctx, load, via)
	if errors.Is(err, errStalled) {
		fmt.Fprintf(os.Stderr, "bench: %v; once more\n", err)
		s, err = observe(ctx, load, via)
	}
	return s, err
}

var errNothing = errors.New("it did nothing: zero transactions")

// observe runs load once and watches the proxy's process meanwhile.
func observe(ctx context.Context, load load, via route) (sample, error) {
	ledger, err := via.ledger(ctx)
	if err != nil {
		return sample{}, fmt.Errorf("look at %s: %w", via.name, err)
	}
	before, err := via.look()
	if err != nil {
		return sample{}, fmt.Errorf("look at %s: %w", via.name, err)
	}
	out, err := load(ctx, via)
	if err != nil {
		return sample{}, fmt.Errorf("run on %s: %w", via.name, err)
	}
	if len(out.latency) == 0 || !(out.rate > 0) || math.IsInf(out.rate, 0) || !(out.allUnits > 0) {
		return sample{}, fmt.Errorf("run on %s: %w", via.name, errNothing)
	}
	after, err := via.look()
	if err != nil {
		return sample{}, fmt.Errorf("look at %s: %w", via.name, err)
	}
	s := out.sample()
	s.CPU = micros(after.cpu-before.cpu) / out.allUnits
	s.Switches = float64(after.switches-before.switches) / out.allUnits
	s.RSS = float64(after.rss)
	s.Split = before.until(after, out)
	if s.Mirror, err = via.settled(ctx, ledger, out.allUnits); err != nil {
		return sample{}, fmt.Errorf("look at what %s has mirrored: %w", via.name, err)
	}
	return s, nil
}

// sample is what the load itself saw.
func (o outcome) sample() sample {
	s := sample{Rate: o.rate, P50: micros(quantile(o.latency, 0.50)), P99: micros(quantile(o.latency, 0.99))}
	if len(o.statement) > 0 && len(o.commit) > 0 {
		s.Statement, s.Commit = micros(quantile(o.statement, 0.50)), micros(quantile(o.commit, 0.50))
	}
	return s
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
