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
	schema = 1
)

// create is the schema, version 1. The triggers are against accidents; who
// drops them is found by the chain.
const create = `
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
	case version < schema:
		return fmt.Errorf("%s has schema %d, which no crossfade has written: %w", s.path, version, ErrDamaged)
	default:
		return s.checkEnd(ctx)
	}
}

func (s *Store) createSchema(ctx context.Context) error {
	return s.inTx(ctx, func(tx *sql.Tx) error {
		marks := fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d;", application, schema)
		if _, err := tx.ExecContext(ctx, create+marks); err != nil {
			return s.explain("create", err)
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
