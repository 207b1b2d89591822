package main

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const sampleLog = `0 1 1000 0 1700000000 500000
1 1 2000 0 1700000000 900000
0 2 3000 0 1700000001 500000
1 2 4000 0 1700000002 500000
`

func TestAppendLogReadsTimesInMicroseconds(t *testing.T) {
	got, err := appendLog(nil, []byte("0 199 2241 0 1175850568 995598\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := ended{end: time.Unix(1175850568, 995598000), latency: 2241 * time.Microsecond}
	if len(got) != 1 || !got[0].end.Equal(want.end) || got[0].latency != want.latency {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestAppendLogRefuses(t *testing.T) {
	for name, line := range map[string]string{
		"a transaction that failed":      "3 0 failed 0 1175850568 998598\n",
		"a transaction that was skipped": "3 0 skipped 0 1175850568 998598\n",
		"a line that was cut":            "0 199 2241 0 11758\n",
		"a negative time":                "0 199 -5 0 1175850568 998598\n",
		"an empty line":                  "\n",
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := appendLog(nil, []byte(line)); err == nil {
				t.Errorf("got %v, want an error", got)
			}
		})
	}
}

func TestReckonDropsWhatEndedInTheWarmUp(t *testing.T) {
	all, err := appendLog(nil, []byte(sampleLog))
	if err != nil {
		t.Fatal(err)
	}
	got, err := reckon(all, 500*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	// The first transaction began at .499, so that the warm-up ends at .999.
	if diff := cmp.Diff([]time.Duration{3 * time.Millisecond, 4 * time.Millisecond}, got.latency); diff != "" {
		t.Error(diff)
	}
	if want := 2 / 1.501; math.Abs(got.rate-want) > 1e-9 {
		t.Errorf("rate = %v, want %v", got.rate, want)
	}
	if got.allUnits != 4 {
		t.Errorf("all units = %v, want 4: the cost is that of the whole run", got.allUnits)
	}
}

func TestReckonOfNothingIsAnError(t *testing.T) {
	if _, err := reckon(nil, 0); !errors.Is(err, errNothing) {
		t.Errorf("no transactions: %v, want %v", err, errNothing)
	}
	all, err := appendLog(nil, []byte(sampleLog))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reckon(all, time.Hour); !errors.Is(err, errStalled) {
		t.Errorf("nothing after the warm-up: %v, want %v", err, errStalled)
	}
}

func FuzzAppendLog(f *testing.F) {
	f.Add([]byte(sampleLog), int64(500_000_000))
	f.Fuzz(func(t *testing.T, text []byte, warm int64) {
		all, err := appendLog(nil, text)
		if err != nil {
			return
		}
		if len(all)*11 > len(text)+1 { // six fields, five blanks
			t.Errorf("%d transactions in %d bytes", len(all), len(text))
		}
		out, err := reckon(all, time.Duration(warm))
		if err == nil && (!(out.rate > 0) || len(out.latency) == 0) {
			t.Errorf("no error and rate %v of %d transactions", out.rate, len(out.latency))
		}
	})
}
