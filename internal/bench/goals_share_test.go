package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMovesAreComparedWithTheSameReads(t *testing.T) {
	m := &movesResult{Sessions: 1000, Rounds: []movesRound{
		{Source: 100, There: 400, Target: 120, Back: 150},
		{Source: 200, There: 400, Target: 210, Back: 240},
		{Source: 100, There: 350, Target: 130, Back: 160},
	}}
	if got := m.added(func(r movesRound) float64 { return r.There }).Median; got != 250 {
		t.Errorf("the moves there add %v ms, want 250: the middle of 300, 200 and 250", got)
	}
	var got []string
	for _, v := range judgeAll(&report{Moves: m}) {
		got = append(got, v.What+" "+string(v.State))
	}
	want := []string{"added ms, 1000 sessions move there pass", "added ms, 1000 sessions move back pass"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestSlowMovesMissTheGoal(t *testing.T) {
	r := movesRound{Source: 100, There: 1200, Target: 100, Back: 100}
	for _, v := range judgeAll(&report{Moves: &movesResult{Rounds: []movesRound{r, r, r}}}) {
		if slow := strings.HasSuffix(v.What, "there"); v.failed() != slow {
			t.Errorf("%s: failed is %v, want %v", v, v.failed(), slow)
		}
	}
}

func TestOneAllocationPerDecisionMissesTheGoal(t *testing.T) {
	r := &report{Decide: []microResult{{Name: benchPlace, NS: exact(500), Allocations: 3}, {Name: benchDecide, NS: exact(20), Allocations: 1}}}
	var got []string
	for _, v := range judgeAll(r) {
		got = append(got, v.String())
	}
	want := []string{"share ns per decision decide  pass 20.0 <= 20", "share allocations per decision decide  FAIL 1.00 <= 0"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestWithoutAProxyThatHasATargetTheShareIsUnclear(t *testing.T) {
	r := testReport()
	for i := range r.Cells[0].Rounds {
		delete(r.Cells[0].Rounds[i].Proxies, shareNone)
	}
	r.Cells = []cellResult{summarise(cell{kind: prepared, clients: 8}, r.Cells[0].Rounds)}
	for _, v := range judgeAll(r) {
		if v.Goal == "share" && !v.failed() {
			t.Errorf("%s: want a failure", v)
		}
	}
}

func TestRoutesAreListedInOneOrder(t *testing.T) {
	var got []string
	for _, l := range testReport().Cells[0].Lines {
		got = append(got, l.Route)
	}
	if diff := cmp.Diff([]string{direct, crossfade, shareNone, pgbouncer, haproxy}, got); diff != "" {
		t.Error(diff)
	}
}
