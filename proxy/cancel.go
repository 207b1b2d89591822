package proxy

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/crossfade-db/crossfade/wire/pgwire"
)

const (
	// cancelsAtOnce bounds cancel requests on their way to a server.
	cancelsAtOnce = 64
	// wrongKeysPerSecond and wrongKeysBurst bound how fast one address may
	// guess keys: a key of protocol 3.0 has 32 bits only (THREATS V21), of which
	// this allows one in 13 years.
	wrongKeysPerSecond = 10
	wrongKeysBurst     = 100
	// endedKept is how many keys of sessions that have ended are remembered:
	// a driver that cancels and closes has its request come late, and it is not
	// a guess.
	endedKept = 4096
	// addressesKept bounds the addresses whose guesses are remembered.
	addressesKept = 10_000
)

// cancelSlot is what a cancel request may know of a session. The generation
// is odd while a statement runs; a request that was meant for one statement is
// dropped when the generation has moved on before it is sent.
type cancelSlot struct {
	secret     []byte
	generation atomic.Uint64
	leg        atomic.Pointer[leg] // that runs the statement; nil once ended
}

// began and ended follow the session; both are idempotent.
func (c *cancelSlot) began() {
	if g := c.generation.Load(); g&1 == 0 {
		c.generation.Store(g + 1)
	}
}

func (c *cancelSlot) ended() {
	if g := c.generation.Load(); g&1 == 1 {
		c.generation.Store(g + 1)
	}
}

// canceller keeps the keys that were given to clients.
type canceller struct {
	mu      sync.Mutex
	slots   map[uint32][]*cancelSlot
	ended   []key // a ring of those that have ended, oldest at next
	next    int
	guesses map[netip.Addr]*rate.Limiter
	places  chan struct{}
}

// key is one entry of slots.
type key struct {
	pid  uint32
	slot *cancelSlot
}

func newCanceller() *canceller {
	return &canceller{
		slots:   map[uint32][]*cancelSlot{},
		guesses: map[netip.Addr]*rate.Limiter{},
		places:  make(chan struct{}, cancelsAtOnce),
	}
}

// newSecret is a key of our own, n bytes.
func newSecret(n int) []byte {
	secret := make([]byte, n)
	_, _ = rand.Read(secret) // never fails (crypto/rand)
	return secret
}

// add registers the key of a session. The number is the backend's own, so
// that pg_backend_pid() and notifications say what the client was told;
// several sessions may have the same one, their secrets differ.
func (c *canceller) add(pid uint32, slot *cancelSlot) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.slots[pid] = append(c.slots[pid], slot)
}

// retire keeps the key of a session that has ended for a while, so that a
// request that comes late is known for one.
func (c *canceller) retire(pid uint32, slot *cancelSlot) {
	slot.leg.Store(nil)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.ended) < endedKept {
		c.ended = append(c.ended, key{pid, slot})
		return
	}
	c.forget(c.ended[c.next])
	c.ended[c.next] = key{pid, slot}
	c.next = (c.next + 1) % endedKept
}

func (c *canceller) forget(k key) {
	kept := slices.DeleteFunc(c.slots[k.pid], func(s *cancelSlot) bool { return s == k.slot })
	if len(kept) == 0 {
		delete(c.slots, k.pid)
		return
	}
	c.slots[k.pid] = kept
}

// find returns the session that has this key. Every candidate is compared in
// constant time.
func (c *canceller) find(key *pgwire.CancelKey) *cancelSlot {
	c.mu.Lock()
	defer c.mu.Unlock()
	var found *cancelSlot
	for _, s := range c.slots[key.PID] {
		if subtle.ConstantTimeCompare(s.secret, key.Secret) == 1 {
			found = s
		}
	}
	return found
}

// mayGuess takes one wrong guess from the allowance of an address.
func (c *canceller) mayGuess(from netip.Addr) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.guesses[from]
	if l == nil {
		if len(c.guesses) >= addressesKept {
			clear(c.guesses)
		}
		l = rate.NewLimiter(wrongKeysPerSecond, wrongKeysBurst)
		c.guesses[from] = l
	}
	return l.Allow()
}

// blocked says that an address has used up its guesses.
func (c *canceller) blocked(from netip.Addr) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.guesses[from]
	return l != nil && l.TokensAt(time.Now()) < 1
}

// cancel passes a cancel request on to the leg that runs the statement of the
// session with this key. The client is told nothing, as the protocol has it.
func (s *Server) cancel(ctx context.Context, key *pgwire.CancelKey, from netip.Addr) CancelOutcome {
	c := s.cancels
	if c.blocked(from) {
		return CancelLimited
	}
	slot := c.find(key)
	if slot == nil {
		if !c.mayGuess(from) {
			return CancelLimited
		}
		return CancelUnknown
	}
	meant := slot.generation.Load()
	l := slot.leg.Load()
	if meant&1 == 0 || l == nil {
		return CancelLate
	}
	return s.sendCancel(ctx, slot, meant, l)
}

// cancelLeg asks a side to give up what it runs for a leg that is closed now.
// Nobody waits for that: the side may be the one that does not answer.
func (s *Server) cancelLeg(l *leg) {
	s.wg.Go(func() {
		ctx, cancel := context.WithTimeout(s.ctx, farewellTime)
		defer cancel()
		slot := &cancelSlot{}
		slot.leg.Store(l)
		_ = s.sendCancel(ctx, slot, slot.generation.Load(), l) // best effort
	})
}

// sendCancel asks the side to cancel, unless the statement that was meant has
// ended by the time that it can be asked.
func (s *Server) sendCancel(ctx context.Context, slot *cancelSlot, meant uint64, l *leg) CancelOutcome {
	select {
	case s.cancels.places <- struct{}{}:
		defer func() { <-s.cancels.places }()
	case <-ctx.Done():
		return CancelFailed
	}
	side := s.live.Load().Sides[l.side]
	conn, free, err := s.dial(ctx, side, "cancel")
	if err != nil {
		return CancelFailed
	}
	defer func() {
		_ = free() // the request has been sent or given up by now
		_ = conn.Close()
	}()
	speak := conn
	if side.TLS != nil {
		if speak, err = pgwire.StartTLS(ctx, conn, side.TLS); err != nil {
			return CancelFailed
		}
	}
	if slot.generation.Load() != meant || slot.leg.Load() != l {
		return CancelLate
	}
	if err := pgwire.SendCancel(speak, l.pid, l.key); err != nil {
		return CancelFailed
	}
	return CancelSent
}
