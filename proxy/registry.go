package proxy

import (
	"net"
	"sync"

	"github.com/crossfade-db/crossfade/proxy/engine"
	"github.com/crossfade-db/crossfade/router"
)

// sessions is the registry of all that is connected.
type sessions struct {
	mu       sync.Mutex
	all      map[uint64]*session
	logins   map[net.Conn]struct{} // connections that are not sessions yet
	reserved int                   // places of sessions that are logging in
	last     uint64
	orders   uint32         // for those that come later
	start    func(*session) // on a goroutine
}

// reserve takes a place for a session, if there is one; remove or abandon
// gives it back.
func (r *sessions) reserve(most int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.reserved >= most {
		return false
	}
	r.reserved++
	return true
}

// abandon gives back the place of a login that did not become a session.
func (r *sessions) abandon() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reserved--
}

func (r *sessions) add(n *session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last++
	n.id = r.last
	n.order.Store(r.orders)
	r.all[n.id] = n
}

func (r *sessions) remove(n *session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.all, n.id)
	r.reserved--
}

// knock and settled keep the connections whose login has begun.
func (r *sessions) knock(conn net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.logins[conn] = struct{}{}
}

func (r *sessions) settled(conn net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.logins, conn)
}

// order tells every session, now and to come, and wakes those that wait.
// Connections that are logging in are cut by a kill only.
func (r *sessions) order(what uint32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.orders = what
	for _, n := range r.all {
		n.obeyLater(what)
		r.wake(n)
	}
	if what != orderKill {
		return
	}
	for conn := range r.logins {
		_ = conn.SetDeadline(past)
	}
}

// obeyLater leaves an order with a session. A drain wakes it where it waits
// for its client; a kill wherever it waits.
func (s *session) obeyLater(what uint32) {
	s.order.Store(what)
	if what == orderDrain {
		_ = s.client.SetReadDeadline(past)
		return
	}
	_ = s.client.SetDeadline(past)
	for _, l := range s.legs {
		if l != nil {
			_ = l.SetDeadline(past)
		}
	}
}

// heard calls the session whose server has hung up, or whose client has sent
// something while it was parked.
func (r *sessions) heard(id uint64, end engine.End) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.all[id]
	if n == nil {
		return
	}
	if end != engine.Client {
		side := router.Side(end - engine.Source)
		if n.legs[side] == nil {
			return // dropped meanwhile
		}
		n.hung[side].Store(true)
		_ = n.client.SetReadDeadline(past)
	}
	r.wake(n)
}

func (r *sessions) stats(policy *router.Snapshot) Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	stats := Stats{Pins: map[router.Reason]int{}}
	for _, n := range r.all {
		if n.slot.generation.Load()&1 == 1 {
			stats.Active++
		} else {
			stats.Idle++
		}
		n.countIn(&stats, policy)
		for side, l := range n.legs {
			if l != nil {
				stats.Backends[side]++
			}
		}
	}
	return stats
}

// evict takes side away from the sessions that are in the middle of something
// there: they go on at the source. With all, from idle ones too, and those that
// keep the side that they began on end.
func (r *sessions) evict(side router.Side, all bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range r.all {
		sh := n.share
		if sh == nil || router.Side(sh.side.Load()) != side || (sh.stays && !all) {
			continue
		}
		if n.slot.generation.Load()&1 == 0 && !sh.inside.Load() && !all {
			continue // its next statement is the source's
		}
		sh.evicted.Store(true)
		n.callFrom(side)
		r.wake(n)
	}
}

// recall ends the sessions that keep the side that they began on, each at its
// next idle point.
func (r *sessions) recall(side router.Side) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range r.all {
		if sh := n.share; sh != nil && sh.stays && router.Side(sh.side.Load()) == side {
			sh.recalled.Store(true)
			_ = n.client.SetReadDeadline(past)
			r.wake(n)
		}
	}
}

// callFrom wakes a session wherever it waits.
func (s *session) callFrom(side router.Side) {
	_ = s.client.SetReadDeadline(past)
	if l := s.legs[side]; l != nil {
		_ = l.SetReadDeadline(past)
	}
}

// countIn adds the session to a count by side, pin and what is still to move.
func (s *session) countIn(stats *Stats, policy *router.Snapshot) {
	side := router.Source
	if s.share != nil {
		side = router.Side(s.share.side.Load())
	}
	if s.follows(side, policy) {
		side = router.Source
	}
	stats.Sessions[side]++
	if s.slot.generation.Load()&1 == 1 {
		stats.Busy[side]++
	}
	if s.share == nil {
		return
	}
	if why := router.Reason(s.share.pinned.Load()); why != router.None && side == router.Source {
		stats.Pins[why]++
	}
	if policy == nil || side != router.Target {
		return
	}
	if in, _ := policy.Cohort(policy.Place(s.share.session)); !in {
		stats.Pending++
	}
}

// follows says that an idle session was last answered by the target and will
// not be any more: its next statement is the source's.
func (s *session) follows(side router.Side, policy *router.Snapshot) bool {
	if side != router.Target || policy == nil || s.share.stays || s.share.inside.Load() || s.slot.generation.Load()&1 == 1 {
		return false
	}
	to, _ := policy.Decide(policy.Place(s.share.session), router.None)
	return to == router.Source
}
