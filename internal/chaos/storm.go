package main

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"
)

const stormKeys = 50

// stormAct writes few rows in every way, alone or several ways in one
// transaction.
func stormAct(ctx context.Context, s *session) error {
	if s.random.IntN(3) > 0 {
		sql, args := s.stormStatement()
		_, err := s.exec(ctx, sql, args...)
		return err
	}
	_, err := s.transact(ctx, func(tx pgx.Tx) error {
		for range 1 + s.random.IntN(3) {
			sql, args := s.stormStatement()
			if _, err := tx.Exec(ctx, sql, args...); err != nil {
				return err
			}
		}
		if s.random.IntN(15) == 0 {
			return errLeave
		}
		return nil
	})
	return err
}

// stormStatement is one statement with its arguments.
func (s *session) stormStatement() (string, []any) {
	key, writer := s.stormKey(), s.number
	few := s.fewKeys()
	switch s.random.IntN(10) {
	case 0, 1:
		return "INSERT INTO storm (id, writer, ver, amount) VALUES ($1, $2, 1, $3) ON CONFLICT (id) DO UPDATE SET writer = excluded.writer, ver = storm.ver + 1, amount = excluded.amount", []any{key, writer, s.random.IntN(1000)}
	case 2:
		return "INSERT INTO storm (id, writer, ver, label, amount) VALUES ($1, $2, 1, $3, 0) ON CONFLICT DO NOTHING", []any{key, writer, s.label()}
	case 3, 4:
		return "UPDATE storm SET writer = $2, ver = ver + 1, label = $3, state = 'done' WHERE id = $1", []any{key, writer, s.label()}
	case 5:
		return "DELETE FROM storm WHERE id = $1", []any{key}
	case 6:
		return "INSERT INTO storm (id, writer, ver, amount, state) SELECT g, $2, 1, g * 3, 'copied' FROM unnest($1::int[]) AS g ORDER BY g ON CONFLICT (id) DO UPDATE SET ver = storm.ver + 1, state = 'again', at = clock_timestamp()", []any{few, writer}
	case 7:
		return "INSERT INTO storm (id, writer, ver, amount) VALUES ($1, $4, 1, 1), ($2, $4, 1, 2), ($3, $4, 1, 3) ON CONFLICT (id) DO UPDATE SET ver = storm.ver + 2, writer = excluded.writer", []any{few[0], few[1], few[2], writer}
	case 8:
		return "UPDATE storm SET ver = ver + 1, amount = amount + 1, writer = $2 WHERE id = ANY($1::int[])", []any{few, writer}
	default:
		return "UPDATE storm SET id = $2, ver = ver + 1 WHERE id = $1 AND NOT EXISTS (SELECT FROM storm s WHERE s.id = $2)", []any{key, s.stormKey()}
	}
}

func (s *session) stormKey() int { return 1 + s.random.IntN(stormKeys) }

// fewKeys are three keys in their order.
func (s *session) fewKeys() []int {
	keys := s.random.Perm(stormKeys)[:3]
	for i := range keys {
		keys[i]++
	}
	slices.Sort(keys)
	return keys
}

// labels have what quoting and encodings are tried with.
var labels = []any{nil, "", "plain", "O'Reilly \\ \"quoted\"", "größer — 字", "a\tb\nc", "$1 ; -- no"}

func (s *session) label() any { return labels[s.random.IntN(len(labels))] }
