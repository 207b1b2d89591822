package state

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
)

// Coverage is how often a statement was seen, and what was done with it. Skipped
// is how often it was not mirrored or not compared, by reason.
type Coverage struct {
	Digest   string            `json:"digest"`
	Kind     string            `json:"kind"`
	Tables   []string          `json:"tables"`
	Seen     uint64            `json:"seen"`
	Mirrored uint64            `json:"mirrored"`
	Compared uint64            `json:"compared"`
	Matched  uint64            `json:"matched"`
	Diverged uint64            `json:"diverged"`
	Skipped  map[string]uint64 `json:"skipped"`
}

// Other is the digest of all statements for which there was no room.
const Other = "other"

// digestsMost are kept one by one.
const digestsMost = 10_000

// AddCoverage adds counts to what is there, in one transaction. most bounds how
// many digests are kept, 0: 10,000; beyond, counts go to Other.
func (s *Store) AddCoverage(ctx context.Context, most int, more []Coverage) error {
	most = cmp.Or(max(most, 0), digestsMost)
	return s.inTx(ctx, func(tx *sql.Tx) error {
		var known int
		if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM coverage").Scan(&known); err != nil {
			return s.explain("read", err)
		}
		for i := range more {
			fresh, err := s.addCoverage(ctx, tx, more[i], known < most)
			if err != nil {
				return err
			}
			if fresh {
				known++
			}
		}
		return nil
	})
}

// addCoverage adds to one digest, and says that it was not known.
func (s *Store) addCoverage(ctx context.Context, tx *sql.Tx, c Coverage, room bool) (fresh bool, err error) {
	var skipped string
	err = tx.QueryRowContext(ctx, "SELECT skipped FROM coverage WHERE digest = ?", c.Digest).Scan(&skipped)
	switch {
	case errors.Is(err, sql.ErrNoRows) && !room && c.Digest != Other:
		c.Digest, c.Kind, c.Tables = Other, Other, nil
		return s.addCoverage(ctx, tx, c, true)
	case errors.Is(err, sql.ErrNoRows):
		fresh, skipped = true, "{}"
	case err != nil:
		return false, s.explain("read", err)
	}
	total := map[string]uint64{}
	if err := json.Unmarshal([]byte(skipped), &total); err != nil {
		return false, fmt.Errorf("%s: the coverage of %s cannot be read: %w", s.path, c.Digest, ErrDamaged)
	}
	for reason, n := range c.Skipped {
		total[reason] += n
	}
	reasons, err := json.Marshal(total)
	if err != nil {
		return false, fmt.Errorf("write coverage: %w", err)
	}
	if c.Tables == nil {
		c.Tables = []string{}
	}
	tables, err := json.Marshal(c.Tables)
	if err != nil {
		return false, fmt.Errorf("write coverage: %w", err)
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO coverage VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (digest) DO UPDATE SET
		seen = seen + excluded.seen, mirrored = mirrored + excluded.mirrored, compared = compared + excluded.compared,
		matched = matched + excluded.matched, diverged = diverged + excluded.diverged, skipped = excluded.skipped`,
		c.Digest, c.Kind, string(tables), int64(c.Seen), int64(c.Mirrored), int64(c.Compared), int64(c.Matched), int64(c.Diverged), string(reasons))
	if err != nil {
		return false, s.explain("write", err)
	}
	return fresh, nil
}

// Coverage reads all of it, by digest.
func (s *Store) Coverage(ctx context.Context) ([]Coverage, error) {
	rows, err := s.read.QueryContext(ctx, "SELECT digest, kind, tables, seen, mirrored, compared, matched, diverged, skipped FROM coverage ORDER BY digest")
	if err != nil {
		return nil, s.explain("read", err)
	}
	defer func() { _ = rows.Close() }()
	var all []Coverage
	for rows.Next() {
		var (
			c               Coverage
			tables, skipped string
			n               [5]int64
		)
		if err := rows.Scan(&c.Digest, &c.Kind, &tables, &n[0], &n[1], &n[2], &n[3], &n[4], &skipped); err != nil {
			return nil, s.explain("read", err)
		}
		c.Seen, c.Mirrored, c.Compared = uint64(n[0]), uint64(n[1]), uint64(n[2])
		c.Matched, c.Diverged = uint64(n[3]), uint64(n[4])
		if json.Unmarshal([]byte(tables), &c.Tables) != nil || json.Unmarshal([]byte(skipped), &c.Skipped) != nil {
			return nil, fmt.Errorf("%s: the coverage of %s cannot be read: %w", s.path, c.Digest, ErrDamaged)
		}
		all = append(all, c)
	}
	if err := rows.Err(); err != nil {
		return nil, s.explain("read", err)
	}
	return all, nil
}
