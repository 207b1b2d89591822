package proxy

import (
	"net"
	"sync"
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
func (r *sessions) heard(id uint64, client bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.all[id]
	if n == nil {
		return
	}
	if !client {
		n.hung.Store(true)
		_ = n.client.SetReadDeadline(past)
	}
	r.wake(n)
}

func (r *sessions) stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	var stats Stats
	for _, n := range r.all {
		if n.slot.generation.Load()&1 == 1 {
			stats.Active++
		} else {
			stats.Idle++
		}
		for side, l := range n.legs {
			if l != nil {
				stats.Backends[side]++
			}
		}
	}
	return stats
}
