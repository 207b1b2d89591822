package reconcile

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/crossfade-db/crossfade/reconcile/state"
)

// CoverageOptions bound what is counted. The zero value is good.
type CoverageOptions struct {
	Digests int           // statements that are counted one by one; 0: 10,000
	Every   time.Duration // how often counts are written; 0: 10 s
	Err     func(error)   // is told when they cannot be: they are kept; nil: nobody is
}

// Coverage counts, per statement, what was seen and what was done with it. Its
// methods may be called at the same time.
type Coverage struct {
	o     CoverageOptions
	store coverages
	quit  chan struct{}
	done  chan struct{}

	mu       sync.RWMutex
	counters map[string]*Counter
	other    *Counter
	flushing sync.Mutex
	once     sync.Once
}

type coverages interface {
	AddCoverage(ctx context.Context, most int, more []state.Coverage) error
	Coverage(ctx context.Context) ([]state.Coverage, error)
}

// reasonsMost are counted one by one, of one statement.
const reasonsMost = 32

// Counter counts one statement.
type Counter struct {
	digest, kind string
	tables       []string
	n            [fieldsCount]atomic.Uint64
	mu           sync.Mutex
	skipped      map[string]uint64
}

const (
	fieldSeen = iota
	fieldMirrored
	fieldCompared
	fieldMatched
	fieldDiverged
	fieldsCount
)

// Seen counts an execution.
func (c *Counter) Seen() { c.n[fieldSeen].Add(1) }

// Mirrored counts one that reached both sides.
func (c *Counter) Mirrored() { c.n[fieldMirrored].Add(1) }

// Compared counts one whose two answers were compared.
func (c *Counter) Compared(matched bool) {
	c.n[fieldCompared].Add(1)
	if matched {
		c.n[fieldMatched].Add(1)
	} else {
		c.n[fieldDiverged].Add(1)
	}
}

// Skipped counts one that was not mirrored, or not compared. The reason is a
// word of ours, not a text of a client's.
func (c *Counter) Skipped(reason string) { c.skip(reason, 1) }

func (c *Counter) skip(reason string, n uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.skipped == nil {
		c.skipped = map[string]uint64{}
	}
	if _, known := c.skipped[reason]; !known && len(c.skipped) >= reasonsMost {
		reason = state.Other
	}
	c.skipped[reason] += n
}

// take takes the counts out.
func (c *Counter) take() (s state.Coverage, any bool) {
	s = state.Coverage{Digest: c.digest, Kind: c.kind, Tables: c.tables}
	for i, to := range []*uint64{&s.Seen, &s.Mirrored, &s.Compared, &s.Matched, &s.Diverged} {
		*to = c.n[i].Swap(0)
		any = any || *to > 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s.Skipped, c.skipped = c.skipped, nil
	return s, any || len(s.Skipped) > 0
}

// giveBack undoes take.
func (c *Counter) giveBack(s *state.Coverage) {
	for i, n := range []uint64{s.Seen, s.Mirrored, s.Compared, s.Matched, s.Diverged} {
		c.n[i].Add(n)
	}
	for reason, n := range s.Skipped {
		c.skip(reason, n)
	}
}

// OpenCoverage begins to count. The caller keeps the store open until Close has
// returned.
func OpenCoverage(s *state.Store, o CoverageOptions) *Coverage { return openCoverage(s, o) }

func openCoverage(s coverages, o CoverageOptions) *Coverage {
	if o.Digests <= 0 {
		o.Digests = 10_000
	}
	if o.Every <= 0 {
		o.Every = 10 * time.Second
	}
	if o.Err == nil {
		o.Err = func(error) {}
	}
	c := &Coverage{
		o: o, store: s, quit: make(chan struct{}), done: make(chan struct{}),
		counters: map[string]*Counter{}, other: &Counter{digest: state.Other, kind: state.Other},
	}
	go c.run()
	return c
}

// Counter is that of a digest; beyond the bound it is one for all others. It is
// good for as long as the Coverage: a plan can keep it.
func (c *Coverage) Counter(digest, kind string, tables []string) *Counter {
	c.mu.RLock()
	n := c.counters[digest]
	full := len(c.counters) >= c.o.Digests
	c.mu.RUnlock()
	switch {
	case n != nil:
		return n
	case full:
		return c.other
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch n := c.counters[digest]; {
	case n != nil:
		return n
	case len(c.counters) >= c.o.Digests:
		return c.other
	}
	n = &Counter{digest: digest, kind: kind, tables: tables}
	c.counters[digest] = n
	return n
}

func (c *Coverage) run() {
	defer close(c.done)
	tick := time.NewTicker(c.o.Every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := c.Flush(context.Background()); err != nil {
				c.o.Err(err)
			}
		case <-c.quit:
			return
		}
	}
}

// Flush writes what was counted so far. With an error it is still counted.
func (c *Coverage) Flush(ctx context.Context) error {
	c.flushing.Lock()
	defer c.flushing.Unlock()
	c.mu.RLock()
	all := make([]*Counter, 0, len(c.counters)+1)
	for _, n := range c.counters {
		all = append(all, n)
	}
	c.mu.RUnlock()
	var more []state.Coverage
	var from []*Counter
	for _, n := range append(all, c.other) {
		if s, any := n.take(); any {
			more, from = append(more, s), append(from, n)
		}
	}
	if len(more) == 0 {
		return nil
	}
	if err := c.store.AddCoverage(ctx, c.o.Digests, more); err != nil {
		for i := range from {
			from[i].giveBack(&more[i])
		}
		return fmt.Errorf("write coverage: %w", err)
	}
	return nil
}

// List is all that was counted, ever.
func (c *Coverage) List(ctx context.Context) ([]state.Coverage, error) {
	if err := c.Flush(ctx); err != nil {
		return nil, err
	}
	return c.store.Coverage(ctx)
}

// Close ends counting and writes what was counted.
func (c *Coverage) Close() error {
	c.once.Do(func() { close(c.quit) })
	<-c.done
	return c.Flush(context.Background())
}
