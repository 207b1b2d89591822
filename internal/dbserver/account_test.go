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

func TestReachesAgreesWithAdmitAndChangesNothing(t *testing.T) {
	outside := t.TempDir()
	t.Setenv("TMPDIR", filepath.Join(outside, "temporary"))
	tests := []struct {
		name, dir string
		mode      os.FileMode
		want      bool
	}{
		{"an open directory", "open", 0o711, true},
		{"a closed one", "closed", 0o700, false},
		{"a closed one inside the temporary directory", "temporary/closed", 0o700, true},
	}
	for _, dir := range []string{filepath.Dir(outside), outside} {
		if err := os.Chmod(dir, 0o711); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := filepath.Join(outside, test.dir)
			if err := os.MkdirAll(filepath.Dir(dir), 0o711); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(dir, test.mode); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(dir, "file")
			if got := stranger.reaches(file); got != test.want {
				t.Errorf("reaches is %t, want %t", got, test.want)
			}
			info, err := os.Stat(dir)
			if err != nil || info.Mode().Perm() != test.mode {
				t.Errorf("mode is %v (%v), want %o as before", info.Mode(), err, test.mode)
			}
			if err := stranger.admit(file); (err == nil) != test.want {
				t.Errorf("admit gives %v where reaches gives %t", err, test.want)
			}
		})
	}
}
