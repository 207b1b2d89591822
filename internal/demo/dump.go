package demo

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/crossfade-db/crossfade/internal/dbserver"
	"github.com/crossfade-db/crossfade/router"
)

// dumped is one table as each server itself writes it out in order, without the
// proxy and all that it knows.
type dumped struct {
	name string
	rows [router.Sides]int64
	sums [router.Sides]string // SHA-256 of the text
}

func (d *dumped) equal() bool {
	return d.rows[router.Source] == d.rows[router.Target] && d.sums[router.Source] == d.sums[router.Target] && d.sums[router.Source] != ""
}

// dump is one table to be written out, by a query of each side.
type dump struct {
	name string
	sql  [router.Sides]string
}

// dumps are written by hand: the target's payments are put together from two
// tables, and a row of either that has no other half is a row.
func dumps() []dump {
	both := func(sql string) [router.Sides]string { return [router.Sides]string{sql, sql} }
	return []dump{
		{"customers", both("SELECT id, email, name, city, created_at FROM customers ORDER BY id")},
		{"products", both("SELECT id, sku, name, price, stock FROM products ORDER BY id")},
		{"orders", both("SELECT id, customer_id, state, total, placed_at FROM orders ORDER BY id")},
		{"order_items", both("SELECT order_id, product_id, quantity, price FROM order_items ORDER BY order_id, product_id")},
		{"visits", both("SELECT browser, pages FROM visits ORDER BY browser")},
		{"payments", [router.Sides]string{
			router.Source: `SELECT id, order_id, amount, 'EUR', paid_at, id,
				CASE method WHEN 'c' THEN 'card' WHEN 'k' THEN 'cash' WHEN 'v' THEN 'voucher' END FROM payments ORDER BY id`,
			router.Target: `SELECT r.id, r.order_no, r.total, r.currency, r.taken_at, m.receipt_id, m.method
				FROM receipts r FULL JOIN receipt_methods m ON m.receipt_id = r.id ORDER BY coalesce(r.id, m.receipt_id)`,
		}},
	}
}

// dumpAll dumps each table on both sides.
func dumpAll(ctx context.Context, servers dbserver.Pair) ([]dumped, error) {
	tables := dumps()
	all := make([]dumped, len(tables))
	for side := range router.Sides {
		conn, err := pgconn.Connect(ctx, serverAt(servers, router.Side(side)).SuperDSN("shop"))
		if err != nil {
			return nil, fmt.Errorf("connect to the %s for a dump: %w", router.Side(side), err)
		}
		for i, table := range tables {
			all[i].name = table.name
			if all[i].rows[side], all[i].sums[side], err = dumpOne(ctx, conn, table.sql[side]); err != nil {
				break
			}
		}
		_ = conn.Close(ctx) // it has only read
		if err != nil {
			return nil, fmt.Errorf("dump the %s: %w", router.Side(side), err)
		}
	}
	return all, nil
}

// dumpOne writes the rows of a query out, in the same form on every server.
func dumpOne(ctx context.Context, conn *pgconn.PgConn, sql string) (rows int64, sum string, err error) {
	const form = "SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET client_encoding = 'UTF8'"
	if _, err := conn.Exec(ctx, form).ReadAll(); err != nil {
		return 0, "", err
	}
	hash := sha256.New()
	tag, err := conn.CopyTo(ctx, hash, "COPY ("+sql+") TO STDOUT")
	if err != nil {
		return 0, "", err
	}
	return tag.RowsAffected(), hex.EncodeToString(hash.Sum(nil)), nil
}
