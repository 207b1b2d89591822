package dbserver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// BinVariable names the environment variable that chooses an installation: the
// directory that holds initdb and postgres.
const BinVariable = "CROSSFADE_PG_BIN"

// probeLimit bounds one "postgres --version".
const probeLimit = 10 * time.Second

// remedy is the end of each error about programs that are missing.
const remedy = "run \"make setup\", or set " + BinVariable + " to the directory of initdb and postgres"

var errNotInstalled = errors.New("no PostgreSQL server programs found: " + remedy)

// systemCache is where setup.sh puts what root has to run: a root's own cache
// is mostly closed to the user as whom a server then runs.
const systemCache = "/var/cache/crossfade"

// Version is the version of a PostgreSQL installation. Minor is 0 for a
// development or beta version, which Text tells.
type Version struct {
	Major, Minor int
	Text         string // as "postgres --version" has it: "15.18 (Debian 15.18-0+deb12u1)"
}

// Install is one set of PostgreSQL server programs.
type Install struct {
	Bin     string // the absolute directory of initdb and postgres, symbolic links resolved
	Version Version
}

func (i Install) postgres() string { return filepath.Join(i.Bin, "postgres") }

// Find lists the PostgreSQL installations of this machine, each once: the one
// that CROSSFADE_PG_BIN names first, then those on PATH, of Debian's packages
// (/usr/lib/postgresql/*/bin) and in the caches
// (${XDG_CACHE_HOME:-$HOME/.cache}/crossfade and /var/cache/crossfade, there
// postgres/*/bin), newest first. What the user as whom servers run cannot reach
// is left out, unless it was chosen.
//
// A CROSSFADE_PG_BIN without working programs is an error, and so is an empty
// list: that error names the command to run.
func Find() ([]Install, error) {
	var found []Install
	if bin := os.Getenv(BinVariable); bin != "" {
		chosen, err := inspect(bin)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", BinVariable, err)
		}
		found = append(found, chosen)
	}
	owner, err := serverAccount()
	if err != nil {
		return nil, err
	}
	chosen := len(found)
	for _, bin := range candidates() {
		install, err := inspect(bin)
		if err == nil && !slices.Contains(found, install) && owner.reaches(install.postgres()) {
			found = append(found, install)
		}
	}
	if len(found) == 0 {
		return nil, errNotInstalled
	}
	slices.SortStableFunc(found[chosen:], newestFirst)
	return found, nil
}

// FindMajor is the first of Find with that major version. Its error names the
// command to run.
func FindMajor(major int) (Install, error) {
	found, err := Find()
	if err != nil {
		return Install{}, err
	}
	for _, install := range found {
		if install.Version.Major == major {
			return install, nil
		}
	}
	return Install{}, fmt.Errorf("no server programs of PostgreSQL %d found: %s of that version", major, remedy)
}

// candidates lists directories that may hold an installation.
func candidates() []string {
	var bins []string
	if path, err := exec.LookPath("postgres"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			bins = append(bins, filepath.Dir(path))
		}
	}
	patterns := []string{"/usr/lib/postgresql/*/bin", systemCache + "/postgres/*/bin"}
	if cache, err := cacheDir(); err == nil {
		patterns = append(patterns, filepath.Join(cache, "postgres", "*", "bin"))
	}
	for _, pattern := range patterns {
		matches, err := filepath.Glob(pattern)
		if err != nil {
			continue // a cache path that is not a pattern holds no installation
		}
		bins = append(bins, matches...)
	}
	return bins
}

// inspect reads the version of the programs in bin by running them.
func inspect(bin string) (Install, error) {
	bin, err := filepath.Abs(bin)
	if err != nil {
		return Install{}, fmt.Errorf("find the directory: %w", err)
	}
	if bin, err = filepath.EvalSymlinks(bin); err != nil {
		return Install{}, fmt.Errorf("find the directory: %w", err)
	}
	if _, err := exec.LookPath(filepath.Join(bin, "initdb")); err != nil {
		return Install{}, fmt.Errorf("find initdb: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), probeLimit)
	defer cancel()
	output, err := exec.CommandContext(ctx, filepath.Join(bin, "postgres"), "--version").Output()
	if err != nil {
		return Install{}, fmt.Errorf("ask postgres for its version: %w", err)
	}
	version, err := parseVersion(string(output))
	if err != nil {
		return Install{}, err
	}
	return Install{Bin: bin, Version: version}, nil
}

// versionLine matches "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)",
// "… 18beta1" and "… 19devel".
var versionLine = regexp.MustCompile(`\(PostgreSQL\) ((\d{1,4})(?:\.(\d{1,4}))?\S*.*)`)

func parseVersion(line string) (Version, error) {
	match := versionLine.FindStringSubmatch(line)
	if match == nil {
		return Version{}, fmt.Errorf("read the PostgreSQL version: unknown form %q", line)
	}
	major, err := strconv.Atoi(match[2])
	if err != nil {
		return Version{}, fmt.Errorf("read the PostgreSQL version: %w", err)
	}
	version := Version{Major: major, Text: match[1]}
	if match[3] == "" {
		return version, nil
	}
	if version.Minor, err = strconv.Atoi(match[3]); err != nil {
		return Version{}, fmt.Errorf("read the PostgreSQL version: %w", err)
	}
	return version, nil
}

func newestFirst(a, b Install) int {
	return cmp.Or(cmp.Compare(b.Version.Major, a.Version.Major), cmp.Compare(b.Version.Minor, a.Version.Minor))
}

// cacheDir is ${XDG_CACHE_HOME:-$HOME/.cache}/crossfade. A relative
// XDG_CACHE_HOME is ignored, as the XDG Base Directory Specification says.
func cacheDir() (string, error) {
	if base := os.Getenv("XDG_CACHE_HOME"); filepath.IsAbs(base) {
		return filepath.Join(base, "crossfade"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("find the cache: %w", err)
	}
	return filepath.Join(home, ".cache", "crossfade"), nil
}
