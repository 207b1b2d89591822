package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/crossfade-db/crossfade/internal/dbserver"
)

// Routes of cells of mirrored writes. The direct one leads to the source.
const (
	directTarget = "direct to the target"
	unmapped     = "crossfade, nothing mapped"
	mirrored     = "crossfade mirror"
	answered     = "crossfade mirror, answer: authority"
)

// duet is two servers, an old and a new one with fsync on, and the proxies that
// mirror between them. Each of these has a database of its own, so that what it
// mirrors is written by nobody else and both sides can be compared.
type duet struct {
	stage   *stage
	pair    dbserver.Pair
	trip    time.Duration // of the present routes
	farther []*farther
	routes  []route // nil: there are none now
	bases   []string
	made    int // databases
}

// serviceUser is as whom the proxies read catalogs and repair.
const serviceUser = "service"

// duetRoutes are the routes of a cell. Those of another delay are ended first.
func (s *stage) duetRoutes(ctx context.Context, c cell) ([]route, error) {
	d, err := s.openDuet(ctx)
	if err != nil {
		return nil, err
	}
	if d.routes == nil || d.trip != c.trip {
		if err := d.shut(); err != nil {
			return nil, err
		}
		if err := d.open(ctx, c.trip); err != nil {
			return nil, errors.Join(fmt.Errorf("start what mirrors: %w", err), d.shut())
		}
	}
	switch c.kind {
	case plainRead, plainWrite, mappedRead:
		return d.choose(direct, unmapped, mirrored), nil
	default:
		return d.routes, nil
	}
}

// openDuet starts the servers with the first cell that needs them.
func (s *stage) openDuet(ctx context.Context) (*duet, error) {
	if s.duet != nil {
		return s.duet, nil
	}
	pair, err := dbserver.StartPair(ctx, dbserver.Options{
		Durable: true,
		HBA: []string{
			"host all " + loadUser + " 127.0.0.1/32 trust",
			"host all " + serviceUser + " 127.0.0.1/32 scram-sha-256",
		},
		Settings: map[string]string{
			"max_connections": "400", "shared_buffers": "512MB", "wal_level": "replica",
			"autovacuum": "off", "checkpoint_timeout": "1h", "max_wal_size": "8GB",
		},
	}, func(ctx context.Context, server *dbserver.Postgres) error {
		return server.Exec(ctx, "postgres", "CREATE ROLE "+loadUser+" LOGIN; CREATE ROLE "+serviceUser+" SUPERUSER LOGIN PASSWORD '"+s.password+"'")
	})
	if err != nil {
		return nil, fmt.Errorf("start two servers: %w", err)
	}
	s.versions["postgres, two"] = pair.Source.Version().Text + " to " + pair.Target.Version().Text
	d := &duet{stage: s, pair: pair}
	s.duet = d
	return d, d.makeBase(ctx, loadName, sourceTables, targetTables+"; "+fillTarget)
}

// open starts the proxies of one delay, and waits until the targets are full.
func (d *duet) open(ctx context.Context, trip time.Duration) error {
	d.trip = trip
	source, err := d.away(ctx, d.pair.Source.Addr())
	if err != nil {
		return err
	}
	target, err := d.away(ctx, d.pair.Target.Addr())
	if err != nil {
		return err
	}
	d.routes = []route{{name: direct, addr: source}, {name: directTarget, addr: target}}
	for _, o := range []proxyOptions{
		{route: unmapped, mirror: &mirrorOptions{}},
		{route: mirrored, mirror: &mirrorOptions{tables: mapping, answer: "both"}},
		{route: answered, mirror: &mirrorOptions{tables: mapping, answer: "authority"}},
	} {
		o.source, o.target = source, target
		if err := d.start(ctx, o); err != nil {
			return err
		}
	}
	for i := range d.routes {
		d.routes[i].servers = []int{d.pair.Source.PID(), d.pair.Target.PID()}
	}
	return d.prove(ctx)
}

// away is how an address is reached with the present delay.
func (d *duet) away(ctx context.Context, addr string) (string, error) {
	if d.trip == 0 {
		return addr, nil
	}
	f, err := startFarther(ctx, addr, d.trip)
	if err != nil {
		return "", err
	}
	d.farther = append(d.farther, f)
	return f.addr(), nil
}

// start starts one proxy, with a fresh database if it mirrors.
func (d *duet) start(ctx context.Context, o proxyOptions) error {
	o.mirror.database = loadName
	if o.mirror.tables != "" {
		d.made++
		o.mirror.database = "mirrored_" + strconv.Itoa(d.made)
		if err := d.makeBase(ctx, o.mirror.database, sourceTables, targetTables); err != nil {
			return err
		}
	}
	via, err := d.stage.startCrossfade(ctx, o)
	if via.pid != 0 { // it runs, whatever came afterwards
		d.routes = append(d.routes, via)
	}
	if err == nil && via.mirrors {
		d.bases = append(d.bases, o.mirror.database)
	}
	return err
}

// choose are the routes of these names.
func (d *duet) choose(names ...string) []route {
	var chosen []route
	for _, name := range names {
		for _, via := range d.routes {
			if via.name == name {
				chosen = append(chosen, via)
			}
		}
	}
	return chosen
}

// prove is an error unless the two sides of each mirrored database are equal,
// once each proxy says so.
func (d *duet) prove(ctx context.Context) error {
	if d.routes == nil {
		return nil
	}
	for _, via := range d.routes {
		if !via.mirrors {
			continue
		}
		if err := via.door.reconcile(ctx); err != nil {
			return err
		}
	}
	for _, name := range d.bases {
		if err := d.equal(ctx, name, "account"); err != nil {
			return err
		}
	}
	return nil
}

// equal compares all rows of a table of both sides by a sum over them.
func (d *duet) equal(ctx context.Context, database, table string) error {
	sum := "SELECT count(*) || ' ' || coalesce(sum(('x' || md5(concat_ws('|', id, owner, balance::numeric(12,2), filler)))::bit(48)::bigint), 0) FROM " + table
	source, err := d.pair.Source.Query(ctx, database, sum)
	if err != nil {
		return err
	}
	target, err := d.pair.Target.Query(ctx, database, sum)
	if err != nil {
		return err
	}
	if source != target {
		return fmt.Errorf("compare both sides of %s in %s: they differ, with count and sum %s at the source and %s at the target", table, database, source, target)
	}
	return nil
}

// shut ends the present routes.
func (d *duet) shut() error {
	var err error
	for _, via := range d.routes {
		if via.pid != 0 {
			err = errors.Join(err, d.stage.stop(via))
		}
	}
	for _, f := range d.farther {
		err = errors.Join(err, f.close())
	}
	d.routes, d.farther, d.bases = nil, nil, nil
	return err
}

// close ends everything.
func (d *duet) close() error {
	return errors.Join(d.shut(), d.pair.Stop(context.Background()))
}
