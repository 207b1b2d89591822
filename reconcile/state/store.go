package state

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

var (
	// ErrStale says that the runtime has changed since the caller read it.
	ErrStale = errors.New("the phase or share was changed meanwhile: look again and repeat")
	// ErrDamaged says that the database cannot be read, or that its last act is
	// not the one that was written last.
	ErrDamaged = errors.New("the state database is damaged: restore the directory from a backup, or move it away to begin anew in phase observe")
)

// Store is one state directory. Its methods may be called at the same time.
type Store struct {
	path  string
	lock  *os.File
	write *sql.DB // one connection: acts come one after the other
	read  *sql.DB // sees whole transactions, and never holds up an act
	now   func() time.Time
}

const (
	readers = 4
	// patience with other programs that hold the database, as an sqlite3 shell.
	patience = 2 * time.Second
)

// Open takes a state directory for this process, which nobody else can then,
// and makes what is not there yet.
func Open(dir string) (*Store, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, unwritable(dir, err)
	}
	if err := makeDir(dir); err != nil {
		return nil, err
	}
	lock, err := takeDir(dir)
	if err != nil {
		return nil, err
	}
	s := &Store{path: filepath.Join(dir, "state.db"), lock: lock, now: time.Now}
	if err := s.open(dir); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Store) open(dir string) error {
	f, err := os.OpenFile(s.path, os.O_RDWR|os.O_CREATE, 0o600) // SQLite takes its mode for the files beside it
	if err != nil {
		return unwritable(dir, err)
	}
	f.Close()
	if s.write, err = connect(s.path, "_txlock=immediate&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)"); err != nil {
		return s.explain("open", err)
	}
	s.write.SetMaxOpenConns(1)
	if s.read, err = connect(s.path, "_pragma=query_only(1)"); err != nil {
		return s.explain("open", err)
	}
	s.read.SetMaxOpenConns(readers)
	if err := s.prepare(context.Background()); err != nil {
		return err
	}
	return syncDir(dir)
}

func connect(path, options string) (*sql.DB, error) {
	wait := fmt.Sprintf("_pragma=busy_timeout(%d)&", patience.Milliseconds())
	name := url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: wait + options}
	return sql.Open("sqlite", name.String())
}

// syncDir makes the names in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return unwritable(dir, err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return unwritable(dir, err)
	}
	return nil
}

// Close gives the directory back.
func (s *Store) Close() error {
	var errs []error
	for _, db := range []*sql.DB{s.read, s.write} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(append(errs, s.lock.Close())...)
}

// inTx runs one transaction that is durable when it returns nil, and has
// changed nothing when it returns an error.
func (s *Store) inTx(ctx context.Context, do func(*sql.Tx) error) error {
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return s.explain("write", err)
	}
	defer func() { _ = tx.Rollback() }() // of no effect after Commit
	if err := do(tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return s.explain("write", err)
	}
	return nil
}

// explain says what an error of the database means and what to do.
func (s *Store) explain(operation string, err error) error {
	var fault *sqlite.Error
	if !errors.As(err, &fault) {
		return fmt.Errorf("%s state database %s: %w", operation, s.path, err)
	}
	switch fault.Code() & 0xff { // the rest is detail
	case sqlite3.SQLITE_FULL:
		return fmt.Errorf("%s state database %s: the disk is full: free some space; nothing was changed: %w", operation, s.path, err)
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return fmt.Errorf("%s state database %s: %w (%w)", operation, s.path, ErrDamaged, err)
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return fmt.Errorf("%s state database %s: another program holds it: end that program's transaction: %w", operation, s.path, err)
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM:
		return fmt.Errorf("%s state database %s: this user must be able to write it and its directory: %w", operation, s.path, err)
	default:
		return fmt.Errorf("%s state database %s: %w", operation, s.path, err)
	}
}

// newInstance names a state directory for life.
func newInstance() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
