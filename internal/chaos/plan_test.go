package main

import (
	"reflect"
	"testing"

	"github.com/crossfade-db/crossfade/internal/failpoint"
)

func TestTheSameSeedPlansTheSame(t *testing.T) {
	if !reflect.DeepEqual(plans(7, 100), plans(7, 100)) {
		t.Error("two plans of one seed differ")
	}
	if reflect.DeepEqual(plans(7, 100), plans(8, 100)) {
		t.Error("two seeds plan the same")
	}
}

func TestEveryPointComesOftenEnough(t *testing.T) {
	for _, test := range []struct{ rounds, least int }{{100, hitsWanted}, {10, 1}} {
		for seed := range uint64(50) {
			kills := map[string]int{}
			for _, r := range plans(seed, test.rounds) {
				for _, s := range r.strikes {
					kills[s.point]++
				}
			}
			for _, point := range failpoint.Points() {
				if kills[point] < test.least {
					t.Fatalf("seed %d, %d rounds: %s comes %d times, want %d", seed, test.rounds, point, kills[point], test.least)
				}
			}
		}
	}
}

func TestEveryStrikeAndDelayComesInTheShortForm(t *testing.T) {
	type sort struct {
		kind   strikeKind
		victim victim
	}
	for seed := range uint64(50) {
		seen, quiet := map[sort]bool{}, 0
		for _, r := range plans(seed, 10) {
			if len(r.strikes) == 0 {
				quiet++
			}
			for _, s := range r.strikes {
				if s.kind == stallAll {
					s.victim = nobody
				}
				seen[sort{s.kind, s.victim}] = true
			}
		}
		if want := 1 + 2*3 + 1; len(seen) != want || quiet != 2 {
			t.Fatalf("seed %d: %d sorts of strikes, want %d; %d quiet rounds: %v", seed, len(seen), want, quiet, seen)
		}
	}
}
