package main

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"
)

// updatesEach is how many statements an explicit transaction has.
const updatesEach = 5

// timing is what one client saw of its transactions after the warm-up.
type timing struct {
	whole, statement, commit []time.Duration
	all                      int // warm-up included
}

// transactionLoad runs explicit transactions of prepared updates and times the
// statements and the commits one by one, which pgbench's log does not.
func transactionLoad(c cell, dur, warm time.Duration) load {
	return func(ctx context.Context, via route) (outcome, error) {
		begin := time.Now().Add(warm)
		timings := make([]timing, c.clients)
		group, ctx := errgroup.WithContext(ctx)
		for i := range timings {
			group.Go(func() (err error) {
				timings[i], err = transact(ctx, via.addr, begin, begin.Add(dur))
				return err
			})
		}
		if err := group.Wait(); err != nil {
			return outcome{}, err
		}
		var out outcome
		for _, t := range timings {
			out.latency, out.statement, out.commit = append(out.latency, t.whole...), append(out.statement, t.statement...), append(out.commit, t.commit...)
			out.allUnits += float64(t.all)
		}
		if len(out.latency) == 0 {
			return outcome{}, errStalled
		}
		out.rate = float64(len(out.latency)) / dur.Seconds()
		slices.Sort(out.latency)
		slices.Sort(out.statement)
		slices.Sort(out.commit)
		return out, nil
	}
}

// transact works from now until end, and counts what has begun after begin.
func transact(ctx context.Context, addr string, begin, end time.Time) (t timing, err error) {
	c, err := dial(ctx, addr, login{user: loadUser}, smallBuffer)
	if err != nil {
		return t, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	if _, err := c.exchange(prepareUpdate()); err != nil {
		return t, err
	}
	for ctx.Err() == nil {
		first := time.Now()
		if first.After(end) {
			break
		}
		statements, commit, err := c.transact()
		if err != nil {
			return t, err
		}
		t.all++
		if first.Before(begin) {
			continue
		}
		t.whole, t.commit = append(t.whole, time.Since(first)), append(t.commit, commit)
		t.statement = append(t.statement, statements[:]...)
	}
	return t, ctx.Err()
}

// transact runs one transaction. Its keys ascend, so that two never wait for
// each other in a circle.
func (c *client) transact() (statements [updatesEach]time.Duration, commit time.Duration, err error) {
	var ids [updatesEach]int
	for i := range ids {
		ids[i] = 1 + rand.IntN(accounts)
	}
	slices.Sort(ids[:])
	if _, err := c.query("BEGIN"); err != nil {
		return statements, 0, err
	}
	last := time.Now()
	for i, id := range ids {
		if _, err := c.exchange(runUpdate(id)); err != nil {
			return statements, 0, err
		}
		now := time.Now()
		statements[i], last = now.Sub(last), now
	}
	_, err = c.query("COMMIT")
	return statements, time.Since(last), err
}

const updateName = "u"

// prepareUpdate is Parse and Sync (PostgreSQL manual, 54.7).
func prepareUpdate() []byte {
	text := "UPDATE account SET balance = balance + 1 WHERE id = $1"
	body := append([]byte(updateName+"\x00"+text+"\x00"), 0, 0) // no types of parameters
	return appendMessage(appendMessage(nil, 'P', body), 'S', nil)
}

// runUpdate is Bind, Execute and Sync, with the key as text.
func runUpdate(id int) []byte {
	key := strconv.Itoa(id)
	bind := append([]byte("\x00"+updateName+"\x00"), 0, 0, 0, 1)
	bind = append(binary.BigEndian.AppendUint32(bind, uint32(len(key))), key...)
	bind = append(bind, 0, 0)
	return appendMessage(appendMessage(appendMessage(nil, 'B', bind), 'E', make([]byte, 5)), 'S', nil)
}
