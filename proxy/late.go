package proxy

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/wire"
)

// lateTime bounds the dialling of a leg while a client waits.
const lateTime = 3 * time.Second

// dialLate opens a leg for a session that runs already, as the same user and
// with the same startup packet.
func (s *session) dialLate(side router.Side) error {
	ctx, cancel := context.WithTimeoutCause(s.server.ctx, lateTime, errLoginTime)
	defer cancel()
	asked, err := s.lateStartup(ctx, side)
	if err != nil {
		return err
	}
	return s.dialAs(ctx, side, asked)
}

// dialBare opens a leg at the target in the middle of a transaction of the
// source, which cannot be asked for its defaults then: it serves for writes of
// ours, and is dialled anew before it answers the client.
func (s *session) dialBare() error {
	ctx, cancel := context.WithTimeoutCause(s.server.ctx, s.server.opt.Mirror.Budget, errLoginTime)
	defer cancel()
	asked, err := forSide(s.server.live.Load(), router.Target, s.share.startup)
	if err != nil {
		return err
	}
	if err := s.dialAs(ctx, router.Target, asked); err != nil {
		return err
	}
	s.legs[router.Target].bare = true
	return nil
}

func (s *session) dialAs(ctx context.Context, side router.Side, asked wire.Startup) error {
	l, _, err := s.server.openLeg(ctx, side, asked, s.lateSecret(side))
	if err != nil {
		return fmt.Errorf("open a leg at the %s: %w", side, err)
	}
	s.setLeg(side, l)
	s.share.versions[side] = 0
	for _, st := range s.eng.Mobile().Statements {
		st.On[side] = false
	}
	if err := s.server.watcher.watch(s.id, l); err != nil {
		s.server.opt.Log.Warn("the end of a server's connection will be seen late", "session", s.id, "error", err)
	}
	return nil
}

// lateStartup is the startup packet of a late leg: the client's own, and at
// the target the defaults that the session has at the source, so that RESET
// agrees (SESSIONSTATE M8); and read-only, where writes are refused.
func (s *session) lateStartup(ctx context.Context, side router.Side) (wire.Startup, error) {
	sh := s.share
	asked, err := forSide(s.server.live.Load(), side, sh.startup)
	if err != nil || side != router.Target {
		return asked, err
	}
	if policy := sh.seen.Load(); policy.Writes == router.WritesRefuse || policy.Mapped {
		// mirrored transactions say READ WRITE; nothing else writes there
		setAnyCase(&asked, "default_transaction_read_only", "on")
	}
	known, err := s.server.defaults.of(ctx, s, asked)
	for _, p := range known.params {
		setAnyCase(&asked, p.Name, p.Value)
	}
	s.eng.Mobile().Strict = known.strict
	return asked, err
}

// setAnyCase sets a setting in place of every spelling of its name: names are
// not case-sensitive at the server, and the last one counts.
func setAnyCase(s *wire.Startup, name, value string) {
	s.Params = slices.DeleteFunc(s.Params, func(p wire.Param) bool { return strings.EqualFold(p.Name, name) })
	s.Params = append(s.Params, wire.Param{Name: name, Value: value})
}
