package demo

import (
	"math"
	"slices"
	"time"
)

// tally counts what was done and how long each piece took.
type tally struct {
	done   [kinds][]time.Duration // of what worked
	errors [kinds]int
	first  error // the first of them
	cents  int64 // paid
}

func (t *tally) add(k kind, took time.Duration, err error) {
	if err == nil {
		t.done[k] = append(t.done[k], took)
		return
	}
	t.errors[k]++
	if t.first == nil {
		t.first = err
	}
}

// merge adds what another session has done.
func (t *tally) merge(other *tally) {
	for k := range kinds {
		t.done[k] = append(t.done[k], other.done[k]...)
		t.errors[k] += other.errors[k]
	}
	if t.first == nil {
		t.first = other.first
	}
	t.cents += other.cents
}

// failed is the number of errors of all kinds.
func (t *tally) failed() int {
	n := 0
	for _, e := range t.errors {
		n += e
	}
	return n
}

// quantile is the smallest of the durations that at least the share q of them
// does not exceed (nearest rank), 0 of none. It sorts them.
func quantile(durations []time.Duration, q float64) time.Duration {
	if len(durations) == 0 {
		return 0
	}
	slices.Sort(durations)
	rank := int(math.Ceil(q * float64(len(durations))))
	return durations[max(rank, 1)-1]
}

// count is how many pieces of work were done.
func (t *tally) count() int {
	n := 0
	for _, done := range t.done {
		n += len(done)
	}
	return n
}
