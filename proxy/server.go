package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/wire/pgwire"
)

// Server owns the listeners and every session. Its zero value is of no use;
// Listen makes one.
type Server struct {
	opt       Options
	live      atomic.Pointer[Live]
	listeners []net.Listener
	admission atomic.Pointer[admission]
	buffers   *buffers
	cancels   *canceller
	keys      pgwire.KeyCache
	sessions  sessions
	watcher   *watcher
	breaker   *breaker
	numbers   numbersOf
	defaults  defaults
	reported  reported
	pending   pending

	definitions definitions

	ctx  context.Context // of logins: ends when draining is over
	stop context.CancelCauseFunc
	wg   sync.WaitGroup // logins and sessions
}

// Listen binds all addresses, or none.
func Listen(opt Options) (*Server, error) {
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{opt: opt, cancels: newCanceller(), buffers: newBuffers(opt.Live.Limits.Memory)}
	s.sessions.all = map[uint64]*session{}
	s.sessions.logins = map[net.Conn]struct{}{}
	s.breaker = newBreaker(s)
	s.sessions.start = func(n *session) { s.wg.Go(n.run) }
	s.ctx, s.stop = context.WithCancelCause(context.Background())
	s.Reload(opt.Live)
	var err error
	if s.watcher, err = newWatcher(s.sessions.heard); err != nil {
		return nil, err
	}
	for _, l := range opt.Listeners {
		listener, err := net.Listen(l.Network, l.Address)
		if err != nil {
			s.closeListeners()
			s.watcher.close()
			return nil, fmt.Errorf("listener %s: %w", l.Name, err)
		}
		s.listeners = append(s.listeners, listener)
	}
	return s, nil
}

// Addrs are the addresses bound, in the order of Options.Listeners.
func (s *Server) Addrs() []net.Addr {
	addrs := make([]net.Addr, len(s.listeners))
	for i, l := range s.listeners {
		addrs[i] = l.Addr()
	}
	return addrs
}

// Reload swaps the live part. Logins that have begun and sessions keep the
// part that they began with, but for what is dialled later.
func (s *Server) Reload(live *Live) {
	before := s.live.Swap(live)
	s.buffers.most.Store(live.Limits.Memory)
	if before == nil || before.Limits != live.Limits {
		s.admission.Store(newAdmission(live.Limits.LoginTotal, live.Limits.LoginPerAddress, live.Limits.Clients))
	}
}

// Serve accepts clients until ctx ends; then it takes no new ones, ends each
// session at its next idle point, and those that have none within the drain
// limit where they stand. It returns when all are gone.
func (s *Server) Serve(ctx context.Context) {
	var accepting sync.WaitGroup
	for i, l := range s.listeners {
		accepting.Go(func() { s.acceptAll(l, s.opt.Listeners[i].Name) })
	}
	accepting.Go(func() { s.sweep(ctx) })
	if s.opt.Policy != nil {
		accepting.Go(func() { s.breaker.run(ctx) })
	}
	<-ctx.Done()
	s.closeListeners()
	accepting.Wait()
	s.drain()
}

// Kill ends every session where it stands; Serve returns soon after.
func (s *Server) Kill() {
	s.stop(errors.New("the proxy is shutting down"))
	s.sessions.order(orderKill)
}

func (s *Server) drain() {
	limit := s.live.Load().Limits.Drain
	timer := time.AfterFunc(limit, s.Kill)
	defer timer.Stop()
	s.sessions.order(orderDrain)
	s.admission.Load().closeSilent()
	s.wg.Wait()
	s.stop(nil)
	s.watcher.close()
}

func (s *Server) closeListeners() {
	for _, l := range s.listeners {
		_ = l.Close()
	}
}

// acceptPause is how long a listener waits when it cannot accept (out of
// descriptors, say) before it tries again.
const acceptPause = 50 * time.Millisecond

func (s *Server) acceptAll(l net.Listener, name string) {
	for {
		conn, err := l.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			s.opt.Log.Warn("cannot accept clients", "listener", name, "error", err)
			<-time.After(acceptPause)
			continue
		}
		s.sessions.knock(conn)
		s.wg.Go(func() {
			defer s.sessions.settled(conn)
			s.accept(conn, name)
		})
	}
}

// newSession makes the session of a client that is logged in. What the server
// reported at its login is where the tracker begins.
func (s *Server) newSession(front *pgwire.Front, l *leg, slot *cancelSlot, greeting []byte) *session {
	n := &session{server: s, slot: slot, pid: l.pid, client: newConn(front.Conn(), s.buffers, front.Rest())}
	n.legs[l.side] = l
	n.eng.MoveTo(l.side)
	n.eng.Server(l.side, greeting, nil)
	return n
}

// start runs a session on a fresh goroutine.
func (s *Server) start(n *session) {
	s.sessions.add(n)
	if n.share != nil {
		if policy := s.policy(); n.share.stays && policy.Share == 0 && n.eng.Side() == router.Target {
			n.share.recalled.Store(true) // an abort came during its login
		}
		n.tellWhere()
	}
	for _, l := range n.legs {
		if l == nil {
			continue
		}
		if err := s.watcher.watch(n.id, l); err != nil {
			s.opt.Log.Warn("the end of a server's connection will be seen late", "session", n.id, "error", err)
		}
	}
	s.sessions.start(n)
}

// ended forgets a session that has closed everything of its own.
func (s *Server) ended(n *session, end *ending) {
	side := n.eng.Side()
	s.cancels.retire(n.pid, n.slot)
	s.sessions.remove(n)
	if n.share != nil {
		s.opt.Observer.sessionGone(n.id)
	}
	s.opt.Observer.sessionEnd(end.why)
	switch end.why {
	case EndServerGone, EndServerBad, EndPanic, EndKilled:
		s.opt.Log.Warn("session ended", "session", n.id, "why", string(end.why), "side", side.String(), "error", end.cause)
	case EndViolation, EndTerminated, EndClientGone, EndDrained, EndRecalled:
		s.opt.Log.Debug("session ended", "session", n.id, "why", string(end.why))
	}
}

// Recall is the second half of an abort, whose first half is a policy that
// sends nobody to the target: sessions that keep their side end at their next
// idle point, and whatever the target still answers after the deadline goes on
// at the source, or ends.
func (s *Server) Recall(deadline time.Duration) {
	s.sessions.recall(router.Target)
	s.wg.Go(func() {
		timer := time.NewTimer(deadline)
		defer timer.Stop()
		select {
		case <-s.ctx.Done():
			return
		case <-timer.C:
		}
		if p := s.policy(); p != nil && p.Share == 0 {
			s.sessions.evict(router.Target, true)
		}
	})
}

func (s *Server) logPanic(p any) {
	s.opt.Log.Error("a session panicked and was ended; please report this", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
}

func (s *Server) logLogin(outcome LoginOutcome, from netip.Addr, err error) {
	if err == nil || outcome == LoginGone {
		return
	}
	level := slog.LevelInfo
	if outcome == LoginBackend || outcome == LoginLimit {
		level = slog.LevelWarn
	}
	s.opt.Log.Log(s.ctx, level, "login refused", "outcome", string(outcome), "address", from.String(), "error", err)
}

// Stats is a moment's view for metrics and status.
type Stats struct {
	Active, Idle int // sessions
	Backends     [router.Sides]int
	Sessions     [router.Sides]int     // by the side that answers
	Busy         [router.Sides]int     // of these, those that run a statement
	Pending      int                   // to move back, and not yet at a point where they can
	Pins         map[router.Reason]int // sessions of the canary that cannot move
	BufferBytes  int64                 // in large buffers
}

// Stats counts sessions; it looks at every one of them.
func (s *Server) Stats() Stats {
	stats := s.sessions.stats(s.policy())
	stats.BufferBytes = s.buffers.lent.Load()
	return stats
}
