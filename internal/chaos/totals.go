package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/crossfade-db/crossfade/internal/failpoint"
)

// totals are what a run comes to.
type totals struct {
	s      settings
	direct *tally // of the load without the proxy, as long as one round
	alike  *tally // of the rounds in which nothing was struck

	rounds, quiet    int
	struck           struck
	fates            [3]int
	codes            map[string]int
	samples          [verdicts]int
	mirrored, missed int // in quiet rounds
	rejected         int
	uncertain        int
}

// struck are the strikes of a run.
type struck struct {
	kills, lives int              // processes, and of them the proxy
	least        int64            // transactions under way at any kill
	points       map[string]int   // kills
	hits         map[string]int64 // with and without
}

func newTotals(s settings) *totals {
	return &totals{s: s, alike: newTally(), codes: map[string]int{}, struck: struck{points: map[string]int{}, least: math.MaxInt64}}
}

// prepare runs the load past the proxy, and then begins to mirror: the target is
// empty, and the worker fills it.
func (t *totals) prepare(ctx context.Context, st *stage) error {
	c := newCrowd(0, func(name string) string { return st.directDSN(st.pair.Source, name) })
	c.start(ctx, t.s.seed)
	pause(ctx, t.s.load)
	c.stop()
	t.direct = c.tally
	sums := c.tally.sums()
	fmt.Printf("direct, %v: %d done, %d refused; %s\n", t.s.load, sums[acknowledged], sums[refused], words(c.tally.codes))
	for _, command := range [][]string{
		{"phase", "set", "mirror"}, {"reconcile", "run", "--wait"}, {"phase", "set", "canary"}, {"canary", "set", strconv.Itoa(t.s.share)},
	} {
		doing, cancel := context.WithTimeout(ctx, drainMost)
		_, err := st.door.do(doing, append(command, "--reason", "chaos")...)
		cancel()
		if err != nil {
			return err
		}
	}
	rows, err := compareSides(ctx, st)
	if err != nil {
		return fmt.Errorf("after the first copy: %w", err)
	}
	fmt.Printf("first copy: %d rows, both sides equal\n", rows)
	return st.pair.Target.Exec(ctx, database, "TRUNCATE account_log")
}

func (t *totals) add(r *round) {
	t.rounds++
	t.struck.kills += r.kills()
	t.struck.lives += r.striker.lives
	t.rejected += r.rejected
	t.uncertain += r.uncertain
	if r.kills() > 0 {
		t.struck.least = min(t.struck.least, r.under())
	}
	for i, n := range r.crowd.tally.sums() {
		t.fates[i] += n
	}
	for i, n := range r.checker.counts {
		t.samples[i] += n
	}
	for code, n := range r.crowd.tally.codes {
		t.codes[code] += n
		if r.quiet() {
			t.alike.codes[code] += n
		}
	}
	for point, n := range r.striker.kills {
		t.struck.points[point] += n
	}
	if r.quiet() {
		t.quiet++
		t.mirrored += r.mirrored
		t.missed += r.missed
	}
	t.struck.hits = r.stage.hits()
}

// print is the table at the end.
func (t *totals) print() {
	fmt.Printf("\n%-18s %10s %6s\n", "failpoint", "hits", "kills")
	for _, point := range failpoint.Points() {
		fmt.Printf("%-18s %10d %6d\n", point, t.struck.hits[point], t.struck.points[point])
	}
	fmt.Printf("\nrounds %d (%d quiet), kills %d, lives of the proxy ended %d, least under way at a kill %s\n",
		t.rounds, t.quiet, t.struck.kills, t.struck.lives, leastWord(t.struck.least))
	fmt.Printf("transactions: %d done, %d refused, %d unknown\n", t.fates[acknowledged], t.fates[refused], t.fates[unknown])
	fmt.Printf("quiet rounds: %d changes inline, %d not\n", t.mirrored, t.missed)
	fmt.Printf("samples: %d equal, %d moving, %d dirty, %d hidden, %d wrong\n", t.samples[isEqual], t.samples[isMoving], t.samples[isDirty], t.samples[isHidden], t.samples[isWrong])
	fmt.Printf("recorded on the way: %d rejected rows, %d that may or may not have been committed\n", t.rejected, t.uncertain)
	fmt.Printf("errors at clients: %s\n", words(t.codes))
	fmt.Printf("  of quiet rounds: %s\n", words(t.alike.codes))
	fmt.Printf("  direct, one round: %s\n", words(t.direct.codes))
}

func leastWord(n int64) string {
	if n == math.MaxInt64 {
		return "-"
	}
	return strconv.FormatInt(n, 10)
}

// judge is what can only be said of a whole run.
func (t *totals) judge() error {
	if t.s.only != 0 {
		return nil
	}
	errs := []error{t.judgeCodes()}
	for _, point := range failpoint.Points() {
		if want := t.wanted(); t.struck.hits[point] < hitsWanted || t.struck.points[point] < want {
			errs = append(errs, fmt.Errorf("point %s was hit %d times and killed at %d, want %d and %d", point, t.struck.hits[point], t.struck.points[point], hitsWanted, want))
		}
	}
	return errors.Join(errs...)
}

// wanted is how many kills each point has at least, by the plan.
func (t *totals) wanted() int {
	planned := map[string]int{}
	for _, r := range plans(t.s.seed, t.s.rounds) {
		for _, s := range r.strikes {
			if s.kind == killAt {
				planned[s.point]++
			}
		}
	}
	if len(planned) < len(failpoint.Points()) {
		return 0
	}
	return slices.Min(slices.Collect(maps.Values(planned)))
}

// judgeCodes wants no more deadlocks and serialization failures at clients than
// without the proxy, within what chance does to small numbers.
func (t *totals) judgeCodes() error {
	for _, code := range []string{"40P01", "40001"} {
		expected := float64(t.direct.codes[code] * t.quiet)
		if got := float64(t.alike.codes[code]); got > expected+chance(expected) {
			return fmt.Errorf("clients met %s %v times in %d quiet rounds, and %d times in one without the proxy", code, got, t.quiet, t.direct.codes[code])
		}
	}
	return nil
}

// chance is three standard deviations of a count, and three.
func chance(expected float64) float64 { return 3 + 3*math.Sqrt(expected) }
