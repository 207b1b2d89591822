package main

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
)

const (
	putSQL   = "INSERT INTO jobs (token, payload) VALUES ($1, $2)"
	lockSQL  = "SELECT id, token FROM jobs ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED"
	doneSQL  = "DELETE FROM jobs WHERE id = $1"
	takenSQL = "DELETE FROM jobs WHERE id = (SELECT id FROM jobs ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING token"
)

// queueAct puts a job into a queue or takes one: no key comes twice, so that
// nothing heals a delete that was lost.
func queueAct(ctx context.Context, s *session) error {
	switch s.random.IntN(4) {
	case 0, 1:
		token := s.token()
		how, err := s.exec(ctx, putSQL, token, s.label())
		s.crowd.tally.token("public.jobs", token, how)
		return err
	case 2:
		return s.takeJob(ctx)
	default:
		return s.takeAtOnce(ctx)
	}
}

// takeJob locks a job, works on it, and deletes it.
func (s *session) takeJob(ctx context.Context) error {
	var id int64
	var token string
	how, err := s.transact(ctx, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, lockSQL).Scan(&id, &token)
		if errors.Is(err, pgx.ErrNoRows) {
			return errLeave
		}
		if err != nil {
			return err
		}
		if s.random.IntN(3) == 0 {
			if _, err := tx.Exec(ctx, "UPDATE jobs SET payload = 'begun' WHERE id = $1", id); err != nil {
				return err
			}
		}
		_, err = tx.Exec(ctx, doneSQL, id)
		return err
	})
	if token != "" {
		s.crowd.tally.took("public.jobs", token, how)
	}
	return err
}

// takeAtOnce does it with one statement. Without its answer the token is not
// known; any job of the queue may be gone then.
func (s *session) takeAtOnce(ctx context.Context) error {
	var token string
	how, err := s.alone(ctx, func() error {
		err := s.conn.QueryRow(ctx, takenSQL).Scan(&token)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return err
	})
	if token != "" {
		s.crowd.tally.took("public.jobs", token, how)
	} else if how == unknown {
		s.crowd.tally.took("public.jobs", "", unknown)
	}
	return err
}
