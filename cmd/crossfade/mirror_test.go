package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/crossfade-db/crossfade/internal/dbserver"
	"github.com/crossfade-db/crossfade/internal/dbserver/dbtest"
)

// duplex is a running proxy that mirrors a database of a pair.
type duplex struct {
	*child
	pair dbserver.Pair
	file string
	dir  string
}

const duplexSecrets = "APP_PASSWORD=app SERVICE_PASSWORD=service"

func duplexRoles(ctx context.Context, s *dbserver.Postgres) error {
	for _, sql := range []string{
		"CREATE ROLE app LOGIN PASSWORD 'app'", "CREATE ROLE service LOGIN SUPERUSER PASSWORD 'service'", "CREATE DATABASE shop OWNER app",
	} {
		if err := s.Exec(ctx, "postgres", sql); err != nil {
			return err
		}
	}
	return nil
}

// newDuplex starts two servers with the statements on them, and the proxy.
func newDuplex(t *testing.T, source, target []string, migration, more string) *duplex {
	t.Helper()
	pair := dbtest.Pair(t, dbserver.Options{}, duplexRoles)
	stock(t, pair.Source, source)
	stock(t, pair.Target, target)
	return serveDuplex(t, pair, migration, more)
}

// newShapes is one database with both shapes, and the proxy between them.
func newShapes(t *testing.T, statements []string, migration, more string) *duplex {
	t.Helper()
	server := dbtest.Postgres(t, dbserver.Options{})
	if err := duplexRoles(t.Context(), server); err != nil {
		t.Fatal(err)
	}
	stock(t, server, statements)
	return serveDuplex(t, dbserver.Pair{Source: server, Target: server}, migration, more)
}

// stock runs statements in the database of the proxy.
func stock(t *testing.T, s *dbserver.Postgres, statements []string) {
	t.Helper()
	for _, sql := range append(statements, "GRANT ALL ON SCHEMA public TO app", "GRANT ALL ON ALL TABLES IN SCHEMA public TO app", "GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO app") {
		if err := s.Exec(t.Context(), "shop", sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

func serveDuplex(t *testing.T, pair dbserver.Pair, migration, more string) *duplex {
	t.Helper()
	d := &duplex{pair: pair, dir: t.TempDir()}
	d.file = filepath.Join(d.dir, "crossfade.yaml")
	text := fmt.Sprintf(`
listeners: [{name: app, address: 127.0.0.1:0}]
admin: {address: 127.0.0.1:0}
source: {address: %s, database: shop, service: {user: service, password: "env:SERVICE_PASSWORD"}}
target: {address: %s, database: shop, service: {user: service, password: "env:SERVICE_PASSWORD"}}
users: [{name: app, password: "env:APP_PASSWORD"}]
state: {dir: %s}
migration: {name: test, tables: %s}
%s
`, pair.Source.Addr(), pair.Target.Addr(), filepath.Join(d.dir, "var"), migration, more)
	if err := os.WriteFile(d.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	d.child = serveFile(t, d.file, strings.Fields(duplexSecrets)...)
	return d
}

// run runs a command of the CLI and gives what it prints.
func (d *duplex) run(t *testing.T, args ...string) string {
	t.Helper()
	var out, talk strings.Builder
	args = append(args, "--admin", "http://"+d.admin, "--token", d.token(t))
	if code := run(t.Context(), args, &out, &talk); code != 0 {
		t.Fatalf("crossfade %v: exit %d\n%s%s\nthe proxy says:\n%s", args, code, out.String(), talk.String(), d.talk.String())
	}
	return out.String()
}

func (d *duplex) token(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(d.dir, "var", "admin.token"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

func (d *duplex) connect(t *testing.T) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), "postgres://app:app@"+d.addr+"/shop?sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// equal compares tables by an ordered dump of each side.
func (d *duplex) equal(t *testing.T, source, target string) {
	t.Helper()
	left, err := d.pair.Source.Query(t.Context(), "shop", "SELECT coalesce(string_agg(x::text, E'\n' ORDER BY x::text), '') FROM ("+source+") x")
	if err != nil {
		t.Fatal(err)
	}
	right, err := d.pair.Target.Query(t.Context(), "shop", "SELECT coalesce(string_agg(x::text, E'\n' ORDER BY x::text), '') FROM ("+target+") x")
	if err != nil {
		t.Fatal(err)
	}
	if left != right {
		t.Errorf("the sides differ:\n%.2000s\n\n%.2000s\nthe proxy says:\n%s", left, right, d.talk.String())
	}
}

func TestATargetThatBeginsEmptyBecomesEqualUnderLoad(t *testing.T) {
	d := newDuplex(t,
		[]string{
			"CREATE TABLE orders (id bigserial PRIMARY KEY, customer int NOT NULL, amount int NOT NULL, state text DEFAULT 'new')",
			"CREATE TABLE people (id int PRIMARY KEY, name text)",
			"INSERT INTO orders (customer, amount) SELECT g % 100, g FROM generate_series(1, 20000) g",
			"INSERT INTO people SELECT g, 'p' || g FROM generate_series(1, 1000) g",
		},
		[]string{
			"CREATE TABLE orders_v2 (id bigint PRIMARY KEY, customer_id int NOT NULL, total numeric(12,2) NOT NULL, status text, extra jsonb NOT NULL DEFAULT '{}')",
			"CREATE TABLE people (id int PRIMARY KEY, name text)",
		},
		`[{source: public.orders, target: public.orders_v2, columns: [{source: customer, target: customer_id},
			{source: amount, target: total, up: "amount::numeric(12,2)"}, {source: state, target: status, values: {new: pending, done: delivered}, else: same}]}]`, "")
	d.run(t, "phase", "set", "mirror", "--reason", "test")
	conn := d.connect(t)
	for i := range 200 {
		if _, err := conn.Exec(t.Context(), "UPDATE orders SET state = 'done', amount = amount + 1 WHERE id = $1", i*37+1); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Exec(t.Context(), "INSERT INTO orders (customer, amount) VALUES ($1, 5)", i); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Exec(t.Context(), "DELETE FROM people WHERE id = $1", i*3); err != nil {
			t.Fatal(err)
		}
	}
	d.run(t, "reconcile", "run", "--wait", "--reason", "test")
	d.equal(t, "SELECT id, customer, amount::numeric(12,2), CASE state WHEN 'new' THEN 'pending' WHEN 'done' THEN 'delivered' ELSE state END FROM orders",
		"SELECT id, customer_id, total, status FROM orders_v2")
	d.equal(t, "SELECT * FROM people", "SELECT * FROM people")
	var status struct {
		Phase string
		Dirty int
	}
	if err := json.Unmarshal([]byte(d.run(t, "status", "-o", "json")), &status); err != nil || status.Phase != "mirror" || status.Dirty != 0 {
		t.Errorf("status %+v, %v", status, err)
	}
}
