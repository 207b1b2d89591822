package main

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/crossfade-db/crossfade/wire/pgwire"
)

const (
	drainBuffer = 256 * kib // of the client that reads many rows
	smallBuffer = 512       // of a client that reads one
	megabyte    = 1e6
	connectsRun = 60 // connections, one after the other, of one run
)

// rowsLoad reads a million rows in one statement. The rate is in megabytes of
// the protocol per second.
func (s *stage) rowsLoad() load {
	return func(ctx context.Context, via route) (outcome, error) {
		c, err := dial(ctx, via.addr, login{user: loadUser}, drainBuffer)
		if err != nil {
			return outcome{}, err
		}
		begin := time.Now()
		size, err := c.query("SELECT * FROM million")
		took := time.Since(begin)
		if err = errors.Join(err, c.close()); err != nil {
			return outcome{}, err
		}
		return outcome{
			rate:     float64(size) / megabyte / took.Seconds(),
			latency:  []time.Duration{took},
			allUnits: float64(size) / megabyte,
		}, nil
	}
}

// rowsGrowth is how far the peak of a proxy's memory rises, in bytes, when it
// carries its first large result. It needs a fresh proxy: one that has carried
// a large result before has the memory already.
func (s *stage) rowsGrowth(ctx context.Context) (growth float64, err error) {
	proxy, err := s.startCrossfade(ctx, proxyOptions{route: crossfade, source: s.server.Addr()})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.stopLast()) }()
	if err := connectOnce(ctx, proxy.addr, login{user: loadUser}); err != nil {
		return 0, err
	}
	before, err := readUsage(proxy.pid)
	if err != nil {
		return 0, err
	}
	if _, err := s.rowsLoad()(ctx, proxy); err != nil {
		return 0, err
	}
	after, err := readUsage(proxy.pid)
	if err != nil {
		return 0, err
	}
	return float64(after.peak - before.rss), nil
}

// connectLoad connects, logs in with SCRAM, asks one query and hangs up, again
// and again. The first one is the warm-up: whoever keeps keys derives them.
func (s *stage) connectLoad() load {
	return func(ctx context.Context, via route) (outcome, error) {
		who := login{user: lockedUser, password: s.password, keys: &pgwire.KeyCache{}}
		var out outcome
		var sum time.Duration
		for i := range 1 + connectsRun {
			begin := time.Now()
			if err := connectOnce(ctx, via.addr, who); err != nil {
				return outcome{}, err
			}
			took := time.Since(begin)
			if i > 0 {
				out.latency = append(out.latency, took)
				sum += took
			}
		}
		slices.Sort(out.latency)
		out.rate = connectsRun / sum.Seconds()
		out.allUnits = 1 + connectsRun
		return out, nil
	}
}

func connectOnce(ctx context.Context, addr string, who login) error {
	c, err := dial(ctx, addr, who, smallBuffer)
	if err != nil {
		return err
	}
	_, err = c.query("SELECT 1")
	return errors.Join(err, c.close())
}
