package main

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

const (
	familyParents = 15
	familyCodes   = 20
	familySlots   = 30
)

// familyAct writes rows that refer to each other, and whose second unique key
// moves from row to row.
func familyAct(ctx context.Context, s *session) error {
	parent := 1 + s.random.IntN(familyParents)
	var err error
	switch s.random.IntN(8) {
	case 0:
		_, err = s.exec(ctx, "INSERT INTO parents (id, code, v) VALUES ($1, $2, 0) ON CONFLICT (id) DO UPDATE SET v = parents.v + 1", parent, s.code())
	case 1, 2:
		_, err = s.transact(ctx, func(tx pgx.Tx) error { return s.addChild(ctx, tx, parent) })
	case 3:
		_, err = s.transact(ctx, func(tx pgx.Tx) error { return endFamily(ctx, tx, parent) })
	case 4:
		_, err = s.exec(ctx, "UPDATE parents SET code = $2 WHERE id = $1 AND NOT EXISTS (SELECT FROM parents p WHERE p.code = $2)", parent, s.code())
	case 5:
		_, err = s.exec(ctx, "UPDATE children SET slot = NULL, n = n + 1 WHERE slot = $1", s.slot())
	case 6:
		_, err = s.transact(ctx, func(tx pgx.Tx) error { return s.swapSlots(ctx, tx) })
	default:
		_, err = s.exec(ctx, "UPDATE children SET n = n + 1 WHERE parent = $1", parent)
	}
	return err
}

func (s *session) code() string { return fmt.Sprintf("code-%d", 1+s.random.IntN(familyCodes)) }
func (s *session) slot() string { return fmt.Sprintf("slot-%d", 1+s.random.IntN(familySlots)) }

// addChild makes a child, and its parent where there is none.
func (s *session) addChild(ctx context.Context, tx pgx.Tx, parent int) error {
	if _, err := tx.Exec(ctx, "INSERT INTO parents (id, code) VALUES ($1, $2) ON CONFLICT DO NOTHING", parent, s.code()); err != nil {
		return err
	}
	const child = "INSERT INTO children (parent, slot) SELECT p.id, $2 FROM parents p WHERE p.id = $1 ON CONFLICT (slot) DO UPDATE SET n = children.n + 1"
	if _, err := tx.Exec(ctx, child, parent, s.slot()); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, "UPDATE parents SET v = v + 1 WHERE id = $1", parent)
	return err
}

func endFamily(ctx context.Context, tx pgx.Tx, parent int) error {
	if _, err := tx.Exec(ctx, "DELETE FROM children WHERE parent = $1", parent); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, "DELETE FROM parents WHERE id = $1 AND NOT EXISTS (SELECT FROM children c WHERE c.parent = $1)", parent)
	return err
}

// swapSlots gives each of two children the other's unique value.
func (s *session) swapSlots(ctx context.Context, tx pgx.Tx) error {
	a, b := s.slot(), s.slot()
	var one, other int64
	err := tx.QueryRow(ctx, "SELECT a.id, b.id FROM children a, children b WHERE a.slot = $1 AND b.slot = $2 AND a.id < b.id FOR UPDATE", a, b).Scan(&one, &other)
	if err != nil {
		return errLeave // one of them is not there, or somebody has them
	}
	if _, err := tx.Exec(ctx, "UPDATE children SET slot = NULL WHERE id = $1", one); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "UPDATE children SET slot = $2 WHERE id = $1", other, a); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, "UPDATE children SET slot = $2 WHERE id = $1", one, b)
	return err
}
