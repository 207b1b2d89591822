package state

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// refused opens a directory and wants an error that says all that.
func refused(t *testing.T, dir string, says ...string) error {
	t.Helper()
	s, err := Open(dir)
	if err == nil {
		mustClose(t, s)
		t.Fatal("it was opened")
	}
	for _, part := range says {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}
	return err
}

func TestADirectoryThatCannotBeUsed(t *testing.T) {
	t.Run("it lies below a file", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join(file, "var")
		_ = refused(t, dir, dir, "not a directory", "name another as state.dir")
	})
	t.Run("others may write it", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.Chmod(dir, 0o770); err != nil {
			t.Fatal(err)
		}
		_ = refused(t, dir, "can be written by others (mode 0770): chmod 700 "+dir)
	})
	t.Run("its database is a directory", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, "state.db"), 0o700); err != nil {
			t.Fatal(err)
		}
		_ = refused(t, dir, dir, "is a directory")
	})
}

func TestADatabaseOfAnotherSchema(t *testing.T) {
	cases := []struct {
		name, sql string
		says      []string
	}{
		{"newer", "PRAGMA user_version = 3", []string{"has schema 3, and this crossfade knows 2", "run the newer version"}},
		{"older than the first", "PRAGMA user_version = 0", []string{"has schema 0", "damaged"}},
		{"somebody else's", "PRAGMA application_id = 7", []string{"is not a state database of Crossfade"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			mustClose(t, mustOpen(t, dir))
			tamper(t, dir)
			tamperRaw(t, dir, c.sql)
			refused(t, dir, append(c.says, "state.db")...)
		})
	}
}

func tamperRaw(t *testing.T, dir, statement string) {
	t.Helper()
	db, err := connect(filepath.Join(dir, "state.db"), "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

func TestADamagedFileIsRefusedAndLeftAsItIs(t *testing.T) {
	cases := []struct {
		name   string
		damage func(content []byte) []byte
	}{
		{"not a database", func([]byte) []byte { return bytes.Repeat([]byte("nonsense"), 1024) }},
		{"its beginning lost", func(c []byte) []byte { clear(c[:100]); return c }},
		{"cut in half", func(c []byte) []byte { return c[:len(c)/2] }},
		{"pages lost", func(c []byte) []byte { clear(c[4096:]); return c }},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			s := mustOpen(t, dir)
			fill(t, s, 60)
			mustClose(t, s)
			path := filepath.Join(dir, "state.db")
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			damaged := c.damage(content)
			if err := os.WriteFile(path, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := refused(t, dir, path, "restore", "backup"); !errors.Is(err, ErrDamaged) {
				t.Errorf("got %v", err)
			}
			if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, damaged) {
				t.Errorf("the damaged file was changed: %v", err)
			}
		})
	}
}

func TestAChainWithoutItsEndIsRefused(t *testing.T) {
	for _, sql := range []string{
		"DELETE FROM acts WHERE seq = 9",
		"DELETE FROM head",
		"UPDATE acts SET share = 10000 WHERE seq = 9",
		"UPDATE head SET seq = 8, hash = (SELECT hash FROM acts WHERE acts.seq = 8)",
		"UPDATE head SET seq = 0",
	} {
		t.Run(sql, func(t *testing.T) {
			dir := t.TempDir()
			s := mustOpen(t, dir)
			fill(t, s, length)
			mustClose(t, s)
			tamper(t, dir, sql)
			if err := refused(t, dir, "state.db", "restore"); !errors.Is(err, ErrDamaged) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestAnActThatTheHeadDoesNotKnowIsRefused(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir)
	fill(t, s, 1)
	mustClose(t, s)
	tamper(t, dir, "UPDATE head SET seq = 0, hash = '"+origin+"'")
	if err := refused(t, dir, "state.db"); !errors.Is(err, ErrDamaged) {
		t.Errorf("got %v", err)
	}
}

// TestAFullDiskRefusesTheActAndNothingElse lets SQLite itself meet the limit:
// what it does where the file system has no block left.
func TestAFullDiskRefusesTheActAndNothingElse(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	fill(t, s, 5)
	if _, err := s.write.ExecContext(t.Context(), "PRAGMA max_page_count = 1"); err != nil { // not below what there is
		t.Fatal(err)
	}
	var full error
	written := uint64(5)
	for ; full == nil && written < 1000; written++ {
		_, full = step(t.Context(), s)
	}
	written--
	if full == nil || !strings.Contains(full.Error(), "the disk is full: free some space; nothing was changed") {
		t.Fatalf("got %v", full)
	}
	if v := mustVerify(t, s); v.Records != written || v.Broken != 0 {
		t.Errorf("after %d acts: %+v", written, v)
	}
	if _, err := s.write.ExecContext(t.Context(), "PRAGMA max_page_count = 100000"); err != nil {
		t.Fatal(err)
	}
	if r, err := step(t.Context(), s); err != nil || r.Seq != written+1 {
		t.Errorf("with space again: %+v, %v", r, err)
	}
}

func TestActsAreSyncedBeforeTheyAreAcknowledged(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	var synchronous int
	var journal string
	row := s.write.QueryRowContext(t.Context(), "SELECT synchronous, journal_mode FROM pragma_synchronous, pragma_journal_mode")
	if err := row.Scan(&synchronous, &journal); err != nil {
		t.Fatal(err)
	}
	if synchronous != 2 || journal != "wal" { // FULL
		t.Errorf("synchronous %d, journal_mode %s", synchronous, journal)
	}
}
