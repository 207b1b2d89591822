package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAMutantIsReadWhole(t *testing.T) {
	m, err := parse("file: a/b.go\ntest: ./a TestB\nloss: it: breaks\n--- was\nif bad {\n+++ is\nif false {\n")
	if want := (mutant{"a/b.go", "./a", "TestB", "it: breaks", "if bad {", "if false {"}); err != nil || m != want {
		t.Errorf("%+v, %v", m, err)
	}
	for name, text := range map[string]string{
		"no texts":       "file: a\ntest: ./a T\n",
		"no file":        "test: ./a T\n--- was\nx\n+++ is\ny\n",
		"no test":        "file: a\n--- was\nx\n+++ is\ny\n",
		"nothing to see": "file: a\ntest: ./a T\n--- was\nx\n+++ is\nx\n",
	} {
		if _, err := parse(text); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestOnlyTheNamedTestKillsAMutant(t *testing.T) {
	m := mutant{pkg: "./a", test: "TestB"}
	failed := errors.New("exit status 1")
	cases := []struct {
		name, out string
		err       error
		want      verdict
		wrong     bool
	}{
		{"its test fails", "--- FAIL: TestB (0.00s)\nFAIL", failed, dead, false},
		{"its test passes", "ok  a", nil, alive, false},
		{"it does not build", "FAIL a [build failed]", failed, "", true},
		{"there is no such test", "ok  a [no tests to run]", nil, "", true},
		{"something else fails", "FAIL a", failed, "", true},
	}
	for _, c := range cases {
		if got, err := m.judge([]byte(c.out), c.err); got != c.want || (err != nil) != c.wrong {
			t.Errorf("%s: %q, %v", c.name, got, err)
		}
	}
}

func TestEveryMutantFitsTheTree(t *testing.T) {
	files, err := filepath.Glob("patches/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d mutants, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		m, err := parse(string(text))
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		source, err := os.ReadFile(filepath.Join("../..", m.file))
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		if n := strings.Count(string(source), m.was); n != 1 {
			t.Errorf("%s: its text stands %d times in %s", file, n, m.file)
		}
	}
}
