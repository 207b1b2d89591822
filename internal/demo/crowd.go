package demo

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/crossfade-db/crossfade/router"
)

const (
	tills    = 8
	browsers = 64
)

// place is where a load connects, and what tells the servers apart.
type place struct {
	dsn   string              // of the proxy
	sides map[int]router.Side // by the ports of the servers
}

// connect opens a session under a name of its own.
func (p place) connect(ctx context.Context, name string) (*pgx.Conn, error) {
	conn, err := pgx.Connect(ctx, p.dsn+"&application_name="+url.QueryEscape(name))
	if err != nil {
		return nil, fmt.Errorf("connect %s to the proxy: %w", name, err)
	}
	return conn, nil
}

// Streams of dice, apart for the two kinds of sessions.
const (
	tillDice = iota
	browserDice
)

// arrive connects the n-th shopper. The same n throws the same dice.
func (p place) arrive(ctx context.Context, n int) (*shopper, error) {
	conn, err := p.connect(ctx, tillName)
	if err != nil {
		return nil, err
	}
	return &shopper{conn: conn, dice: rand.New(rand.NewPCG(uint64(n), tillDice))}, nil
}

// come connects the browser of that number.
func (p place) come(ctx context.Context, number int) (*browser, error) {
	conn, err := p.connect(ctx, browserName(number))
	if err != nil {
		return nil, err
	}
	return &browser{number: number, conn: conn, dice: rand.New(rand.NewPCG(uint64(number), browserDice)), sides: p.sides}, nil
}

// crowd is every session of a load.
type crowd struct {
	shoppers          []*shopper
	browsers          []*browser
	listener, trouble *pgx.Conn
}

// gather connects all sessions, and those that are connected when it fails are
// for leave as well.
func gather(ctx context.Context, at place) (c crowd, err error) {
	for n := range tills {
		s, err := at.arrive(ctx, n)
		if err != nil {
			return c, err
		}
		c.shoppers = append(c.shoppers, s)
	}
	for n := range browsers {
		b, err := at.come(ctx, n+1)
		if err != nil {
			return c, err
		}
		c.browsers = append(c.browsers, b)
	}
	if c.trouble, err = at.connect(ctx, tillName); err != nil {
		return c, err
	}
	if c.listener, err = at.connect(ctx, tillName); err != nil {
		return c, err
	}
	if _, err := c.listener.Exec(ctx, "LISTEN "+channel); err != nil {
		return c, fmt.Errorf("listen for orders: %w", err)
	}
	return c, nil
}

// size is how many sessions there are.
func (c crowd) size() int { return len(c.shoppers) + len(c.browsers) + 2 }

// gone is how many sessions have lost their connection.
func (c crowd) gone() int {
	n := 0
	for _, conn := range c.conns() {
		if conn.IsClosed() {
			n++
		}
	}
	return n
}

func (c crowd) conns() []*pgx.Conn {
	var all []*pgx.Conn
	for _, s := range c.shoppers {
		all = append(all, s.conn)
	}
	for _, b := range c.browsers {
		all = append(all, b.conn)
	}
	for _, conn := range []*pgx.Conn{c.listener, c.trouble} {
		if conn != nil {
			all = append(all, conn)
		}
	}
	return all
}

// leave disconnects all, politely where the server still listens.
func (c crowd) leave() {
	for _, conn := range c.conns() {
		disconnect(conn)
	}
}

// goodbye bounds how long a session takes to end.
const goodbye = time.Second

func disconnect(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), goodbye)
	defer cancel()
	_ = conn.Close(ctx) // the connection is gone either way
}
