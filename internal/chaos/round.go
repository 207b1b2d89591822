package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/crossfade-db/crossfade/internal/failpoint"
)

// round is one round, with all who play in it.
type round struct {
	plan   roundPlan
	stage  *stage
	load   time.Duration
	rounds int

	crowd   *crowd
	striker *striker
	watcher *watcher
	checker *checker
	result
}

// result is what came of a round.
type result struct {
	planted          bool // a write, behind everybody's back
	rows, rejected   int
	uncertain        int            // transactions or rows whose commit nobody could tell of
	overtaken        int            // deletes that met no row and did not take its key
	mirrored, missed int            // changes, inline and not
	causes           map[string]int // of what was missed
	drained, took    time.Duration
	// starved: it has only failed to mirror enough inline, and others had the
	// processors meanwhile. That proves nothing, and the round is played again.
	starved bool
	err     error
}

const (
	warmUp    = 500 * time.Millisecond
	drainMost = 4 * time.Minute
	// targetSent is where the two commits are held apart.
	targetSent = failpoint.TargetSent
)

// play runs the round to its end.
func (r *round) play(ctx context.Context) error {
	began := time.Now()
	r.crowd = newCrowd(r.plan.number, r.stage.clientDSN)
	r.striker = &striker{stage: r.stage, crowd: r.crowd, kills: map[string]int{}}
	r.watcher = &watcher{stage: r.stage}
	r.checker = newChecker(r.stage, r.plan.seed)
	r.err = r.loaded(ctx)
	if r.err == nil {
		r.err = r.drain(ctx)
	}
	if r.err == nil {
		r.err = r.oracles(ctx)
	}
	r.took = time.Since(began)
	if r.err != nil {
		r.err = errors.Join(r.err, r.keep(ctx))
	}
	return r.err
}

// keep writes down what the proxy says after a failure, and what clients were
// told.
func (r *round) keep(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTime)
	defer cancel()
	for name, path := range map[string]string{"metrics.txt": "/metrics", "dirty.json": "/api/v1/dirty?limit=1000", "divergences.json": "/api/v1/divergences?limit=1000"} {
		text, err := r.stage.door.fetch(ctx, path)
		if err != nil {
			text = []byte(err.Error())
		}
		if err := os.WriteFile(filepath.Join(r.stage.dir, fmt.Sprintf("round-%d-%s", r.plan.number, name)), text, 0o600); err != nil {
			return err
		}
	}
	text, err := json.MarshalIndent(r.crowd.tally.first, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.stage.dir, fmt.Sprintf("round-%d-errors.json", r.plan.number)), text, 0o600)
}

// loaded is the time of load and strikes. When it ends everything is up.
func (r *round) loaded(ctx context.Context) error {
	if r.plan.delay > 0 {
		if err := r.stage.delay(targetSent, r.plan.delay.String()); err != nil {
			return err
		}
	}
	before, err := r.stage.door.metrics(ctx)
	if err != nil {
		return err
	}
	watching, end := context.WithCancel(ctx)
	var watchers sync.WaitGroup
	watchers.Go(func() { r.watcher.run(watching) })
	watchers.Go(func() { r.checker.run(watching) })
	watchers.Go(func() { r.watcher.feel(watching) })
	r.crowd.start(ctx, r.plan.seed)
	err = r.strikes(ctx)
	r.crowd.stop()
	end()
	watchers.Wait()
	err = errors.Join(err, r.stage.delay(targetSent, ""), r.striker.restore(ctx))
	if err != nil || r.striker.lives > 0 {
		return err
	}
	after, err := r.stage.door.metrics(ctx)
	if err != nil {
		return err
	}
	r.writes(before, after)
	return nil
}

// strikes lets the load run, and the strikes come.
func (r *round) strikes(ctx context.Context) error {
	enough := time.NewTimer(r.load)
	defer enough.Stop()
	pause(ctx, warmUp)
	if !r.stage.stray {
		r.planted = true
		if err := plant(ctx, r.stage, r.plan.seed); err != nil {
			return err
		}
	}
	for _, s := range r.plan.strikes {
		if err := r.striker.strike(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-enough.C:
		return nil
	}
}

// drain waits until nothing is dirty.
func (r *round) drain(ctx context.Context) error {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, drainMost)
	defer cancel()
	_, err := r.stage.door.do(ctx, "reconcile", "run", "--wait", "--reason", "chaos")
	r.drained = time.Since(began)
	if err == nil {
		return nil
	}
	left, listing := r.stage.door.dirty(context.WithoutCancel(ctx), "", pageMost)
	var items []string
	for _, item := range left.Items[:min(len(left.Items), shownMost)] {
		items = append(items, fmt.Sprintf("%s %s %s", item.Table, keyText(item.Key), item.Cause))
	}
	return errors.Join(fmt.Errorf("the backlog does not end in %v: %d dirty: %s: %w", drainMost, left.Dirty, strings.Join(items, "; "), err), listing)
}

// line is the round in one line.
func (r *round) line() string {
	sums, c := r.crowd.tally.sums(), r.checker.counts
	words := []string{
		fmt.Sprintf("%3d/%d %s: %d done, %d refused, %d unknown", r.plan.number, r.rounds, r.plan, sums[acknowledged], sums[refused], sums[unknown]),
	}
	if len(r.striker.under) > 0 {
		words = append(words, "under way at kills "+strings.Trim(fmt.Sprint(r.striker.under), "[]"))
	}
	if r.striker.lives == 0 && r.mirrored+r.missed > 0 {
		words = append(words, fmt.Sprintf("inline %.3f%%", 100*r.share()))
	}
	words = append(words,
		fmt.Sprintf("samples %d equal %d moving %d dirty %d hidden", c[isEqual], c[isMoving], c[isDirty], c[isHidden]),
		fmt.Sprintf("dirty %d, drained %.1fs, stutter %v", r.watcher.peak, r.drained.Seconds(), r.watcher.stutter.Round(time.Millisecond)), r.verdict(), fmt.Sprintf("%.1fs", r.took.Seconds()))
	return strings.Join(words, "; ")
}

func (r *round) verdict() string {
	switch {
	case r.err != nil:
		return "FAILED"
	case r.planted:
		return fmt.Sprintf("%d rows equal, planted write found", r.rows)
	default:
		return fmt.Sprintf("%d rows equal", r.rows)
	}
}

// kills are all strikes that ended a process.
func (r *round) kills() int { return len(r.striker.under) }

// quiet says that nothing was struck.
func (r *round) quiet() bool { return len(r.plan.strikes) == 0 }

// under is the least number of transactions that a kill met.
func (r *round) under() int64 {
	if len(r.striker.under) == 0 {
		return 0
	}
	return slices.Min(r.striker.under)
}
