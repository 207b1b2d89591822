package demo

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	shoppers  = 16
	grace     = 30 * time.Second      // for what has begun when the load's time is over
	lookAgain = 20 * time.Millisecond // between two looks at something awaited
)

var errLate = fmt.Errorf("the load has not ended %v after its time", grace)

// loaded is what came of a load.
type loaded struct {
	took    time.Duration
	tally   tally
	heard   int   // orders told to the listening session
	deaf    error // why it stopped listening too early
	trouble trouble
}

// runLoad has 16 shoppers work for a time, one session listen and one make
// trouble on purpose. midway is called once in the middle of it. The errors of
// work are counted in the result; the error is of the load itself.
func runLoad(ctx context.Context, dsn string, length time.Duration, midway func(context.Context) error) (*loaded, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, length+grace, errLate)
	defer cancel()
	crowd, err := gather(ctx, dsn)
	defer crowd.leave()
	if err != nil {
		return nil, err
	}
	out := &loaded{}
	var listening, shopping sync.WaitGroup
	listening.Go(func() { out.heard, out.deaf = listen(ctx, crowd.listener) })
	shopping.Go(func() { out.trouble = makeTrouble(ctx, crowd.trouble) })
	begin := time.Now()
	for _, s := range crowd.shoppers {
		shopping.Go(func() { s.shop(ctx, begin.Add(length)) })
	}
	err = pause(ctx, length/2)
	if err == nil {
		err = midway(ctx)
	}
	if err != nil {
		cancel()
	}
	shopping.Wait()
	out.took = time.Since(begin)
	closeShop(ctx, cancel, dsn)
	listening.Wait()
	for _, s := range crowd.shoppers {
		out.tally.merge(&s.tally)
	}
	if err == nil {
		err = context.Cause(ctx)
	}
	return out, err
}

// crowd is every session of a load.
type crowd struct {
	shoppers          []*shopper
	listener, trouble *pgx.Conn
}

// gather connects all sessions, and those that are connected when it fails are
// for leave as well.
func gather(ctx context.Context, dsn string) (c crowd, err error) {
	for n := range uint64(shoppers) {
		s, err := arrive(ctx, dsn, n)
		if err != nil {
			return c, err
		}
		c.shoppers = append(c.shoppers, s)
	}
	if c.trouble, err = pgx.Connect(ctx, dsn); err != nil {
		return c, fmt.Errorf("connect to the proxy: %w", err)
	}
	if c.listener, err = pgx.Connect(ctx, dsn); err != nil {
		return c, fmt.Errorf("connect to the proxy: %w", err)
	}
	if _, err := c.listener.Exec(ctx, "LISTEN "+channel); err != nil {
		return c, fmt.Errorf("listen for orders: %w", err)
	}
	return c, nil
}

// leave disconnects all, politely where the server still listens.
func (c crowd) leave() {
	for _, s := range c.shoppers {
		disconnect(s.conn)
	}
	for _, conn := range []*pgx.Conn{c.listener, c.trouble} {
		if conn != nil {
			disconnect(conn)
		}
	}
}

// goodbye bounds how long a session takes to end.
const goodbye = time.Second

func disconnect(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), goodbye)
	defer cancel()
	_ = conn.Close(ctx) // the connection is gone either way
}

// shop works until the end. A session that is lost stays away; its last work
// is counted as an error.
func (s *shopper) shop(ctx context.Context, end time.Time) {
	for time.Now().Before(end) && !s.conn.IsClosed() {
		s.turn(ctx)
	}
}

// The light load of visitors.
const (
	strollers = 2
	leisure   = 200 * time.Millisecond // between two pieces of work
	absence   = time.Second            // before a lost session comes back
)

// stroll keeps a light load going until ctx ends. What fails is tried again:
// visitors may do to the shop what they like.
func stroll(ctx context.Context, dsn string) {
	var group sync.WaitGroup
	for n := range uint64(strollers) {
		group.Go(func() {
			for ctx.Err() == nil {
				visit(ctx, dsn, shoppers+n)
				_ = pause(ctx, absence) // an end is seen above
			}
		})
	}
	group.Wait()
}

// visit is one session of the light load, until it is lost or ctx ends.
func visit(ctx context.Context, dsn string, n uint64) {
	s, err := arrive(ctx, dsn, n)
	if err != nil {
		return
	}
	defer disconnect(s.conn)
	for !s.conn.IsClosed() && pause(ctx, leisure) == nil {
		s.turn(ctx)
		s.tally = tally{}
	}
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
