package rewrite_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crossfade-db/crossfade/configs"
	"github.com/crossfade-db/crossfade/rewrite"
)

var update = flag.Bool("update", false, "rewrite the expectations of testdata/resolve")

// mapping reads the tables of a configuration, which stand from line 6 on.
func mapping(t *testing.T, tables string) *rewrite.Mapping {
	t.Helper()
	text := `listeners: [{address: "127.0.0.1:6432"}]
source: {address: "127.0.0.1:1", service: {user: crossfade}}
target: {address: "127.0.0.1:2", service: {user: crossfade}}
users: [{name: app, auth: trust}]
migration: {tables: [` + "\n" + strings.TrimRight(tables, "\n") + "\n]}\n"
	c, err := configs.Parse("mapping", []byte(text), os.LookupEnv)
	if err != nil {
		t.Fatalf("the mapping has faults:\n%v", err)
	}
	return c.Mapping()
}

// Every file of testdata/resolve is a claim: two catalogs, a mapping, and what
// comes of them.
func TestResolve(t *testing.T) {
	files, err := filepath.Glob("testdata/resolve/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) { golden(t, file) })
	}
}

func golden(t *testing.T, file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	given, want, has := strings.Cut(string(text), "=>\n")
	parts := strings.SplitN(given, "--\n", 3)
	if len(parts) != 3 || !has && !*update {
		t.Fatal("a case is source -- target -- mapping => outcome")
	}
	source, target := catalog(t, 16400, parts[0]), catalog(t, 26500, parts[1])
	plan, problems := rewrite.Resolve(mapping(t, parts[2]), source, target, rewrite.Defaults{})
	got := printed(plan) + said(problems)
	if *update {
		if err := os.WriteFile(file, []byte(given+"=>\n"+got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
