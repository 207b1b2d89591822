package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/wire"
	"github.com/crossfade-db/crossfade/wire/pgwire"
)

// breaker keeps sessions away from a target that does not answer. It opens at
// the first failure that concerns the target and not one session, closes when
// the target has answered a probe, and waits longer each time that it was wrong.
type breaker struct {
	server *Server
	doubt  chan struct{} // a session has lost its leg: look now

	mu      sync.Mutex
	open    bool
	why     string
	since   time.Time
	openFor time.Duration
	closed  time.Time // when it last closed
}

const (
	// probeEvery is how often a target that may answer sessions is probed, and
	// probeTime how long it may take, the second time twice that; missing two in
	// a row opens the breaker.
	probeEvery = time.Second
	probeTime  = time.Second
	// openLeast and openMost bound how long the breaker stays open between probes.
	openLeast = time.Second
	openMost  = 30 * time.Second
	// calm is how long the target has to be well for its past to be forgotten.
	calm = time.Minute
)

func newBreaker(s *Server) *breaker { return &breaker{server: s, doubt: make(chan struct{}, 1)} }

// failed opens the breaker over the failure of a session's dial.
func (b *breaker) failed(err error) { b.trip(wordsOf(err)) }

// overrun opens the breaker over a write that took the target longer than the
// budget: nobody else is to wait for it.
func (b *breaker) overrun() { b.trip("it takes longer than mirror.budget") }

// suspect asks for a probe at once.
func (b *breaker) suspect() {
	select {
	case b.doubt <- struct{}{}:
	default:
	}
}

// wordsOf says in few words, without addresses, why the target cannot be had.
func wordsOf(err error) string {
	var refused *pgwire.ServerError
	var timeout net.Error
	switch {
	case errors.As(err, &refused):
		return fmt.Sprintf("logins are refused (SQLSTATE %s)", refused.Code)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, errLoginTime), errors.As(err, &timeout) && timeout.Timeout():
		return "it does not answer"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "it closes connections"
	default:
		return "it cannot be reached"
	}
}

func (b *breaker) trip(why string) {
	b.mu.Lock()
	if b.open {
		b.mu.Unlock()
		return
	}
	least, most := b.bounds()
	b.openFor = min(most, 2*b.openFor)
	if b.openFor == 0 || time.Since(b.closed) > calm {
		b.openFor = least
	}
	b.open, b.why, b.since = true, why, time.Now()
	b.mu.Unlock()
	b.tell(router.TargetBroken, why)
	b.server.sessions.evict(router.Target, false)
	b.suspect()
}

// bounds are how long it stays open: the first time, and the longest.
func (b *breaker) bounds() (least, most time.Duration) {
	if m := b.server.opt.Mirror; m != nil && m.OpenFor[0] > 0 {
		return m.OpenFor[0], m.OpenFor[1]
	}
	return openLeast, openMost
}

func (b *breaker) mend() {
	b.mu.Lock()
	b.open, b.closed, b.why = false, time.Now(), ""
	b.mu.Unlock()
	b.tell(router.TargetOpen, "")
}

func (b *breaker) tell(state router.TargetState, why string) {
	if tell := b.server.opt.TargetChanged; tell != nil {
		tell(state, why)
	}
	b.server.opt.Log.Warn("the target", "state", state.String(), "why", why)
}

// wait is how long until the next probe.
func (b *breaker) wait() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open {
		return b.openFor
	}
	return probeEvery
}

func (b *breaker) isOpen() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.open
}

// run probes until ctx ends, while the policy sends anybody to the target.
func (b *breaker) run(ctx context.Context) {
	missed := 0
	for {
		timer := time.NewTimer(b.wait())
		asked := false
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-b.doubt:
			asked = true
			timer.Stop()
		case <-timer.C:
		}
		open := b.isOpen()
		policy := b.server.policy()
		if (asked && open) || policy == nil || (!open && policy.Phase != router.Canary && !policy.Mirrors()) {
			continue // the first wait of an open breaker begins
		}
		missed = b.look(ctx, missed)
	}
}

// look probes once and draws the consequence.
func (b *breaker) look(ctx context.Context, missed int) int {
	err := b.probe(ctx, b.patience(missed))
	switch {
	case ctx.Err() != nil:
		return 0
	case err == nil && b.isOpen():
		b.mend()
		return 0
	case err == nil:
		return 0
	case b.isOpen():
		b.mu.Lock()
		_, most := b.bounds()
		b.openFor = min(most, 2*b.openFor)
		b.mu.Unlock()
		return 0
	case missed > 0:
		b.trip(wordsOf(err))
		return 0
	default:
		b.suspect() // the second look is at once
		return 1
	}
}

// patience is how long a probe may take after so many that were missed.
func (b *breaker) patience(missed int) time.Duration {
	patience := b.server.opt.probeTime
	if patience == 0 {
		patience = probeTime
	}
	return patience * time.Duration(1+missed)
}

// probe asks the target for a sign of life: a login of the proxy's own where
// it has one, else the answer to a request for TLS, which a server gives that
// accepts connections.
func (b *breaker) probe(ctx context.Context, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	live := b.server.live.Load()
	side := live.Sides[router.Target]
	conn, free, err := b.server.dial(ctx, side, "probe")
	if err != nil {
		return err
	}
	defer func() { _ = free(); _ = conn.Close() }()
	if service := live.Service[router.Target]; service.User != "" {
		startup := wire.Startup{Version: pgwire.Version30}
		startup.Set("user", service.User)
		if side.Database != "" {
			startup.Set("database", side.Database)
		}
		_, err = pgwire.Login(ctx, conn, pgwire.LoginOptions{
			Startup: startup, TLS: side.TLS, Secret: pgwire.Secret{Password: service.Password}, Keys: &b.server.keys,
		})
		return err
	}
	if _, err := conn.Write([]byte{0, 0, 0, 8, 4, 210, 22, 47}); err != nil {
		return err
	}
	_, err = io.ReadFull(conn, make([]byte, 1))
	return err
}

// Target is the state of the target for status.
func (s *Server) Target() (state router.TargetState, why string, since time.Time) {
	b := s.breaker
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case s.opt.Policy == nil:
		return router.TargetNone, "", b.since
	case b.open:
		return router.TargetBroken, b.why, b.since
	default:
		return router.TargetOpen, "", b.closed
	}
}
