package demo

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// The channel that orders are told on, and the word that ends the telling.
const (
	channel = "orders"
	closed  = "closed"
)

// listen counts the orders that an idle session is told of, until it is told
// that the shop has closed. Notices of one database arrive in the order of the
// commits (manual, NOTIFY), so that word is the last.
func listen(ctx context.Context, conn *pgx.Conn) (heard int, err error) {
	for {
		notice, err := conn.WaitForNotification(ctx)
		if err != nil {
			return heard, fmt.Errorf("listen for orders: %w", err)
		}
		if notice.Payload == closed {
			return heard, nil
		}
		heard++
	}
}

// closeShop tells the listening session that no order follows. When it cannot
// be told, it is stopped.
func closeShop(ctx context.Context, at place, stop func()) {
	conn, err := at.connect(ctx, tillName)
	if err != nil {
		stop()
		return
	}
	defer disconnect(conn)
	if _, err := conn.Exec(ctx, noticeSQL, closed); err != nil {
		stop()
	}
}
