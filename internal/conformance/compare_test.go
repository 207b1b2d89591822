package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// in makes results of one package from names and outcomes.
func in(pairs ...string) results {
	r := results{}
	for i := 0; i < len(pairs); i += 2 {
		r[test{Package: "p", Name: pairs[i]}] = result{Outcome: outcome(pairs[i+1])}
	}
	return r
}

// told is what compare found, in words.
func told(all []difference) []string {
	var out []string
	for _, d := range all {
		out = append(out, d.Test.String()+": "+string(d.Direct.Outcome)+"/"+string(d.Proxied.Outcome))
	}
	return out
}

func TestCompare(t *testing.T) {
	tests := []struct {
		name            string
		direct, proxied results
		want            []string
	}{
		{"two empty runs do not differ", results{}, results{}, nil},
		{"equal results do not differ", in("A", "pass", "B", "skip"), in("B", "skip", "A", "pass"), nil},
		{"a test that fails on both ways does not differ", in("A", "fail"), in("A", "fail"), nil},
		{"a test that fails through the proxy alone", in("A", "pass"), in("A", "fail"), []string{"p A: pass/fail"}},
		{"a test that passes through the proxy alone", in("A", "fail"), in("A", "pass"), []string{"p A: fail/pass"}},
		{"a test that is skipped through the proxy", in("A", "pass"), in("A", "skip"), []string{"p A: pass/skip"}},
		{"a test that did not run through the proxy", in("A", "pass"), results{}, []string{"p A: pass/absent"}},
		{"a test that did not run directly", results{}, in("A", "pass"), []string{"p A: absent/pass"}},
		{
			"a test that fails with its subtest is told by that",
			in("A", "pass", "A/x", "pass", "A/y", "pass"), in("A", "fail", "A/x", "fail", "A/y", "pass"),
			[]string{"p A/x: pass/fail"},
		},
		{
			"a test that fails while its subtest is skipped is told itself",
			in("A", "pass", "A/x", "pass"), in("A", "fail", "A/x", "skip"),
			[]string{"p A: pass/fail", "p A/x: pass/skip"},
		},
		{
			"a test whose name begins like another's is no subtest of it",
			in("A", "pass", "AB", "pass"), in("A", "fail", "AB", "fail"),
			[]string{"p A: pass/fail", "p AB: pass/fail"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, told(compare(tt.direct, tt.proxied))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCompareTellsPackagesAndVariantsApart(t *testing.T) {
	direct := results{
		{Package: "p", Name: "A"}:                 {Outcome: passed},
		{Package: "q", Name: "A"}:                 {Outcome: passed},
		{Package: "p", Name: "A", Variant: "two"}: {Outcome: passed},
	}
	through := results{
		{Package: "p", Name: "A"}:                 {Outcome: passed},
		{Package: "q", Name: "A"}:                 {Outcome: failed},
		{Package: "p", Name: "A", Variant: "two"}: {Outcome: skipped},
	}
	want := []string{"p A (two): pass/skip", "q A: pass/fail"}
	if diff := cmp.Diff(want, told(compare(direct, through))); diff != "" {
		t.Error(diff)
	}
}

func TestCompareReadsWhatClientsPrint(t *testing.T) {
	direct := results{{Package: "psql", Name: "rows"}: {passed, "1\n2\n"}}
	through := results{{Package: "psql", Name: "rows"}: {passed, "1\n3\n"}}
	if got := compare(direct, through); len(got) != 1 {
		t.Errorf("%d differences, want the one in the text", len(got))
	}
}

func TestAllowedDifferences(t *testing.T) {
	allowed, err := parseAllowed("# told\npgx | p A | One sentence.\npgx | p B/... | Another.\n\npq | p C | A third.\n")
	if err != nil {
		t.Fatal(err)
	}
	all := compare(
		in("A", "pass", "A/x", "pass", "B/y", "pass", "C", "pass"),
		in("A", "pass", "A/x", "fail", "B/y", "fail", "C", "fail"),
	)
	rest, allowedOnes, idle := sift("pgx", all, allowed)
	if diff := cmp.Diff([]string{"p A/x: pass/fail", "p C: pass/fail"}, told(rest)); diff != "" {
		t.Error("not allowed: a subtest of an allowed test, and another suite's test:", diff)
	}
	if diff := cmp.Diff([]string{"p B/y: pass/fail"}, told(allowedOnes)); diff != "" {
		t.Error("allowed:", diff)
	}
	if diff := cmp.Diff([]allowance{{"pgx", "p A", "One sentence."}}, idle); diff != "" {
		t.Error("allowed, and did not occur:", diff)
	}
}

func TestAllowedNeedsItsSentence(t *testing.T) {
	allowed := []allowance{{"pgx", "p A", "A client sees  this."}}
	if err := stated(allowed, "Text. A client\nsees this. More."); err != nil {
		t.Error("the sentence stands there:", err)
	}
	if stated(allowed, "Text. A client sees that.") == nil {
		t.Error("the sentence does not stand there, and nobody noticed")
	}
}

func TestMalformedAllowedIsRefused(t *testing.T) {
	for _, line := range []string{"pgx | p A", "pgx | p A | one | two", "pgx | A | no package.", " | p A | no suite.", "pgx | p A | "} {
		if _, err := parseAllowed(line); err == nil {
			t.Errorf("%q was taken", line)
		}
	}
}

func TestTheTableOfThisRepositoryIsStated(t *testing.T) {
	if _, err := readAllowed("../.."); err != nil {
		t.Error(err)
	}
}
