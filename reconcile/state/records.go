package state

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"time"
)

const columns = "seq, time, actor, door, act, object, before, after, reason, result, instance, version, phase, share, prev, hash"

// page is how many records a query gives that asks for no number, and the most.
const page = 1000

// Query asks for records, in their order. What is empty does not restrict.
type Query struct {
	After uint64 // only what comes after this seq
	Limit int    // at most page, which is also what 0 means
	Act   string
	Actor string
}

// Records reads part of the chain.
func (s *Store) Records(ctx context.Context, q Query) ([]Record, error) {
	limit := q.Limit
	if limit <= 0 || limit > page {
		limit = page
	}
	rows, err := s.read.QueryContext(ctx, "SELECT "+columns+` FROM acts
		WHERE seq > ?1 AND (?2 = '' OR act = ?2) AND (?3 = '' OR actor = ?3) ORDER BY seq LIMIT ?4`,
		min(q.After, math.MaxInt64), q.Act, q.Actor, limit)
	if err != nil {
		return nil, s.explain("read", err)
	}
	defer func() { _ = rows.Close() }()
	var records []Record
	for rows.Next() {
		var stored row
		if err := stored.scan(rows); err != nil {
			return nil, s.explain("read", err)
		}
		r, err := stored.record()
		if err != nil {
			return nil, fmt.Errorf("%s: act %d %w: %w", s.path, stored.seq, err, ErrDamaged)
		}
		records = append(records, r)
	}
	if err := rows.Err(); err != nil {
		return nil, s.explain("read", err)
	}
	return records, nil
}

// Export writes the whole chain as JSON Lines: what VerifyLines reads.
func (s *Store) Export(ctx context.Context, w io.Writer) error {
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	for after := uint64(0); ; {
		records, err := s.Records(ctx, Query{After: after})
		if err != nil {
			return err
		}
		for i := range records {
			if err := out.Encode(&records[i]); err != nil {
				return fmt.Errorf("write export: %w", err)
			}
			after = records[i].Seq
		}
		if len(records) < page {
			return nil
		}
	}
}

// row is a record as it is stored: whatever somebody may have made of it.
type row struct {
	Record
	seq, version, share int64
	time, before, after string
}

func (r *row) scan(rows *sql.Rows) error {
	return rows.Scan(&r.seq, &r.time, &r.Actor, &r.Door, &r.Act, &r.Object, &r.before, &r.after,
		&r.Reason, &r.Result, &r.Instance, &r.version, &r.Runtime.Phase, &r.share, &r.Prev, &r.Hash)
}

// record is the record, if the row can be one. Its error says what the row has.
func (r *row) record() (Record, error) {
	at, err := time.Parse(time.RFC3339Nano, r.time)
	switch {
	case err != nil, at.UTC().Format(time.RFC3339Nano) != r.time:
		return Record{}, errors.New("has a time that is not in our form")
	case r.seq < 1, r.version < 0, r.share < 0, r.share > math.MaxUint16:
		return Record{}, errors.New("has a number out of range")
	case !json.Valid([]byte(r.before)), !json.Valid([]byte(r.after)):
		return Record{}, errors.New("has a before or after that is not JSON")
	}
	out := r.Record
	out.Seq, out.Time = uint64(r.seq), at.UTC()
	out.Before, out.After = json.RawMessage(r.before), json.RawMessage(r.after)
	out.Runtime.Version, out.Runtime.Share = uint64(r.version), uint16(r.share)
	return out, nil
}
