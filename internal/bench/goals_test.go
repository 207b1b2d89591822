package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestJudge(t *testing.T) {
	for name, test := range map[string]struct {
		goal  goal
		value estimate
		want  state
	}{
		"a cost at its bound passes":                              {goal{atMost: true, bound: 25}, exact(25), met},
		"a cost above its bound fails":                            {goal{atMost: true, bound: 25}, estimate{26, 20, 30}, missed},
		"a rate above its bound passes":                           {goal{bound: 0.75, spread: true}, estimate{0.76, 0.5, 0.8}, met},
		"a rate whose interval reaches its bound is in the noise": {goal{bound: 0.75, spread: true}, estimate{0.7, 0.6, 0.75}, noisy},
		"a rate whose whole interval is below fails":              {goal{bound: 0.75, spread: true}, estimate{0.7, 0.6, 0.74}, missed},
	} {
		t.Run(name, func(t *testing.T) {
			test.goal.value = func(*report) (estimate, error) { return test.value, nil }
			if got := test.goal.judge(&report{}); got.State != test.want {
				t.Errorf("state = %q, want %q", got.State, test.want)
			}
		})
	}
}

func TestAGoalWithoutFiguresIsUnclearAndFails(t *testing.T) {
	g := goal{gate: true, value: func(*report) (estimate, error) { return estimate{}, errors.New("no rounds") }}
	if v := g.judge(&report{}); v.State != unclear || !v.failed() {
		t.Errorf("state = %q, failed %v, want unclear and failed", v.State, v.failed())
	}
}

func TestOnlyGatesFailTheBenchmark(t *testing.T) {
	r := report{Verdicts: []verdict{{Goal: "G1", State: missed}}}
	if err := deliver(&strings.Builder{}, t.TempDir(), &r); err != nil {
		t.Errorf("a goal for information: %v, want no error", err)
	}
	r.Verdicts = append(r.Verdicts, verdict{Goal: "G8", State: missed, Gate: true})
	if err := deliver(&strings.Builder{}, t.TempDir(), &r); err == nil {
		t.Error("a gate was missed, want an error")
	}
}

func TestEveryGoalIsAboutACellThatCanRun(t *testing.T) {
	for _, g := range goals() {
		if _, err := parseCell(g.cell); err != nil {
			t.Errorf("%s %s: %v", g.id, g.what, err)
		}
		if !strings.Contains(","+defaultCells+",", ","+g.cell+",") {
			t.Errorf("%s %s: cell %s does not run by default", g.id, g.what, g.cell)
		}
	}
}

// testReport has one cell, whose crossfade rate is 80 % of direct's and equal to
// pgbouncer's, and where a target costs a tenth.
func testReport() *report {
	r := round{
		Before: sample{Rate: 1000, P50: 100, P99: 200}, After: sample{Rate: 1000, P50: 100, P99: 200},
		Proxies: map[string]sample{
			crossfade: {Rate: 800, P50: 120, P99: 260, CPU: 30, RSS: 20 * kib * kib},
			shareNone: {Rate: 790, P50: 121, P99: 262, CPU: 33, RSS: 20 * kib * kib},
			pgbouncer: {Rate: 800, P50: 118, P99: 250, CPU: 15, RSS: 8 * kib * kib},
			haproxy:   {Rate: 700, P50: 130, P99: 240, CPU: 17, RSS: 14 * kib * kib},
		},
	}
	return &report{Cells: []cellResult{summarise(cell{kind: prepared, clients: 8}, []round{r, r, r})}}
}

func TestOnlyGoalsWhoseCellsRanAreJudged(t *testing.T) {
	var got []string
	for _, v := range judgeAll(testReport()) {
		got = append(got, v.String())
	}
	want := []string{
		"G8 CPU µs/query prepared:8  FAIL 30.0 <= 25",
		"share CPU at share 0 / without target prepared:8  FAIL 1.10 <= 1.02",
		"G1 rate / direct prepared:8  info: pass 0.80 >= 0.75",
		"G4 rate / pgbouncer prepared:8  info: pass 1.00 >= 1",
		"G4 rate / haproxy prepared:8  info: pass 1.14 >= 1.05",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAddedLatencyIsAboveTheMeanOfTheNeighbours(t *testing.T) {
	l, found := testReport().Cells[0].line(crossfade)
	if !found || l.AddedP50 != exact(20) || l.AddedP99 != exact(60) {
		t.Errorf("added = %v and %v, want 20 and 60", l.AddedP50, l.AddedP99)
	}
}
