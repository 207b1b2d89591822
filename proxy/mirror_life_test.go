package proxy

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/crossfade-db/crossfade/router"
)

var errAnotherLife = errors.New("another life")

// TestNothingIsServedOnALegOfAnUnknownLife: a leg that has logged in while its
// server may have restarted is given up: at the source for another one, at the
// target for good.
func TestNothingIsServedOnALegOfAnUnknownLife(t *testing.T) {
	var doubts, asked [router.Sides]atomic.Int32
	n := newMirrored(t, affected, affected, nil, func(o *Options) {
		o.Mirror.Dialling = func(_ context.Context, at router.Side) (func(context.Context) error, error) {
			return func(context.Context) error {
				asked[at].Add(1)
				if doubts[at].Add(-1) >= 0 {
					return errAnotherLife
				}
				return nil
			}, nil
		}
	})
	doubts[router.Source].Store(2)
	asked[router.Source].Store(0)
	conn := n.client(t)
	if got := asked[router.Source].Load(); got != 3 {
		t.Errorf("the source was asked %d times, want 3: two legs were of another life", got)
	}
	doubts[router.Target].Store(1000)
	do(t, conn, "UPDATE kids SET v = 0 WHERE id = 3")
	n.settled(t)
	if keys, _ := n.journal.dirty(); keys["public.kids"] != 1 {
		t.Errorf("dirty keys %v, want one of public.kids", keys)
	}
	if got := n.rows(t, router.Target, "SELECT v FROM kids WHERE id = 3")[0]; got != "3|" {
		t.Errorf("a leg of an unknown life has written: %s", got)
	}
	if asked[router.Target].Load() == 0 {
		t.Error("nobody has asked for the target's life")
	}
}

// TestNoLegIsDialledIntoAnUnknownLife: as long as the life is not known nobody
// dials, and who waits is told no later than its login may take.
func TestNoLegIsDialledIntoAnUnknownLife(t *testing.T) {
	var doubt atomic.Bool
	n := newMirrored(t, affected, affected, nil, func(o *Options) {
		o.Mirror.Dialling = func(_ context.Context, at router.Side) (func(context.Context) error, error) {
			if at == router.Target && doubt.Load() {
				return nil, errAnotherLife
			}
			return func(context.Context) error { return nil }, nil
		}
	})
	doubt.Store(true)
	conn := n.client(t)
	do(t, conn, "UPDATE kids SET v = 0 WHERE id = 3")
	n.settled(t)
	if keys, _ := n.journal.dirty(); keys["public.kids"] != 1 {
		t.Errorf("dirty keys %v, want one of public.kids", keys)
	}
}
