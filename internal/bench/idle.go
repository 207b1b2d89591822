package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	idleSessions = 2000
	// idleRest is how long the sessions rest before they are measured: crossfade
	// parks a session that has done nothing for one to two seconds, and gives
	// memory back when logins have ceased.
	idleRest = 6 * time.Second
	// crowdFew is how many sessions a crowd has when it is first measured: so
	// many that memory is given back behind them as behind all.
	crowdFew = 300
)

// idleResult is the memory of crossfade with many idle sessions.
type idleResult struct {
	Plain   idleMemory `json:"plain"`
	Listen  idleMemory `json:"listen"`
	TwoLegs idleMemory `json:"two_legs"`
	Moved   idleMemory `json:"moved"`
}

// idleMemory is in bytes.
type idleMemory struct {
	Few        int     `json:"sessions_before"`
	Before     float64 `json:"rss_before"` // with few sessions
	All        int     `json:"sessions"`
	After      float64 `json:"rss_after"` // with all
	PerSession float64 `json:"per_session"`
}

// measureIdle opens sessions that rest, each kind in a fresh proxy: after an
// ordinary query, after LISTEN, and answered by the target, with legs to both
// sides.
func (s *stage) measureIdle(ctx context.Context) (result *idleResult, err error) {
	result = &idleResult{}
	if result.Plain, err = s.idleMemory(ctx, "SELECT 1"); err != nil {
		return nil, err
	}
	if result.Listen, err = s.idleMemory(ctx, "LISTEN nobody"); err != nil {
		return nil, err
	}
	if result.TwoLegs, err = s.twoLegMemory(ctx, crowdMovesAtLogin); err != nil {
		return nil, err
	}
	if result.Moved, err = s.twoLegMemory(ctx, crowdMovesLater); err != nil {
		return nil, err
	}
	return result, nil
}

func (s *stage) idleMemory(ctx context.Context, sql string) (memory idleMemory, err error) {
	server, err := startDummy(ctx)
	if err != nil {
		return memory, err
	}
	defer func() { err = errors.Join(err, server.close()) }()
	proxy, err := s.startCrossfade(ctx, proxyOptions{route: crossfade, source: server.addr()})
	if err != nil {
		return memory, err
	}
	defer func() { err = errors.Join(err, s.stopLast()) }()
	clients := make([]*client, idleSessions)
	defer func() { err = errors.Join(err, hangUp(clients)) }()

	if err := openIdle(ctx, proxy.addr, sql, clients[:1]); err != nil {
		return memory, err
	}
	before, err := readUsage(proxy.pid)
	if err != nil {
		return memory, err
	}
	if err := openIdle(ctx, proxy.addr, sql, clients[1:]); err != nil {
		return memory, err
	}
	after, err := rested(ctx, proxy)
	if err != nil {
		return memory, err
	}
	return between(1, before, idleSessions, after), nil
}

// rested looks at a proxy after its sessions have rested.
func rested(ctx context.Context, proxy route) (usage, error) {
	timer := time.NewTimer(idleRest)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return usage{}, ctx.Err()
	}
	return readUsage(proxy.pid)
}

func between(few int, before usage, all int, after usage) idleMemory {
	return idleMemory{
		Few: few, Before: float64(before.rss), All: all, After: float64(after.rss),
		PerSession: float64(after.rss-before.rss) / float64(all-few),
	}
}

// crowdMove is when sessions are moved.
type crowdMove uint8

const (
	// crowdMovesAtLogin: the share is 100 when they connect, and their first
	// statement goes to the target.
	crowdMovesAtLogin crowdMove = iota
	// crowdMovesLater: they have been answered by the source before.
	crowdMovesLater
)

// twoLegMemory measures sessions that were moved to the target once. What both
// servers' catalogs take is there before; so is the memory given back, so that
// what is between the two measurements is sessions.
func (s *stage) twoLegMemory(ctx context.Context, when crowdMove) (memory idleMemory, err error) {
	c, err := s.openCrowd(ctx)
	if err != nil {
		return memory, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	before, err := c.grow(ctx, crowdFew, when)
	if err != nil {
		return memory, err
	}
	after, err := c.grow(ctx, idleSessions, when)
	if err != nil {
		return memory, err
	}
	return between(crowdFew, before, idleSessions, after), nil
}

// grow makes the crowd so large, sees to it that all of it is at the target,
// and looks at the proxy when it has rested.
func (c *crowd) grow(ctx context.Context, size int, when crowdMove) (usage, error) {
	share := 100
	if when == crowdMovesLater {
		share = 0
	}
	if err := c.proxy.door.setShare(ctx, share); err != nil {
		return usage{}, err
	}
	if err := c.connect(ctx, size-len(c.clients)); err != nil {
		return usage{}, err
	}
	if _, err := c.move(ctx, 100); err != nil {
		return usage{}, err
	}
	return rested(ctx, c.proxy)
}

// openIdle fills clients with sessions that have run sql.
func openIdle(ctx context.Context, addr, sql string, clients []*client) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for i := range clients {
		group.Go(func() error {
			c, err := dial(ctx, addr, login{user: loadUser}, smallBuffer)
			if err != nil {
				return err
			}
			clients[i] = c
			_, err = c.query(sql)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("open idle sessions: %w", err)
	}
	return nil
}

func hangUp(clients []*client) error {
	var err error
	for _, c := range clients {
		if c != nil {
			err = errors.Join(err, c.close())
		}
	}
	return err
}
