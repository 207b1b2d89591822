package state

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// DirtyKey is a row that may differ between the sides. The store holds it in
// the clear: it is never exported.
type DirtyKey struct {
	Table string
	Key   string
	Epoch uint64
	Cause string // of the newest mark
	First time.Time
	Last  time.Time
	Marks []Mark // empty: the row is no longer dirty
}

// DirtyRange is a part of a table that may differ: low < key <= high in the
// order of the database, "" being an open end.
type DirtyRange struct {
	ID      uint64
	Table   string
	Low     string
	High    string
	Epoch   uint64
	Cause   string
	Rows    uint64 // looked at so far
	Started time.Time
	Updated time.Time
	Marks   []Mark
}

// MappedTable is a table that was mapped when the proxy last ran.
type MappedTable struct {
	Table       string
	Fingerprint string // of its mapping
	Since       time.Time
}

// Changes are written in one transaction, in the order of the fields.
type Changes struct {
	Mapped   []MappedTable
	Unmapped []string
	Ranges   []DirtyRange // as they are from now on
	Finished []uint64     // ranges that are gone
	Cleared  []string     // tables of which every key goes
	Keys     []DirtyKey   // as they are from now on
}

// Change makes what it is given true: keys and ranges are written as they are,
// so that writing them twice, or only the newest of several, is the same. It is
// durable, as a whole, when it returns nil.
func (s *Store) Change(ctx context.Context, c *Changes) error {
	return s.inTx(ctx, func(tx *sql.Tx) error {
		w := writer{ctx: ctx, tx: tx, prepared: map[string]*sql.Stmt{}}
		defer w.close()
		for _, m := range c.Mapped {
			w.exec("INSERT OR REPLACE INTO mapped_tables VALUES (?, ?, ?)", m.Table, m.Fingerprint, m.Since.UnixMicro())
		}
		for _, table := range c.Unmapped {
			w.exec("DELETE FROM mapped_tables WHERE tbl = ?", table)
		}
		for i := range c.Ranges {
			w.dirtyRange(&c.Ranges[i])
		}
		for _, id := range c.Finished {
			w.exec("DELETE FROM dirty_ranges WHERE id = ?", int64(id))
		}
		for _, table := range c.Cleared {
			w.exec("DELETE FROM dirty_keys WHERE tbl = ?", table)
		}
		for i := range c.Keys {
			w.dirtyKey(&c.Keys[i])
		}
		if w.err != nil {
			return s.explain("write", w.err)
		}
		return nil
	})
}

// writer runs statements, each prepared once, until one fails.
type writer struct {
	ctx      context.Context //nolint:containedctx // it lives for one transaction
	tx       *sql.Tx
	prepared map[string]*sql.Stmt
	err      error
}

func (w *writer) close() {
	for _, stmt := range w.prepared {
		_ = stmt.Close()
	}
}

func (w *writer) exec(text string, args ...any) {
	if w.err != nil {
		return
	}
	stmt := w.prepared[text]
	if stmt == nil {
		if stmt, w.err = w.tx.PrepareContext(w.ctx, text); w.err != nil {
			return
		}
		w.prepared[text] = stmt
	}
	_, w.err = stmt.ExecContext(w.ctx, args...)
}

func (w *writer) dirtyKey(k *DirtyKey) {
	if len(k.Marks) == 0 {
		w.exec("DELETE FROM dirty_keys WHERE tbl = ? AND key = ?", k.Table, blob(k.Key))
		return
	}
	var count uint64
	for _, m := range k.Marks {
		count += m.Count
	}
	w.exec("INSERT OR REPLACE INTO dirty_keys VALUES (?, ?, ?, ?, ?, ?, ?, ?)", k.Table, blob(k.Key), int64(k.Epoch), int64(count), k.Cause,
		k.First.UnixMicro(), k.Last.UnixMicro(), w.marks(k.Marks))
}

func (w *writer) dirtyRange(r *DirtyRange) {
	w.exec("INSERT OR REPLACE INTO dirty_ranges VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", int64(r.ID), r.Table, blob(r.Low), blob(r.High),
		int64(r.Epoch), r.Cause, int64(r.Rows), r.Started.UnixMicro(), r.Updated.UnixMicro(), w.marks(r.Marks))
}

func (w *writer) marks(m []Mark) string {
	text, err := marksText(m)
	if err != nil && w.err == nil {
		w.err = err
	}
	return text
}

// blob is bytes that are never NULL.
func blob(s string) []byte { return append([]byte{}, s...) }

// DirtyKeys gives every dirty key to a function, in no order, until it returns
// an error.
func (s *Store) DirtyKeys(ctx context.Context, each func(DirtyKey) error) error {
	rows, err := s.read.QueryContext(ctx, "SELECT tbl, key, epoch, cause, first, last, marks FROM dirty_keys")
	if err != nil {
		return s.explain("read", err)
	}
	defer func() { _ = rows.Close() }()
	known := words{}
	for rows.Next() {
		var (
			table, cause, marks sql.RawBytes
			key                 []byte
			epoch, first, last  int64
		)
		if err := rows.Scan(&table, &key, &epoch, &cause, &first, &last, &marks); err != nil {
			return s.explain("read", err)
		}
		k := DirtyKey{
			Table: known.word(table), Key: string(key), Epoch: uint64(epoch), Cause: known.word(cause),
			First: time.UnixMicro(first).UTC(), Last: time.UnixMicro(last).UTC(),
		}
		if k.Marks, err = marksOf(marks, known); err != nil {
			return fmt.Errorf("%s: a dirty key of %s has %w: %w", s.path, k.Table, err, ErrDamaged)
		}
		if err := each(k); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return s.explain("read", err)
	}
	return nil
}

// DirtyRanges are all dirty ranges, by their numbers.
func (s *Store) DirtyRanges(ctx context.Context) ([]DirtyRange, error) {
	rows, err := s.read.QueryContext(ctx, "SELECT id, tbl, low, high, epoch, cause, rows, started, updated, marks FROM dirty_ranges ORDER BY id")
	if err != nil {
		return nil, s.explain("read", err)
	}
	defer func() { _ = rows.Close() }()
	var ranges []DirtyRange
	for rows.Next() {
		var (
			r                             DirtyRange
			low, high, marks              []byte
			id, epoch, n, started, update int64
		)
		if err := rows.Scan(&id, &r.Table, &low, &high, &epoch, &r.Cause, &n, &started, &update, &marks); err != nil {
			return nil, s.explain("read", err)
		}
		r.ID, r.Epoch, r.Rows, r.Low, r.High = uint64(id), uint64(epoch), uint64(n), string(low), string(high)
		r.Started, r.Updated = time.UnixMicro(started).UTC(), time.UnixMicro(update).UTC()
		if r.Marks, err = marksOf(marks, words{}); err != nil {
			return nil, fmt.Errorf("%s: dirty range %d of %s has %w: %w", s.path, r.ID, r.Table, err, ErrDamaged)
		}
		ranges = append(ranges, r)
	}
	if err := rows.Err(); err != nil {
		return nil, s.explain("read", err)
	}
	return ranges, nil
}

// Mapped are the tables that were mapped.
func (s *Store) Mapped(ctx context.Context) ([]MappedTable, error) {
	rows, err := s.read.QueryContext(ctx, "SELECT tbl, fingerprint, since FROM mapped_tables ORDER BY tbl")
	if err != nil {
		return nil, s.explain("read", err)
	}
	defer func() { _ = rows.Close() }()
	var tables []MappedTable
	for rows.Next() {
		var m MappedTable
		var since int64
		if err := rows.Scan(&m.Table, &m.Fingerprint, &since); err != nil {
			return nil, s.explain("read", err)
		}
		m.Since = time.UnixMicro(since).UTC()
		tables = append(tables, m)
	}
	if err := rows.Err(); err != nil {
		return nil, s.explain("read", err)
	}
	return tables, nil
}
