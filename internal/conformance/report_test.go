package main

import (
	"strings"
	"testing"
	"time"
)

// good is a report without a fault.
func good() report {
	return report{
		Suite: "s", Direct: in("A", "pass", "B", "fail", "C", "skip"), Proxied: in("A", "pass", "B", "fail", "C", "skip"),
		Floor: 2, Sessions: 3, Evidence: evidence{Sessions: 3},
	}
}

func TestVerdict(t *testing.T) {
	one := []difference{{Test: test{Package: "p", Name: "A"}}}
	tests := []struct {
		name   string
		change func(*report)
		want   string // part of the fault, "" for none
	}{
		{"a good run", func(*report) {}, ""},
		{"a difference", func(r *report) { r.Differences = one }, "1 tests differ"},
		{"an allowed difference", func(r *report) { r.Allowed = one }, ""},
		{"an allowed difference that did not occur", func(r *report) { r.Idle = []allowance{{Test: "p Z"}} }, "p Z"},
		{"too few tests, as skipped ones do not count", func(r *report) { r.Floor = 3 }, "only 2 tests ran"},
		{"too few sessions through the proxy", func(r *report) { r.Evidence.Sessions = 2 }, "only 2 sessions"},
		{"a connection past the proxy", func(r *report) { r.Evidence.Strays = []string{"user x"} }, "past the proxy: user x"},
		{"a connection to the server where nobody is to be", func(r *report) { r.Evidence.Elsewhere = []string{"user x"} }, "went to the source: user x"},
		{"an answer of the wrong server", func(r *report) { r.Wrong = []string{"answered by"} }, "answered by"},
		{"damage that was noticed", func(r *report) { r.Expects, r.Differences = true, one }, ""},
		{"damage that was not noticed", func(r *report) { r.Expects = true }, "did not notice"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := good()
			tt.change(&r)
			err := verdict([]report{r})
			switch {
			case tt.want == "" && err != nil:
				t.Error(err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("verdict %v, want one with %q", err, tt.want)
			}
		})
	}
}

func TestDocumentHoldsTheFigures(t *testing.T) {
	r := good()
	r.Title, r.Server, r.Seconds = "driver v1", "15.18", 12
	text := document([]report{r}, "abc123", time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	for _, want := range []string{
		"Commit abc123, 2026-01-02.",
		"| driver v1 | 15.18 | direct | 3 | 1 | 1 | 1 | | | | |",
		"| | | proxied | 3 | 1 | 1 | 1 | 0 | 0 | 3 | 12 |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the record does not hold %q:\n%s", want, text)
		}
	}
}
