package demo

import (
	"context"
	"fmt"
	"time"

	"github.com/crossfade-db/crossfade/internal/admin"
	"github.com/crossfade-db/crossfade/router"
)

// away is what the loss of the target was like.
type away struct {
	broken  admin.Target  // as status had it while the target was away
	dirty   int           // keys that were noted for it by the end
	mended  time.Duration // from the restart until the breaker was closed
	drained time.Duration // from the restart until nothing was dirty
}

const (
	awayTime = 10 * time.Second // that the target is away
	mendTime = 40 * time.Second // that the breaker may stay open after the restart
	dryTime  = 90 * time.Second // that what was noted may stay dirty after it
	dryEvery = 5 * time.Second  // between two lines about it
)

// outage kills the target while it has some of the browsers, and starts it
// again.
func (t *tour) outage(ctx context.Context) error {
	err := t.say("\nFirst fault: the target is killed with all its processes, and comes back %s seconds later. Until then its\n"+
		"readers are answered by the source, and the keys of what is sold are noted.\n", grouped(int64(awayTime/time.Second)))
	if err != nil {
		return err
	}
	r := row{kind: downfall, phase: t.phase, share: router.Share(t.share * 100)}
	if err := t.fill(ctx, r, func(*span) error { return t.kill(ctx) }); err != nil {
		return err
	}
	if err := t.say("  by now %s keys are dirty: written at the source, noted for the target\n", grouped(int64(t.away.dirty))); err != nil {
		return err
	}
	calm := t.between
	t.between = &span{}
	t.load.enter(t.between)
	if err := t.restart(ctx); err != nil {
		return err
	}
	t.returning = t.between.seen()
	t.between = calm
	t.load.enter(calm)
	return t.hold(ctx)
}

// kill ends the target in the middle of what the sessions do.
func (t *tour) kill(ctx context.Context) error {
	if err := t.servers.Target.Kill(); err != nil {
		return fmt.Errorf("kill the target: %w", err)
	}
	began := time.Now()
	_, err := t.operator.await(ctx, settleTime, func(s admin.Status) string {
		if s.Target.State == router.TargetBroken.String() && s.Sessions.Target == 0 {
			return ""
		}
		return fmt.Sprintf("the target was killed, and status has it as %s with %d sessions", s.Target.State, s.Sessions.Target)
	})
	if err != nil {
		return err
	}
	if err := pause(ctx, awayTime-time.Since(began)); err != nil {
		return err
	}
	status, err := t.operator.status(ctx)
	t.away.broken, t.away.dirty = status.Target, status.Dirty
	return err
}

// restart starts the target and waits until the breaker lets sessions to it and
// all that was noted has been brought there, by the worker alone.
func (t *tour) restart(ctx context.Context) error {
	if err := t.say("\n  the target is started again; nobody tells the proxy\n"); err != nil {
		return err
	}
	if err := t.servers.Target.Restart(ctx); err != nil {
		return fmt.Errorf("start the target again: %w", err)
	}
	began := time.Now()
	_, err := t.operator.await(ctx, mendTime, func(s admin.Status) string {
		if s.Target.State == router.TargetOpen.String() {
			return ""
		}
		return fmt.Sprintf("after the restart status has the target as %s (%s)", s.Target.State, s.Target.Reason)
	})
	if err != nil {
		return err
	}
	t.away.mended = time.Since(began)
	if err := t.drain(ctx); err != nil {
		return err
	}
	t.away.drained = time.Since(began)
	return t.say("  its breaker has closed by itself after %s s, and nothing was dirty any more after %s s\n",
		seconds(t.away.mended), seconds(t.away.drained))
}

// drain tells how far the worker is until nothing is dirty.
func (t *tour) drain(ctx context.Context) error {
	last := time.Now()
	_, err := t.operator.await(ctx, dryTime, func(s admin.Status) string {
		if s.Dirty == 0 {
			return ""
		}
		if time.Since(last) >= dryEvery {
			last = time.Now()
			_ = t.say("  %s keys are still dirty\n", grouped(int64(s.Dirty))) // print fails again below
		}
		return fmt.Sprintf("after the restart %d keys are still dirty", s.Dirty)
	})
	return err
}
