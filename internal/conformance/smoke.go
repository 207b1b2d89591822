package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/crossfade-db/crossfade/internal/dbserver"
)

// smokeUser owns the database of the same name, and is no superuser.
const smokeUser, smokeSecret = "smoke", "a secret of the smoke suite"

// smoke runs the scripts of clients and compares all that they print. A result
// is one section of a script ("== name"), and passes if the client ended well.
func (h *harness) smoke(ctx context.Context, w way) (r report, err error) {
	began := time.Now()
	r = report{Suite: "smoke" + w.suffix(), Title: "psql, pgbench, psycopg, psycopg2, node pg", Floor: smokeFloor, Sessions: 30}
	clients := allClients()
	if h.short {
		clients, r.Floor, r.Sessions = shortClients(clients), shortSmokeFloor, 20
		r.Title = "psql, pgbench"
	}
	scripts, err := h.equip(ctx, clients)
	if err != nil {
		return r, err
	}
	site, err := driver{way: w, prepare: prepareSmoke}.site(ctx, h, scripts)
	if site != nil {
		defer func() { err = errors.Join(err, site.stop(ctx)) }()
	}
	if err != nil {
		return r, err
	}
	r.Server = site.versions()
	s := smoking{h: h, site: site, scripts: scripts, clients: clients}
	r, err = s.run(ctx, r)
	r.Seconds = time.Since(began).Seconds()
	return r, err
}

func prepareSmoke(ctx context.Context, h *harness, _ string, install dbserver.Install) (*site, error) {
	server, err := dbserver.Start(ctx, dbserver.Options{Install: install, TLS: true, Settings: logged()})
	if err != nil {
		return nil, err
	}
	s := &site{
		server: server,
		direct: place{port: server.Port(), ca: server.CAFile()},
		proxy: proxyOptions{
			binary:   h.binary,
			source:   side{server.Addr(), map[string]any{"mode": "verify-full", "ca": server.CAFile()}},
			accounts: []account{{smokeUser, smokeSecret, "scram"}},
		},
		reset: func(ctx context.Context) error { return remake(ctx, server, smokeUser, smokeUser) },
	}
	return s, server.Exec(ctx, dbserver.Superuser, "CREATE ROLE smoke LOGIN PASSWORD '"+smokeSecret+"'")
}

// equip looks for the clients and puts their scripts where they can be run.
func (h *harness) equip(ctx context.Context, clients []client) (string, error) {
	dir := filepath.Join(h.dir, "smoke")
	if _, err := os.Stat(dir); err == nil {
		return filepath.Join(dir, "smoke"), nil // another suite has
	}
	if err := os.CopyFS(dir, smokeScripts); err != nil {
		return "", fmt.Errorf("write the scripts: %w", err)
	}
	for _, c := range clients {
		if _, err := output(ctx, dir, c.probe[0], c.probe[1:]...); err != nil {
			return "", fmt.Errorf("find %s: run sh internal/setup/setup.sh conformance: %w", c.name, err)
		}
		if c.needsNode {
			if err := installNode(ctx, filepath.Join(dir, "smoke")); err != nil {
				return "", err
			}
		}
	}
	return filepath.Join(dir, "smoke"), nil
}

// smoking is the suite on its way.
type smoking struct {
	h       *harness
	site    *site
	scripts string // directory
	clients []client
}

func (s *smoking) run(ctx context.Context, r report) (_ report, err error) {
	s.h.talk("%s: %d clients, directly", r.Suite, len(s.clients))
	if r.Direct, err = s.all(ctx, s.site.direct); err != nil {
		return r, err
	}
	before, err := s.site.logs()
	if err != nil {
		return r, err
	}
	proxy, err := s.site.through(ctx, s.h.dir)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, proxy.stop()) }()
	s.h.talk("%s: the same through the proxy", r.Suite)
	if r.Proxied, err = s.all(ctx, proxy.place); err != nil {
		return r, err
	}
	r.Evidence, err = s.site.evidence(before, proxy)
	r.Differences, r.Allowed, r.Idle = sift(r.Suite, compare(r.Direct, r.Proxied), s.h.allowed)
	return r, err
}

func (s *smoking) all(ctx context.Context, at place) (results, error) {
	found := results{}
	for _, c := range s.clients {
		if err := s.site.reset(ctx); err != nil {
			return nil, err
		}
		printed, ended, err := s.one(ctx, c, at)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
		maps.Copy(found, sections(c, printed, ended))
	}
	return found, nil
}

// clientLimit bounds one client.
const clientLimit = 2 * time.Minute

// one runs a client and returns what it printed, both streams in one.
func (s *smoking) one(ctx context.Context, c client, at place) (string, int, error) {
	ctx, cancel := context.WithTimeout(ctx, clientLimit)
	defer cancel()
	cmd := command(ctx, s.scripts, c.command[0], c.command[1:]...)
	cmd.Env = append(cmd.Env, smokeEnv(at)...)
	cmd.Env = append(cmd.Env, c.env...)
	var printed strings.Builder
	cmd.Stdout, cmd.Stderr = &printed, &printed
	if err := cmd.Start(); err != nil {
		return "", 0, fmt.Errorf("start: %w", err)
	}
	if c.interrupt {
		if err := s.interrupt(ctx, cmd); err != nil {
			return "", 0, errors.Join(err, cmd.Cancel(), cmd.Wait())
		}
	}
	err := cmd.Wait()
	raw := filepath.Join(s.scripts, fmt.Sprintf("%s.%d.out", c.name, at.port))
	if err := os.WriteFile(raw, []byte(printed.String()), 0o600); err != nil {
		return "", 0, fmt.Errorf("keep the output: %w", err)
	}
	var exit *exec.ExitError
	if ctx.Err() != nil || (err != nil && !errors.As(err, &exit)) {
		return "", 0, errors.Join(err, context.Cause(ctx))
	}
	return printed.String(), cmd.ProcessState.ExitCode(), nil
}

// asleep counts the sessions that wait for a cancel request.
const asleep = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'smoke' AND state = 'active' AND query LIKE '%pg_sleep%'"

// interrupt presses Ctrl-C once the client's statement runs.
func (s *smoking) interrupt(ctx context.Context, cmd *exec.Cmd) error {
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for range look.C {
		n, err := s.site.server.Query(ctx, dbserver.Superuser, asleep)
		if err != nil {
			return err
		}
		if n == "1" {
			return cmd.Process.Signal(syscall.SIGINT)
		}
	}
	return nil
}

func smokeEnv(at place) []string {
	return []string{
		"PGHOST=localhost", "PGPORT=" + strconv.Itoa(at.port), "PGUSER=" + smokeUser, "PGPASSWORD=" + smokeSecret,
		"PGDATABASE=" + smokeUser, "PGSSLMODE=verify-full", "PGSSLROOTCERT=" + at.ca, "PGTZ=UTC", "LC_ALL=C.UTF-8",
	}
}

// sections splits what a client printed at its lines "== name", without its
// volatile parts. The end of the client is a section of its own.
func sections(c client, printed string, ended int) results {
	found := results{}
	name, text := "(start)", ""
	keep := func(how outcome) {
		found[test{Package: c.name, Name: name}] = result{how, c.steady(text)}
	}
	for line := range strings.Lines(printed) {
		if next, ok := strings.CutPrefix(line, "== "); ok {
			keep(passed)
			name, text = strings.TrimSpace(next), ""
			continue
		}
		text += line
	}
	keep(passed)
	name, text = "(end)", "exit status "+strconv.Itoa(ended)
	if ended == c.ends {
		keep(passed)
	} else {
		keep(failed)
	}
	return found
}
