package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/crossfade-db/crossfade/internal/admin"
	"github.com/crossfade-db/crossfade/router"
)

// toured is what came of a tour.
type toured struct {
	rows      []row
	moving    spanned       // while sessions moved, all well
	returning spanned       // while the target came back
	aborting  spanned       // from the abort on, until all are back
	aborted   time.Time     // when the abort was answered
	back      time.Duration // from then until status has nobody at the target
	mended    time.Duration // from the restart until the breaker was closed
	broken    admin.Target  // as status had it while the target was away
	acts      []act         // that were typed
}

// act is one change that the operator made.
type act struct {
	name, reason string
	share        float64 // afterwards
}

// tour takes the share up and down.
type tour struct {
	toured
	*stage
	length  time.Duration // of a row
	load    *load
	between *span // while sessions move
}

func newTour(s *stage, length time.Duration) *tour {
	return &tour{stage: s, length: length, between: &span{}}
}

// settleTime bounds how long the sessions may take to be where a share puts
// them, and mendTime how long the breaker may stay open after the restart.
const (
	settleTime = 10 * time.Second
	mendTime   = 40 * time.Second
)

// run is the whole tour.
func (t *tour) run(ctx context.Context) error {
	if err := t.say("%s", heading()); err != nil {
		return err
	}
	if err := t.change(ctx, act{"phase set canary", "reads may be tried on the new version", 0}); err != nil {
		return err
	}
	for _, step := range []act{
		{"", "", 0},
		{"canary set 5", "a first few", 5},
		{"canary set 50", "half of them", 50},
		{"canary set 100", "all of them", 100},
		{"canary set 0", "and back again", 0},
	} {
		if err := t.set(ctx, step); err != nil {
			return err
		}
	}
	if err := t.outage(ctx); err != nil {
		return err
	}
	if err := t.abort(ctx); err != nil {
		return err
	}
	t.moving = t.between.seen()
	return nil
}

// change makes a change and prints it as it is typed.
func (t *tour) change(ctx context.Context, a act) error {
	args := append(strings.Fields(a.name), "--reason", a.reason)
	if err := t.say("\n$ %s\n", typed(args)); err != nil {
		return err
	}
	t.acts = append(t.acts, a)
	_, err := t.operator.run(ctx, args...)
	return err
}

// set makes a share that of the sessions, and holds it for a while.
func (t *tour) set(ctx context.Context, a act) error {
	if a.name != "" {
		if err := t.change(ctx, a); err != nil {
			return err
		}
	}
	return t.hold(ctx, a.share)
}

// hold waits until the sessions are where the share puts them, and then lets
// them work for the length of a row.
func (t *tour) hold(ctx context.Context, share float64) error {
	r := row{kind: steady, share: router.Share(share * 100)}
	status, err := t.settle(ctx, r.share, settleTime)
	if err != nil {
		return err
	}
	r.at = status.Sessions
	return t.fill(ctx, r, func() error { return pause(ctx, t.length) })
}

// fill lets the sessions work in a span of their own while do runs, and tells
// what came of it.
func (t *tour) fill(ctx context.Context, r row, do func() error) error {
	before, err := t.countFrom(ctx, [router.Sides]int64{}, steady)
	if err != nil {
		return err
	}
	now := &span{}
	t.load.enter(now)
	err = do()
	t.load.enter(t.between)
	r.seen = now.seen()
	if err != nil {
		return err
	}
	if r.kind == downfall {
		status, err := t.operator.status(ctx)
		if err != nil {
			return err
		}
		r.at, t.broken = status.Sessions, status.Target
	}
	if r.counted, err = t.countFrom(ctx, before, r.kind); err != nil {
		return err
	}
	t.rows = append(t.rows, r)
	return t.say("%s", r.text())
}

// countFrom asks the servers for their statistics, without those of before. A
// target that was killed begins anew.
func (t *tour) countFrom(ctx context.Context, before [router.Sides]int64, kind rowKind) (counted [router.Sides]int64, err error) {
	for side := range counted {
		if kind == downfall && router.Side(side) == router.Target {
			counted[side] = -1
			continue
		}
		n, err := transactions(ctx, serverAt(t.servers, router.Side(side)))
		if err != nil {
			return counted, err
		}
		counted[side] = n - before[side]
	}
	return counted, nil
}

// settle waits until status has as many sessions at the target as hash below
// the share, and none to move. One that is lost is not waited for; it has been
// counted as an error.
func (t *tour) settle(ctx context.Context, share router.Share, limit time.Duration) (admin.Status, error) {
	return t.operator.await(ctx, limit, func(s admin.Status) string {
		want := t.load.present(chosen(share))
		switch {
		case s.Applied < s.Version || s.Share != share.Percent():
			return fmt.Sprintf("share %s%% is not in force", share)
		case s.Sessions.Target != want || s.Sessions.Pending != 0:
			return fmt.Sprintf("share %s%%: status has %d sessions at the target and %d to move, want %d and 0; the target is %s, pins are %v",
				share, s.Sessions.Target, s.Sessions.Pending, want, s.Target.State, s.Pins)
		default:
			return ""
		}
	})
}

// chosen are the numbers of the browsers that a share gives to the target: what
// anybody can compute beforehand.
func chosen(share router.Share) map[int]bool {
	in := map[int]bool{}
	for n := range browsers {
		if router.Share(router.Bucket(salt, "application_name", browserName(n+1))) < share {
			in[n+1] = true
		}
	}
	return in
}

// outage kills the target while it has half of the browsers, and starts it
// again.
func (t *tour) outage(ctx context.Context) error {
	const half = 50
	if err := t.set(ctx, act{"canary set 50", "half of them, for a disaster", half}); err != nil {
		return err
	}
	if err := t.say("\n  the target is killed, with all its processes\n"); err != nil {
		return err
	}
	r := row{kind: downfall, share: half * 100}
	err := t.fill(ctx, r, func() error { return t.kill(ctx) })
	if err != nil {
		return err
	}
	calm := t.between
	t.between = &span{}
	t.load.enter(t.between)
	if err := t.restart(ctx); err != nil {
		return err
	}
	err = t.hold(ctx, half)
	t.returning = t.between.seen()
	t.between = calm
	t.load.enter(calm)
	return err
}

// kill ends the target in the middle of what the sessions do.
func (t *tour) kill(ctx context.Context) error {
	if err := pause(ctx, t.length/4); err != nil {
		return err
	}
	if err := t.servers.Target.Kill(); err != nil {
		return fmt.Errorf("kill the target: %w", err)
	}
	_, err := t.operator.await(ctx, settleTime, func(s admin.Status) string {
		if s.Target.State == router.TargetBroken.String() && s.Sessions.Target == 0 {
			return ""
		}
		return fmt.Sprintf("the target was killed, and status has it as %s with %d sessions", s.Target.State, s.Sessions.Target)
	})
	if err != nil {
		return err
	}
	return pause(ctx, t.length)
}

// restart starts the target and waits until the breaker lets sessions to it.
func (t *tour) restart(ctx context.Context) error {
	if err := t.say("\n  the target is started again\n"); err != nil {
		return err
	}
	if err := t.servers.Target.Restart(ctx); err != nil {
		return fmt.Errorf("start the target again: %w", err)
	}
	begin := time.Now()
	if _, err := t.settle(ctx, 50*100, mendTime); err != nil {
		return fmt.Errorf("after the restart of the target: %w", err)
	}
	t.mended = time.Since(begin)
	return t.say("  its breaker has closed by itself; its sessions are back after %s s\n", seconds(t.mended))
}

// abort brings everybody back.
func (t *tour) abort(ctx context.Context) error {
	going := &span{}
	t.load.enter(going)
	err := t.change(ctx, act{"abort", "enough for today", 0})
	t.aborted = time.Now()
	if err != nil {
		return err
	}
	if _, err := t.settle(ctx, 0, settleTime); err != nil {
		return err
	}
	t.back = time.Since(t.aborted)
	t.load.enter(t.between)
	t.aborting = going.seen()
	return t.hold(ctx, 0)
}

// is says whether a record of the chain tells of the act, with who, before and
// after.
func (a act) is(r *admin.Record) bool {
	told := func(text json.RawMessage) bool { return len(text) > 0 && string(text) != "null" }
	return r.Act != "" && strings.HasPrefix(a.name, r.Act) && r.Reason == a.reason && r.Runtime.Share == a.share &&
		r.Actor != "" && told(r.Before) && told(r.After)
}
