package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/crossfade-db/crossfade/internal/admin"
	"github.com/crossfade-db/crossfade/reconcile/state"
	"github.com/crossfade-db/crossfade/router"
)

// writeTime bounds the writing of one act. A change that has begun is finished
// also when its caller has hung up.
const writeTime = 10 * time.Second

// Names of acts, as in the table of verbs.
const (
	actPhase  = "phase set"
	actShare  = "canary set"
	actAbort  = "abort"
	actReload = "reload"
	actDrain  = "drain"
	actStart  = "start"
	actStop   = "stop"
)

// SetPhase moves to another phase. Leaving canary sets the share to 0 in the
// same act.
func (c *control) SetPhase(ctx context.Context, by admin.Change, word string) (admin.Status, error) {
	phase, err := router.ParsePhase(word)
	if err != nil {
		return admin.Status{}, admin.Refuse(admin.Invalid, err.Error(), "")
	}
	if err := c.readyFor(ctx, by, phase); err != nil {
		return admin.Status{}, err
	}
	before, err := c.change(ctx, by, acting{actPhase, "phase"}, func(now state.Runtime) (state.Runtime, error) {
		if phase != router.Canary {
			now.Share = 0
		}
		now.Phase = phase.String()
		return now, nil
	})
	if err != nil {
		return admin.Status{}, err
	}
	s := c.status()
	s.Before = pointOf(before)
	return s, nil
}

// readyFor says whether a phase may be entered, and makes the two sides ready
// for one that mirrors.
func (c *control) readyFor(ctx context.Context, by admin.Change, phase router.Phase) error {
	switch phase {
	case router.Observe:
		return nil
	case router.Mirror:
	case router.Canary:
		if err := c.prepared(); err != nil {
			return err
		}
		if !c.hasTables() {
			return nil
		}
	}
	return c.prepareMirror(ctx, by)
}

// hasTables says whether writes are mirrored in the phases for it.
func (c *control) hasTables() bool {
	_, err := c.mirrored()
	return err == nil
}

// prepared says whether the target may answer anybody: without mirroring that
// needs a word on what becomes of writes.
func (c *control) prepared() error {
	now := c.Live.Snapshot()
	switch {
	case now.Target == router.TargetNone:
		return admin.Refuse(admin.Unprepared, "the configuration has no target", "write target: {address: HOST:PORT} and start again")
	case now.Writes == router.WritesUnset && !c.hasTables():
		return admin.Refuse(admin.Unprepared, "nothing is mirrored, and canary.writes does not say what becomes of writes",
			"write migration: {tables: [...]} to mirror them, canary: {writes: refuse} for read-only canary sessions, or "+
				"{writes: target} for writes that stay on the target, and start again")
	default:
		return nil
	}
}

// SetShare sets the share of sessions that the target answers.
func (c *control) SetShare(ctx context.Context, by admin.Change, percent string) (admin.Share, error) {
	share, err := router.ParseShare(percent)
	if err != nil {
		return admin.Share{}, admin.Refuse(admin.Invalid, err.Error(), "")
	}
	before, err := c.change(ctx, by, acting{actShare, "share"}, func(now state.Runtime) (state.Runtime, error) {
		if share > 0 && now.Phase != router.Canary.String() {
			return now, admin.Refuse(admin.Conflict, fmt.Sprintf("phase %s sends nobody to the target", now.Phase),
				`first run crossfade phase set canary --reason "..."`)
		}
		if share > 0 {
			if err := c.prepared(); err != nil {
				return now, err
			}
		}
		now.Share = uint16(share)
		return now, nil
	})
	if err != nil {
		return admin.Share{}, err
	}
	s := c.status()
	return admin.Share{Share: s.Share, Version: s.Version, Before: pointOf(before)}, nil
}

func pointOf(r state.Runtime) *admin.Point {
	return &admin.Point{Phase: r.Phase, Share: router.Share(r.Share).Percent(), Version: r.Version}
}

// acting is what an act is called and what it is done to.
type acting struct{ act, object string }

func (a acting) by(c admin.Change) state.Act {
	return state.Act{Actor: c.Actor, Door: c.Door, Act: a.act, Object: a.object, Reason: c.Reason, Result: admin.ResultDone}
}

// change writes what to makes of the runtime in force, then puts it in force.
// It returns what was in force before.
func (c *control) change(
	ctx context.Context, by admin.Change, what acting, to func(state.Runtime) (state.Runtime, error),
) (before state.Runtime, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTime)
	defer cancel()
	if err := c.take(ctx); err != nil {
		return before, c.unwritten(err)
	}
	defer c.give()
	if err := c.settle(ctx); err != nil {
		return before, c.unwritten(err)
	}
	c.mu.Lock()
	before, forced := c.stored, c.forced
	c.mu.Unlock()
	if by.IfVersion != nil && *by.IfVersion != before.Version {
		return before, c.stale(ctx, *by.IfVersion)
	}
	next, err := to(before)
	if err != nil {
		return before, err
	}
	next.Version = before.Version + 1
	written, err := c.Store.Commit(ctx, next, what.by(by))
	switch {
	case errors.Is(err, state.ErrStale):
		return before, errors.Join(c.stale(ctx, before.Version), c.differs(ctx, err))
	case err != nil:
		return before, c.unwritten(err)
	}
	c.shown(written)
	return before, c.enforce(next, forced)
}

// differs takes over what the state database has where that is not what is
// remembered: a commit that ended in an error may be there all the same. What
// is in force stays until the next change.
func (c *control) differs(ctx context.Context, err error) error {
	if !errors.Is(err, state.ErrStale) {
		return err
	}
	now, reading := c.Store.Runtime(ctx)
	if reading != nil {
		return errors.Join(err, reading)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stored = now
	return err
}

// enforce puts in force what has been written, unless an abort got in between:
// then the abort stays in force and is written over it.
func (c *control) enforce(next state.Runtime, forced uint64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stored = next
	if c.forced != forced {
		return admin.Refuse(admin.Stale, "an abort came while this was being written, and the share is 0", "look at crossfade status and repeat")
	}
	c.put(next)
	return nil
}

// take waits for its turn to write.
func (c *control) take(ctx context.Context) error {
	select {
	case c.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("another act has been being written for %v: %w", writeTime, context.Cause(ctx))
	}
}

func (c *control) give() { <-c.turn }

// unwritten is the refusal of what the state database does not take.
func (c *control) unwritten(err error) error {
	var refusal *admin.Refusal
	if errors.As(err, &refusal) {
		return err
	}
	c.Log.Error("the state database does not take an act; nothing was changed", "error", err)
	return admin.Refuse(admin.Unwritten, "the state database did not take the act, so nothing was changed",
		"the log of the proxy has the reason; crossfade abort works all the same")
}

// stale says who changed it in the meantime, when and to what.
func (c *control) stale(ctx context.Context, given uint64) error {
	detail := fmt.Sprintf("version %d is not in force", given)
	last, err := c.lastChange(ctx)
	switch {
	case err != nil:
		c.Log.Warn("cannot look up who changed phase or share last", "error", err)
	case last.Seq != 0:
		detail += fmt.Sprintf(": %s did %s at %s, which made it version %d (phase %s, share %s%%)", last.Actor, last.Act,
			last.Time.UTC().Format(time.RFC3339), last.Runtime.Version, last.Runtime.Phase, router.Share(last.Runtime.Share))
	}
	return admin.Refuse(admin.Stale, detail, "look at crossfade status and repeat")
}

// lastChange is the last act that changed phase or share; zero: there is none.
func (c *control) lastChange(ctx context.Context) (last state.Record, err error) {
	for _, act := range []string{actPhase, actShare, actAbort} {
		for q := (state.Query{Act: act}); ; {
			page, err := c.Store.Records(ctx, q)
			if err != nil {
				return last, err
			}
			if len(page) == 0 {
				break
			}
			newest := page[len(page)-1]
			if newest.Seq > last.Seq {
				last = newest
			}
			q.After = newest.Seq
		}
	}
	return last, nil
}
