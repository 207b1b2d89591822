package reconcile

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/crossfade-db/crossfade/reconcile/state"
)

// ErrDropped says that a divergence was left out: its table has too many, or
// they come too fast. It is counted.
var ErrDropped = errors.New("the divergence was not kept, as its table has too many")

// DivergenceOptions bound what is kept (THREATS V30). The zero value is good.
type DivergenceOptions struct {
	PerTable  int              // kept of one table; 0: 10,000
	PerSecond int              // taken of one table, beyond what is verified; 0: 100
	Now       func() time.Time // nil: time.Now
}

// Divergences notes divergences, durably, many in one transaction. Its methods
// may be called at the same time.
type Divergences struct {
	o     DivergenceOptions
	store sightings
	turn  chan struct{} // who has put a value there writes

	mu      sync.Mutex
	next    *group
	rates   map[string]*rate
	dropped map[string]uint64
}

type sightings interface {
	Diverge(ctx context.Context, most int, seen ...state.Seen) ([]error, error)
}

// group is sightings that are written together.
type group struct {
	seen  []state.Seen
	done  bool // whose turn it is has the rest
	fates []error
	err   error
}

// rate is how many a table may have now.
type rate struct {
	left float64
	at   time.Time
}

// NewDivergences makes a way to a store.
func NewDivergences(s *state.Store, o DivergenceOptions) *Divergences { return newDivergences(s, o) }

func newDivergences(s sightings, o DivergenceOptions) *Divergences {
	if o.PerTable <= 0 {
		o.PerTable = 10_000
	}
	if o.PerSecond <= 0 {
		o.PerSecond = 100
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Divergences{
		o: o, store: s, turn: make(chan struct{}, 1), next: &group{}, rates: map[string]*rate{}, dropped: map[string]uint64{},
	}
}

// Diverge notes a sighting: it is durable when it returns nil. ErrDropped is no
// reason to do anything but to go on.
func (d *Divergences) Diverge(n state.Seen) error {
	fates, err := d.DivergeAll(n)
	if err != nil {
		return err
	}
	return fates[0]
}

// DivergeAll notes sightings together, and says of each what Diverge says of it.
// With an error nothing was noted.
func (d *Divergences) DivergeAll(seen ...state.Seen) ([]error, error) {
	fates := make([]error, len(seen))
	var taken []int
	d.mu.Lock()
	g := d.next
	first := len(g.seen)
	for i := range seen {
		if seen[i].State != state.Verified && !d.allow(seen[i].Table) {
			d.dropped[seen[i].Table]++
			fates[i] = ErrDropped
			continue
		}
		g.seen = append(g.seen, seen[i])
		taken = append(taken, i)
	}
	d.mu.Unlock()
	if len(taken) == 0 {
		return fates, nil
	}
	if err := d.write(g); err != nil {
		return nil, fmt.Errorf("note divergence: %w", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for n, i := range taken {
		if fates[i] = g.fates[first+n]; errors.Is(fates[i], state.ErrNoRoom) {
			d.dropped[seen[i].Table]++
			fates[i] = ErrDropped
		}
	}
	return fates, nil
}

// write writes a group, unless one of its others has done that meanwhile.
func (d *Divergences) write(g *group) error {
	d.turn <- struct{}{}
	defer func() { <-d.turn }()
	if g.done {
		return g.err
	}
	d.mu.Lock()
	d.next = &group{} // nobody joins g any more
	d.mu.Unlock()
	g.fates, g.err = d.store.Diverge(context.Background(), d.o.PerTable, g.seen...)
	g.done = true
	return g.err
}

// allow is a bucket that holds what may come within a second; mu is held.
func (d *Divergences) allow(table string) bool {
	now, most := d.o.Now(), float64(d.o.PerSecond)
	r := d.rates[table]
	if r == nil {
		r = &rate{left: most, at: now}
		d.rates[table] = r
	}
	r.left = min(most, r.left+now.Sub(r.at).Seconds()*most)
	r.at = now
	if r.left < 1 {
		return false
	}
	r.left--
	return true
}

// Dropped is how many were left out since the start, by table.
func (d *Divergences) Dropped() map[string]uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make(map[string]uint64, len(d.dropped))
	for table, n := range d.dropped {
		out[table] = n
	}
	return out
}
