package main

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	stayKeys   = 10
	stayLonger = 60 * time.Millisecond
	poison     = 13 // what the target's table does not take
)

// stayAct writes what the target does not take, so that the mirror of the
// transaction fails, and goes on for a while: the worker may look at the rows
// meanwhile.
func stayAct(ctx context.Context, s *session) error {
	key := 1 + s.random.IntN(stayKeys)
	_, err := s.transact(ctx, func(tx pgx.Tx) error {
		if err := s.spoil(ctx, tx, key); err != nil {
			return err
		}
		pause(ctx, time.Duration(s.random.Int64N(int64(stayLonger))))
		return s.amend(ctx, tx, key)
	})
	return err
}

const upsertKept = "INSERT INTO kept (id, n) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET n = excluded.n, ver = kept.ver + 1"

// spoil makes the mirror fail, behind a savepoint now and then.
func (s *session) spoil(ctx context.Context, tx pgx.Tx, key int) error {
	if s.random.IntN(3) > 0 {
		_, err := tx.Exec(ctx, upsertKept, key, poison)
		return err
	}
	if _, err := tx.Exec(ctx, upsertKept, key, s.random.IntN(poison)); err != nil {
		return err
	}
	inner, err := tx.Begin(ctx)
	if err != nil {
		return err
	}
	if _, err := inner.Exec(ctx, upsertKept, key, poison); err != nil {
		return err
	}
	return inner.Rollback(ctx)
}

// amend leaves a row that the target takes, or none.
func (s *session) amend(ctx context.Context, tx pgx.Tx, key int) error {
	switch s.random.IntN(4) {
	case 0:
		_, err := tx.Exec(ctx, "DELETE FROM kept WHERE id = $1", key)
		return err
	case 1:
		return errLeave
	default:
		_, err := tx.Exec(ctx, "UPDATE kept SET n = $2, ver = ver + 1 WHERE id = $1", key, s.random.IntN(poison))
		return err
	}
}

// stallBegin asks for commits that wait for a standby, if there is to be one.
func stallBegin(ctx context.Context, s *session) error {
	_, err := s.conn.Exec(ctx, "SET synchronous_commit = on")
	return err
}

// stallAct writes rows whose commits may be stalled, and never one twice after
// it was deleted.
func stallAct(ctx context.Context, s *session) error {
	switch s.random.IntN(4) {
	case 0, 1:
		token := s.token()
		how, err := s.exec(ctx, "INSERT INTO stalls (token) VALUES ($1)", token)
		s.crowd.tally.token("public.stalls", token, how)
		return err
	case 2:
		_, err := s.exec(ctx, "UPDATE stalls SET n = n + 1 WHERE id = (SELECT max(id) FROM stalls)")
		return err
	default:
		var token string
		how, err := s.alone(ctx, func() error {
			const sql = "DELETE FROM stalls WHERE id = (SELECT min(id) FROM stalls) RETURNING token"
			if err := s.conn.QueryRow(ctx, sql).Scan(&token); err != nil && !errors.Is(err, pgx.ErrNoRows) {
				return err
			}
			return nil
		})
		switch {
		case token != "":
			s.crowd.tally.took("public.stalls", token, how)
		case how == unknown:
			s.crowd.tally.took("public.stalls", "", unknown)
		}
		return err
	}
}
