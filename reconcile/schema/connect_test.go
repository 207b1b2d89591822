package schema

import (
	"context"
	"testing"
	"time"

	"github.com/crossfade-db/crossfade/internal/dbserver"
	"github.com/crossfade-db/crossfade/internal/dbserver/dbtest"
)

func TestAStatementWhoseContextEndsEndsItsConnectionAlone(t *testing.T) {
	server := dbtest.Postgres(t, dbserver.Options{})
	if err := server.Exec(t.Context(), "postgres", "CREATE ROLE reader LOGIN PASSWORD 'reader'"); err != nil {
		t.Fatal(err)
	}
	conn, err := Connect(t.Context(), Side{Network: "tcp", Address: server.Addr(), Database: "postgres", User: "reader", Password: "reader"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := conn.Exec(ctx, "SELECT pg_catalog.pg_sleep(30)").ReadAll(); err == nil {
		t.Error("the statement has ended by itself")
	}
	if !conn.IsClosed() {
		t.Error("the connection is open")
	}
	<-conn.CleanupDone()
}
