package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
)

// checker looks at single rows of both sides while they are written, and asks of
// each difference that it is known to be dirty or under way (invariant I1). It
// shares nothing with the proxy but the question what is dirty.
type checker struct {
	stage  *stage
	random *rand.Rand
	sides  [2]*pgx.Conn
	counts [verdicts]int
	claims []string
}

// verdict is what became of one sample.
type verdict uint8

const (
	isEqual  verdict = iota
	isMoving         // the row was written meanwhile, and became equal or went on changing
	isDirty          // it is known that it may differ
	isHidden         // a side or the proxy could not be asked for long enough
	isWrong          // it differs, nobody writes it, and it is not dirty
	verdicts
)

const (
	looksMost   = 60
	stillLooks  = 4 // times that a difference has to be the same before it counts
	lookEvery   = 300 * time.Millisecond
	lookTime    = 2 * time.Second
	promptly    = 500 * time.Millisecond // a look that takes longer has met a fault
	sampleEvery = 20 * time.Millisecond
)

func newChecker(st *stage, seed uint64) *checker {
	return &checker{stage: st, random: rand.New(rand.NewPCG(seed, 99))}
}

// run samples until ctx ends.
func (c *checker) run(ctx context.Context) {
	defer c.close()
	for ctx.Err() == nil {
		t := tables[c.random.IntN(len(tables))]
		if key, ok := c.pick(ctx, t); ok {
			v, what := c.sample(ctx, t, key)
			if ctx.Err() != nil {
				return
			}
			c.counts[v]++
			if v == isWrong {
				c.claims = append(c.claims, what)
			}
		}
		pause(ctx, sampleEvery)
	}
}

func (c *checker) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	for i, conn := range c.sides {
		if conn != nil {
			_ = conn.Close(ctx)
			c.sides[i] = nil
		}
	}
}

// pick chooses a key. Planted rows are not for everybody, and tokens never
// change.
func (c *checker) pick(ctx context.Context, t mapped) (string, bool) {
	if t.name == "public.strays" || t.name == "public.transfers" {
		return "", false
	}
	if t.keys > 0 {
		return strconv.Itoa(1 + c.random.IntN(t.keys)), true
	}
	side := c.random.IntN(2)
	query := []string{t.source, t.target}[side]
	row, err := c.ask(ctx, side, "SELECT k::text FROM ("+query+") x OFFSET floor(random() * (SELECT count(*) FROM ("+query+") y)) LIMIT 1")
	return row, err == nil && row != ""
}

// ask gives the one text that a query gives; "": there is no row.
func (c *checker) ask(ctx context.Context, side int, sql string, args ...any) (text string, err error) {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	if conn := c.sides[side]; conn == nil || conn.IsClosed() {
		if c.sides[side], err = c.stage.look(ctx, c.stage.servers()[side]); err != nil {
			c.sides[side] = nil
			return "", err
		}
	}
	err = c.sides[side].QueryRow(ctx, sql, args...).Scan(&text)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	return text, err
}

// sight is a row on both sides at about the same time.
type sight [2]string

func (c *checker) look(ctx context.Context, t mapped, key string) (s sight, err error) {
	for side, query := range []string{t.source, t.target} {
		if s[side], err = c.ask(ctx, side, "SELECT x::text FROM ("+query+") x WHERE k::text = $1", key); err != nil {
			return s, err
		}
	}
	return s, nil
}

// sample looks at one row until there is a verdict. A difference is wrong when
// both rows have stood still for a while in which nothing was out of order and
// the proxy did not call it dirty: a commit that is under way would have arrived,
// and a newer one would have changed the row of the source.
func (c *checker) sample(ctx context.Context, t mapped, key string) (verdict, string) {
	var last sight
	still := 0
	for n := range looksMost {
		if n > 0 {
			pause(ctx, lookEvery)
		}
		began := time.Now()
		now, err := c.look(ctx, t, key)
		if err != nil {
			still = 0
			continue
		}
		if now[0] == now[1] {
			if n == 0 {
				return isEqual, ""
			}
			return isMoving, ""
		}
		known, err := c.known(ctx, t.name, key)
		switch {
		case err != nil || time.Since(began) > promptly:
			still = 0
			continue
		case known:
			return isDirty, ""
		case now != last:
			last, still = now, 1
			continue
		}
		if still++; still >= stillLooks {
			return isWrong, fmt.Sprintf("%s %s differs, stands still, and is not dirty: source %q, target %q", t.name, key, now[0], now[1])
		}
	}
	if still == 0 {
		return isHidden, ""
	}
	return isMoving, ""
}

// known says that the proxy calls a key dirty, or has more than it can list.
func (c *checker) known(ctx context.Context, table, key string) (bool, error) {
	b, err := c.stage.door.dirty(ctx, table, pageMost)
	if err != nil {
		return false, err
	}
	for _, item := range b.Items {
		if item.Range || keyText(item.Key) == key {
			return true, nil
		}
	}
	return len(b.Items) == pageMost, nil
}
