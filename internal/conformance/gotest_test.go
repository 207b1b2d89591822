package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReadEvents(t *testing.T) {
	tests := []struct {
		name, events string
		want         results
	}{
		{
			"each end counts",
			`{"Action":"run","Package":"p","Test":"A"}
{"Action":"pass","Package":"p","Test":"A"}
{"Action":"skip","Package":"p","Test":"B"}
{"Action":"fail","Package":"p","Test":"C"}
{"Action":"fail","Package":"p"}`,
			in("A", "pass", "B", "skip", "C", "fail"),
		},
		{
			"a test that began and did not end was halted",
			`{"Action":"run","Package":"p","Test":"A"}
{"Action":"fail","Package":"p"}`,
			in("A", "halted"),
		},
		{
			"a temporary directory in a name is masked",
			`{"Action":"pass","Package":"p","Test":"TestA/file='/tmp/TestA2822386542/001/x.conf'"}`,
			in("TestA/file='/tmp/SCRATCH/x.conf'", "pass"),
		},
		{
			"a package that fails without a failed test fails itself",
			`{"Action":"pass","Package":"p","Test":"A"}
{"Action":"fail","Package":"p"}`,
			in("A", "pass", wholePackage, "fail"),
		},
		{
			"output, paused tests and what is not JSON are passed over",
			`{"Action":"output","Package":"p","Test":"A","Output":"--- FAIL"}
panic: something
{"Action":"pause","Package":"p","Test":"A"}
{"Action":"pass","Package":"p"}`,
			results{},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := readEvents(strings.NewReader(tt.events), "")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAPackageThatWasCutShortIsRenewed(t *testing.T) {
	r := results{
		{Package: "p", Name: "A"}: {Outcome: passed}, {Package: "p", Name: "B"}: {Outcome: halted},
		{Package: "q", Name: "A"}: {Outcome: failed},
	}
	if diff := cmp.Diff([]string{"p"}, r.cutShort()); diff != "" {
		t.Fatal(diff)
	}
	r.renew(r.cutShort(), results{{Package: "p", Name: "B"}: {Outcome: passed}})
	want := results{{Package: "p", Name: "B"}: {Outcome: passed}, {Package: "q", Name: "A"}: {Outcome: failed}}
	if diff := cmp.Diff(want, r); diff != "" {
		t.Error(diff)
	}
}

func TestReplaceOnce(t *testing.T) {
	if got, err := replaceOnce("a b c", "b", "x"); err != nil || got != "a x c" {
		t.Errorf("got %q, %v", got, err)
	}
	for _, source := range []string{"a c", "b b"} {
		if _, err := replaceOnce(source, "b", "x"); err == nil {
			t.Errorf("%q: the text does not stand there once, and nobody noticed", source)
		}
	}
}

func TestSections(t *testing.T) {
	c := client{name: "c", ends: 2, volatile: []volatile{processID}}
	got := sections(c, "before\n== one\n1\nPID 77\n== two\n", 2)
	want := results{
		{Package: "c", Name: "(start)"}: {passed, "before\n"},
		{Package: "c", Name: "one"}:     {passed, "1\nPID (process)\n"},
		{Package: "c", Name: "two"}:     {passed, ""},
		{Package: "c", Name: "(end)"}:   {passed, "exit status 2"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if end := sections(c, "", 1)[test{Package: "c", Name: "(end)"}]; end.Outcome != failed {
		t.Error("a client that ended badly passed")
	}
}

func TestNoSuitePassesEmpty(t *testing.T) {
	for _, d := range []driver{pgxDriver(), pqDriver()} {
		if d.floor < 1000 || d.sessions < 100 || len(d.variants) == 0 {
			t.Errorf("%s: an empty run could pass", d.name)
		}
	}
}
