package demo

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
)

// kind is a kind of work.
type kind uint8

const (
	placeOrder kind = iota
	payOrder
	browse
	makeReport
	exportStock
	kinds // how many there are
)

// works says what each kind of work is, and how much of 100 turns it gets;
// browsing gets the rest.
var works = [kinds]struct {
	name  string
	turns int
	do    func(*shopper, context.Context) error
}{
	placeOrder:  {"order", 30, (*shopper).placeOrder},
	payOrder:    {"pay", 25, (*shopper).payOrder},
	browse:      {"browse", 0, (*shopper).browse},
	makeReport:  {"report", 1, (*shopper).makeReport},
	exportStock: {"export", 1, (*shopper).exportStock},
}

// tillName is the application_name of the sessions that write, by which the
// configuration keeps them at the source.
const tillName = "shop-till"

// shopper is one session at a till with its own dice, and what it has done so
// far.
type shopper struct {
	desk
	conn   *pgx.Conn
	dice   *rand.Rand
	unpaid int64 // its last order, 0 when that is paid
	tally  tally
}

// turn does one piece of work and counts it.
func (s *shopper) turn(ctx context.Context) {
	k := s.choose()
	s.work(k, func() error { return works[k].do(s, ctx) })
}

// work does one piece of it and counts it.
func (s *shopper) work(k kind, do func() error) {
	s.during(func(at *span) {
		begin := time.Now()
		err := do()
		took := time.Since(begin)
		s.tally.add(k, took, err)
		at.worked(took)
		switch {
		case err != nil:
			at.fail(fmt.Errorf("%s, %s: %w", tillName, works[k].name, err))
		case k == placeOrder:
			at.ordered()
		}
	})
}

func (s *shopper) choose() kind {
	n := s.dice.IntN(100)
	for k := range kinds {
		if n >= works[k].turns {
			n -= works[k].turns
			continue
		}
		if k == payOrder && s.unpaid == 0 {
			return placeOrder
		}
		return k
	}
	return browse
}

// basket is an order's products and how many of each.
type basket struct{ products, quantities []int64 }

// apart keeps the products of a basket different: it has no divisor in common
// with their number.
const apart = 37

func (s *shopper) fill() basket {
	var b basket
	first := s.dice.Int64N(products)
	for i := range 1 + s.dice.Int64N(3) {
		b.products = append(b.products, 1+(first+i*apart)%products)
		b.quantities = append(b.quantities, 1+s.dice.Int64N(3))
	}
	return b
}

// Each order locks its products in the order of their keys, so that two orders
// never wait for each other. Customers hear of it by NOTIFY with the commit.
const (
	lockSQL  = `SELECT id FROM products WHERE id = ANY($1) ORDER BY id FOR UPDATE`
	orderSQL = `INSERT INTO orders (customer_id, total)
		SELECT $1, sum(p.price * b.quantity)
		FROM products p JOIN unnest($2::bigint[], $3::bigint[]) AS b (product_id, quantity) ON p.id = b.product_id
		RETURNING id`
	itemsSQL = `INSERT INTO order_items (order_id, product_id, quantity, price)
		SELECT $1, p.id, b.quantity, p.price
		FROM products p JOIN unnest($2::bigint[], $3::bigint[]) AS b (product_id, quantity) ON p.id = b.product_id`
	stockSQL = `UPDATE products p SET stock = stock - b.quantity
		FROM unnest($1::bigint[], $2::bigint[]) AS b (product_id, quantity) WHERE p.id = b.product_id`
	noticeSQL = `SELECT pg_notify('` + channel + `', $1::text)`
)

// placeOrder is a transaction over three tables; its last statements travel as
// one pipelined batch.
func (s *shopper) placeOrder(ctx context.Context) error { return s.order(ctx, s.fill()) }

func (s *shopper) order(ctx context.Context, b basket) error {
	var id int64
	err := pgx.BeginFunc(ctx, s.conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, lockSQL, b.products); err != nil {
			return err
		}
		err := tx.QueryRow(ctx, orderSQL, 1+s.dice.IntN(customers), b.products, b.quantities).Scan(&id)
		if err != nil {
			return err
		}
		var rest pgx.Batch
		rest.Queue(itemsSQL, id, b.products, b.quantities)
		rest.Queue(stockSQL, b.products, b.quantities)
		rest.Queue(noticeSQL, fmt.Sprint(id))
		return tx.SendBatch(ctx, &rest).Close()
	})
	if err == nil {
		s.unpaid = id
	}
	return err
}

const (
	paidSQL = `UPDATE orders SET state = 'paid' WHERE id = $1 AND state = 'new'
		RETURNING (total * 100)::bigint`
	paymentSQL = `INSERT INTO payments (order_id, amount, method) SELECT id, total, $2 FROM orders WHERE id = $1`
)

// methods of paying, as the source writes them: by card, in cash, by voucher.
var methods = []string{"c", "k", "v"}

// payOrder pays the session's last order.
func (s *shopper) payOrder(ctx context.Context) error {
	id := s.unpaid
	s.unpaid = 0
	var cents int64
	err := pgx.BeginFunc(ctx, s.conn, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, paidSQL, id).Scan(&cents); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, paymentSQL, id, methods[s.dice.IntN(len(methods))])
		return err
	})
	if err == nil {
		s.tally.cents += cents
	}
	return err
}

// page is how many products a page of the shop shows.
const page = 20

// browse looks at one page of products, with a prepared statement.
func (s *shopper) browse(ctx context.Context) error {
	const sql = `SELECT sku, name, price::text, stock FROM products WHERE id > $1 ORDER BY id LIMIT $2`
	rows, err := s.conn.Query(ctx, sql, s.dice.IntN(products-page), page)
	return countRows(rows, err, page)
}

// cities is how many there are in shop.sql.
const cities = 8

// makeReport adds up what was ordered, in the simple protocol.
func (s *shopper) makeReport(ctx context.Context) error {
	const sql = `SELECT c.city, count(*), sum(o.total)::text
		FROM orders o JOIN customers c ON c.id = o.customer_id GROUP BY c.city ORDER BY sum(o.total) DESC`
	rows, err := s.conn.Query(ctx, sql, pgx.QueryExecModeSimpleProtocol)
	return countRows(rows, err, cities)
}

func countRows(rows pgx.Rows, err error, want int) error {
	if err != nil {
		return err
	}
	n := 0
	for rows.Next() {
		n++
	}
	if rows.Err() == nil && n != want {
		return fmt.Errorf("%d rows, want %d", n, want)
	}
	return rows.Err()
}

// exportStock copies the products out as CSV, one line each.
func (s *shopper) exportStock(ctx context.Context) error {
	const sql = `COPY (SELECT sku, name, price, stock FROM products ORDER BY id) TO STDOUT WITH (FORMAT csv)`
	var text bytes.Buffer
	if _, err := s.conn.PgConn().CopyTo(ctx, &text, sql); err != nil {
		return err
	}
	if n := bytes.Count(text.Bytes(), []byte("\n")); n != products {
		return fmt.Errorf("%d lines, want %d", n, products)
	}
	return nil
}
