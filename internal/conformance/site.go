package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/crossfade-db/crossfade/internal/dbserver"
)

// site is a server that is set up for a suite, and how to reach it.
type site struct {
	server *dbserver.Postgres // that the sessions are to be on
	unused *dbserver.Postgres // the source of a proxy whose sessions are at the target; nil where there is none
	direct place
	proxy  proxyOptions
	env    func(place) []string
	// reset makes the database anew.
	reset func(context.Context) error
}

func (s *site) stop(ctx context.Context) error {
	err := s.server.Stop(context.WithoutCancel(ctx))
	if s.unused != nil {
		err = errors.Join(err, s.unused.Stop(context.WithoutCancel(ctx)))
	}
	return err
}

// leave makes source the one that the proxy's sessions leave for s.
func (s *site) leave(source *site) {
	s.unused = source.server
	target := s.proxy.source
	s.proxy.source, s.proxy.target = source.proxy.source, &target
	s.proxy.canary = canary{writes: "target", keys: []string{"user"}}
}

// versions names the servers.
func (s *site) versions() string {
	if s.unused == nil {
		return s.server.Version().Text
	}
	return s.unused.Version().Text + " to " + s.server.Version().Text
}

// through starts the proxy; what it does with sessions is settled.
func (s *site) through(ctx context.Context, dir string) (*proxied, error) {
	p, err := startProxy(ctx, dir, s.proxy)
	if err != nil || s.proxy.target == nil {
		return p, err
	}
	if err := p.canaryOf(ctx, "100"); err != nil {
		return nil, errors.Join(err, p.stop())
	}
	return p, nil
}

// logs are what the servers have written.
type logs struct{ used, unused string }

func (s *site) logs() (l logs, err error) {
	if l.used, err = s.server.Log(); err != nil || s.unused == nil {
		return l, err
	}
	l.unused, err = s.unused.Log()
	return l, err
}

// evidence reads from the logs, since before, how the proxied run reached the
// server.
func (s *site) evidence(before logs, p *proxied) (evidence, error) {
	now, err := s.logs()
	if err != nil {
		return evidence{}, err
	}
	ports, err := p.backends()
	if err != nil {
		return evidence{}, err
	}
	e := judge(now.used[len(before.used):], ports)
	e.Elsewhere = judge(now.unused[len(before.unused):], nil).Strays
	return e, nil
}

// remake drops a database and makes it again with statements run in it.
func remake(ctx context.Context, server *dbserver.Postgres, database string, owner string, statements ...string) error {
	for _, sql := range []string{
		"DROP DATABASE IF EXISTS " + database + " WITH (FORCE)",
		"CREATE DATABASE " + database + " OWNER " + owner,
	} {
		if err := server.Exec(ctx, dbserver.Superuser, sql); err != nil {
			return err
		}
	}
	for _, sql := range statements {
		if err := server.Exec(ctx, database, sql); err != nil {
			return err
		}
	}
	return nil
}

// serveTLS has a running server present a certificate: PEM texts of the
// certificate, its key, and the authorities of client certificates.
func serveTLS(ctx context.Context, server *dbserver.Postgres, cert, key, clientCA []byte) error {
	data, err := server.Query(ctx, dbserver.Superuser, "SHOW data_directory")
	if err != nil {
		return err
	}
	for _, file := range []struct {
		setting, name string
		content       []byte
	}{{"ssl_cert_file", "suite.crt", cert}, {"ssl_key_file", "suite.key", key}, {"ssl_ca_file", "suite-ca.crt", clientCA}} {
		if err := give(data, file.name, file.content); err != nil {
			return err
		}
		if err := server.Exec(ctx, dbserver.Superuser, "ALTER SYSTEM SET "+file.setting+" = '"+file.name+"'"); err != nil {
			return err
		}
	}
	if err := server.Exec(ctx, dbserver.Superuser, "ALTER SYSTEM SET ssl = on"); err != nil {
		return err
	}
	return server.Restart(ctx)
}

// give stores a file in the data directory, for the owner of that.
func give(data, name string, content []byte) error {
	info, err := os.Stat(data)
	if err != nil {
		return fmt.Errorf("look at the data directory: %w", err)
	}
	path := filepath.Join(data, name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		return fmt.Errorf("write server file: %w", err)
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && os.Geteuid() == 0 {
		return os.Lchown(path, int(owner.Uid), int(owner.Gid))
	}
	return nil
}

// keyword is a connection string of keywords (manual, 34.1.1.1).
func keyword(pairs ...string) string {
	var words []string
	for i := 0; i < len(pairs); i += 2 {
		value := strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(pairs[i+1])
		words = append(words, pairs[i]+"='"+value+"'")
	}
	return strings.Join(words, " ")
}
