package reconcile

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/crossfade-db/crossfade/reconcile/state"
)

// countedStore adds up, or fails.
type countedStore struct {
	mu    sync.Mutex
	total map[string]state.Coverage
	err   error
	adds  int
}

func (s *countedStore) AddCoverage(_ context.Context, _ int, more []state.Coverage) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.adds++
	if s.err != nil {
		return s.err
	}
	for _, c := range more {
		sum := s.total[c.Digest]
		sum.Digest = c.Digest
		sum.Seen += c.Seen
		sum.Diverged += c.Diverged
		for reason, n := range c.Skipped {
			if sum.Skipped == nil {
				sum.Skipped = map[string]uint64{}
			}
			sum.Skipped[reason] += n
		}
		s.total[c.Digest] = sum
	}
	return nil
}

func (s *countedStore) Coverage(context.Context) ([]state.Coverage, error) { return nil, nil }

func TestCoverageIsCountedWhateverTheStoreDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &countedStore{total: map[string]state.Coverage{}}
		told := 0
		c := openCoverage(s, CoverageOptions{Digests: 2, Every: time.Second, Err: func(error) { told++ }})
		for _, digest := range []string{"a", "b", "c", "d", "a"} {
			n := c.Counter(digest, "update", []string{"public.a"})
			n.Seen()
			n.Skipped("breaker")
		}
		c.Counter("a", "update", nil).Compared(false)
		s.mu.Lock()
		s.err = errFull
		s.mu.Unlock()
		time.Sleep(1500 * time.Millisecond) //nolint:forbidigo // of the bubble
		synctest.Wait()
		if told != 1 || len(s.total) != 0 {
			t.Errorf("told %d times, %v", told, s.total)
		}
		s.mu.Lock()
		s.err = nil
		s.mu.Unlock()
		c.Counter("a", "update", nil).Seen()
		time.Sleep(time.Second) //nolint:forbidigo // of the bubble
		synctest.Wait()
		want := map[string]state.Coverage{
			"a":         {Digest: "a", Seen: 3, Diverged: 1, Skipped: map[string]uint64{"breaker": 2}},
			"b":         {Digest: "b", Seen: 1, Skipped: map[string]uint64{"breaker": 1}},
			state.Other: {Digest: state.Other, Seen: 2, Skipped: map[string]uint64{"breaker": 2}},
		}
		if diff := cmp.Diff(want, s.total); diff != "" {
			t.Error(diff)
		}
		c.Counter("b", "update", nil).Seen()
		if err := errors.Join(c.Close(), c.Close()); err != nil {
			t.Error(err)
		}
		if s.total["b"].Seen != 2 {
			t.Error("what was counted last is not written at the end")
		}
		if adds := s.adds; adds != 3 {
			t.Errorf("%d writes", adds)
		}
	})
}

func TestReasonsOfAStatementAreBounded(t *testing.T) {
	c := &Counter{}
	for i := range 3 * reasonsMost {
		c.Skipped(time.Duration(i).String())
	}
	if s, _ := c.take(); len(s.Skipped) > reasonsMost+1 || s.Skipped[state.Other] != 2*reasonsMost {
		t.Errorf("%d reasons, %d others", len(s.Skipped), s.Skipped[state.Other])
	}
}

func TestCountingTakesNoMemory(t *testing.T) {
	s := &countedStore{total: map[string]state.Coverage{}}
	c := openCoverage(s, CoverageOptions{})
	defer c.Close()
	c.Counter("a", "update", nil)
	if n := testing.AllocsPerRun(1000, func() { c.Counter("a", "update", nil).Seen() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
