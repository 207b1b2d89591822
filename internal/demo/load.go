package demo

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

const (
	grace     = 30 * time.Second      // for what has begun when the load is to end
	lookAgain = 50 * time.Millisecond // between two looks at something awaited
)

// How long a session rests between two pieces of work, on average. It leaves
// the machine time, so that a latency is that of the work and not of a queue.
const (
	tillRest    = 150 * time.Millisecond
	browserRest = 100 * time.Millisecond
)

var errLate = fmt.Errorf("the load has not ended %v after it was to", grace)

// loaded is what came of a load.
type loaded struct {
	took    time.Duration
	tally   tally // of the tills
	heard   int   // orders told to the listening session
	deaf    error // why it stopped listening too early
	trouble trouble
	gone    int // sessions that have lost their connection
	size    int // sessions
}

// load is the sessions at work: tills that write, browsers that read, one
// session that listens and one that makes trouble on purpose.
type load struct {
	crowd
	place
	began               time.Time
	stop                chan struct{} // closed when all are to end
	cancel              context.CancelCauseFunc
	cause               func() error // why it was cancelled
	shopping, listening sync.WaitGroup
	result              loaded
}

// openLoad connects all sessions and lets them work, in the span first.
func openLoad(ctx context.Context, at place, first *span) (*load, error) {
	c, err := gather(ctx, at)
	if err != nil {
		c.leave()
		return nil, err
	}
	l := &load{crowd: c, place: at, began: time.Now(), stop: make(chan struct{})}
	l.enter(first)
	ctx, l.cancel = context.WithCancelCause(ctx)
	l.cause = func() error { return context.Cause(ctx) }
	l.listening.Go(func() { l.result.heard, l.result.deaf = listen(ctx, c.listener) })
	l.shopping.Go(func() { l.result.trouble = makeTrouble(ctx, c.trouble) })
	for _, s := range c.shoppers {
		l.shopping.Go(func() { l.keepOn(ctx, tillRest, s.dice, s.conn.IsClosed, s.turn) })
	}
	for _, b := range c.browsers {
		l.shopping.Go(func() { l.keepOn(ctx, browserRest, b.dice, b.conn.IsClosed, b.turn) })
	}
	return l, nil
}

// enter puts all sessions into a span. When it returns, nothing of the one
// before is under way any more.
func (l *load) enter(s *span) {
	for _, each := range l.shoppers {
		each.enter(s)
	}
	for _, each := range l.browsers {
		each.enter(s)
	}
}

// present is how many of some browsers still have their connection.
func (l *load) present(of map[int]bool) int {
	n := 0
	for _, b := range l.browsers {
		b.during(func(*span) {
			if of[b.number] && !b.lost {
				n++
			}
		})
	}
	return n
}

// keepOn works until the load is to end. A session that is lost stays away; its
// last work is counted as an error.
func (l *load) keepOn(ctx context.Context, rest time.Duration, dice *rand.Rand, lost func() bool, turn func(context.Context)) {
	for !lost() {
		timer := time.NewTimer(time.Duration(dice.Int64N(2 * int64(rest))))
		select {
		case <-timer.C:
			turn(ctx)
		case <-l.stop:
			timer.Stop()
			return
		}
	}
}

// end lets all sessions finish what they have begun, and disconnects them. The
// error is of the load itself; errors of the work are in the result.
func (l *load) end(ctx context.Context) (*loaded, error) {
	late := time.AfterFunc(grace, func() { l.cancel(errLate) })
	defer late.Stop()
	close(l.stop)
	l.shopping.Wait()
	l.result.took = time.Since(l.began)
	closeShop(ctx, l.place, func() { l.cancel(errLate) })
	l.listening.Wait()
	l.result.gone, l.result.size = l.gone(), l.size()
	l.leave()
	for _, s := range l.shoppers {
		l.result.tally.merge(&s.tally)
	}
	err := l.cause()
	l.cancel(nil)
	return &l.result, err
}

// pause waits; its error is the reason why ctx ended before.
func pause(ctx context.Context, length time.Duration) error {
	timer := time.NewTimer(length)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
