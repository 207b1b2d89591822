package drivers

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/crossfade-db/crossfade/internal/dbserver"
)

var (
	//go:embed schema/source.sql
	sourceSchema string
	//go:embed schema/target.sql
	targetSchema string
	//go:embed schema/rows.sql
	rows string
)

// Database and User are what the scripts connect to, and as whom. The user may
// log in with Secret, and is no superuser.
const (
	Database = "shop"
	User     = "app"
	Secret   = "a secret of the drivers"
)

// Prepare makes the types, tables and rows on both servers of a pair.
func Prepare(ctx context.Context, pair dbserver.Pair) error {
	if err := prepareSide(ctx, pair.Source, sourceSchema); err != nil {
		return fmt.Errorf("prepare the source: %w", err)
	}
	if err := prepareSide(ctx, pair.Target, targetSchema); err != nil {
		return fmt.Errorf("prepare the target: %w", err)
	}
	return nil
}

func prepareSide(ctx context.Context, server *dbserver.Postgres, schema string) error {
	for _, sql := range []string{
		"CREATE ROLE " + User + " LOGIN PASSWORD '" + Secret + "'",
		"CREATE DATABASE " + Database,
	} {
		if err := server.Exec(ctx, dbserver.Superuser, sql); err != nil {
			return err
		}
	}
	for _, sql := range []string{schema, rows, "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO " + User} {
		if err := server.Exec(ctx, Database, sql); err != nil {
			return err
		}
	}
	return nil
}
