// Package dbtest gives a test a real PostgreSQL server of its own.
//
//	server := dbtest.Postgres(t, dbserver.Options{})
//	conn, err := pgconn.Connect(t.Context(), server.SuperDSN("postgres"))
package dbtest

import (
	"context"
	"testing"

	"github.com/crossfade-db/crossfade/internal/dbserver"
)

// Postgres starts a server that ends with the test. Without a PostgreSQL on the
// machine the test fails, and names the command to run: a test that was skipped
// has shown nothing.
func Postgres(t testing.TB, options dbserver.Options) *dbserver.Postgres {
	t.Helper()
	server, err := dbserver.Start(t.Context(), options)
	if err != nil {
		t.Fatalf("start a PostgreSQL for the test: %v", err)
	}
	t.Cleanup(func() {
		if err := server.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("stop the test's PostgreSQL: %v", err)
		}
	})
	return server
}
