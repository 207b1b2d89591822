package main

import (
	"context"
	"fmt"
	"time"

	"github.com/crossfade-db/crossfade/internal/admin"
	"github.com/crossfade-db/crossfade/reconcile/state"
	"github.com/crossfade-db/crossfade/router"
)

// abortPatience is how long an abort waits for the state database: half of the
// second within which nothing new goes to the target. settleEvery is the time
// between two attempts to write one that did not.
const (
	abortPatience = 500 * time.Millisecond
	settleEvery   = time.Second
)

// owed is an abort that is to be written. One that is not in time takes effect
// first, and is owed from then on.
type owed struct {
	by      admin.Change
	since   time.Time
	late    bool // it is in force and not written
	written bool
}

// warning says what a restart would do now.
func (o *owed) warning(stored state.Runtime) string {
	return fmt.Sprintf("the abort of %s is in force and not yet written: a restart would bring back phase %s with share %s%%; "+
		"the log has what the state database lacks, and writing is tried again each second",
		o.since.UTC().Format(time.RFC3339), stored.Phase, router.Share(stored.Share))
}

func (o *owed) act() state.Act {
	act := acting{actAbort, "share"}.by(o.by)
	if o.late {
		act.Result = "done at " + o.since.UTC().Format(time.RFC3339) + ", written later"
	}
	return act
}

// Abort sets the share to 0 and keeps the phase. It is written first if that
// takes a moment only; else it takes effect first and the answer has a warning
// until it is written. It fails only for a version that is not in force.
func (c *control) Abort(ctx context.Context, by admin.Change) (admin.Status, error) {
	before := c.status()
	if by.IfVersion != nil && *by.IfVersion != before.Version {
		return admin.Status{}, c.stale(ctx, *by.IfVersion)
	}
	o := &owed{by: by, since: time.Now()}
	if !c.write(ctx, o) {
		c.force(o)
	}
	s := c.status()
	s.Before = &admin.Point{Phase: before.Phase, Share: before.Share, Version: before.Version}
	return s, nil
}

// write tries to write an abort in time. What is written too late finds that
// the abort has been forced.
func (c *control) write(ctx context.Context, o *owed) (written bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortPatience)
	defer cancel()
	result := make(chan error, 1)
	if !c.start(func() { result <- c.tryAbort(ctx, o) }) {
		return false
	}
	select {
	case err := <-result:
		if err != nil {
			c.Log.Error("the state database does not take an abort; it takes effect all the same", "error", err)
		}
		return err == nil
	case <-ctx.Done():
		c.Log.Error("the state database does not answer; the abort takes effect all the same", "waited", abortPatience.String())
		return false
	}
}

// start runs f on a goroutine that Close waits for; false: it is closed.
func (c *control) start(f func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.wg.Go(f)
	return true
}

func (c *control) tryAbort(ctx context.Context, o *owed) error {
	if err := c.take(ctx); err != nil {
		return err
	}
	defer c.give()
	return c.writeAbort(ctx, o)
}

// writeAbort writes share 0 and puts it in force. Whoever calls has the turn.
func (c *control) writeAbort(ctx context.Context, o *owed) error {
	c.mu.Lock()
	next, act := c.stored, o.act()
	c.mu.Unlock()
	next.Version, next.Share = next.Version+1, 0
	written, err := c.Store.Commit(ctx, next, act)
	if err != nil {
		return c.differs(ctx, err)
	}
	c.shown(written)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stored, c.owed, o.written = next, nil, true
	c.put(next)
	return nil
}

// force puts share 0 in force without having written it, and sees to it that it
// is written.
func (c *control) force(o *owed) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if o.written { // just now
		return
	}
	if c.owed == nil {
		c.owed, o.late = o, true
	}
	c.forced++
	c.Live.SetPolicy(func(p router.Policy) router.Policy {
		if p.Share != 0 {
			p.Version, p.Share = p.Version+1, 0
		}
		return p
	})
	if !c.settling && !c.closed {
		c.settling = true
		c.wg.Go(c.keepSettling)
	}
}

// keepSettling tries to write what is owed until it is written, or Close.
func (c *control) keepSettling() {
	tick := time.NewTicker(settleEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-c.done:
			return
		}
		if err := c.settleOnce(); err != nil {
			continue // status warns, and the log has the first error
		}
		c.mu.Lock()
		if c.settling = c.owed != nil; !c.settling {
			c.mu.Unlock()
			return
		}
		c.mu.Unlock()
	}
}

func (c *control) settleOnce() error {
	ctx, cancel := context.WithTimeout(context.Background(), writeTime)
	defer cancel()
	if err := c.take(ctx); err != nil {
		return err
	}
	defer c.give()
	return c.settle(ctx)
}

// settle writes the abort that is owed. Whoever calls has the turn.
func (c *control) settle(ctx context.Context) error {
	c.mu.Lock()
	late := c.owed
	c.mu.Unlock()
	if late == nil {
		return nil
	}
	if err := c.writeAbort(ctx, late); err != nil {
		return err
	}
	c.Log.Info("the abort is written", "reason", late.by.Reason)
	return nil
}
