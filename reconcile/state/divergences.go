package state

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math"
	"time"
)

const divergenceColumns = "id, tbl, key, key_hash, kind, state, columns, digest, txid, epoch, cause, first_seen, last_seen, before, after, count, " +
	"confirmed, repaired, verified, waived_by, waive_reason, waive_since, waive_until, waived_from"

// DivergenceQuery asks for divergences, by their numbers. What is empty does not
// restrict.
type DivergenceQuery struct {
	State DivergenceState
	Kind  DivergenceKind
	Table string
	After uint64 // only what comes after this ID
	Limit int    // at most page, which is also what 0 means
}

// Divergences reads a page of them.
func (s *Store) Divergences(ctx context.Context, q DivergenceQuery) ([]Divergence, error) {
	limit := q.Limit
	if limit <= 0 || limit > page {
		limit = page
	}
	return s.divergences(ctx, s.read, `WHERE id > ?1 AND (?2 = '' OR state = ?2) AND (?3 = '' OR kind = ?3) AND (?4 = '' OR tbl = ?4)
		ORDER BY id LIMIT ?5`, int64(min(q.After, math.MaxInt64)), q.State, q.Kind, q.Table, limit)
}

// Divergence is one of them; false: there is none of that number.
func (s *Store) Divergence(ctx context.Context, id uint64) (Divergence, bool, error) {
	found, err := s.divergences(ctx, s.read, "WHERE id = ?", int64(min(id, math.MaxInt64)))
	if err != nil || len(found) == 0 {
		return Divergence{}, false, err
	}
	return found[0], true, nil
}

// DivergenceCount is how many there are of a table, kind and state.
type DivergenceCount struct {
	Table string
	Kind  DivergenceKind
	State DivergenceState
	Count int
}

// CountDivergences counts all of them.
func (s *Store) CountDivergences(ctx context.Context) ([]DivergenceCount, error) {
	rows, err := s.read.QueryContext(ctx, "SELECT tbl, kind, state, count(*) FROM divergences GROUP BY tbl, kind, state ORDER BY tbl, kind, state")
	if err != nil {
		return nil, s.explain("read", err)
	}
	defer func() { _ = rows.Close() }()
	var counts []DivergenceCount
	for rows.Next() {
		var c DivergenceCount
		if err := rows.Scan(&c.Table, &c.Kind, &c.State, &c.Count); err != nil {
			return nil, s.explain("read", err)
		}
		counts = append(counts, c)
	}
	if err := rows.Err(); err != nil {
		return nil, s.explain("read", err)
	}
	return counts, nil
}

type rowsQuerier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

func (s *Store) divergences(ctx context.Context, q rowsQuerier, where string, args ...any) ([]Divergence, error) {
	rows, err := q.QueryContext(ctx, "SELECT "+divergenceColumns+" FROM divergences "+where, args...)
	if err != nil {
		return nil, s.explain("read", err)
	}
	defer func() { _ = rows.Close() }()
	var found []Divergence
	for rows.Next() {
		var d storedDivergence
		if err := d.scan(rows); err != nil {
			return nil, s.explain("read", err)
		}
		one, err := d.divergence()
		if err != nil {
			return nil, fmt.Errorf("%s: divergence %d %w: %w", s.path, d.id, err, ErrDamaged)
		}
		found = append(found, one)
	}
	if err := rows.Err(); err != nil {
		return nil, s.explain("read", err)
	}
	return found, nil
}

// storedDivergence is a divergence as the database holds it.
type storedDivergence struct {
	Divergence
	id, txid, epoch, count        int64
	key                           []byte
	columns, before, after        string
	first, last                   int64
	confirmed, repaired, verified int64
	by, reason                    string
	since, until                  int64
	from                          DivergenceState
}

func (d *storedDivergence) scan(rows *sql.Rows) error {
	return rows.Scan(&d.id, &d.Table, &d.key, &d.KeyShown, &d.Kind, &d.State, &d.columns, &d.Digest, &d.txid, &d.epoch, &d.Cause,
		&d.first, &d.last, &d.before, &d.after, &d.count, &d.confirmed, &d.repaired, &d.verified,
		&d.by, &d.reason, &d.since, &d.until, &d.from)
}

// divergence is the divergence, if the row can be one.
func (d *storedDivergence) divergence() (Divergence, error) {
	out := d.Divergence
	if err := json.Unmarshal([]byte(d.columns), &out.Columns); err != nil {
		return out, fmt.Errorf("has columns that cannot be read: %w", err)
	}
	if lives[out.State] == nil || !out.Kind.valid() {
		return out, fmt.Errorf("has the state %q and the kind %q", out.State, out.Kind)
	}
	out.ID, out.TxID, out.Epoch, out.Count, out.Key = uint64(d.id), uint64(d.txid), uint64(d.epoch), uint64(d.count), string(d.key)
	out.Before, out.After = json.RawMessage(d.before), json.RawMessage(d.after)
	out.FirstSeen, out.LastSeen = moment(d.first), moment(d.last)
	out.Life = Life{Confirmed: moment(d.confirmed), Repaired: moment(d.repaired), Verified: moment(d.verified)}
	if d.by != "" {
		out.Waiver = &Waiver{By: d.by, Reason: d.reason, Since: moment(d.since), Until: moment(d.until), From: d.from}
	}
	if out.State == Waived && out.Waiver == nil {
		return out, fmt.Errorf("is waived by nobody")
	}
	return out, nil
}

// writeDivergence writes one as it is from now on, a new one without an ID.
func (s *Store) writeDivergence(ctx context.Context, tx *sql.Tx, d *Divergence) error {
	columns := d.Columns
	if columns == nil {
		columns = []string{}
	}
	names, err := json.Marshal(columns)
	if err != nil {
		return fmt.Errorf("write divergence: %w", err)
	}
	var id any
	if d.ID != 0 {
		id = int64(d.ID)
	}
	var w Waiver
	if d.Waiver != nil {
		w = *d.Waiver
	}
	_, err = tx.ExecContext(ctx, "INSERT OR REPLACE INTO divergences ("+divergenceColumns+
		") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		id, d.Table, blob(d.Key), valid(d.KeyShown), d.Kind, d.State, string(names), d.Digest, int64(d.TxID), int64(d.Epoch), d.Cause,
		micro(d.FirstSeen), micro(d.LastSeen), string(d.Before), string(d.After), int64(d.Count),
		micro(d.Life.Confirmed), micro(d.Life.Repaired), micro(d.Life.Verified),
		w.By, w.Reason, micro(w.Since), micro(w.Until), w.From)
	if err != nil {
		return s.explain("write", err)
	}
	return nil
}

// micro is a time as it is stored; 0: never.
func micro(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func moment(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(n).UTC()
}
