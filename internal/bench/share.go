package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Routes of proxies that have a target, in phase canary.
const (
	shareNone    = "crossfade share 0"           // nobody is answered by the target
	shareAll     = "crossfade share 100"         // canary.writes: refuse, so that every batch is looked at
	shareRelayed = "crossfade share 100, writes" // canary.writes: target, so that sessions live at the target
)

// routeOrder is how routes are listed.
var routeOrder = []string{
	direct, directTarget, crossfade, shareNone, shareAll, shareRelayed, unmapped, mirrored, answered, pgbouncer, haproxy,
}

// shareCells are those that the routes with a target run in too: reads.
var shareCells = []cell{{kind: prepared, clients: 1}, {kind: prepared, clients: 8}, {kind: rows}}

// routesFor are the routes of a cell, the direct one first. The second server
// and the proxies that have it as target start with the first cell for them.
func (s *stage) routesFor(ctx context.Context, c cell) ([]route, error) {
	if c.kind.mirrors() {
		return s.duetRoutes(ctx, c)
	}
	if !slices.Contains(shareCells, c) {
		return s.routes, nil
	}
	if s.target == nil {
		if err := s.openShare(ctx); err != nil {
			return nil, fmt.Errorf("start what has a target: %w", err)
		}
	}
	return slices.Concat(s.routes, s.shared), nil
}

func (s *stage) openShare(ctx context.Context) error {
	var err error
	if s.target, err = s.startServer(ctx); err != nil {
		return err
	}
	for _, o := range []proxyOptions{
		{route: shareNone, writes: writesRefuse, share: 0},
		{route: shareAll, writes: writesRefuse, share: 100},
		{route: shareRelayed, writes: writesTarget, share: 100},
	} {
		o.source, o.target = s.server.Addr(), s.target.Addr()
		via, err := s.startCrossfade(ctx, o)
		if err != nil {
			return err
		}
		s.shared = append(s.shared, via)
	}
	return proveShares(ctx, s.shared)
}

// proveShares is an error unless sessions of each route are answered by the
// side that its share says: figures of the other side might be good ones.
func proveShares(ctx context.Context, routes []route) error {
	for _, via := range routes {
		if via.door.program == "" {
			continue
		}
		if err := via.proveShare(ctx); err != nil {
			return fmt.Errorf("look at who answers through %s: %w", via.name, err)
		}
	}
	return nil
}

func (via route) proveShare(ctx context.Context) (err error) {
	c, err := dial(ctx, via.addr, login{user: loadUser}, smallBuffer)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	if _, err := c.query("SELECT abalance FROM pgbench_accounts WHERE aid = 1"); err != nil {
		return err
	}
	now, err := via.door.status(ctx)
	if err != nil {
		return err
	}
	right, wrong := now.Sessions.Source, now.Sessions.Target
	if via.share > 0 {
		right, wrong = wrong, right
	}
	if right == 0 || wrong > 0 {
		return fmt.Errorf("at share %d %% sessions are at %+v (pins %v)", via.share, now.Sessions, now.Pins)
	}
	return nil
}
