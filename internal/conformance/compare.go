package main

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// outcome is how one test ended.
type outcome string

const (
	passed  outcome = "pass"
	failed  outcome = "fail"
	skipped outcome = "skip"
	halted  outcome = "halted" // it began, and its package ended in the middle
	absent  outcome = "absent" // it did not run at all
)

// test names one test of a suite.
type test struct {
	Variant string // of the suite's settings, "" where there is one only
	Package string
	Name    string // with its subtests: TestConnect/TCP
}

func (t test) String() string {
	name := t.Package + " " + t.Name
	if t.Variant != "" {
		name += " (" + t.Variant + ")"
	}
	return name
}

// top is the test without its subtests, which is what can be run alone.
func (t test) top() test {
	t.Name, _, _ = strings.Cut(t.Name, "/")
	return t
}

// result is how a test ended and, where a client's output is compared, what it
// printed once its volatile parts are removed.
type result struct {
	Outcome outcome
	Text    string
}

// results are those of one run of a suite.
type results map[test]result

// count is how many tests ended so.
func (r results) count(o outcome) int {
	n := 0
	for _, one := range r {
		if one.Outcome == o {
			n++
		}
	}
	return n
}

// cutShort are the packages that ended in the middle.
func (r results) cutShort() []string {
	found := map[string]bool{}
	for t, one := range r {
		if one.Outcome == halted {
			found[t.Package] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// renew puts the results of a further run of some packages in place of those
// that they had.
func (r results) renew(packages []string, further results) {
	maps.DeleteFunc(r, func(t test, _ result) bool { return slices.Contains(packages, t.Package) })
	maps.Copy(r, further)
}

// difference is one test that did not end alike on both ways.
type difference struct {
	Test            test
	Direct, Proxied result
}

// compare returns the tests whose results differ, sorted by name. A test that
// one run does not have is a difference; one that differs as its subtest does
// is told by that.
func compare(direct, proxied results) []difference {
	var out []difference
	for t, d := range direct {
		p, ok := proxied[t]
		if !ok {
			p = result{Outcome: absent}
		}
		if d != p {
			out = append(out, difference{t, d, p})
		}
	}
	for t, p := range proxied {
		if _, ok := direct[t]; !ok {
			out = append(out, difference{t, result{Outcome: absent}, p})
		}
	}
	slices.SortFunc(out, func(a, b difference) int { return cmp.Compare(a.Test.String(), b.Test.String()) })
	return slices.DeleteFunc(slices.Clone(out), func(d difference) bool {
		return slices.ContainsFunc(out, d.toldBy)
	})
}

// toldBy says that sub is a subtest of d's test and differs in the same way.
func (d difference) toldBy(sub difference) bool {
	return sub.Test.Variant == d.Test.Variant && sub.Test.Package == d.Test.Package &&
		strings.HasPrefix(sub.Test.Name, d.Test.Name+"/") && sub.Direct == d.Direct && sub.Proxied == d.Proxied
}
