package demo

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/crossfade-db/crossfade/router"
)

// browserName is the application_name of a browser, by which it is hashed.
func browserName(number int) string { return "shop-web-" + strconv.Itoa(number) }

// browser is one session that reads, and writes a row of its own. Every statement of its own asks the
// server, along with the rows, who it is.
type browser struct {
	desk
	number int
	conn   *pgx.Conn
	dice   *rand.Rand
	sides  map[int]router.Side // by the port that a server names
	visits int                 // that it has written
	lost   bool                // the connection; guarded by the desk
}

// look is a kind of reading.
type look struct {
	name   string
	turns  int  // of 100
	inside bool // a transaction, which is run again when its server is lost
	do     func(*browser, context.Context, *span) error
}

func looks() []look {
	return []look{
		{"page", 40, false, (*browser).readPage},
		{"order", 25, true, (*browser).readOrder},
		{"receipt", 10, false, (*browser).readReceipt},
		{"visit", 5, false, (*browser).writeAndRead},
		{"cities", 5, false, (*browser).readCities},
		{"snapshot", 3, true, (*browser).readSnapshot},
		{"local", 7, true, (*browser).readLocally},
		{"settings", 5, false, (*browser).changeSettings},
	}
}

// attempts is how often a transaction is begun before it counts as failed.
const attempts = 5

// turn does one piece of reading and counts it.
func (b *browser) turn(ctx context.Context) {
	l := b.choose()
	b.during(func(at *span) {
		defer func() { b.lost = b.conn.IsClosed() }()
		for attempt := 1; ; attempt++ {
			err := l.do(b, ctx, at)
			sqlstate, again := runAgain(err)
			switch {
			case err == nil:
				return
			case again && l.inside && attempt < attempts && !b.conn.IsClosed():
				at.interrupted(b.number, sqlstate)
			default:
				at.fail(fmt.Errorf("%s, %s: %w", browserName(b.number), l.name, err))
				return
			}
		}
	})
}

func (b *browser) choose() look {
	n := b.dice.IntN(100)
	for _, l := range looks() {
		if n < l.turns {
			return l
		}
		n -= l.turns
	}
	return looks()[0]
}

// question is a statement whose last column is the port of the server that
// answers, and what is expected.
type question struct {
	sql    string
	args   []any
	rows   int
	inside bool
	first  string // of the first row; "": anything
}

// asker is a connection or its transaction.
type asker interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// ask counts an answer for the server that gave it.
func (b *browser) ask(ctx context.Context, on asker, q question, at *span) error {
	begin := time.Now()
	side, err := b.tell(ctx, on, q)
	if err == nil {
		at.heard(answer{b.number, side, begin, time.Since(begin), q.inside})
	}
	return err
}

// tell says who answered.
func (b *browser) tell(ctx context.Context, on asker, q question) (router.Side, error) {
	rows, err := on.Query(ctx, q.sql, q.args...)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	n, port := 0, 0
	for ; rows.Next(); n++ {
		values, err := rows.Values()
		if err != nil {
			return 0, err
		}
		if port, err = strconv.Atoi(fmt.Sprint(values[len(values)-1])); err != nil {
			return 0, fmt.Errorf("read the port of the server: %w", err)
		}
		if first := fmt.Sprint(values[0]); n == 0 && q.first != "" && first != q.first {
			return 0, fmt.Errorf("the answer begins with %q, want %q", first, q.first)
		}
	}
	if rows.Err() != nil {
		return 0, rows.Err()
	}
	side, known := b.sides[port]
	switch {
	case n != q.rows:
		return 0, fmt.Errorf("%d rows, want %d", n, q.rows)
	case !known:
		return 0, fmt.Errorf("a server on port %d has answered, which is none of the two", port)
	}
	return side, nil
}

// Each reading names its server in the last column.
const (
	pageSQL   = `SELECT sku, name, price::text, stock, current_setting('port') FROM products WHERE id > $1 ORDER BY id LIMIT $2`
	orderOfID = `SELECT o.state, o.total::text, c.name, current_setting('port')
		FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.id = $1`
	itemsOfID = `SELECT count(*), sum(i.quantity * i.price)::text, current_setting('port') FROM order_items i WHERE i.order_id = $1`
	citiesSQL = `SELECT c.city, count(*), current_setting('port') FROM customers c GROUP BY c.city ORDER BY c.city`
	limitSQL  = `SELECT current_setting('statement_timeout'), current_setting('port')`
	receiptOf = `SELECT p.amount::text, p.method, current_setting('port') FROM payments p WHERE p.order_id = $1`
	memorySQL = `SELECT current_setting('work_mem'), current_setting('port')`
)

// thought is how long an application computes between the statements of a
// transaction, so that some are always open.
const thought = 20 * time.Millisecond

// loadedOrders is how many orders shop.sql makes; they are on both sides.
const loadedOrders = 12000

// readPage runs a prepared statement, made when the session began.
func (b *browser) readPage(ctx context.Context, at *span) error {
	return b.ask(ctx, b.conn, question{sql: pageSQL, args: []any{b.dice.IntN(products - page), page}, rows: page}, at)
}

// readOrder looks at an order and its items in one transaction.
func (b *browser) readOrder(ctx context.Context, at *span) error {
	id := 1 + b.dice.IntN(loadedOrders)
	return pgx.BeginFunc(ctx, b.conn, func(tx pgx.Tx) error {
		for i, sql := range []string{orderOfID, itemsOfID} {
			if err := pause(ctx, time.Duration(i)*thought); err != nil {
				return err
			}
			if err := b.ask(ctx, tx, question{sql: sql, args: []any{id}, rows: 1, inside: true}, at); err != nil {
				return err
			}
		}
		return nil
	})
}

// readReceipt reads the table whose shape differs: the source has to answer,
// whoever asks. Two loaded orders of three are paid.
func (b *browser) readReceipt(ctx context.Context, at *span) error {
	id := 1 + 3*b.dice.IntN(loadedOrders/3)
	side, err := b.tell(ctx, b.conn, question{sql: receiptOf, args: []any{id}, rows: 1})
	if err == nil {
		at.reshaped(side)
	}
	return err
}

// readCities uses the simple protocol.
func (b *browser) readCities(ctx context.Context, at *span) error {
	return b.ask(ctx, b.conn, question{sql: citiesSQL, args: []any{pgx.QueryExecModeSimpleProtocol}, rows: cities}, at)
}

// readSnapshot reads twice in one snapshot, which only one server can have. The
// source may answer it for any session, so it is counted by itself.
func (b *browser) readSnapshot(ctx context.Context, at *span) error {
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	return pgx.BeginTxFunc(ctx, b.conn, options, func(tx pgx.Tx) error {
		id := 1 + b.dice.IntN(loadedOrders)
		var sides [2]router.Side
		for i := range sides {
			var err error
			if sides[i], err = b.tell(ctx, tx, question{sql: orderOfID, args: []any{id}, rows: 1}); err != nil {
				return err
			}
		}
		if sides[0] != sides[1] {
			return fmt.Errorf("one snapshot was read at the %s and at the %s", sides[0], sides[1])
		}
		at.snapped(sides[0])
		return nil
	})
}

// readLocally has a setting for one transaction only.
func (b *browser) readLocally(ctx context.Context, at *span) error {
	return pgx.BeginFunc(ctx, b.conn, func(tx pgx.Tx) error {
		const memory = "7MB"
		if _, err := tx.Exec(ctx, "SET LOCAL work_mem = '"+memory+"'"); err != nil {
			return err
		}
		return b.ask(ctx, tx, question{sql: memorySQL, rows: 1, inside: true, first: memory}, at)
	})
}

// changeSettings changes a setting for the session and asks whoever answers next.
func (b *browser) changeSettings(ctx context.Context, at *span) error {
	limit := strconv.Itoa(20+b.dice.IntN(20)) + "s"
	if _, err := b.conn.Exec(ctx, "SET statement_timeout = '"+limit+"'"); err != nil {
		return err
	}
	return b.ask(ctx, b.conn, question{sql: limitSQL, rows: 1, first: limit}, at)
}
