package demo

import (
	"context"
	_ "embed"
	"fmt"
	"strings"

	"github.com/crossfade-db/crossfade/internal/dbserver"
)

//go:embed shop.sql
var shopSQL string

// What shop.sql puts into the shop, as far as the load relies on it.
const (
	customers = 1000
	products  = 200
	paidOrder = 1 // an order that is paid
)

// openShop makes the role and the database shop on a server and fills it. It
// returns what is in it, in words. The password is one of rand.Text, which
// needs no quoting.
func openShop(ctx context.Context, server *dbserver.Postgres, password string) (string, error) {
	for _, sql := range []string{
		"CREATE ROLE shop LOGIN PASSWORD '" + password + "'",
		"CREATE DATABASE shop OWNER shop",
	} {
		if err := server.Exec(ctx, "postgres", sql); err != nil {
			return "", fmt.Errorf("make the shop: %w", err)
		}
	}
	if err := server.Exec(ctx, "shop", shopSQL); err != nil {
		return "", fmt.Errorf("fill the shop: %w", err)
	}
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

// books is what the server itself has: the shop's rows, and its statistics
// (manual, pg_stat_database), which count from the start of the server.
type books struct {
	orders    int64
	taken     int64 // sum of payments, in cents
	ordered   int64 // sum of the paid orders, in cents
	committed int64 // transactions
	read      int64 // rows
	written   int64 // rows
}

const rowsSQL = `SELECT concat_ws(' ',
	(SELECT count(*) FROM orders),
	(SELECT coalesce(sum(amount) * 100, 0)::bigint FROM payments),
	(SELECT coalesce(sum(total) * 100, 0)::bigint FROM orders WHERE state = 'paid'))`

const statisticsSQL = `SELECT concat_ws(' ', xact_commit, tup_returned, tup_inserted + tup_updated + tup_deleted)
	FROM pg_stat_database WHERE datname = 'shop'`

// readBooks asks the server, not the proxy.
func readBooks(ctx context.Context, server *dbserver.Postgres) (books, error) {
	var b books
	statistics, err := server.Query(ctx, "postgres", statisticsSQL)
	if err != nil {
		return b, fmt.Errorf("read the server's statistics: %w", err)
	}
	rows, err := server.Query(ctx, "shop", rowsSQL)
	if err != nil {
		return b, fmt.Errorf("add up the shop: %w", err)
	}
	_, err = fmt.Sscan(statistics+" "+rows, &b.committed, &b.read, &b.written, &b.orders, &b.taken, &b.ordered)
	if err != nil {
		return b, fmt.Errorf("read the server's figures: %w", err)
	}
	return b, nil
}

// present counts the sessions of the role shop at the server.
func present(ctx context.Context, server *dbserver.Postgres) (n int, err error) {
	text, err := server.Query(ctx, "postgres", "SELECT count(*) FROM pg_stat_activity WHERE usename = 'shop'")
	if err != nil {
		return 0, fmt.Errorf("count the server's sessions: %w", err)
	}
	_, err = fmt.Sscan(text, &n)
	return n, err
}

// awaitNobody waits until the sessions have gone from the server: with its end
// a session adds what it did to the server's statistics (manual, "The
// Cumulative Statistics System").
func awaitNobody(ctx context.Context, server *dbserver.Postgres) error {
	for {
		n, err := present(ctx, server)
		if err != nil || n == 0 {
			return err
		}
		if err := pause(ctx, lookAgain); err != nil {
			return err
		}
	}
}
