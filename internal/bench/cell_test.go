package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseCells(t *testing.T) {
	got, err := parseCells("prepared:8, rows,tpcb:1")
	if err != nil {
		t.Fatal(err)
	}
	want := []cell{{prepared, 8}, {rows, 0}, {tpcb, 1}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(cell{})); diff != "" {
		t.Error(diff)
	}
}

func TestParseCellsRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":                      "",
		"a kind that there is not":     "prepare:8",
		"a load without clients":       "prepared",
		"no client":                    "prepared:0",
		"more clients than there are":  "prepared:101",
		"clients where there are none": "rows:2",
		"the same cell twice":          "prepared:8,prepared:8",
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := parseCells(text); err == nil {
				t.Errorf("got %v, want an error", got)
			}
		})
	}
}

func TestDefaultCellsParse(t *testing.T) {
	if _, err := parseCells(defaultCells); err != nil {
		t.Error(err)
	}
}
