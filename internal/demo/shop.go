package demo

import (
	"context"
	_ "embed"
	"fmt"
	"strings"

	"github.com/crossfade-db/crossfade/internal/dbserver"
	"github.com/crossfade-db/crossfade/router"
)

//go:embed shop.sql
var shopSQL string

// What shop.sql puts into the shop, as far as the load relies on it.
const (
	customers = 1000
	products  = 200
	paidOrder = 1 // an order that is paid
)

// openShop makes the role and the database shop on a server and fills it. The
// password is one of rand.Text, which needs no quoting.
func openShop(ctx context.Context, server *dbserver.Postgres, password string) error {
	for _, sql := range []string{
		"CREATE ROLE shop LOGIN PASSWORD '" + password + "'",
		"CREATE DATABASE shop OWNER shop",
	} {
		if err := server.Exec(ctx, "postgres", sql); err != nil {
			return fmt.Errorf("make the shop: %w", err)
		}
	}
	if err := server.Exec(ctx, "shop", shopSQL); err != nil {
		return fmt.Errorf("fill the shop: %w", err)
	}
	return nil
}

// countShop says in words what is in a shop.
func countShop(ctx context.Context, server *dbserver.Postgres) (string, error) {
	var words []string
	for _, table := range []string{"customers", "products", "orders", "order_items", "payments"} {
		count, err := server.Query(ctx, "shop", "SELECT count(*) FROM "+table)
		if err != nil {
			return "", fmt.Errorf("count %s: %w", table, err)
		}
		words = append(words, count+" "+table)
	}
	return strings.Join(words, ", "), nil
}

// books is what a server itself has of the shop.
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

func readBothBooks(ctx context.Context, servers dbserver.Pair) (both [router.Sides]books, err error) {
	for side := range both {
		if both[side], err = readBooks(ctx, serverAt(servers, router.Side(side))); err != nil {
			return both, fmt.Errorf("%s: %w", router.Side(side), err)
		}
	}
	return both, nil
}
