package demo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// trouble is what came of the errors that were made on purpose.
type trouble struct {
	cancelled pgconn.PgError // the client's view of a query that it cancelled
	after     time.Duration  // from the request to cancel to the error
	refused   pgconn.PgError // the client's view of a second payment
	err       error          // what should not have happened
}

// The errors that are wanted (manual, appendix A), and the constraint's name.
const (
	queryCanceled   = "57014"
	uniqueViolation = "23505"
	paidOnce        = "payments_order_id_key"
)

// slowSQL takes half a minute. Its first row fills the server's buffer, and so
// shows the client that the query runs.
const slowSQL = `SELECT repeat('.', 16384), pg_sleep(0.1) FROM generate_series(1, 300)`

// makeTrouble makes both errors on one session, which has to survive them.
func makeTrouble(ctx context.Context, conn *pgx.Conn) (t trouble) {
	t.after, t.err = cancelSlow(ctx, conn, &t.cancelled)
	if t.err != nil {
		return t
	}
	_, err := conn.Exec(ctx, `INSERT INTO payments (order_id, amount, method) VALUES ($1, 1, 'c')`, paidOrder)
	if t.err = wanted(err, &t.refused); t.err != nil {
		t.err = fmt.Errorf("pay twice: %w", t.err)
		return t
	}
	if _, err := conn.Exec(ctx, "SELECT 1"); err != nil {
		t.err = fmt.Errorf("go on after two errors: %w", err)
	}
	return t
}

// cancelSlow begins a slow query and cancels it when its first row is there.
func cancelSlow(ctx context.Context, conn *pgx.Conn, seen *pgconn.PgError) (time.Duration, error) {
	rows, err := conn.Query(ctx, slowSQL)
	if err != nil {
		return 0, fmt.Errorf("begin a slow query: %w", err)
	}
	defer rows.Close()
	rows.Next()
	begin := time.Now()
	if err := conn.PgConn().CancelRequest(ctx); err != nil {
		return 0, fmt.Errorf("cancel a slow query: %w", err)
	}
	for rows.Next() {
		continue // rows that were on their way
	}
	if err := wanted(rows.Err(), seen); err != nil {
		return 0, fmt.Errorf("cancel a slow query: %w", err)
	}
	return time.Since(begin), nil
}

// wanted keeps an error of the server; anything else is not wanted.
func wanted(err error, seen *pgconn.PgError) error {
	var refusal *pgconn.PgError
	switch {
	case errors.As(err, &refusal):
		*seen = *refusal
		return nil
	case err != nil:
		return err
	default:
		return errors.New("the server did not refuse")
	}
}
