// Package dbtest gives a test real PostgreSQL servers of its own.
//
//	server := dbtest.Postgres(t, dbserver.Options{})
//	conn, err := pgconn.Connect(t.Context(), server.SuperDSN("postgres"))
//
// and, for a move, one old and one new with the same roles and databases:
//
//	pair := dbtest.Pair(t, dbserver.Options{}, func(ctx context.Context, server *dbserver.Postgres) error {
//		return server.Exec(ctx, "postgres", "CREATE ROLE app LOGIN PASSWORD 'app'")
//	})
//	dial(pair.Source.Addr(), pair.Target.Addr())
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

// Pair starts a source and a target (dbserver.StartPair) that end with the test.
// Where one of the two versions is missing, the test fails like that of Postgres.
func Pair(t testing.TB, options dbserver.Options, prepare dbserver.Prepare) dbserver.Pair {
	t.Helper()
	pair, err := dbserver.StartPair(t.Context(), options, prepare)
	if err != nil {
		t.Fatalf("start two PostgreSQL for the test: %v", err)
	}
	t.Cleanup(func() {
		if err := pair.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("stop the test's two PostgreSQL: %v", err)
		}
	})
	return pair
}

// Major is the newest installation of that major version; without one the test
// fails.
func Major(t testing.TB, major int) dbserver.Install {
	t.Helper()
	install, err := dbserver.FindMajor(major)
	if err != nil {
		t.Fatalf("find PostgreSQL %d for the test: %v", major, err)
	}
	return install
}
