package schema

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"go.uber.org/goleak"

	"github.com/crossfade-db/crossfade/internal/dbserver"
	"github.com/crossfade-db/crossfade/internal/dbserver/dbtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// both starts the oldest and the newest version and has everything done on both.
func both(t *testing.T, each func(t *testing.T, server *dbserver.Postgres), statements ...string) {
	t.Helper()
	pair := dbtest.Pair(t, dbserver.Options{}, func(ctx context.Context, server *dbserver.Postgres) error {
		for _, sql := range statements {
			if err := server.Exec(ctx, "postgres", sql); err != nil {
				return err
			}
		}
		return nil
	})
	t.Run("source", func(t *testing.T) { each(t, pair.Source) })
	t.Run("target", func(t *testing.T) { each(t, pair.Target) })
}

func connect(t *testing.T, server *dbserver.Postgres, user, password string) *pgconn.PgConn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	conn, err := Connect(ctx, Side{
		Network: "tcp", Address: server.Addr(), Database: "postgres", User: user, Password: password, Application: "crossfade test",
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}
