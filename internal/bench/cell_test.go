package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseCells(t *testing.T) {
	got, err := parseCells("prepared:8, rows,tpcb:1,update:1@0.5ms")
	if err != nil {
		t.Fatal(err)
	}
	want := []cell{{kind: prepared, clients: 8}, {kind: rows}, {kind: tpcb, clients: 1}, {kind: update, clients: 1, trip: 500 * time.Microsecond}}
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
		"a delay that is none":         "update:1@fast",
		"a delay of zero":              "update:1@0s",
		"a delay below a nanosecond":   "update:1@0.1ns",
		"more delay than there is":     "update:1@1m",
		"a delay where there is none":  "prepared:8@2ms",
		"the same cell twice":          "prepared:8,prepared:8",
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := parseCells(text); err == nil {
				t.Errorf("got %v, want an error", got)
			}
		})
	}
}

func TestACellIsWrittenAsItIsRead(t *testing.T) {
	for _, word := range []string{"rows", "prepared:8", "update:16", "update:1@0.5ms", "transaction:1@2ms", "backfill"} {
		c, err := parseCell(word)
		if err != nil || c.String() != word {
			t.Errorf("%q is %q, %v", word, c, err)
		}
	}
}

func TestDefaultCellsParse(t *testing.T) {
	if _, err := parseCells(defaultCells); err != nil {
		t.Error(err)
	}
}
