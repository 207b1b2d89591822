package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"text/tabwriter"
)

// report is one run of the benchmark; its JSON form is what -json writes.
type report struct {
	Machine  machine         `json:"machine"`
	Settings settings        `json:"settings"`
	Cells    []cellResult    `json:"cells"`
	Idle     *idleResult     `json:"idle,omitempty"`
	Moves    *movesResult    `json:"moves,omitempty"`
	Decide   []microResult   `json:"decide,omitempty"`
	Syscalls []syscallResult `json:"syscalls,omitempty"`
	Backfill *backfillResult `json:"backfill,omitempty"`
	Verdicts []verdict       `json:"verdicts"`

	RowsGrowth float64 `json:"rows_peak_growth_bytes,omitempty"` // of crossfade's memory, by its first large result
}

// ran says whether a cell was measured.
func (r *report) ran(cell string) bool {
	named := func(c cellResult) bool { return c.Cell == cell }
	switch kind(cell) {
	case idle:
		return r.Idle != nil
	case moves:
		return r.Moves != nil
	case decide:
		return r.Decide != nil
	case backfill:
		return r.Backfill != nil
	case prepared, extended, simple, tpcb, rows, connects, syscalls, update, transaction, plainRead, plainWrite, mappedRead:
	}
	return slices.ContainsFunc(r.Cells, named) || r.syscalls(cell).Cell != ""
}

// cell finds a result that enough rounds count in.
func (r *report) cell(name string) (cellResult, error) {
	for _, c := range r.Cells {
		if c.Cell != name {
			continue
		}
		if c.Counted < leastRounds {
			return c, fmt.Errorf("only %d of %d rounds count, the others were disturbed", c.Counted, len(c.Rounds))
		}
		return c, nil
	}
	return cellResult{}, errors.New("it was not measured")
}

func (r *report) syscalls(cell string) syscallResult {
	for _, s := range r.Syscalls {
		if s.Cell == cell {
			return s
		}
	}
	return syscallResult{}
}

// deliver prints r, keeps it where the settings say, and fails when a goal was
// missed.
func deliver(out io.Writer, root string, r *report) error {
	if err := r.print(out); err != nil {
		return err
	}
	if r.Settings.json != "" {
		if err := r.writeJSON(r.Settings.json); err != nil {
			return err
		}
	}
	if r.Settings.record {
		if err := record(root, r); err != nil {
			return err
		}
	}
	failures := slices.DeleteFunc(slices.Clone(r.Verdicts), func(v verdict) bool { return !v.failed() })
	if len(failures) > 0 {
		return fmt.Errorf("meet the goals: %d of %d verdicts are FAIL or unclear", len(failures), len(r.Verdicts))
	}
	return nil
}

func (r *report) writeJSON(path string) error {
	text, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

// print writes the tables and the verdicts as text.
func (r *report) print(out io.Writer) error {
	fmt.Fprintf(out, "crossfade %s, %s, %d x %s, kernel %s, load %s before and %s after\n",
		r.Machine.Revision, r.Machine.Go, r.Machine.Cores, r.Machine.CPU, r.Machine.Kernel, r.Machine.LoadBefore, r.Machine.LoadAfter)
	for _, t := range r.tables() {
		fmt.Fprintf(out, "\n%s\n", t.Title)
		w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		for _, row := range append([][]string{t.Head}, t.Rows...) {
			for _, field := range row {
				fmt.Fprintf(w, "  %s\t", field)
			}
			fmt.Fprintln(w)
		}
		if err := w.Flush(); err != nil {
			return fmt.Errorf("print the report: %w", err)
		}
	}
	fmt.Fprintln(out)
	for _, v := range r.Verdicts {
		if _, err := fmt.Fprintln(out, v); err != nil {
			return fmt.Errorf("print the report: %w", err)
		}
	}
	return nil
}

// String is one line such as "G8 CPU µs/query prepared:8  pass 22.9 <= 25".
func (v verdict) String() string {
	return fmt.Sprintf("%s %s %s  %s", v.Goal, v.What, v.Cell, v.Finding())
}

// Finding is the verdict without its subject: "pass 22.9 <= 25".
func (v verdict) Finding() string {
	word := string(v.State)
	if !v.Gate {
		word = "info: " + word
	}
	if v.State == unclear {
		return word + ", " + v.Why
	}
	sign := ">="
	if v.AtMost {
		sign = "<="
	}
	return fmt.Sprintf("%s %s %s %v", word, v.Value, sign, v.Bound)
}

// String is the median and, where there is one, its interval.
func (e estimate) String() string {
	if e.Low == e.High {
		return figure(e.Median)
	}
	return fmt.Sprintf("%s [%s, %s]", figure(e.Median), figure(e.Low), figure(e.High))
}

// figure rounds to what can be meant: three figures or so.
func figure(v float64) string {
	switch size := max(v, -v); {
	case size >= 100:
		return fmt.Sprintf("%.0f", v)
	case size >= 10:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}
