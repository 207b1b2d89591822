package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"

	"github.com/crossfade-db/crossfade/internal/admin"
	"github.com/crossfade-db/crossfade/reconcile/state"
	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/router/live"
)

// store is what the control needs of the state database (state.Store).
type store interface {
	Runtime(ctx context.Context) (state.Runtime, error)
	Commit(ctx context.Context, next state.Runtime, act state.Act) (state.Record, error)
	Record(ctx context.Context, act state.Act) (state.Record, error)
	Records(ctx context.Context, q state.Query) ([]state.Record, error)
	Verify(ctx context.Context) (state.Verdict, error)
}

// liveState is what it needs of the live state (live.Live): what is routed by,
// the way to change it, and the place for those who look on.
type liveState interface {
	Snapshot() *router.Snapshot
	SetPolicy(change func(router.Policy) router.Policy)
	Backend(side router.Side) live.Backend
	AddAct(act live.Act)
}

// standing is what status says beside the policy.
type standing struct {
	Sessions [router.Sides]int // by the side that answers them
	Backends [router.Sides]int
	Pending  int // sessions still to move
	Pins     map[router.Reason]int
	Draining bool
}

// controlOptions are what a control acts through. All but Log are needed.
type controlOptions struct {
	Store    store
	Live     liveState
	Standing func() standing
	Hooks    hooks
	Build    admin.Version
	Log      *slog.Logger // nil: silence
}

// hooks are what serve does for the control.
type hooks struct {
	// Reload reads the configuration again. It tells accept what differs before
	// it takes anything over, and takes over nothing if that returns an error,
	// which it returns as it is. Its other errors are faults of the file.
	Reload func(accept func(admin.Reloaded) error) error
	// Drain begins to end the proxy and returns at once.
	Drain func()
}

// control changes phase and share, and says how they stand. A change is an act
// in the state database first and in force after; only an abort is in force in
// any case.
//
// Two things are kept apart: turn is held while something is written, which
// can take as long as a disk takes; mu guards what is in memory, and is never
// held while anything waits. So an abort gets through behind a write that hangs.
type control struct {
	controlOptions
	turn chan struct{} // one value: whoever has taken it may write
	done chan struct{} // closed by Close
	wg   sync.WaitGroup

	mu       sync.Mutex
	stored   state.Runtime // as the state database has it
	forced   uint64        // aborts that are in force without having been written
	owed     *owed         // the one that has still to be written
	settling bool          // somebody tries to
	mirror   mirror        // zero: there are no mapped tables
	closed   bool
}

// newControl takes phase and share up from where the state database has them.
func newControl(ctx context.Context, opt controlOptions) (*control, error) {
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	now, err := opt.Store.Runtime(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := withRuntime(router.Policy{}, now); err != nil {
		return nil, fmt.Errorf("state database: version %d: %w", now.Version, err)
	}
	c := &control{controlOptions: opt, turn: make(chan struct{}, 1), done: make(chan struct{}), stored: now}
	c.put(now)
	return c, nil
}

// Close waits for what is being written, until ctx ends.
func (c *control) Close(ctx context.Context) error {
	c.mu.Lock()
	if !c.closed {
		c.closed = true
		close(c.done)
	}
	c.mu.Unlock()
	idle := make(chan struct{})
	go func() { defer close(idle); c.wg.Wait() }()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for the state database: %w", context.Cause(ctx))
	}
}

// withRuntime is a policy with a runtime of the state database.
func withRuntime(p router.Policy, r state.Runtime) (router.Policy, error) {
	phase, err := router.ParsePhase(r.Phase)
	if err != nil {
		return p, err
	}
	if router.Share(r.Share) > router.Whole {
		return p, fmt.Errorf("a share of %s%% is more than all", router.Share(r.Share))
	}
	p.Version, p.Phase, p.Share = r.Version, phase, router.Share(r.Share)
	return p, nil
}

// shown gives an act that is written to those who look on.
func (c *control) shown(r state.Record) {
	c.Live.AddAct(live.Act{
		Seq: r.Seq, Time: r.Time, Actor: r.Actor, Door: r.Door, Act: r.Act, Object: r.Object,
		Before: r.Before, After: r.After, Reason: r.Reason, Result: r.Result,
	})
}

// put puts a runtime in force. Its phase is one that has been parsed.
func (c *control) put(r state.Runtime) {
	c.Live.SetPolicy(func(p router.Policy) router.Policy {
		next, err := withRuntime(p, r)
		if err != nil {
			return p
		}
		return next
	})
}

// Status says how the migration stands. It asks nothing that can hang.
func (c *control) Status(context.Context) (admin.Status, error) { return c.status(), nil }

func (c *control) status() admin.Status {
	c.mu.Lock()
	stored, late, mirrored := c.stored, c.owed, c.mirror
	c.mu.Unlock()
	now, at, target := c.Live.Snapshot(), c.Standing(), c.Live.Backend(router.Target)
	s := admin.Status{
		Phase: now.Phase.String(), Authority: router.Source.String(), Epoch: 1,
		Share: now.Share.Percent(), Version: max(stored.Version, now.Version), Applied: now.Version,
		Sessions: admin.Sessions{Source: at.Sessions[router.Source], Target: at.Sessions[router.Target], Pending: at.Pending},
		Backends: admin.Sides{Source: at.Backends[router.Source], Target: at.Backends[router.Target]},
		Pins:     map[string]int{},
		Target:   admin.Target{State: now.Target.String(), Reason: target.Reason},
		Writes:   now.Writes.String(), Draining: at.Draining,
	}
	for why, n := range at.Pins {
		s.Pins[why.String()] += n
	}
	if mirrored.Writes == nil && now.Phase == router.Mirror {
		s.Warning = "phase mirror is in force, and nothing is mirrored, since the configuration has no migration.tables"
	}
	if mirrored.Writes != nil {
		seen := mirrored.Writes.Overview()
		s.Epoch, s.Dirty, s.Divergences, s.Mirror = seen.Epoch, seen.Dirty, seen.Divergences, &seen.Mirror
	}
	if !target.Since.IsZero() {
		since := target.Since.UTC()
		s.Target.Since = &since
	}
	if late != nil {
		s.Warning = late.warning(stored)
	}
	return s
}

// Share is the size of the canary.
func (c *control) Share(context.Context) (admin.Share, error) {
	s := c.status()
	return admin.Share{Share: s.Share, Version: s.Version}, nil
}

// Version says what this binary is.
func (c *control) Version(context.Context) (admin.Version, error) { return c.Build, nil }

// Explain says where a session stands that has one key and nothing else.
func (c *control) Explain(_ context.Context, text string) (admin.Explanation, error) {
	now := c.Live.Snapshot()
	key, value, err := keyOf(&now.Policy, text)
	if err != nil {
		return admin.Explanation{}, admin.Refuse(admin.Invalid, err.Error(), "write it as user=app, application_name=web or startup:user_id=42")
	}
	place := now.Place(sessionWith(key, value))
	in, why := now.Cohort(place)
	e := admin.Explanation{
		Key: string(key) + "=" + value, Hashed: string(place.Key), Bucket: place.Bucket,
		In: in, Share: now.Share.Percent(), Why: why.String(),
	}
	switch place.Forced {
	case router.Free:
	case router.ForcedIn:
		e.Forced = "in"
	case router.ForcedOut:
		e.Forced = "out"
	}
	return e, nil
}

// keyOf reads KEY=VALUE, or a bare value of the first configured key.
func keyOf(p *router.Policy, text string) (router.Key, string, error) {
	name, value, named := strings.Cut(text, "=")
	switch {
	case text == "" || named && value == "":
		return "", "", errors.New("the value of the key is empty, which counts as not there")
	case named:
		key, err := router.ParseKey(name)
		return key, value, err
	case len(p.Keys) == 0:
		return "", "", errors.New("canary.key is empty, so a bare value has no key")
	default:
		return p.Keys[0], text, nil
	}
}

func sessionWith(key router.Key, value string) *router.Session {
	switch key {
	case "user":
		return &router.Session{User: value}
	case "application_name":
		return &router.Session{Application: value}
	case "client_address":
		return &router.Session{Address: value}
	}
	name, _ := key.Parameter()
	return &router.Session{Startup: []router.Param{{Name: name, Value: value}}}
}
