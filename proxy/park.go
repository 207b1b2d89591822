package proxy

import (
	"context"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/crossfade-db/crossfade/proxy/engine"
	"github.com/crossfade-db/crossfade/router"
)

// A session that has been idle for a while is parked: its goroutine ends and
// gives its stack back, and the watcher starts a new one when the client sends
// something. A goroutine that waits costs more than all the rest of an idle
// session. Sessions that run statements are never parked and pay nothing.

const (
	// sweepEvery is how often idle sessions are looked for; a session is parked
	// when it has not run a statement between two looks.
	sweepEvery = time.Second
	// releaseAfter is after how many logins the memory that they left behind is
	// handed back to the system, once they have ceased.
	releaseAfter = 256
)

// parking is what a session's being parked is decided by.
type parking struct {
	never  atomic.Bool // it cannot be, or may be listening
	parked bool        // guarded by the registry: there is no goroutine
	swept  uint64      // guarded by the registry: generation at the last sweep
}

// sweep parks idle sessions until ctx ends.
func (s *Server) sweep(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	var seen, released uint64
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		asked, logins := s.sessions.askToPark()
		if asked == 0 && logins == seen && logins-released >= releaseAfter {
			debug.FreeOSMemory()
			released = logins
		}
		seen = logins
	}
}

// askToPark tells sessions that have not run a statement since the last call
// to park themselves, and says how many it told, and how many there ever were.
func (r *sessions) askToPark() (asked int, logins uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range r.all {
		generation := n.slot.generation.Load()
		rested := generation == n.parking.swept && generation&1 == 0
		n.parking.swept = generation
		if rested && !n.parking.parked && !n.parking.never.Load() && n.order.CompareAndSwap(orderNone, orderPark) {
			_ = n.client.SetReadDeadline(past)
			asked++
		}
	}
	return asked, r.last
}

// park ends the session's goroutine, if nothing is under way. It is called
// when the wait for the client was called off, and at no other time: only then
// is it certain that nothing of the client's is left in a buffer of TLS, which
// no socket would tell of. After it has said true the caller must not touch the
// session any more.
func (s *session) park() bool {
	if s.client.SetReadDeadline(noDeadline) != nil || s.client.buf != nil || !s.rests() || !s.server.sessions.park(s) {
		return false
	}
	if err := s.server.watcher.await(s.id, s.client.Conn); err != nil {
		s.parking.never.Store(true)
		return s.server.sessions.unpark(s)
	}
	return true
}

// rests says that only the client can go on. A session that may be listening
// never does, and is not asked again.
func (s *session) rests() bool {
	if s.both == nil {
		return s.eng.Quiet()
	}
	s.both.Lock()
	defer s.both.Unlock()
	if s.eng.Wants() == engine.Both {
		s.parking.never.Store(true)
	}
	return !s.both.running && s.eng.Quiet()
}

// park notes that a session has no goroutine from now on, unless somebody
// wants something of it.
func (r *sessions) park(n *session) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n.order.Load() != orderNone || n.hung[router.Source].Load() || n.hung[router.Target].Load() {
		return false
	}
	n.parking.parked = true
	return true
}

// unpark takes that back; true says that somebody has started it meanwhile.
func (r *sessions) unpark(n *session) (started bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	started = !n.parking.parked
	n.parking.parked = false
	return started
}

// wake gives a parked session a goroutine again; called under the lock.
func (r *sessions) wake(n *session) {
	if n.parking.parked {
		n.parking.parked = false
		r.start(n)
	}
}
