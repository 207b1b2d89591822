package admin

import (
	"net/netip"
	"sync"
	"time"
)

// Strikes: how many wrong tokens a minute before they are told to stop, and how
// many addresses are kept apart.
const (
	strikeTime      = time.Minute
	strikesAllowed  = 20
	strikeAddresses = 256
)

// strikes counts what must not happen often, by who did it, over a minute. It
// is bounded: beyond strikeAddresses all others count as one.
type strikes struct {
	now func() time.Time

	mu    sync.Mutex
	since map[string]window
}

type window struct {
	began time.Time
	count int
}

// struck is what one more strike means.
type struck struct {
	first bool // of this minute
	over  bool // more than is allowed
}

func newStrikes(now func() time.Time) *strikes {
	return &strikes{now: now, since: map[string]window{}}
}

// strike counts one more.
func (s *strikes) strike(who string) struck {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if _, known := s.since[who]; !known && len(s.since) >= strikeAddresses {
		s.forget(now)
		if len(s.since) >= strikeAddresses {
			who = ""
		}
	}
	w := s.since[who]
	if w.count == 0 || now.Sub(w.began) >= strikeTime {
		w = window{began: now}
	}
	w.count++
	s.since[who] = w
	return struck{first: w.count == 1, over: w.count > strikesAllowed}
}

func (s *strikes) forget(now time.Time) {
	for who, w := range s.since {
		if now.Sub(w.began) >= strikeTime {
			delete(s.since, who)
		}
	}
}

// subnet is how much of an IPv6 address one customer has at least.
const subnet = 64

// network is what an address counts as: of IPv6 its subnet.
func network(address string) string {
	addr, err := netip.ParseAddr(address)
	if err != nil || addr.Is4() {
		return address
	}
	prefix, err := addr.WithZone("").Prefix(subnet)
	if err != nil {
		return address
	}
	return prefix.String()
}
