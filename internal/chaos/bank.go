package main

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

const (
	bankAccounts = 12
	bankOpening  = 1000 // of each account
)

const (
	takeSQL  = "UPDATE accounts SET balance = balance - $1, seq = seq + 1 WHERE id = $2"
	giveSQL  = "UPDATE accounts SET balance = balance + $1, seq = seq + 1 WHERE id = $2"
	tokenSQL = "INSERT INTO transfers (token, src, dst, amount) VALUES ($1, $2, $3, $4)"
)

// transfer moves money between two accounts. Both are locked in the order of
// their numbers, so that no two transfers wait for one another.
type transfer struct {
	token            string
	src, dst, amount int
}

func (s *session) newTransfer() transfer {
	t := transfer{s.token(), 1 + s.random.IntN(bankAccounts), 1 + s.random.IntN(bankAccounts), 1 + s.random.IntN(20)}
	if t.src == t.dst {
		t.dst = t.src%bankAccounts + 1
	}
	return t
}

type step struct {
	sql     string
	account int
}

func (t transfer) steps() [2]step {
	if t.dst < t.src {
		return [2]step{{giveSQL, t.dst}, {takeSQL, t.src}}
	}
	return [2]step{{takeSQL, t.src}, {giveSQL, t.dst}}
}

// bankAct makes one transfer, as a pipeline or statement by statement.
func bankAct(ctx context.Context, s *session) error {
	t := s.newTransfer()
	var how fate
	var err error
	if s.random.IntN(4) == 0 {
		how, err = s.alone(ctx, func() error { return s.pipeline(ctx, t) })
	} else {
		how, err = s.transact(ctx, func(tx pgx.Tx) error { return s.move(ctx, tx, t) })
	}
	s.crowd.tally.token("public.transfers", t.token, how)
	if how == acknowledged && s.random.IntN(5) == 0 {
		return s.readBack(ctx, t.token)
	}
	return err
}

// pipeline sends all of it at once, in one implicit transaction.
func (s *session) pipeline(ctx context.Context, t transfer) error {
	var b pgx.Batch
	for _, one := range t.steps() {
		b.Queue(one.sql, t.amount, one.account)
	}
	b.Queue(tokenSQL, t.token, t.src, t.dst, t.amount)
	return s.conn.SendBatch(ctx, &b).Close()
}

// move is the same in a transaction, with savepoints now and then.
func (s *session) move(ctx context.Context, tx pgx.Tx, t transfer) error {
	for _, one := range t.steps() {
		if _, err := tx.Exec(ctx, one.sql, t.amount, one.account); err != nil {
			return err
		}
	}
	if s.random.IntN(3) == 0 {
		if err := s.detour(ctx, tx, max(t.src, t.dst)); err != nil {
			return err
		}
	}
	if _, err := tx.Exec(ctx, tokenSQL, t.token, t.src, t.dst, t.amount); err != nil {
		return err
	}
	if s.random.IntN(20) == 0 {
		return errLeave
	}
	return nil
}

// detour changes an account behind a savepoint and takes that back, or keeps a
// change that changes nothing.
func (s *session) detour(ctx context.Context, tx pgx.Tx, account int) error {
	inner, err := tx.Begin(ctx)
	if err != nil {
		return err
	}
	back := s.random.IntN(2) == 0
	change := 0
	if back {
		change = 100_000
	}
	if _, err := inner.Exec(ctx, giveSQL, change, account); err != nil {
		return err
	}
	if back {
		return inner.Rollback(ctx)
	}
	return inner.Commit(ctx)
}

// readBack wants to see what the same session has committed.
func (s *session) readBack(ctx context.Context, token string) error {
	var n int
	if err := s.conn.QueryRow(ctx, "SELECT count(*) FROM transfers WHERE token = $1", token).Scan(&n); err != nil {
		return err
	}
	if n != 1 {
		s.crowd.tally.claim(fmt.Sprintf("session %d has committed %s and finds %d rows of it", s.number, token, n))
	}
	return nil
}
