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
	filled    filled
	away      away
	planted   planted
	moving    spanned       // while sessions moved, all well
	returning spanned       // while the target came back
	aborting  spanned       // from the abort on, until all are back
	aborted   time.Time     // when the abort was answered
	back      time.Duration // from then until status has nobody at the target
	acts      []act         // that were typed
}

// act is one change that the operator made.
type act struct {
	name, reason string
	share        float64 // afterwards
}

// tour takes the shop through all phases, and plants faults.
type tour struct {
	toured
	*stage
	length  time.Duration // of a row
	load    *load
	between *span // while sessions move
	phase   string
	share   float64
}

func newTour(s *stage, length time.Duration) *tour {
	return &tour{stage: s, length: length, between: &span{}, phase: router.Observe.String()}
}

// settleTime bounds how long the sessions may take to be where a share puts
// them.
const settleTime = 10 * time.Second

// partly is the share of the middle of the tour, under which faults are planted.
const partly = 30

// run is the whole tour.
func (t *tour) run(ctx context.Context) error {
	if err := t.say("%s", heading()); err != nil {
		return err
	}
	for _, part := range []func(context.Context) error{t.observe, t.mirror, t.canary, t.outage, t.constraint, t.stray, t.leave, t.abort} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	t.moving = t.between.seen()
	return nil
}

// observe shows the shop before anything is mirrored.
func (t *tour) observe(ctx context.Context) error { return t.hold(ctx) }

// canary lets the target answer some of the readers.
func (t *tour) canary(ctx context.Context) error {
	err := t.say("\nNow the target answers some of the reading sessions, chosen by the hash of their name. What it cannot\n" +
		"answer rightly, the source answers for them: tables of another shape, rows that are not there yet.\n")
	if err != nil {
		return err
	}
	if err := t.change(ctx, act{"phase set canary", "reads may be tried on the new version", 0}); err != nil {
		return err
	}
	for _, step := range []act{
		{"canary set 5", "a first few", 5},
		{"canary set 30", "nearly a third", partly},
	} {
		if err := t.set(ctx, step); err != nil {
			return err
		}
	}
	return nil
}

// leave takes the share back to nothing, and up again for an abort.
func (t *tour) leave(ctx context.Context) error {
	if err := t.say("\nThe way back, in both manners: by a share of 0, and by an abort.\n"); err != nil {
		return err
	}
	if err := t.set(ctx, act{"canary set 0", "and back again", 0}); err != nil {
		return err
	}
	return t.set(ctx, act{"canary set 100", "all of them, to be aborted", 100})
}

// change makes a change and prints it as it is typed.
func (t *tour) change(ctx context.Context, a act) error {
	args := append(strings.Fields(a.name), "--reason", a.reason)
	if err := t.say("\n$ %s\n", typed(args)); err != nil {
		return err
	}
	t.acts, t.share = append(t.acts, a), a.share
	if phase, ok := strings.CutPrefix(a.name, "phase set "); ok {
		t.phase = phase
	}
	_, err := t.operator.run(ctx, args...)
	return err
}

// print shows what a command prints.
func (t *tour) print(ctx context.Context, args ...string) error {
	text, err := t.operator.run(ctx, args...)
	if err != nil {
		return err
	}
	return t.say("\n$ %s\n%s", typed(args), text)
}

// set makes a share that of the sessions, and holds it for a while.
func (t *tour) set(ctx context.Context, a act) error {
	if err := t.change(ctx, a); err != nil {
		return err
	}
	return t.hold(ctx)
}

// hold waits until the share is in force, and then lets the sessions work for
// the length of a row, and until everybody whom the share gives to the target
// has been answered there.
func (t *tour) hold(ctx context.Context) error {
	r := row{kind: steady, phase: t.phase, share: router.Share(t.share * 100)}
	if _, err := t.settle(ctx, r.share, settleTime); err != nil {
		return err
	}
	return t.fill(ctx, r, func(now *span) error {
		if err := pause(ctx, t.length); err != nil {
			return err
		}
		return t.met(ctx, now, r.share)
	})
}

// met waits until the target has answered all browsers that a share gives to it.
func (t *tour) met(ctx context.Context, now *span, share router.Share) error {
	end := time.Now().Add(settleTime)
	for !same(now.seen().by[router.Target], chosen(share)) && time.Now().Before(end) {
		if err := pause(ctx, lookAgain); err != nil {
			return err
		}
	}
	return nil // who is missing is told by the row's check
}

// fill lets the sessions work in a span of their own while do runs, and tells
// what came of it.
func (t *tour) fill(ctx context.Context, r row, do func(now *span) error) error {
	before, err := t.countFrom(ctx, [router.Sides]int64{}, steady)
	if err != nil {
		return err
	}
	now := &span{}
	t.load.enter(now)
	err = do(now)
	t.load.enter(t.between)
	r.seen = now.seen()
	if err != nil {
		return err
	}
	status, err := t.operator.status(ctx)
	if err != nil {
		return err
	}
	r.at = status.Sessions
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

// settle waits until a share is in force and nobody is left at the target whom
// it does not give to it.
func (t *tour) settle(ctx context.Context, share router.Share, limit time.Duration) (admin.Status, error) {
	return t.operator.await(ctx, limit, func(s admin.Status) string {
		switch {
		case s.Applied < s.Version || s.Share != share.Percent():
			return fmt.Sprintf("share %s%% is not in force", share)
		case s.Sessions.Pending != 0 || share == 0 && s.Sessions.Target != 0:
			return fmt.Sprintf("share %s%%: status has %d sessions at the target and %d to move; the target is %s, pins are %v",
				share, s.Sessions.Target, s.Sessions.Pending, s.Target.State, s.Pins)
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
	return t.hold(ctx)
}

// is says whether a record of the chain tells of the act, with who, and what
// there was before and after: of phase and share both, of other acts at least
// one.
func (a act) is(r *admin.Record) bool {
	told := func(text json.RawMessage) bool { return len(text) > 0 && string(text) != "null" }
	known := told(r.Before) && told(r.After)
	if !routes(r.Act) {
		known = told(r.Before) || told(r.After)
	}
	return r.Act != "" && strings.HasPrefix(a.name, r.Act) && r.Reason == a.reason && r.Runtime.Share == a.share &&
		r.Actor != "" && r.Result != admin.ResultFailed && known
}

// routes says that an act changes phase or share.
func routes(act string) bool {
	return act == "abort" || strings.HasPrefix(act, "phase ") || strings.HasPrefix(act, "canary ")
}
