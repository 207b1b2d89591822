package state

import (
	"context"
	"database/sql"
	"fmt"
)

const (
	// application marks the file as ours: "XFST".
	application = 0x58465354
	// schema is the version that this program writes and reads.
	schema = len(steps)
)

// steps lead from an empty file to the schema: step n makes version n+1 of
// version n. What a version has once been released with stays as it is. The
// triggers are against accidents; who drops them is found by the chain.
var steps = [...]string{chainOfActs, whatMayDiffer}

const chainOfActs = `
CREATE TABLE acts (
	seq INTEGER PRIMARY KEY, time TEXT NOT NULL, actor TEXT NOT NULL, door TEXT NOT NULL, act TEXT NOT NULL,
	object TEXT NOT NULL, before TEXT NOT NULL, after TEXT NOT NULL, reason TEXT NOT NULL, result TEXT NOT NULL,
	instance TEXT NOT NULL, version INTEGER NOT NULL, phase TEXT NOT NULL, share INTEGER NOT NULL,
	prev TEXT NOT NULL, hash TEXT NOT NULL
) STRICT;
CREATE TABLE head (one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL, hash TEXT NOT NULL, instance TEXT NOT NULL) STRICT;
CREATE TRIGGER acts_stay BEFORE DELETE ON acts BEGIN SELECT RAISE(ABORT, 'acts are never deleted'); END;
CREATE TRIGGER acts_stay_as_they_are BEFORE UPDATE ON acts BEGIN SELECT RAISE(ABORT, 'acts are never changed'); END;
`

// whatMayDiffer has times in microseconds since 1970, keys as rewrite.RowKey,
// and marks as lines (marksText).
const whatMayDiffer = `
CREATE TABLE mapped_tables (tbl TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, since INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE dirty_keys (
	tbl TEXT NOT NULL, key BLOB NOT NULL, epoch INTEGER NOT NULL, count INTEGER NOT NULL, cause TEXT NOT NULL,
	first INTEGER NOT NULL, last INTEGER NOT NULL, marks TEXT NOT NULL, PRIMARY KEY (tbl, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE dirty_ranges (
	id INTEGER PRIMARY KEY, tbl TEXT NOT NULL, low BLOB NOT NULL, high BLOB NOT NULL, epoch INTEGER NOT NULL, cause TEXT NOT NULL,
	rows INTEGER NOT NULL, started INTEGER NOT NULL, updated INTEGER NOT NULL, marks TEXT NOT NULL
) STRICT;
CREATE TABLE divergences (
	id INTEGER PRIMARY KEY AUTOINCREMENT, tbl TEXT NOT NULL, key BLOB NOT NULL, key_hash TEXT NOT NULL, kind TEXT NOT NULL, state TEXT NOT NULL,
	columns TEXT NOT NULL, digest TEXT NOT NULL, txid INTEGER NOT NULL, epoch INTEGER NOT NULL, cause TEXT NOT NULL,
	first_seen INTEGER NOT NULL, last_seen INTEGER NOT NULL, before TEXT NOT NULL, after TEXT NOT NULL, count INTEGER NOT NULL,
	confirmed INTEGER NOT NULL, repaired INTEGER NOT NULL, verified INTEGER NOT NULL,
	waived_by TEXT NOT NULL, waive_reason TEXT NOT NULL, waive_since INTEGER NOT NULL, waive_until INTEGER NOT NULL, waived_from TEXT NOT NULL,
	UNIQUE (tbl, key, kind)
) STRICT;
CREATE INDEX divergences_by_state ON divergences (state, id);
CREATE TABLE coverage (
	digest TEXT NOT NULL, kind TEXT NOT NULL, tables TEXT NOT NULL, seen INTEGER NOT NULL, mirrored INTEGER NOT NULL,
	compared INTEGER NOT NULL, matched INTEGER NOT NULL, diverged INTEGER NOT NULL, skipped TEXT NOT NULL, PRIMARY KEY (digest)
) STRICT, WITHOUT ROWID;
`

// prepare brings a new file to the schema and refuses what is not ours.
func (s *Store) prepare(ctx context.Context) error {
	var owner, version, tables int
	row := s.write.QueryRowContext(ctx, `SELECT
		(SELECT application_id FROM pragma_application_id),
		(SELECT user_version FROM pragma_user_version),
		(SELECT count(*) FROM sqlite_master)`)
	if err := row.Scan(&owner, &version, &tables); err != nil {
		return s.explain("read", err)
	}
	switch {
	case owner == 0 && version == 0 && tables == 0:
		return s.createSchema(ctx)
	case owner != application:
		return fmt.Errorf("%s is not a state database of Crossfade: name another directory as state.dir", s.path)
	case version > schema:
		return fmt.Errorf("%s has schema %d, and this crossfade knows %d: run the newer version that wrote it", s.path, version, schema)
	case version < 1:
		return fmt.Errorf("%s has schema %d, which no crossfade has written: %w", s.path, version, ErrDamaged)
	}
	if err := s.checkEnd(ctx); err != nil || version == schema {
		return err
	}
	return s.inTx(ctx, func(tx *sql.Tx) error { return s.migrate(ctx, tx, version) })
}

// migrate brings the file from a version to the schema.
func (s *Store) migrate(ctx context.Context, tx *sql.Tx, version int) error {
	for _, step := range steps[version:] {
		if _, err := tx.ExecContext(ctx, step); err != nil {
			return s.explain("migrate", err)
		}
	}
	if _, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", schema)); err != nil {
		return s.explain("migrate", err)
	}
	return nil
}

func (s *Store) createSchema(ctx context.Context) error {
	return s.inTx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA application_id = %d", application)); err != nil {
			return s.explain("create", err)
		}
		if err := s.migrate(ctx, tx, 0); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "INSERT INTO head VALUES (1, 0, ?, ?)", origin, newInstance()); err != nil {
			return s.explain("create", err)
		}
		return nil
	})
}

// checkEnd refuses to start from an act that is not as it was written, or that
// has others behind it. Verify looks at all of them.
func (s *Store) checkEnd(ctx context.Context) error {
	h, err := s.readHead(ctx, s.read)
	if err != nil {
		return err
	}
	end, err := s.Records(ctx, Query{After: max(h.seq, 1) - 1})
	switch {
	case err != nil:
		return err
	case h.seq == 0 && len(end) == 0:
		return nil
	case len(end) != 1 || end[0].Seq != h.seq || !end[0].holds():
		return fmt.Errorf("%s: act %d is not as it was written, or not the last: %w", s.path, h.seq, ErrDamaged)
	default:
		return nil
	}
}
