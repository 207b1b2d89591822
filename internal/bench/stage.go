package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/crossfade-db/crossfade/internal/dbserver"
)

// stage is all that runs for the measurements: one server and three proxies,
// and where a cell needs it a second server with proxies that have it as target.
type stage struct {
	root     string // of the module
	dir      string // temporary, holds the proxies' files
	binary   string // crossfade, built from this tree
	install  dbserver.Install
	server   *dbserver.Postgres
	target   *dbserver.Postgres // nil: no cell has needed it
	children []*child
	routes   []route // the direct one first
	shared   []route // with a target
	duet     *duet   // nil: no cell has needed it
	password string  // of lockedUser and serviceUser
	versions map[string]string
}

// openStage starts everything. Whatever is missing is an error.
func openStage(ctx context.Context, root string) (*stage, error) {
	dir, err := os.MkdirTemp("", "crossfade-bench-")
	if err != nil {
		return nil, fmt.Errorf("make a directory: %w", err)
	}
	s := &stage{root: root, dir: dir, password: rand.Text(), versions: map[string]string{}}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *stage) open(ctx context.Context) error {
	if err := os.Chmod(s.dir, 0o711); err != nil { // pgbouncer may run as somebody else
		return fmt.Errorf("open the directory: %w", err)
	}
	if err := s.build(ctx); err != nil {
		return err
	}
	var err error
	if s.install, err = s.findServer(); err != nil {
		return err
	}
	if s.server, err = s.startServer(ctx); err != nil {
		return err
	}
	s.routes = []route{{name: direct, addr: s.server.Addr()}}
	proxy, err := s.startCrossfade(ctx, proxyOptions{route: crossfade, source: s.server.Addr()})
	if err != nil {
		return err
	}
	s.routes = append(s.routes, proxy)
	for _, start := range []func(context.Context) (route, error){s.startPgbouncer, s.startHaproxy} {
		peer, err := start(ctx)
		if err != nil {
			return err
		}
		s.routes = append(s.routes, peer)
	}
	return nil
}

// close ends what open has started, in the opposite order.
func (s *stage) close() error {
	var err error
	if s.duet != nil {
		err = s.duet.close()
	}
	for len(s.children) > 0 {
		err = errors.Join(err, s.stopLast())
	}
	for _, server := range []*dbserver.Postgres{s.target, s.server} {
		if server != nil {
			err = errors.Join(err, server.Stop(context.Background()))
		}
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}

func (s *stage) stopLast() error {
	last := len(s.children) - 1
	c := s.children[last]
	s.children = s.children[:last]
	return c.stop()
}

// stop ends the process of one route.
func (s *stage) stop(via route) error {
	i := slices.IndexFunc(s.children, func(c *child) bool { return c.process.Pid == via.pid })
	if i < 0 {
		return fmt.Errorf("stop %s: it does not run", via.name)
	}
	c := s.children[i]
	s.children = slices.Delete(s.children, i, i+1)
	return c.stop()
}

// findServer is the newest installation that has pgbench beside the server: the
// system's own, not what was put in a cache to move between.
func (s *stage) findServer() (dbserver.Install, error) {
	installs, err := dbserver.Find()
	if err != nil {
		return dbserver.Install{}, err
	}
	for _, install := range installs {
		if _, err := exec.LookPath(filepath.Join(install.Bin, "pgbench")); err == nil {
			s.versions["postgres"] = install.Version.Text
			return install, nil
		}
	}
	return dbserver.Install{}, errors.New("find a PostgreSQL with pgbench: run \"internal/setup/setup.sh postgres bench\"")
}

// lockedUser has to log in with SCRAM; loadUser is trusted.
const lockedUser = "locked"

// startServer starts PostgreSQL with fsync on and fills it. The background work
// that would hit one run and not the next is off or put off.
func (s *stage) startServer(ctx context.Context) (*dbserver.Postgres, error) {
	server, err := dbserver.Start(ctx, dbserver.Options{
		Install: s.install,
		Durable: true,
		HBA: []string{
			"host all " + loadUser + " 127.0.0.1/32 trust",
			"host all " + lockedUser + " 127.0.0.1/32 scram-sha-256",
		},
		Settings: map[string]string{
			"max_connections": "400", "shared_buffers": "512MB", "wal_level": "replica",
			"autovacuum": "off", "checkpoint_timeout": "1h", "max_wal_size": "8GB",
		},
	})
	if err != nil {
		return nil, err
	}
	if err := s.fill(ctx, server); err != nil {
		return nil, errors.Join(err, server.Stop(context.WithoutCancel(ctx)))
	}
	return server, nil
}

// fill makes the users, pgbench's tables and the table of the rows cell: a
// million rows that are about 65 MB on the wire.
func (s *stage) fill(ctx context.Context, server *dbserver.Postgres) error {
	for _, sql := range []string{
		"CREATE ROLE " + loadUser + " LOGIN",
		"CREATE ROLE " + lockedUser + " LOGIN PASSWORD '" + s.password + "'",
		"CREATE DATABASE " + loadName + " OWNER " + loadUser,
	} {
		if err := server.Exec(ctx, "postgres", sql); err != nil {
			return err
		}
	}
	cmd, err := s.pgbench(ctx, server.Addr(), "-i", "-q", "-s", strconv.Itoa(scale))
	if err != nil {
		return err
	}
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("fill pgbench's tables: %w: %s", err, lastLines(output))
	}
	for _, sql := range []string{
		"CREATE TABLE million AS SELECT n AS id, n * 7919::bigint % 1000000 AS other, md5(n::text) AS words FROM generate_series(1, 1000000) n",
		"GRANT SELECT ON million TO PUBLIC",
		"VACUUM (FREEZE, ANALYZE) million",
		"CHECKPOINT",
	} {
		if err := server.Exec(ctx, loadName, sql); err != nil {
			return err
		}
	}
	return nil
}
