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
	idleLogins   = 16 // at once; crossfade lets 32 of one address log in at once
	// idleRest is how long the sessions rest before they are measured: crossfade
	// parks a session that has done nothing for one to two seconds.
	idleRest = 6 * time.Second
)

// idleResult is the memory of crossfade with many idle sessions.
type idleResult struct {
	Sessions int        `json:"sessions"`
	Plain    idleMemory `json:"plain"`
	Listen   idleMemory `json:"listen"`
}

// idleMemory is in bytes.
type idleMemory struct {
	Before     float64 `json:"rss_before"` // with one session
	After      float64 `json:"rss_after"`  // with all
	PerSession float64 `json:"per_session"`
}

// measureIdle opens sessions that have run one query each and rest, both ends
// open, once with an ordinary query and once with LISTEN, each in a fresh proxy.
func (s *stage) measureIdle(ctx context.Context) (*idleResult, error) {
	result := &idleResult{Sessions: idleSessions}
	var err error
	if result.Plain, err = s.idleMemory(ctx, "SELECT 1"); err != nil {
		return nil, err
	}
	if result.Listen, err = s.idleMemory(ctx, "LISTEN nobody"); err != nil {
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
	proxy, err := s.startCrossfade(ctx, server.addr())
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
	select {
	case <-time.After(idleRest):
	case <-ctx.Done():
		return memory, ctx.Err()
	}
	after, err := readUsage(proxy.pid)
	if err != nil {
		return memory, err
	}
	return idleMemory{
		Before: float64(before.rss), After: float64(after.rss),
		PerSession: float64(after.rss-before.rss) / float64(idleSessions-1),
	}, nil
}

// openIdle fills clients with sessions that have run sql.
func openIdle(ctx context.Context, addr, sql string, clients []*client) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(idleLogins)
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
