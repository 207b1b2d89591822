package main

import (
	"context"
	"fmt"
	"time"

	"github.com/crossfade-db/crossfade/configs"
	"github.com/crossfade-db/crossfade/internal/admin"
	"github.com/crossfade-db/crossfade/internal/metrics"
	"github.com/crossfade-db/crossfade/proxy"
	"github.com/crossfade-db/crossfade/reconcile/state"
	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/router/live"
)

// closeTime bounds writing the last act.
const closeTime = 5 * time.Second

// policyOf is the part of the policy that the configuration says.
func policyOf(c *configs.Config) (router.Policy, error) {
	p := router.Policy{Salt: c.Canary.Salt, Mapped: c.Mapping() != nil}
	switch c.Canary.Writes {
	case "refuse":
		p.Writes = router.WritesRefuse
	case "target":
		p.Writes = router.WritesTarget
	}
	for i, text := range c.Canary.Key {
		key, err := router.ParseKey(text)
		if err != nil {
			return p, fmt.Errorf("canary.key[%d]: %w", i, err)
		}
		p.Keys = append(p.Keys, key)
	}
	var err error
	if p.ForceIn, err = patternsOf("canary.force_in", c.Canary.ForceIn); err != nil {
		return p, err
	}
	p.ForceOut, err = patternsOf("canary.force_out", c.Canary.ForceOut)
	return p, err
}

func patternsOf(path string, texts []string) ([]router.Pattern, error) {
	var out []router.Pattern
	for i, text := range texts {
		p, err := router.ParsePattern(text)
		if err != nil {
			return nil, fmt.Errorf("%s[%d]: %w", path, i, err)
		}
		out = append(out, p)
	}
	return out, nil
}

// ownParamsOf are the startup parameters that only place a session: no server
// knows them.
func ownParamsOf(c *configs.Config) map[string]bool {
	own := map[string]bool{}
	note := func(key router.Key) {
		if name, ok := key.Parameter(); ok && !serverParams[name] {
			own[name] = true
		}
	}
	for _, text := range c.Canary.Key {
		note(router.Key(text))
	}
	policy, err := policyOf(c)
	if err != nil {
		return own // said when the policy is made
	}
	for _, p := range append(policy.ForceIn, policy.ForceOut...) {
		note(p.Key)
	}
	return own
}

// serverParams are startup parameters that a session may be placed by and that
// a server knows all the same.
var serverParams = map[string]bool{"user": true, "database": true, "application_name": true, "options": true, "client_encoding": true}

// openState opens what outlives the process: phase, share and the chain of
// acts; and what the sessions are routed by.
func (d *daemon) openState(ctx context.Context) error {
	policy, err := policyOf(d.first)
	if err != nil {
		return err
	}
	if d.store, err = state.Open(string(d.first.State.Dir)); err != nil {
		return err
	}
	options := live.Options{Policy: policy}
	if d.first.Target != nil {
		options.Target = router.TargetOpen
	}
	if d.live, err = live.New(options); err != nil {
		return err
	}
	d.control, err = newControl(ctx, controlOptions{
		Store: d.store, Live: counted{d.live, d.metrics}, Standing: d.standing, Build: buildVersion(), Log: d.log,
		Hooks: hooks{Reload: d.reloadBy, Drain: d.drainBy},
	})
	return err
}

// counted is the live state, whose acts are counted as well.
type counted struct {
	*live.Live
	metrics *metrics.Metrics
}

// AddAct shows an act that is written, and counts it.
func (c counted) AddAct(a live.Act) {
	c.Live.AddAct(a)
	c.metrics.Act(a.Act, a.Result)
}

// closeState writes the last act and lets the directory go.
func (d *daemon) closeState(why string) {
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	if d.control != nil {
		d.acts.Wait()
		if err := d.control.Stopped(ctx, fileHash(d.file), why); err != nil {
			d.log.Error("the end could not be written to the chain of acts", "error", err)
		}
		if err := d.control.Close(ctx); err != nil {
			d.log.Error("the control", "error", err)
		}
	}
	if d.mirrors != nil {
		if err := d.mirrors.close(); err != nil {
			d.log.Error("the journal", "error", err)
		}
	}
	if d.live != nil {
		d.live.Close()
	}
	if d.store != nil {
		if err := d.store.Close(); err != nil {
			d.log.Error("the state database", "error", err)
		}
	}
}

// standing is what status says of the sessions.
func (d *daemon) standing() standing {
	s := d.proxy.Stats()
	return standing{Sessions: s.Sessions, Backends: s.Backends, Pending: s.Pending, Pins: s.Pins, Draining: d.draining.Load()}
}

// targetChanged takes over what the breaker has found: in force first, since a
// target that does not answer cannot wait for a disk; then an act.
func (d *daemon) targetChanged(to router.TargetState, why string) {
	before := d.live.Backend(router.Target)
	d.live.SetBackend(live.Backend{Side: router.Target, State: to, Reason: why, Since: time.Now()})
	d.acts.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), closeTime)
		defer cancel()
		err := d.control.Automatic(ctx, fact{
			Act: "breaker", Object: "target", Reason: reasonOfTarget(to, why),
			Before: map[string]string{"state": before.State.String()}, After: map[string]string{"state": to.String()},
		})
		if err != nil {
			d.log.Error("an act of the breaker could not be written", "error", err)
		}
	})
}

func reasonOfTarget(to router.TargetState, why string) string {
	if to == router.TargetOpen {
		return "the target answers again"
	}
	return why
}

// sessionShown keeps the row of a session in the live state.
func (d *daemon) sessionShown(s proxy.SessionInfo) {
	d.live.PutSession(live.Session{
		ID: s.ID, User: s.User, Key: string(s.Place.Key), Bucket: s.Place.Bucket, Side: s.Side, Pin: s.Pin, Since: time.Now(),
	})
}

// recalling is the control of the admin door: an abort also calls those back
// that no policy moves.
type recalling struct {
	*control
	recall func()
}

// Abort sends nobody to the target any more, and gets everybody back.
func (r recalling) Abort(ctx context.Context, by admin.Change) (admin.Status, error) {
	status, err := r.control.Abort(ctx, by)
	if err == nil {
		r.recall()
	}
	return status, err
}

// tokens are who may use the admin door. Without any in the configuration a
// random one is written to a file of the state directory; only its path is said.
func (d *daemon) tokens() ([]admin.Token, error) {
	var tokens []admin.Token
	for i, t := range d.first.Admin.Tokens {
		role, err := admin.ParseRole(string(t.Role))
		if err != nil {
			return nil, fmt.Errorf("admin.tokens[%d]: %w", i, err)
		}
		token, err := admin.NewToken(t.Name, role, t.Token.Reveal())
		if err != nil {
			return nil, fmt.Errorf("admin.tokens[%d]: %w", i, err)
		}
		tokens = append(tokens, token)
	}
	if len(tokens) > 0 {
		return tokens, admin.RemoveToken(string(d.first.State.Dir))
	}
	token, path, err := admin.WriteToken(string(d.first.State.Dir))
	if err != nil {
		return nil, err
	}
	d.log.Info("operator token written", "file", path)
	return []admin.Token{token}, nil
}
