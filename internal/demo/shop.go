package demo

import (
	"context"
	_ "embed"
	"fmt"
	"strconv"
	"strings"

	"github.com/crossfade-db/crossfade/internal/dbserver"
	"github.com/crossfade-db/crossfade/router"
)

// The two shapes of the shop.
var (
	//go:embed shop.sql
	sourceSQL string
	//go:embed shop_target.sql
	targetSQL string
)

// What shop.sql puts into the shop, as far as the load relies on it.
const (
	customers = 5000
	products  = 200
	paidOrder = 1 // an order that is paid
)

// serviceName is the role of the proxy's own logins.
const serviceName = "crossfade"

// secrets are the passwords of the servers' roles, of rand.Text, which needs no
// quoting.
type secrets struct{ shop, service string }

// openShop makes the roles and the database shop on a server, and its tables: at
// the source with what is in them, at the target empty. The service login reads
// and writes as the shop does, sees the transactions of others, and may make the
// fence.
func openShop(ctx context.Context, server *dbserver.Postgres, s secrets) error {
	for _, sql := range []string{
		"CREATE ROLE shop LOGIN PASSWORD '" + s.shop + "'",
		"CREATE ROLE " + serviceName + " LOGIN PASSWORD '" + s.service + "' IN ROLE shop, pg_monitor",
		"CREATE DATABASE shop OWNER shop",
		"GRANT CREATE ON DATABASE shop TO " + serviceName,
	} {
		if err := server.Exec(ctx, "postgres", sql); err != nil {
			return fmt.Errorf("make the shop: %w", err)
		}
	}
	shape := sourceSQL
	if server.Version().Major == dbserver.TargetMajor {
		shape = targetSQL
	}
	if err := server.Exec(ctx, "shop", shape); err != nil {
		return fmt.Errorf("fill the shop: %w", err)
	}
	return nil
}

// The tables of the shop, as each side names them.
var tablesOf = [router.Sides][]string{
	router.Source: {"customers", "products", "orders", "order_items", "payments", "visits"},
	router.Target: {"customers", "products", "orders", "order_items", "receipts", "receipt_methods", "visits"},
}

// countShop says in words what is in a shop, and how many rows that are.
func countShop(ctx context.Context, servers dbserver.Pair, side router.Side) (words string, rows int64, err error) {
	var parts []string
	for _, table := range tablesOf[side] {
		text, err := serverAt(servers, side).Query(ctx, "shop", "SELECT count(*) FROM "+table)
		if err != nil {
			return "", 0, fmt.Errorf("count %s: %w", table, err)
		}
		count, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return "", 0, fmt.Errorf("count %s: %w", table, err)
		}
		parts, rows = append(parts, grouped(count)+" "+table), rows+count
	}
	return strings.Join(parts, ", "), rows, nil
}

// books is what the source itself has of the shop.
type books struct {
	orders  int64
	taken   int64 // sum of payments, in cents
	ordered int64 // sum of the paid orders, in cents
}

const rowsSQL = `SELECT concat_ws(' ',
	(SELECT count(*) FROM orders),
	(SELECT coalesce(sum(amount) * 100, 0)::bigint FROM payments),
	(SELECT coalesce(sum(total) * 100, 0)::bigint FROM orders WHERE state = 'paid'))`

// readBooks asks a server, not the proxy.
func readBooks(ctx context.Context, server *dbserver.Postgres) (books, error) {
	var b books
	rows, err := server.Query(ctx, "shop", rowsSQL)
	if err != nil {
		return b, fmt.Errorf("add up the shop: %w", err)
	}
	if _, err = fmt.Sscan(rows, &b.orders, &b.taken, &b.ordered); err != nil {
		return b, fmt.Errorf("read the shop's books: %w", err)
	}
	return b, nil
}
