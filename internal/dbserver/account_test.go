package dbserver

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// stranger is a user who owns nothing that the tests make.
var stranger = account{name: "stranger", uid: 1<<31 - 2, gid: 1<<31 - 2, foreign: true}

func TestClosedDirectoriesInTheTemporaryDirectoryAreOpened(t *testing.T) {
	closed := filepath.Join(t.TempDir(), "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := stranger.admit(filepath.Join(closed, "file")); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(closed)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o701 {
		t.Errorf("mode is %o, want 701", got)
	}
}

func TestClosedDirectoriesElsewhereAreLeftClosedAndNamed(t *testing.T) {
	closed := filepath.Join(t.TempDir(), "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", filepath.Join(closed, "elsewhere"))
	err := stranger.admit(filepath.Join(closed, "file"))
	if err == nil || !strings.Contains(err.Error(), "directory "+closed+" is closed to user stranger") {
		t.Errorf("error is %v, want %s named", err, closed)
	}
	info, err := os.Stat(closed)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o700 {
		t.Errorf("mode is %o, want 700", got)
	}
}
