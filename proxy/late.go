package proxy

import (
	"context"
	"fmt"
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
	if sh.seen.Load().Writes == router.WritesRefuse {
		asked.Set("default_transaction_read_only", "on")
	}
	extra, err := s.server.defaults.of(ctx, s, asked)
	for _, p := range extra {
		asked.Set(p.Name, p.Value)
	}
	return asked, err
}
