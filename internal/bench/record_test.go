package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTheRecordKeepsWhatIsWrittenByHand(t *testing.T) {
	r := testReport()
	r.Verdicts = judgeAll(r)
	first, err := recordOf(r, "")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(first, "\n"+emptyWhy) {
		t.Errorf("a new record ends with %q, want %q", first[max(0, len(first)-80):], emptyWhy)
	}
	const why = "## Why\n\nBecause.\n\n## More\n"
	second, err := recordOf(r, strings.Replace(first, "0.80", "0.99", 1)[:strings.Index(first, "## Why")]+why)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.TrimSuffix(first, emptyWhy)+why, second); diff != "" {
		t.Error(diff)
	}
}

func TestTheRecordHoldsVerdictsAndFigures(t *testing.T) {
	r := testReport()
	r.Verdicts = judgeAll(r)
	text, err := recordOf(r, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| G8 | CPU µs/query | prepared:8 | FAIL 30.0 <= 25 |\n",
		"### prepared:8 (3 of 3 rounds count)\n\n| route | query/s |",
		"| crossfade | 800 | 0.80 | 120 | 260 | 20.0 | 60.0 | 30.0 | 0.00 | 20.0 |\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in the record:\n%s", want, text)
		}
	}
}

func TestAReportWithoutCountedRoundsIsStillJSON(t *testing.T) {
	spoilt := round{Before: sample{Rate: 1}, After: sample{Rate: 2}}
	r := &report{Cells: []cellResult{summarise(cell{kind: prepared, clients: 8}, []round{spoilt})}}
	r.Verdicts = judgeAll(r)
	if _, err := json.Marshal(r); err != nil {
		t.Error(err)
	}
	var text strings.Builder
	if err := r.print(&text); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text.String(), "G8 CPU µs/query prepared:8  unclear, only 0 of 1 rounds count") {
		t.Errorf("the verdict is not there:\n%s", text.String())
	}
}
