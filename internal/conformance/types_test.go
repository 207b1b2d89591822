package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/crossfade-db/crossfade/internal/dbserver"
	"github.com/crossfade-db/crossfade/internal/dbserver/dbtest"
	"github.com/crossfade-db/crossfade/internal/drivers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const root = "../.."

// The other three drivers need packages; "make conformance" runs all four.
func TestPgxNeverSeesANumberOfTheTarget(t *testing.T) {
	dependOnSources(t)
	h := &harness{root: root, dir: t.TempDir(), began: time.Now()}
	h.binary = filepath.Join(h.dir, "crossfade")
	if err := h.build(t.Context(), h.binary); err != nil {
		t.Fatal(err)
	}
	pair := dbtest.Pair(t, dbserver.Options{}, nil)
	if err := drivers.Prepare(t.Context(), pair); err != nil {
		t.Fatal(err)
	}
	r, err := h.typesOf(t.Context(), pair, []drivers.Driver{drivers.Pgx()}, thereAndBack, backAndThere)
	if err != nil {
		t.Fatal(err)
	}
	r.Floor = 80
	for _, fault := range r.faults() {
		t.Error(fault)
	}
	if t.Failed() {
		r.print(t.Output(), false)
	}
}

// dependOnSources looks at every source of the module: go test keeps the result
// of a test until a file changes that the test has looked at, and this one
// builds them all.
func dependOnSources(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != root && strings.HasPrefix(d.Name(), ".") {
			return fs.SkipDir
		}
		if strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
			_, err = os.Stat(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
