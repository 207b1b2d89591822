package main

import "testing"

func TestKeysAreReadAsTheDatabaseWritesThem(t *testing.T) {
	for shown, want := range map[string]string{
		`"\x00\x00\x00*"`: "42", `\x00000081`: "129", `"\x00\x00\x00\x00\x00\x00\x01\x00"`: "256",
		`"bank-1-2-3"`: "bank-1-2-3", `"42"`: "42", `"code"`: "code", "masked:4": "masked:4",
	} {
		if got := keyText(shown); got != want {
			t.Errorf("%s is %q, want %q", shown, got, want)
		}
	}
}

func TestMetricsAreReadWithTheirLabels(t *testing.T) {
	all := parseMetrics([]byte("# HELP a text\n# TYPE a counter\na{table=\"public.t\",outcome=\"both\"} 3\nb 1.5e3\n"))
	if len(all) != 2 || all[`a{table="public.t",outcome="both"}`] != 3 || all["b"] != 1500 {
		t.Errorf("%v", all)
	}
	if got := label(`a{table="public.t",outcome="both"}`, "outcome"); got != "both" {
		t.Errorf("label %q", got)
	}
	if got := label("b", "outcome"); got != "" {
		t.Errorf("label %q of a sample without", got)
	}
}

func TestAWholeTableIsNoticed(t *testing.T) {
	for _, test := range []struct {
		item dirtyItem
		want int
	}{
		{dirtyItem{Table: "public.storm", Range: true, Cause: "bulk"}, 1},
		{dirtyItem{Table: "public.storm", Range: true, Cause: "requested"}, 0},
		{dirtyItem{Table: "public.storm", Cause: "failed"}, 0},
		{dirtyItem{Table: "public.kept", Range: true, Cause: "bulk"}, 0},
	} {
		var w watcher
		w.judge(backlog{Items: []dirtyItem{test.item}})
		if len(w.claims) != test.want {
			t.Errorf("%+v: %q", test.item, w.claims)
		}
	}
}

func TestWritesAreCountedSinceTheFormerLook(t *testing.T) {
	const both = `crossfade_mirror_writes_total{cause="",outcome="both",table="public.storm"}`
	const failed = `crossfade_mirror_writes_total{cause="failed",outcome="authority_only",table="public.storm"}`
	const kept = `crossfade_mirror_writes_total{cause="failed",outcome="authority_only",table="public.kept"}`
	var r round
	r.writes(samples{both: 100, failed: 1}, samples{both: 1098, failed: 3, kept: 50})
	if r.mirrored != 998 || r.missed != 2 || r.inline() == nil {
		t.Errorf("%d mirrored, %d missed, %v", r.mirrored, r.missed, r.inline())
	}
	r = round{}
	r.writes(samples{}, samples{both: 1999, failed: 1})
	if err := r.inline(); err != nil {
		t.Error(err)
	}
	r = round{}
	if r.inline() == nil {
		t.Error("no change at all counts as all of them")
	}
}
