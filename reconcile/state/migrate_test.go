package state

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// version1 is a directory as the first version has left it: with five acts.
func version1(t *testing.T) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", "version1.db"))
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "var")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "state.db"), content, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func schemaOf(t *testing.T, s *Store) (version int, objects string) {
	t.Helper()
	row := s.read.QueryRowContext(t.Context(), `SELECT (SELECT user_version FROM pragma_user_version),
		(SELECT group_concat(sql, ';' ORDER BY name) FROM sqlite_master WHERE sql IS NOT NULL)`)
	if err := row.Scan(&version, &objects); err != nil {
		t.Fatal(err)
	}
	return version, objects
}

func TestADatabaseOfTheFirstVersion(t *testing.T) {
	dir := version1(t)
	s := mustOpen(t, dir)
	if v := mustVerify(t, s); v.Broken != 0 || v.Records != 5 {
		t.Errorf("its acts: %+v", v)
	}
	now, err := s.Runtime(t.Context())
	if err != nil || now.Version != 4 || now.Phase != "canary" || now.Share != 4 {
		t.Errorf("in force is %+v, %v", now, err)
	}
	if _, err := step(t.Context(), s); err != nil {
		t.Error(err)
	}
	if err := s.Change(t.Context(), &Changes{Keys: []DirtyKey{aDirtyKey}}); err != nil {
		t.Error(err)
	}
	version, migrated := schemaOf(t, s)
	if _, fresh := schemaOf(t, mustOpen(t, t.TempDir())); version != schema || fresh != migrated {
		t.Errorf("version %d; a new one differs:\n%s", version, cmp.Diff(fresh, migrated))
	}
	mustClose(t, s)
	s = mustOpen(t, dir)
	if v := mustVerify(t, s); v.Broken != 0 || v.Records != 6 {
		t.Errorf("its acts: %+v", v)
	}
}

func TestADamagedDatabaseOfTheFirstVersionIsNotMigrated(t *testing.T) {
	dir := version1(t)
	tamper(t, dir, "UPDATE acts SET reason = 'x' WHERE seq = 5")
	err := refused(t, dir, "act 5 is not as it was written")
	if strings.Contains(err.Error(), "migrate") {
		t.Error(err)
	}
	s := &Store{path: filepath.Join(dir, "state.db")}
	if s.read, err = connect(s.path, "_pragma=query_only(1)"); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.read.Close() }()
	if version, _ := schemaOf(t, s); version != 1 {
		t.Errorf("it is version %d now", version)
	}
}
