package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
)

// listing is how the elements of a list are printed.
type listing struct {
	member string // of the answer
	table  []string
	csv    []string
	// cells are an element's, all of them or those of a table.
	cells func(raw json.RawMessage, wide bool) ([]string, error)
}

// column is one of a list's; a wide one is in CSV only.
type column[T any] struct {
	name string
	cell func(*T) string
	wide bool
}

func listingOf[T any](member string, columns []column[T]) listing {
	l := listing{member: member}
	for _, c := range columns {
		l.csv = append(l.csv, c.name)
		if !c.wide {
			l.table = append(l.table, strings.ToUpper(c.name))
		}
	}
	l.cells = func(raw json.RawMessage, wide bool) (cells []string, err error) {
		var element T
		if err := json.Unmarshal(raw, &element); err != nil {
			return nil, err
		}
		for _, c := range columns {
			if wide || !c.wide {
				cells = append(cells, c.cell(&element))
			}
		}
		return cells, nil
	}
	return l
}

// listed prints the list of an answer, if it has one.
func (p printer) listed(text []byte) error {
	l, ok := listings[p.verb.Name]
	if !ok {
		return nil
	}
	all, _, err := pageOf(text, l.member)
	if err != nil {
		return fmt.Errorf("read the answer to %s: %w", p.verb.Name, err)
	}
	return p.list(l, all)
}

// list prints elements as CSV or as a table.
func (p printer) list(l listing, all []json.RawMessage) error {
	rows := make([][]string, 0, len(all))
	for _, raw := range all {
		cells, err := l.cells(raw, p.form == formCSV)
		if err != nil {
			return fmt.Errorf("read the answer to %s: %w", p.verb.Name, err)
		}
		rows = append(rows, cells)
	}
	if p.form == formCSV {
		return p.csvRows(l.csv, rows)
	}
	t := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	if _, err := fmt.Fprintln(t, strings.Join(l.table, "\t")); err != nil {
		return err
	}
	for _, cells := range rows {
		for i := range cells {
			cells[i] = printable(cells[i])
		}
		if _, err := fmt.Fprintln(t, strings.Join(cells, "\t")); err != nil {
			return err
		}
	}
	return t.Flush()
}

// csvRows writes cells, none of which a spreadsheet takes for a formula.
func (p printer) csvRows(names []string, rows [][]string) error {
	w := csv.NewWriter(p.out)
	if err := w.Write(names); err != nil {
		return err
	}
	for _, cells := range rows {
		for i := range cells {
			cells[i] = inert(cells[i])
		}
		if err := w.Write(cells); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}
