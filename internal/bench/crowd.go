package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/crossfade-db/crossfade/internal/dbserver"
)

const (
	crowdMost = idleSessions // sessions, each with a connection to both servers
	atOnce    = 16           // of them that do something; crossfade lets 32 of one address log in at once
)

// crowd is many sessions of one proxy between an old and a new server, which
// are real: thousands of backends tell what a stand-in would not.
type crowd struct {
	stage   *stage
	pair    dbserver.Pair
	proxy   route
	clients []*client
}

// openCrowd starts the servers and the proxy, in phase canary with share 0.
func (s *stage) openCrowd(ctx context.Context) (*crowd, error) {
	pair, err := dbserver.StartPair(ctx, dbserver.Options{
		HBA:      []string{"host all " + loadUser + " 127.0.0.1/32 trust"},
		Settings: map[string]string{"max_connections": strconv.Itoa(crowdMost + 100), "autovacuum": "off"},
	}, fillCrowd)
	if err != nil {
		return nil, fmt.Errorf("start two servers: %w", err)
	}
	s.versions["postgres, two"] = pair.Source.Version().Text + " to " + pair.Target.Version().Text
	proxy, err := s.startCrossfade(ctx, proxyOptions{
		route: shareNone, source: pair.Source.Addr(), target: pair.Target.Addr(), writes: writesRefuse,
	})
	if err != nil {
		return nil, errors.Join(err, pair.Stop(context.WithoutCancel(ctx)))
	}
	return &crowd{stage: s, pair: pair, proxy: proxy}, nil
}

func fillCrowd(ctx context.Context, server *dbserver.Postgres) error {
	for _, sql := range []string{"CREATE ROLE " + loadUser + " LOGIN", "CREATE DATABASE " + loadName + " OWNER " + loadUser} {
		if err := server.Exec(ctx, "postgres", sql); err != nil {
			return err
		}
	}
	return server.Exec(ctx, loadName, "CREATE TABLE account AS SELECT n AS id, n * 7 AS balance FROM generate_series(1, 10000) n;"+
		"ALTER TABLE account ADD PRIMARY KEY (id); GRANT SELECT ON account TO PUBLIC; ANALYZE account")
}

// close hangs up, then ends the proxy, then the servers.
func (c *crowd) close() error {
	return errors.Join(hangUp(c.clients), c.stage.stopLast(), c.pair.Stop(context.Background()))
}

// connect adds n sessions.
func (c *crowd) connect(ctx context.Context, n int) error {
	first := len(c.clients)
	c.clients = append(c.clients, make([]*client, n)...)
	return openIdle(ctx, c.proxy.addr, readOf(0), c.clients[first:])
}

// readOf is a plain read.
func readOf(session int) string {
	return "SELECT balance FROM account WHERE id = " + strconv.Itoa(1+session)
}

// read runs one read in each session, some at once, and says how long all took.
func (c *crowd) read(ctx context.Context) (time.Duration, error) {
	begin := time.Now()
	err := c.each(ctx, func(i int) error {
		_, err := c.clients[i].query(readOf(i))
		return err
	})
	return time.Since(begin), err
}

// each does something once for every session, some at once.
func (c *crowd) each(ctx context.Context, do func(i int) error) error {
	var next atomic.Int64
	var work sync.WaitGroup
	failures := make([]error, atOnce)
	for worker := range atOnce {
		work.Go(func() {
			for failures[worker] == nil && ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(c.clients) {
					return
				}
				failures[worker] = do(i)
			}
		})
	}
	work.Wait()
	return errors.Join(append(failures, ctx.Err())...)
}

// move sets the share to 100 or 0 and runs one read in each session, which is
// what moves it. That all have moved, and have both legs, is looked up.
func (c *crowd) move(ctx context.Context, share int) (time.Duration, error) {
	if err := c.proxy.door.setShare(ctx, share); err != nil {
		return 0, err
	}
	took, err := c.read(ctx)
	if err != nil {
		return 0, err
	}
	now, err := c.proxy.door.status(ctx)
	if err != nil {
		return 0, err
	}
	all := len(c.clients)
	want := standing{Sessions: sides{Source: all}, Backends: sides{Source: all, Target: all}}
	if share > 0 {
		want.Sessions = sides{Target: all}
	}
	if now.Sessions != want.Sessions || now.Backends != want.Backends {
		return 0, fmt.Errorf("move %d sessions: they are at %+v with legs %+v (pins %v), want %+v with %+v",
			all, now.Sessions, now.Backends, now.Pins, want.Sessions, want.Backends)
	}
	return took, nil
}
