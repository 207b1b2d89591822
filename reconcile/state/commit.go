package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// head is the end of the chain.
type head struct {
	seq      uint64
	hash     string
	instance string
	runtime  Runtime
}

type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// readHead gives the end of the chain; ErrDamaged when the act that was written
// last is not there.
func (s *Store) readHead(ctx context.Context, q querier) (head, error) {
	var (
		h       head
		phase   sql.NullString
		version sql.NullInt64
		share   sql.NullInt64
	)
	row := q.QueryRowContext(ctx, `SELECT head.seq, head.hash, head.instance, version, phase, share
		FROM head LEFT JOIN acts ON acts.seq = head.seq AND acts.hash = head.hash`)
	err := row.Scan(&h.seq, &h.hash, &h.instance, &version, &phase, &share)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return head{}, fmt.Errorf("%s: the head of the chain is missing: %w", s.path, ErrDamaged)
	case err != nil:
		return head{}, s.explain("read", err)
	case h.seq == 0:
		h.runtime = Runtime{Phase: firstPhase}
	case !phase.Valid:
		return head{}, fmt.Errorf("%s: act %d, the last one written, is not there: %w", s.path, h.seq, ErrDamaged)
	default:
		h.runtime = Runtime{Version: uint64(version.Int64), Phase: phase.String, Share: uint16(share.Int64)}
	}
	return h, nil
}

// Runtime is what is in force.
func (s *Store) Runtime(ctx context.Context) (Runtime, error) {
	h, err := s.readHead(ctx, s.read)
	return h.runtime, err
}

// Commit puts a runtime in force by an act. Both are durable, in one
// transaction, when it returns; an error means that neither is there.
// next.Version must be one more than what is in force, else ErrStale. Where the
// act has no Before and no After, they are the two runtimes.
func (s *Store) Commit(ctx context.Context, next Runtime, act Act) (Record, error) {
	return s.append(ctx, func(now Runtime) (Runtime, Act, error) {
		if next.Version != now.Version+1 {
			return now, act, fmt.Errorf("version %d does not follow version %d: %w", next.Version, now.Version, ErrStale)
		}
		if next.Phase == "" {
			return now, act, errors.New("a runtime needs a phase")
		}
		act := act
		if act.Before == nil && act.After == nil {
			act.Before, act.After = now, next
		}
		return next, act, nil
	})
}

// Record writes an act that leaves the runtime as it is. It is durable when
// Record returns.
func (s *Store) Record(ctx context.Context, act Act) (Record, error) {
	return s.append(ctx, func(now Runtime) (Runtime, Act, error) { return now, act, nil })
}

// append writes one record; decide says, knowing what is in force, what will
// be.
func (s *Store) append(ctx context.Context, decide func(Runtime) (Runtime, Act, error)) (r Record, err error) {
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		last, err := s.readHead(ctx, tx)
		if err != nil {
			return err
		}
		runtime, act, err := decide(last.runtime)
		if err != nil {
			return err
		}
		if r, err = act.record(); err != nil {
			return err
		}
		r.Runtime, r.Seq, r.Prev, r.Instance = runtime, last.seq+1, last.hash, last.instance
		r.Time = s.now().UTC().Truncate(time.Microsecond)
		if err := r.seal(); err != nil {
			return err
		}
		return s.insert(ctx, tx, &r)
	})
	if err != nil {
		return Record{}, err
	}
	return r, nil
}

func (s *Store) insert(ctx context.Context, tx *sql.Tx, r *Record) error {
	_, err := tx.ExecContext(ctx, "INSERT INTO acts ("+columns+") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		r.Seq, r.Time.Format(time.RFC3339Nano), r.Actor, r.Door, r.Act, r.Object, string(r.Before), string(r.After),
		r.Reason, r.Result, r.Instance, r.Runtime.Version, r.Runtime.Phase, r.Runtime.Share, r.Prev, r.Hash)
	if err != nil {
		return s.explain("write", err)
	}
	if _, err = tx.ExecContext(ctx, "UPDATE head SET seq = ?, hash = ?", r.Seq, r.Hash); err != nil {
		return s.explain("write", err)
	}
	return nil
}
