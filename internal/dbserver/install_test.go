package dbserver

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseVersion(t *testing.T) {
	tests := []struct {
		name, line string
		want       Version
		wrong      bool
	}{
		{name: "a release", line: "postgres (PostgreSQL) 18.4\n", want: Version{18, 4, "18.4"}},
		{
			name: "a package with a suffix", line: "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n",
			want: Version{15, 18, "15.18 (Debian 15.18-0+deb12u1)"},
		},
		{name: "a beta has no minor", line: "postgres (PostgreSQL) 19beta2\n", want: Version{19, 0, "19beta2"}},
		{name: "a development version has no minor", line: "postgres (PostgreSQL) 19devel\n", want: Version{19, 0, "19devel"}},
		{name: "another program is an error", line: "mysqld  Ver 9.7.0\n", wrong: true},
		{name: "nothing is an error", line: "", wrong: true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := parseVersion(test.line)
			if (err != nil) != test.wrong {
				t.Fatalf("error is %v, want one: %t", err, test.wrong)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("version differs (-want +got):\n%s", diff)
			}
		})
	}
}

// fakeInstall makes a directory whose postgres tells version, and returns it.
func fakeInstall(t *testing.T, dir, version string) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf("#!/bin/sh\necho 'postgres (PostgreSQL) %s'\n", version)
	for _, program := range []string{"postgres", "initdb"} {
		if err := os.WriteFile(filepath.Join(dir, program), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestFindPutsTheChosenInstallationFirstAndTheOthersNewestFirst(t *testing.T) {
	root := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", filepath.Join(root, "cache"))
	old := fakeInstall(t, filepath.Join(root, "chosen"), "9.6")
	onPath := fakeInstall(t, filepath.Join(root, "path"), "90.1")
	newer := fakeInstall(t, filepath.Join(root, "cache/crossfade/postgres/b/bin"), "90.2")
	newest := fakeInstall(t, filepath.Join(root, "cache/crossfade/postgres/a/bin"), "91beta1")
	t.Setenv("PATH", onPath+":"+os.Getenv("PATH"))
	t.Setenv(BinVariable, old)

	found, err := Find()
	if err != nil {
		t.Fatal(err)
	}
	var bins []string
	for _, install := range found {
		if strings.HasPrefix(install.Bin, filepath.Dir(old)) {
			bins = append(bins, install.Bin)
		}
	}
	if diff := cmp.Diff([]string{old, newest, newer, onPath}, bins); diff != "" {
		t.Errorf("order differs (-want +got):\n%s", diff)
	}
}

func TestFindListsAnInstallationOnce(t *testing.T) {
	root := t.TempDir()
	bin := fakeInstall(t, filepath.Join(root, "cache/crossfade/postgres/90/bin"), "90.1")
	if err := os.Symlink(filepath.Join(bin, "postgres"), filepath.Join(root, "postgres")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("XDG_CACHE_HOME", filepath.Join(root, "cache"))
	t.Setenv("PATH", root+":"+os.Getenv("PATH"))
	t.Setenv(BinVariable, bin)

	found, err := Find()
	if err != nil {
		t.Fatal(err)
	}
	times := 0
	for _, install := range found {
		if install.Bin == bin {
			times++
		}
	}
	if times != 1 {
		t.Errorf("found %s %d times, want once: %v", bin, times, found)
	}
}

func TestFindRefusesAChosenDirectoryWithoutPrograms(t *testing.T) {
	t.Setenv(BinVariable, t.TempDir())
	_, err := Find()
	if err == nil || !strings.Contains(err.Error(), BinVariable) {
		t.Errorf("error is %v, want one that names %s", err, BinVariable)
	}
}

func TestTheErrorForNoInstallationNamesTheCommandToRun(t *testing.T) {
	if !strings.Contains(errNotInstalled.Error(), "make setup") {
		t.Errorf("error is %q", errNotInstalled)
	}
}
