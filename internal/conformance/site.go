package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/crossfade-db/crossfade/internal/dbserver"
)

// site is a server that is set up for a suite, and how to reach it.
type site struct {
	server *dbserver.Postgres
	direct place
	proxy  proxyOptions
	env    func(place) []string
	// reset makes the database anew.
	reset func(context.Context) error
}

func (s *site) stop(ctx context.Context) error {
	return s.server.Stop(context.WithoutCancel(ctx))
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
