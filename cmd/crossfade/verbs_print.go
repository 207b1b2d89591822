package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/goccy/go-yaml"

	"github.com/crossfade-db/crossfade/internal/admin"
	"github.com/crossfade-db/crossfade/reconcile/report"
)

// Forms of what is printed.
const (
	formTable = "table"
	formJSON  = "json"
	formYAML  = "yaml"
	formCSV   = "csv"
	formHTML  = "html"
)

// formsOf are the forms that a verb has, the default first. An export is JSON
// Lines.
func formsOf(v admin.Verb) []string {
	switch v.Name {
	case "audit list", "divergence list", "table list", "dirty list", "coverage":
		return []string{formTable, formJSON, formYAML, formCSV}
	case "audit export", "divergence export":
		return []string{formJSON, formCSV}
	case "report":
		return []string{formHTML, formJSON}
	default:
		return []string{formTable, formJSON, formYAML}
	}
}

// printer writes answers: data to out, talk to talk.
type printer struct {
	verb admin.Verb
	form string
	out  io.Writer
	talk io.Writer
}

// print writes the document as the proxy sent it, or as a table.
func (p printer) print(text []byte) error {
	switch p.form {
	case formJSON:
		return p.json(text)
	case formYAML:
		document, err := yaml.JSONToYAML(text)
		if err != nil {
			return fmt.Errorf("read the answer to %s: %w", p.verb.Name, err)
		}
		if bytes.ContainsFunc(document, unprintable) {
			return p.json(text) // which is YAML as well, and can escape
		}
		_, err = p.out.Write(document)
		return err
	case formHTML:
		return p.html(text)
	case formCSV:
		return p.listed(text)
	default:
		return p.table(text)
	}
}

// html writes the report as a page.
func (p printer) html(text []byte) error {
	var r report.Report
	if err := json.Unmarshal(text, &r); err != nil {
		return fmt.Errorf("read the answer to %s: %w", p.verb.Name, err)
	}
	return r.HTML(p.out)
}

func (p printer) json(text []byte) error {
	var indented bytes.Buffer
	if err := json.Indent(&indented, bytes.TrimSpace(text), "", "  "); err != nil {
		return fmt.Errorf("read the answer to %s: %w", p.verb.Name, err)
	}
	indented.WriteByte('\n')
	_, err := p.out.Write(escaped(indented.Bytes()))
	return err
}

// verdict is the exit code of an answer, and what is said beside it.
func (p printer) verdict(text []byte) error {
	var answer struct {
		OK      *bool        `json:"ok"`
		Phase   string       `json:"phase"`
		Share   float64      `json:"share"`
		Version uint64       `json:"version"`
		Before  *admin.Point `json:"before"`
		Warning string       `json:"warning"`
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return nil // an answer without these
	}
	if b := answer.Before; b != nil {
		if answer.Phase != "" && answer.Phase != b.Phase {
			fmt.Fprintf(p.talk, "phase %s -> %s\n", b.Phase, printable(answer.Phase))
		}
		fmt.Fprintf(p.talk, "share %s%% -> %s%%, version %d -> %d\n", percent(b.Share), percent(answer.Share), b.Version, answer.Version)
	}
	if answer.Warning != "" {
		return &exit{exitFound, errors.New("warning: " + printable(answer.Warning))}
	}
	if answer.OK != nil && !*answer.OK {
		return &exit{code: exitFound}
	}
	return nil
}

func (p printer) table(text []byte) error {
	var rows [][2]string
	var err error
	switch p.verb.Reply.(type) {
	case admin.Status:
		rows, err = rowsOf(text, statusRows)
	case admin.Share:
		rows, err = rowsOf(text, shareRows)
	case admin.Explanation:
		rows, err = rowsOf(text, explanationRows)
	case admin.Explained:
		rows, err = rowsOf(text, explainedRows)
	case admin.Verdict:
		rows, err = rowsOf(text, verdictRows)
	case admin.Reloaded:
		rows, err = rowsOf(text, reloadedRows)
	case admin.Divergence:
		rows, err = rowsOf(text, divergenceRows)
	case admin.Reconcile:
		rows, err = rowsOf(text, reconcileRows)
	case admin.Dirty:
		rows, err = rowsOf(text, dirtyRows)
	}
	if err != nil {
		return fmt.Errorf("read the answer to %s: %w", p.verb.Name, err)
	}
	if err := p.rows(rows); err != nil {
		return err
	}
	if _, has := listings[p.verb.Name]; has && len(rows) > 0 {
		if _, err := fmt.Fprintln(p.out); err != nil {
			return err
		}
	}
	return p.listed(text)
}

func (p printer) rows(rows [][2]string) error {
	t := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		if _, err := fmt.Fprintf(t, "%s\t%s\n", row[0], printable(row[1])); err != nil {
			return err
		}
	}
	return t.Flush()
}

// rowsOf decodes an answer and makes the rows of its table.
func rowsOf[T any](text []byte, rows func(T) [][2]string) ([][2]string, error) {
	var answer T
	if err := json.Unmarshal(text, &answer); err != nil {
		return nil, err
	}
	return rows(answer), nil
}
