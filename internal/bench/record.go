package main

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/template"
)

//go:embed benchmarks.md.tmpl
var recordText string

// whyHeading begins the part of the record that is written by hand.
const whyHeading = "## Why\n"

// emptyWhy is that part in a new record.
const emptyWhy = whyHeading + "\nNothing has been written here yet.\n"

// record writes docs/benchmarks.md anew, but for the part from "## Why" on.
func record(root string, r *report) error {
	path := filepath.Join(root, "docs", "benchmarks.md")
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read the record: %w", err)
	}
	text, err := recordOf(r, string(old))
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return fmt.Errorf("write the record: %w", err)
	}
	return nil
}

// recordOf is the new text of the record that was old.
func recordOf(r *report, old string) (string, error) {
	page, err := template.New("record").Funcs(template.FuncMap{"markdown": table.markdown}).Parse(recordText)
	if err != nil {
		return "", fmt.Errorf("read the record's template: %w", err)
	}
	var text strings.Builder
	if err := page.Execute(&text, struct {
		*report
		Tables []table
	}{r, r.tables()}); err != nil {
		return "", fmt.Errorf("fill the record's template: %w", err)
	}
	why := emptyWhy
	if at := strings.Index(old, "\n"+whyHeading); at >= 0 {
		why = old[at+1:]
	}
	return text.String() + why, nil
}

// markdown is the table with its title as heading.
func (t table) markdown() string {
	var text strings.Builder
	fmt.Fprintf(&text, "### %s\n", t.Title)
	if len(t.Rows) == 0 {
		return text.String()
	}
	rule := make([]string, len(t.Head))
	for i := range rule {
		rule[i] = "---"
	}
	text.WriteString("\n")
	for _, row := range append([][]string{t.Head, rule}, t.Rows...) {
		fmt.Fprintf(&text, "| %s |\n", strings.Join(row, " | "))
	}
	return text.String()
}
