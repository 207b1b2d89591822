package main

import (
	"context"
	"errors"

	"github.com/crossfade-db/crossfade/internal/admin"
	"github.com/crossfade-db/crossfade/reconcile/state"
	"github.com/crossfade-db/crossfade/router"
)

// self is the actor of what nobody asked for; nobodyKnown that of a caller who
// did not say who he is.
const (
	self        = "crossfade"
	nobodyKnown = "unknown"
)

// fact is an act that leaves phase and share as they are. Before and After are
// whatever is JSON, without secrets or values of rows.
type fact struct {
	Act, Object, Reason string
	Before, After       any
}

// Automatic writes an act of the proxy's own, as a breaker that opened.
func (c *control) Automatic(ctx context.Context, f fact) error {
	return c.record(ctx, state.Act{
		Actor: self, Door: admin.DoorAuto, Act: f.Act, Object: f.Object, Before: f.Before, After: f.After,
		Reason: f.Reason, Result: admin.ResultDone,
	})
}

// Started and Stopped write that the proxy begins and ends, with the hash of
// its configuration and with phase and share.
func (c *control) Started(ctx context.Context, config string) error {
	return c.Automatic(ctx, fact{Act: actStart, Object: "proxy", After: c.running(config), Reason: "start"})
}

// Stopped is written before the state database is closed.
func (c *control) Stopped(ctx context.Context, config, reason string) error {
	return c.Automatic(ctx, fact{Act: actStop, Object: "proxy", Before: c.running(config), Reason: reason})
}

// running is what is in force at a start or stop.
type running struct {
	Config  string      `json:"config"`
	Version string      `json:"version"`
	Policy  admin.Point `json:"policy"`
}

func (c *control) running(config string) running {
	now := c.Live.Snapshot()
	return running{config, c.Build.Version, admin.Point{Phase: now.Phase.String(), Share: now.Share.Percent(), Version: now.Version}}
}

// Note writes an act that changed nothing.
func (c *control) Note(ctx context.Context, n admin.Note) error {
	act := state.Act{Actor: n.Actor, Door: n.Door, Act: n.Act, Object: n.Object, Reason: n.Reason, Result: n.Result}
	if act.Actor == "" {
		act.Actor = nobodyKnown
	}
	if act.Object == "" {
		act.Object = n.Address
	}
	return c.record(ctx, act)
}

// record writes an act, behind an abort that is still owed.
func (c *control) record(ctx context.Context, act state.Act) error {
	if err := c.take(ctx); err != nil {
		return err
	}
	defer c.give()
	if err := c.settle(ctx); err != nil {
		return err
	}
	written, err := c.Store.Record(ctx, act)
	if err != nil {
		return err
	}
	c.shown(written)
	return nil
}

// Reload reads the configuration again. That it differs is written before
// anything of it is taken over; keys only, never values.
func (c *control) Reload(ctx context.Context, by admin.Change) (admin.Reloaded, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTime)
	defer cancel()
	if err := c.current(ctx, by); err != nil {
		return admin.Reloaded{}, err
	}
	var result admin.Reloaded
	err := c.Hooks.Reload(func(found admin.Reloaded) error {
		result = found
		act := acting{actReload, "configuration"}.by(by)
		act.Before = map[string]string{"config": found.Before}
		act.After = configured{found.After, found.Changed, found.Restart}
		if err := c.record(ctx, act); err != nil {
			return c.unwritten(err)
		}
		return nil
	})
	var refusal *admin.Refusal
	switch {
	case err == nil:
		return result, nil
	case errors.As(err, &refusal):
		return admin.Reloaded{}, err
	}
	act := acting{actReload, "configuration"}.by(by)
	act.Result = admin.ResultRefused
	if noting := c.record(ctx, act); noting != nil {
		c.Log.Warn("a refused reload could not be written", "error", noting)
	}
	return admin.Reloaded{}, admin.Refuse(admin.Invalid, err.Error(), "the configuration in force stays; correct the file")
}

// configured is what a reload has taken over.
type configured struct {
	Config  string   `json:"config"`
	Changed []string `json:"changed"`
	Restart []string `json:"restart"`
}

// current checks the version that a change is meant for, if it says one.
func (c *control) current(ctx context.Context, by admin.Change) error {
	if by.IfVersion != nil && *by.IfVersion != c.status().Version {
		return c.stale(ctx, *by.IfVersion)
	}
	return nil
}

// Drain writes the act and begins to end the proxy.
func (c *control) Drain(ctx context.Context, by admin.Change) (admin.Status, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTime)
	defer cancel()
	if err := c.current(ctx, by); err != nil {
		return admin.Status{}, err
	}
	if err := c.record(ctx, acting{actDrain, "proxy"}.by(by)); err != nil {
		return admin.Status{}, c.unwritten(err)
	}
	c.Hooks.Drain()
	s := c.status()
	s.Draining = true
	return s, nil
}

// Records reads the chain.
func (c *control) Records(ctx context.Context, q admin.Query) ([]admin.Record, error) {
	found, err := c.Store.Records(ctx, state.Query{After: q.After, Limit: q.Limit, Act: q.Act, Actor: q.Actor})
	if err != nil {
		return nil, c.unread(err)
	}
	records := make([]admin.Record, 0, len(found))
	for i := range found {
		records = append(records, recordOf(&found[i]))
	}
	return records, nil
}

func recordOf(r *state.Record) admin.Record {
	return admin.Record{
		Seq: r.Seq, Time: r.Time, Actor: r.Actor, Door: r.Door, Act: r.Act, Object: r.Object, Before: r.Before, After: r.After,
		Reason: r.Reason, Result: r.Result, Instance: r.Instance, Prev: r.Prev, Hash: r.Hash,
		Runtime: admin.Point{Phase: r.Runtime.Phase, Share: router.Share(r.Runtime.Share).Percent(), Version: r.Runtime.Version},
	}
}

// Verify computes the chain again.
func (c *control) Verify(ctx context.Context) (admin.Verdict, error) {
	v, err := c.Store.Verify(ctx)
	if err != nil {
		return admin.Verdict{}, c.unread(err)
	}
	return admin.Verdict{OK: v.Broken == 0, Records: v.Records, Head: v.Head, Broken: v.Broken, Why: v.Why}, nil
}

// unread is the refusal of what cannot be read.
func (c *control) unread(err error) error {
	c.Log.Error("the chain of acts cannot be read", "error", err)
	if errors.Is(err, state.ErrDamaged) {
		return admin.Refuse(admin.Unwritten, "the state database is damaged", "run crossfade audit verify, and restore state.dir from a backup")
	}
	return admin.Refuse(admin.Unwritten, "the state database cannot be read", "the log of the proxy has the reason")
}
