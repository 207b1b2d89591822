package repair

import (
	"context"
	"time"
)

// drain lets the worker run until nothing is dirty.
func (f *field) drain() {
	f.Helper()
	f.drainWith(f.opt)
}

func (f *field) drainWith(o Options) *Worker {
	f.Helper()
	w := New(o)
	ctx, stop := context.WithTimeout(f.Context(), 120*time.Second)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for f.anyDirty() && ctx.Err() == nil {
		select {
		case <-tick.C:
		case err := <-done:
			f.Fatalf("the worker has ended: %v", err)
		}
	}
	if ctx.Err() != nil {
		f.Errorf("still dirty: %+v, %+v", f.ledger.All(), w.Status())
	}
	stop()
	f.must(<-done)
	return w
}

func (f *field) anyDirty() bool {
	for _, c := range f.ledger.All() {
		if c.Keys != 0 || c.Ranges != 0 {
			return true
		}
	}
	return false
}
