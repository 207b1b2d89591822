package demo

import (
	"context"
	"sync"
	"time"
)

// The light load of visitors.
const (
	strollers = 2
	leisure   = 500 * time.Millisecond // between two pieces of work
	absence   = time.Second            // before a lost session comes back
)

// stroll keeps a light load going until ctx ends: two tills and all browsers,
// so that a share that the visitor sets has sessions to move. What fails is
// tried again: visitors may do to the shop what they like.
func stroll(ctx context.Context, at place) {
	var group sync.WaitGroup
	for n := range strollers {
		group.Go(func() { comeAndGo(ctx, func() { sell(ctx, at, n) }) })
	}
	for n := range browsers {
		group.Go(func() { comeAndGo(ctx, func() { window(ctx, at, n+1) }) })
	}
	group.Wait()
}

// comeAndGo repeats a visit until ctx ends.
func comeAndGo(ctx context.Context, visit func()) {
	for ctx.Err() == nil {
		visit()
		_ = pause(ctx, absence) // an end is seen above
	}
}

// sell is one till of the light load, until it is lost or ctx ends.
func sell(ctx context.Context, at place, n int) {
	s, err := at.arrive(ctx, tills+n)
	if err != nil {
		return
	}
	defer disconnect(s.conn)
	for !s.conn.IsClosed() && pause(ctx, leisure) == nil {
		s.enter(&span{})
		s.turn(ctx)
		s.tally = tally{}
	}
}

// window is one browser of the light load, until it is lost or ctx ends.
func window(ctx context.Context, at place, number int) {
	b, err := at.come(ctx, number)
	if err != nil {
		return
	}
	defer disconnect(b.conn)
	for !b.conn.IsClosed() && pause(ctx, leisure) == nil {
		b.enter(&span{})
		b.turn(ctx)
	}
}
