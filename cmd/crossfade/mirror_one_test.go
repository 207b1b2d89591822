package main

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

var (
	oneShapes = []string{
		"CREATE TABLE orders (id bigserial PRIMARY KEY, customer int NOT NULL, state text DEFAULT 'new')",
		"INSERT INTO orders (customer) SELECT g % 100 FROM generate_series(1, 5000) g",
		"CREATE TABLE orders_v2 (id bigint PRIMARY KEY, customer_id bigint NOT NULL, status text NOT NULL)",
		"CREATE TABLE notes (id int PRIMARY KEY)",
	}
	oneMapping = `[{source: public.orders, target: public.orders_v2, columns: [
		{source: customer, target: customer_id, up: "customer::bigint"}, {source: state, target: status, values: {new: pending, done: delivered}, else: same}]}]`
	oneSource, oneTarget = "SELECT id, customer AS c, CASE state WHEN 'new' THEN 'pending' WHEN 'done' THEN 'delivered' ELSE state END FROM orders", "SELECT id, customer_id AS c, status FROM orders_v2"
)

// TestBothShapesInOneDatabaseBecomeEqualUnderLoad: the worker fills the new table
// while the old one is written, at share 100 too.
func TestBothShapesInOneDatabaseBecomeEqualUnderLoad(t *testing.T) {
	d := newShapes(t, oneShapes, oneMapping, "")
	t.Setenv("APP_PASSWORD", "app")
	t.Setenv("SERVICE_PASSWORD", "service")
	var out, talk strings.Builder
	if code := run(t.Context(), []string{"check", "--mapping", "-c", d.file}, &out, &talk); code != 0 {
		t.Errorf("check: exit %d\n%s%s", code, out.String(), talk.String())
	}
	if !strings.Contains(out.String(), "both shapes of a row are committed at once") {
		t.Errorf("check says\n%s", out.String())
	}
	d.run(t, "phase", "set", "mirror", "--reason", "test")
	conn := d.connect(t)
	work := func(from int) {
		t.Helper()
		for i := range 150 {
			tx, err := conn.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for sql, arg := range map[string]any{
				"UPDATE orders SET state = 'done' WHERE id = $1": i*31 + from, "INSERT INTO orders (customer) VALUES ($1)": i, "DELETE FROM orders WHERE id = $1": i*29 + from,
			} {
				if _, err := tx.Exec(t.Context(), sql, arg); err != nil {
					t.Fatal(sql, err)
				}
			}
			if i%5 == 0 {
				err = tx.Rollback(t.Context())
			} else {
				err = tx.Commit(t.Context())
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	work(1)
	d.run(t, "reconcile", "run", "--wait", "--reason", "test")
	d.equal(t, oneSource, oneTarget)
	d.run(t, "phase", "set", "canary", "--reason", "test")
	d.run(t, "canary", "set", "100", "--reason", "test")
	work(7)
	d.equal(t, oneSource, oneTarget)
	if _, err := conn.Exec(t.Context(), "INSERT INTO notes VALUES (1)"); err != nil {
		t.Error("a table that is not mapped:", err)
	}
	if got := d.run(t, "dirty", "list"); strings.Contains(got, "orders") {
		t.Errorf("dirty:\n%s", got)
	}
}

// TestAKilledProxyLeavesBothShapesEqual: what it was about to commit is on both
// sides or on neither, and nothing has to be repaired.
func TestAKilledProxyLeavesBothShapesEqual(t *testing.T) {
	d := newShapes(t, oneShapes, oneMapping, "")
	d.run(t, "phase", "set", "mirror", "--reason", "test")
	d.run(t, "reconcile", "run", "--wait", "--reason", "test")
	conn := d.connect(t)
	done := make(chan struct{})
	began := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			if _, err := conn.Exec(context.Background(), "INSERT INTO orders (customer) VALUES ($1)", pgx.QueryExecModeExec, i); err != nil {
				return
			}
			if i == 50 {
				close(began)
			}
		}
	}()
	<-began
	d.kill()
	<-done
	d.equal(t, oneSource, oneTarget)
}
