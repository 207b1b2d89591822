package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/crossfade-db/crossfade/internal/dbserver"
)

// What the tests of this package share: the program as it is shipped, and one
// real server for it to stand in front of.
var (
	program  string
	postgres *dbserver.Postgres
)

// Roles of the server, each with the way in which the server asks for proof.
const (
	appPassword    = "app's \"password\" ünd mehr"
	legacyPassword = "legacy-password" // asked for by md5
	plainPassword  = "plain-password"  // asked for in clear
)

var roles = []string{
	"CREATE ROLE app LOGIN PASSWORD '" + "app''s \"password\" ünd mehr" + "'",
	"CREATE ROLE other LOGIN PASSWORD 'other-password'",
	"SET password_encryption = md5; CREATE ROLE legacy LOGIN PASSWORD '" + legacyPassword + "'",
	"CREATE ROLE plain LOGIN PASSWORD '" + plainPassword + "'",
	"CREATE ROLE trusted LOGIN",
	"CREATE DATABASE shop",
}

// whoMayConnect are the lines of pg_hba.conf.
var whoMayConnect = []string{
	"host all trusted 127.0.0.1/32 trust",
	"host all legacy 127.0.0.1/32 md5",
	"host all plain 127.0.0.1/32 password",
	"host all all 127.0.0.1/32 scram-sha-256",
	"local all all scram-sha-256",
}

func TestMain(m *testing.M) {
	if os.Getenv(dummyVariable) != "" {
		os.Exit(serveDummy())
	}
	code, err := withWorld(m)
	if err == nil && code == 0 {
		err = goleak.Find()
	}
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// withWorld builds the program, starts the server and runs the tests.
func withWorld(m *testing.M) (code int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp("", "crossfade-binary-")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	program = filepath.Join(dir, "crossfade")
	if output, err := exec.CommandContext(ctx, "go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		return 1, fmt.Errorf("build the program: %w: %s", err, output)
	}
	postgres, err = dbserver.Start(ctx, dbserver.Options{TLS: true, HBA: whoMayConnect})
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, postgres.Stop(context.WithoutCancel(ctx))) }()
	for _, sql := range roles {
		if err := postgres.Exec(ctx, "postgres", sql); err != nil {
			return 1, err
		}
	}
	return m.Run(), nil
}
