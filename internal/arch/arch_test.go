// Package arch holds the doors of the house: which package may import which.
// It parses the files, since a test that asks `go list` is cached wrongly.
package arch

import (
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/crossfade-db/crossfade"

// edges are all imports between packages of ours, tests aside. A package that
// is not listed fails; a new edge is a change of the design.
var edges = map[string][]string{
	"cmd/crossfade": {
		"configs", "internal/admin", "internal/demo", "internal/metrics", "proxy", "proxy/catalog", "proxy/writes",
		"reconcile", "reconcile/journal", "reconcile/repair", "reconcile/report", "reconcile/schema", "reconcile/state",
		"rewrite", "rewrite/pgsql", "rewrite/pgsql/image", "rewrite/pgsql/parse", "router", "router/live", "shadow", "wire", "wire/pgwire",
	},
	"configs":                  {"rewrite"},
	"internal/admin":           {"reconcile/report"},
	"internal/bench":           {"internal/dbserver", "wire", "wire/pgwire"},
	"internal/chaos":           {"internal/dbserver", "internal/failpoint"},
	"internal/conformance":     {"internal/dbserver", "internal/drivers"},
	"internal/dbserver":        {},
	"internal/dbserver/dbtest": {"internal/dbserver"},
	"internal/demo":            {"internal/admin", "internal/dbserver", "router"},
	"internal/drivers":         {"internal/dbserver"},
	"internal/failpoint":       {},
	"internal/metrics":         {"proxy", "proxy/engine", "router"},
	"internal/mutants":         {},
	"proxy": {
		"internal/failpoint", "proxy/catalog", "proxy/engine", "proxy/writes", "rewrite", "rewrite/pgsql", "rewrite/pgsql/image",
		"rewrite/pgsql/parse", "router", "shadow", "wire", "wire/pgwire",
	},
	"proxy/catalog":        {"router", "wire"},
	"proxy/engine":         {"rewrite/pgsql", "router", "wire"},
	"proxy/writes":         {"rewrite", "rewrite/pgsql/copyin", "shadow"},
	"reconcile":            {"reconcile/journal", "reconcile/state", "rewrite", "shadow"},
	"reconcile/journal":    {"rewrite", "shadow"},
	"reconcile/repair":     {"internal/failpoint", "reconcile", "rewrite", "rewrite/pgsql/image", "router", "shadow"},
	"reconcile/report":     {},
	"reconcile/schema":     {"rewrite", "wire", "wire/pgwire"},
	"reconcile/state":      {},
	"rewrite":              {"rewrite/pgsql"},
	"rewrite/pgsql":        {},
	"rewrite/pgsql/copyin": {"rewrite"},
	"rewrite/pgsql/gen":    {},
	"rewrite/pgsql/image":  {"rewrite"},
	"rewrite/pgsql/parse":  {"rewrite", "rewrite/pgsql"},
	"router":               {},
	"router/live":          {"router"},
	"shadow":               {"internal/failpoint", "rewrite"},
	"wire":                 {},
	"wire/pgwire":          {"wire"},
}

// pure packages decide and do nothing: what they may not import.
var pure = map[string][]string{
	"proxy/engine":  {"net", "os", "time", "sync", "sync/atomic", "context", "log", "log/slog"},
	"router":        {"net", "os", "time", "sync", "context", "log", "log/slog"},
	"rewrite":       {"net", "os", "time", "context", "log", "log/slog"},
	"rewrite/pgsql": {"net", "os", "time", "context", "log", "log/slog"},

	"rewrite/pgsql/copyin": {"net", "os", "sync", "context", "log", "log/slog"},
	"rewrite/pgsql/image":  {"net", "os", "time", "sync", "context", "log", "log/slog"},
	"rewrite/pgsql/parse":  {"net", "os", "time", "context", "log", "log/slog"},
	"proxy/writes":         {"net", "os", "time", "sync", "context", "log", "log/slog"},
	"wire":                 {"net", "os", "time", "sync", "context", "log", "log/slog"},
}

// onlyTests may import these.
var onlyTests = []string{"github.com/pganalyze/pg_query_go/v6", "testing"}

// mayParse is the one package that may call the parser, which can end the
// process: its guard is there (docs/dependencies.md).
const mayParse = "rewrite/pgsql/parse"

// mayTest is the one package that is made for tests.
const mayTest = "internal/dbserver/dbtest"

func TestEveryImportIsADoorOfTheHouse(t *testing.T) {
	found := imports(t)
	for _, pkg := range slices.Sorted(maps.Keys(found)) {
		allowed, listed := edges[pkg]
		if !listed {
			t.Errorf("package %s is not in the table", pkg)
		}
		for _, path := range found[pkg] {
			if own, ok := strings.CutPrefix(path, module+"/"); ok && !slices.Contains(allowed, own) {
				t.Errorf("%s imports %s, which is not a door", pkg, own)
			}
			if slices.Contains(pure[pkg], path) {
				t.Errorf("%s imports %s, and is to be pure", pkg, path)
			}
			if slices.Contains(onlyTests, path) && pkg != mayTest && (pkg != mayParse || path == "testing") {
				t.Errorf("%s imports %s outside of its tests", pkg, path)
			}
		}
	}
	for pkg := range edges {
		if _, ok := found[pkg]; !ok {
			t.Errorf("package %s is in the table and does not exist", pkg)
		}
	}
}

// imports lists what each package of the module imports, tests aside.
func imports(t *testing.T) map[string][]string {
	t.Helper()
	const root = "../.."
	found := map[string][]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata"):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		pkg := filepath.ToSlash(rel)
		found[pkg] = slices.Clip(found[pkg])
		for _, spec := range file.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			found[pkg] = append(found[pkg], name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
