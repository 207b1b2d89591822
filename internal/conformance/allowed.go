package main

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

//go:embed allowed.txt
var allowedText string

// allowance is a difference that users are told of.
type allowance struct {
	Suite    string
	Test     string // package, blank, name; with all its subtests if it ends in "/..."
	Sentence string // as it stands in docs/limits.md
}

func (a allowance) covers(suite string, t test) bool {
	name := t.Package + " " + t.Name
	whole, all := strings.CutSuffix(a.Test, "/...")
	return a.Suite == suite && (name == whole || (all && strings.HasPrefix(name, whole+"/")))
}

// readAllowed reads the table and checks each sentence against the document.
func readAllowed(root string) ([]allowance, error) {
	allowed, err := parseAllowed(allowedText)
	if err != nil || len(allowed) == 0 {
		return nil, err
	}
	limits, err := os.ReadFile(filepath.Join(root, "docs", "limits.md"))
	if err != nil {
		return nil, fmt.Errorf("read the limits that users are told of: %w", err)
	}
	return allowed, stated(allowed, string(limits))
}

// parseAllowed reads lines of the form "suite | package test | sentence".
func parseAllowed(text string) ([]allowance, error) {
	var out []allowance
	for i, line := range strings.Split(text, "\n") {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Split(line, "|")
		if len(fields) != 3 {
			return nil, fmt.Errorf("allowed.txt:%d: want suite | package test | sentence", i+1)
		}
		a := allowance{strings.TrimSpace(fields[0]), strings.TrimSpace(fields[1]), strings.TrimSpace(fields[2])}
		if a.Suite == "" || !strings.Contains(a.Test, " ") || a.Sentence == "" {
			return nil, fmt.Errorf("allowed.txt:%d: want suite | package test | sentence", i+1)
		}
		out = append(out, a)
	}
	return out, nil
}

// stated says which sentence users are not told. Line breaks do not matter.
func stated(allowed []allowance, document string) error {
	document = strings.Join(strings.Fields(document), " ")
	for _, a := range allowed {
		if !strings.Contains(document, strings.Join(strings.Fields(a.Sentence), " ")) {
			return fmt.Errorf("allowed.txt: docs/limits.md does not say %q", a.Sentence)
		}
	}
	return nil
}

// sift takes what is allowed out of the differences of a suite. What it
// returns as idle are allowances of the suite that met no difference.
func sift(suite string, all []difference, allowed []allowance) (rest, told []difference, idle []allowance) {
	met := make([]bool, len(allowed))
	for _, d := range all {
		found := false
		for i, a := range allowed {
			if a.covers(suite, d.Test) {
				met[i], found = true, true
			}
		}
		if found {
			told = append(told, d)
		} else {
			rest = append(rest, d)
		}
	}
	for i, a := range allowed {
		if a.Suite == suite && !met[i] {
			idle = append(idle, a)
		}
	}
	return rest, told, idle
}
