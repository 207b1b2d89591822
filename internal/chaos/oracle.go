package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// oracles are what has to hold when a round is over and nothing is dirty.
func (r *round) oracles(ctx context.Context) error {
	var errs []error
	rows, err := compareSides(ctx, r.stage)
	r.rows = rows
	errs = append(errs, err, r.bank(ctx), r.tokens(ctx), r.order(ctx), r.found(ctx), r.clients(), r.claimed())
	rest := errors.Join(errs...)
	if !r.quiet() {
		return rest
	}
	slow := r.inline()
	r.starved = rest == nil && slow != nil && r.watcher.stutter > stutterMost
	return errors.Join(rest, slow)
}

const bankSQL = `SELECT coalesce(string_agg(a.id::text, ', '), '') FROM accounts a WHERE a.balance <> 1000
	+ (SELECT coalesce(sum(amount), 0) FROM transfers WHERE dst = a.id) - (SELECT coalesce(sum(amount), 0) FROM transfers WHERE src = a.id)`

// bank wants the sum to be what it was, and each account to have what the
// transfers say: a transfer is whole or not there.
func (r *round) bank(ctx context.Context) error {
	for i, s := range r.stage.servers() {
		side := []string{"source", "target"}[i]
		sum, err := s.Query(ctx, database, "SELECT sum(balance)::text FROM accounts")
		if err != nil {
			return err
		}
		if want := fmt.Sprint(bankAccounts * bankOpening); sum != want {
			return fmt.Errorf("the bank of the %s has %s, and had %s", side, sum, want)
		}
		wrong, err := s.Query(ctx, database, bankSQL)
		if err != nil {
			return err
		}
		if wrong != "" {
			return fmt.Errorf("accounts of the %s that their transfers do not explain: %s", side, wrong)
		}
	}
	return nil
}

// tokens wants what was acknowledged to be there, what was refused not to be,
// and what a client took not to be there any more.
func (r *round) tokens(ctx context.Context) error {
	var errs []error
	for table, known := range r.crowd.tally.tokens {
		for i, s := range r.stage.servers() {
			text, err := s.Query(ctx, database, "SELECT coalesce(string_agg(token, ' '), '') FROM "+table)
			if err != nil {
				return err
			}
			if err := known.check(strings.Fields(text)); err != nil {
				errs = append(errs, fmt.Errorf("%s of the %s: %w", table, []string{"source", "target"}[i], err))
			}
		}
	}
	return errors.Join(errs...)
}

// check holds the tokens of a table against what clients know.
func (k *tokens) check(there []string) error {
	present := map[string]bool{}
	for _, t := range there {
		if present[t] {
			return fmt.Errorf("token %s is there twice", t)
		}
		present[t] = true
	}
	var lost, revived []string
	for _, t := range k.by[acknowledged] {
		if _, taken := k.taken[t]; !taken && !present[t] {
			lost = append(lost, t)
		}
	}
	for _, t := range k.by[refused] {
		if present[t] {
			revived = append(revived, t)
		}
	}
	for t, how := range k.taken {
		if how == acknowledged && present[t] {
			revived = append(revived, t)
		}
	}
	switch {
	case len(lost) > k.anyTaken:
		return fmt.Errorf("%d acknowledged tokens are lost (%d may have been taken): %v", len(lost), k.anyTaken, lost[:min(len(lost), shownMost)])
	case len(revived) > 0:
		return fmt.Errorf("%d tokens are there that were refused or deleted: %v", len(revived), revived[:min(len(revived), shownMost)])
	}
	return nil
}

const orderSQL = `SELECT count(*)::text FROM (SELECT seq, lag(seq) OVER (PARTITION BY id ORDER BY n) AS before FROM account_log) x WHERE seq < before`

// order wants no account of the target ever to have gone back to an older
// state: the source counts each state up, and the target logs each that it had.
func (r *round) order(ctx context.Context) error {
	inversions, err := r.stage.pair.Target.Query(ctx, database, orderSQL)
	if err != nil {
		return err
	}
	states, err := r.stage.pair.Target.Query(ctx, database, "SELECT count(*)::text FROM account_log")
	if err != nil {
		return err
	}
	if inversions != "0" || states == "0" {
		return fmt.Errorf("of %s states of accounts at the target %s came after newer ones", states, inversions)
	}
	return r.stage.pair.Target.Exec(ctx, database, "TRUNCATE account_log")
}

// found wants the worker to have met no difference that nobody had marked, but
// the planted one.
func (r *round) found(ctx context.Context) error {
	all, err := r.stage.door.divergences(ctx)
	if err != nil {
		return err
	}
	var wrong []string
	for _, d := range all {
		if d.Table == "public.strays" || d.ID <= r.stage.seen {
			continue
		}
		switch {
		case d.Kind == "rejected":
			r.rejected++
			continue
		case d.Kind == "uncertain" && !r.onlyTarget(): // the source's answer to a COMMIT was lost
			r.uncertain++
			continue
		}
		wrong = append(wrong, fmt.Sprintf("%d %s %s %s %s %s", d.ID, d.State, d.Kind, d.Table, keyText(d.Key), d.Cause))
	}
	if len(all) > 0 {
		r.stage.seen = all[len(all)-1].ID
	}
	if r.planted {
		if err := foundStray(all); err != nil {
			return err
		}
	}
	if len(wrong) > 0 {
		return fmt.Errorf("%d differences that no mark explains: %s", len(wrong), strings.Join(wrong[:min(len(wrong), shownMost)], "; "))
	}
	return nil
}

// Errors that clients may have: by their own doing, which a direct run shows as
// well, and by a proxy or source that dies.
var (
	ownCodes  = []string{"23503", "23505", "40P01", "40001"}
	lostCodes = []string{codeLost, "08006", "57P01", "57P02", "57P03"}
)

// clients wants nobody to have been held longer than any fault lasts, nor to
// have met an error that nothing explains: faults of the target are not theirs.
func (r *round) clients() error {
	t := r.crowd.tally
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := t.codes[codeLate]; n > 0 {
		return fmt.Errorf("%d transactions took longer than %v", n, actTime)
	}
	var wrong []string
	for code, n := range t.codes {
		lost := slices.Contains(lostCodes, code) || strings.HasPrefix(code, codeLogin)
		gone := code == codeTarget && slices.ContainsFunc(r.plan.strikes, func(s strike) bool { return s.victim == targetVictim })
		if !slices.Contains(ownCodes, code) && !(lost && !r.onlyTarget()) && !gone {
			wrong = append(wrong, fmt.Sprintf("%s %d", code, n))
		}
	}
	if len(wrong) > 0 {
		return fmt.Errorf("clients had errors that no strike explains: %s", strings.Join(wrong, ", "))
	}
	return nil
}

// onlyTarget says that nothing but the target was struck, if anything.
func (r *round) onlyTarget() bool {
	return !slices.ContainsFunc(r.plan.strikes, func(s strike) bool { return s.kind == stallAll || s.victim != targetVictim })
}

// claimed is what others saw while the load ran.
func (r *round) claimed() error {
	all := append(append(slices.Clone(r.crowd.tally.claims), r.watcher.claims...), r.checker.claims...)
	for i, n := range r.striker.under {
		if n == 0 {
			all = append(all, fmt.Sprintf("kill %d met no transaction under way", i+1))
		}
	}
	if n := r.crowd.tally.sums()[acknowledged]; n < doneLeast {
		all = append(all, fmt.Sprintf("%d transactions are too few to mean anything", n))
	}
	if n := r.checker.counts; n[isEqual]+n[isMoving]+n[isDirty] < samplesLeast {
		all = append(all, "the checker has seen too few rows to mean anything")
	}
	if len(all) == 0 {
		return nil
	}
	return errors.New(strings.Join(all[:min(len(all), shownMost)], "; "))
}

// What a round has at least, to mean anything.
const (
	doneLeast    = 20
	samplesLeast = 5
)

// What has to be mirrored inline when nothing is struck.
const inlineLeast = 0.999

// inline wants nearly all changes to have been mirrored within their own
// transaction.
func (r *round) inline() error {
	if r.overtaken > 0 {
		return fmt.Errorf("%d deletes met no row and did not take its key", r.overtaken)
	}
	if r.share() < inlineLeast {
		return fmt.Errorf("of %d changes %d were mirrored inline: %s", r.mirrored+r.missed, r.mirrored, words(r.causes))
	}
	return nil
}

func (r *round) share() float64 {
	if r.mirrored+r.missed == 0 {
		return 0
	}
	return float64(r.mirrored) / float64(r.mirrored+r.missed)
}

// writes reads from the metrics how changes were mirrored since a former look.
func (r *round) writes(before, after samples) {
	r.causes = map[string]int{}
	for name, value := range after {
		if name == `crossfade_mirror_missed_deletes_total{followed="no"}` {
			r.overtaken += int(value - before[name])
		}
		if !strings.HasPrefix(name, "crossfade_mirror_writes_total{") || !tableNamed(label(name, "table")).inline {
			continue
		}
		n := int(value - before[name])
		switch label(name, "outcome") {
		case "both":
			r.mirrored += n
		case "none":
		default:
			r.missed += n
			if n > 0 {
				r.causes[label(name, "table")+" "+label(name, "cause")] += n
			}
		}
	}
}

// watcher asks the proxy again and again what is dirty, and feels whether the
// machine has time for us.
type watcher struct {
	stage   *stage
	peak    int
	claims  []string
	stutter time.Duration // the longest that this process had to wait for a processor
}

const (
	feelEvery = 5 * time.Millisecond
	// stutterMost is above what our own load does to two processors; beyond it the
	// proxy's budget is spent by others.
	stutterMost = 50 * time.Millisecond
)

// feel measures how late timers are, until ctx ends.
func (w *watcher) feel(ctx context.Context) {
	for ctx.Err() == nil {
		began := time.Now()
		pause(ctx, feelEvery)
		w.stutter = max(w.stutter, time.Since(began)-feelEvery)
	}
}

const watchEvery = 200 * time.Millisecond

// run watches until ctx ends. A proxy that is down says nothing.
func (w *watcher) run(ctx context.Context) {
	for ctx.Err() == nil {
		if b, err := w.stage.door.dirty(ctx, "", len(tables)+1); err == nil {
			w.peak = max(w.peak, b.Dirty)
			w.judge(b)
		}
		pause(ctx, watchEvery)
	}
}

func (w *watcher) judge(b backlog) {
	if b.Flapping > 0 && len(w.claims) == 0 {
		w.claims = append(w.claims, fmt.Sprintf("%d keys differ again and again", b.Flapping))
	}
	for _, item := range b.Items {
		if item.Range && item.Cause != "new" && item.Cause != "requested" && slices.Contains(neverWhole, item.Table) && len(w.claims) < claimsMost {
			w.claims = append(w.claims, fmt.Sprintf("%s is dirty as a whole, cause %s", item.Table, item.Cause))
		}
	}
}
