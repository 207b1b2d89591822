package main

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// config is for a login through the proxy with the real driver; options are more
// settings of its connection string.
func (c *child) config(user, password, options string) (*pgx.ConnConfig, error) {
	host, port, err := net.SplitHostPort(c.addr)
	if err != nil {
		return nil, err
	}
	config, err := pgx.ParseConfig("host=" + host + " port=" + port + " database=shop sslmode=disable " + options)
	if err != nil {
		return nil, err
	}
	config.User, config.Password = user, password
	return config, nil
}

func (c *child) dial(ctx context.Context, user, password, options string) (*pgx.Conn, error) {
	config, err := c.config(user, password, options)
	if err != nil {
		return nil, err
	}
	return pgx.ConnectConfig(ctx, config)
}

// connect is dial for those that must get in. The connection ends with the test.
func (c *child) connect(t testing.TB, user, password, options string) *pgx.Conn {
	t.Helper()
	conn, err := c.dial(t.Context(), user, password, options)
	if err != nil {
		t.Fatalf("log in as %s: %v\n%s", user, err, c.talk.String())
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// refused is the error of somebody who must not get in.
func (c *child) refused(t testing.TB, user, password, options string) error {
	t.Helper()
	conn, err := c.dial(t.Context(), user, password, options)
	if err == nil {
		_ = conn.Close(context.Background())
		t.Fatalf("%s got in", user)
	}
	return err
}

// mustExec runs a statement that must work.
func mustExec(t testing.TB, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// value is the one value that a statement gives.
func value[T any](t testing.TB, conn *pgx.Conn, sql string) (v T) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), sql).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// code is the SQLSTATE of an error that the driver returned, "" for none.
func code(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	return ""
}

// backends counts what the server has of sessions with an application_name.
func backends(t testing.TB, name string) string {
	t.Helper()
	n, err := postgres.Query(t.Context(), "postgres", "SELECT count(*) FROM pg_stat_activity WHERE application_name = '"+name+"'")
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// noBackends waits until the server has none of them.
func noBackends(t testing.TB, name string) {
	t.Helper()
	eventually(t, "the server has no session of "+name, func() bool { return backends(t, name) == "0" })
}
