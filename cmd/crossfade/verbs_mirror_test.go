package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/crossfade-db/crossfade/internal/admin"
	"github.com/crossfade-db/crossfade/reconcile/report"
)

// TestFormsOfMirrorAnswers compares with files that a reader can judge by eye.
func TestFormsOfMirrorAnswers(t *testing.T) {
	b := openBridge(t, ready())
	mirrors(t, b.helm)
	tests := []struct {
		file string
		args []string
	}{
		{"mirror_status.txt", []string{"status"}},
		{"table_list.txt", []string{"table", "list"}},
		{"table_list.csv", []string{"table", "list", "-o", "csv"}},
		{"table_list.json", []string{"table", "list", "-o", "json"}},
		{"dirty_list.txt", []string{"dirty", "list"}},
		{"dirty_list.csv", []string{"dirty", "list", "--table", "public.orders", "-o", "csv"}},
		{"dirty_list.json", []string{"dirty", "list", "--limit", "1", "-o", "json"}},
		{"reconcile_status.txt", []string{"reconcile", "status"}},
		{"reconcile_status.json", []string{"reconcile", "status", "-o", "json"}},
		{"divergence_list.txt", []string{"divergence", "list"}},
		{"divergence_list.csv", []string{"divergence", "list", "-o", "csv"}},
		{"divergence_list.json", []string{"divergence", "list", "--state", "confirmed", "-o", "json"}},
		{"divergence_list.yaml", []string{"divergence", "list", "--kind", "missing", "-o", "yaml"}},
		{"divergence_export.json", []string{"divergence", "export"}},
		{"divergence_export.csv", []string{"divergence", "export", "-o", "csv"}},
		{"divergence_show.txt", []string{"divergence", "show", "1"}},
		{"coverage.txt", []string{"coverage"}},
		{"coverage.csv", []string{"coverage", "-o", "csv"}},
		{"coverage.json", []string{"coverage", "-o", "json"}},
		{"mirror_off.txt", []string{"mirror", "off", "--reason", "a load test"}},
		{"table_ready.txt", []string{"table", "ready", "public.users", "--reason", "restored from a dump"}},
		{"divergence_waive.txt", []string{"divergence", "waive", "1", "--until", "2999-12-31", "--reason", "a test account"}},
	}
	for _, test := range tests {
		t.Run(test.file, func(t *testing.T) { b.prints(t, test.file, test.args) })
	}
}

func TestMirrorCommandsEndWithTheCodeOfTheirFault(t *testing.T) {
	b := openBridge(t, ready())
	without := openBridge(t, ready())
	w := mirrors(t, b.helm)
	tests := []struct {
		args []string
		says string
	}{
		{[]string{"mirror", "maybe", "--reason", "x"}, "it is on, off"},
		{[]string{"mirror", "off"}, "needs --reason"},
		{[]string{"mirror"}, "accepts 1 arg"},
		{[]string{"table", "ready", "public.none", "--reason", "x"}, "is not mapped"},
		{[]string{"table", "ready", "public.orders"}, "needs --reason"},
		{[]string{"backfill", "public.none", "--reason", "x"}, "is not mapped"},
		{[]string{"backfill"}, "needs --reason"},
		{[]string{"divergence", "show", "99"}, "there is no divergence 99"},
		{[]string{"divergence", "show", "one"}, "id is not the number of a divergence"},
		{[]string{"divergence", "waive", "1", "--reason", "x"}, "needs --until"},
		{[]string{"divergence", "waive", "1", "--reason", "x", "--until", "2020-01-01"}, "until is over"},
		{[]string{"divergence", "list", "--state", "lost"}, `state "lost" is not known`},
		{[]string{"divergence", "list", "--limit", "0"}, "--limit"},
		{[]string{"report", "-o", "csv"}, "use html, json"},
	}
	for _, test := range tests {
		if got := b.operator(t, test.args...); got.code != exitUsage || !strings.Contains(got.talk, test.says) || got.out != "" {
			t.Errorf("%q: %+v", test.args, got)
		}
	}
	if w.changed() != 0 {
		t.Errorf("it changed something: %q", w.done)
	}
	for _, v := range right {
		if !ofMirror(v.verb) {
			continue
		}
		got := without.operator(t, append(strings.Fields(v.verb), v.args...)...)
		if got.code != exitUsage || got.out != "" || !strings.Contains(got.talk, "migration: {tables: [...]}") {
			t.Errorf("%s without tables: %+v", v.verb, got)
		}
	}
}

func ofMirror(verb string) bool {
	group, _, _ := strings.Cut(verb, " ")
	return slices.Contains([]string{"table", "dirty", "reconcile", "divergence", "coverage", "report", "mirror", "backfill", "explain"}, group)
}

func TestFailIsExitOneWhileAnyListedIsOpen(t *testing.T) {
	b := openBridge(t, ready())
	w := mirrors(t, b.helm)
	tests := []struct {
		args []string
		code int
	}{
		{[]string{"divergence", "list"}, exitDone},
		{[]string{"divergence", "list", "--fail"}, exitFound},
		{[]string{"divergence", "list", "--fail", "-o", "json"}, exitFound},
		{[]string{"divergence", "list", "--fail", "--state", "verified"}, exitDone},
		{[]string{"divergence", "list", "--fail", "--table", "public.users"}, exitDone},
	}
	for _, test := range tests {
		if got := b.operator(t, test.args...); got.code != test.code || got.out == "" || (got.talk != "") != (test.code == exitFound) {
			t.Errorf("%q: %+v", test.args, got)
		}
	}
	past := time.Now().Add(-time.Second)
	w.divergences[0].State, w.divergences[0].Waiver = admin.Waived, &admin.WaiverOf{Actor: "ops", Until: past.Add(time.Hour)}
	if got := b.operator(t, "divergence", "list", "--fail"); got.code != exitDone {
		t.Errorf("waived: %+v", got)
	}
	w.divergences[0].Waiver.Until = past
	if got := b.operator(t, "divergence", "list", "--fail"); got.code != exitFound {
		t.Errorf("waived until before: %+v", got)
	}
}

func TestPagesOfDivergencesAreFollowed(t *testing.T) {
	b := openBridge(t, ready())
	w := mirrors(t, b.helm)
	w.divergences = nil
	for i := range admin.PageMost + 5 {
		w.divergences = append(w.divergences, admin.Divergence{ID: uint64(i + 1), State: admin.Verified, Kind: "value"})
	}
	w.divergences[admin.PageMost+4].State = admin.Confirmed
	if got := b.operator(t, "divergence", "export"); strings.Count(got.out, "\n") != admin.PageMost+5 {
		t.Errorf("%d lines: %s", strings.Count(got.out, "\n"), got.talk)
	}
	if got := b.operator(t, "divergence", "list", "--fail"); got.code != exitFound {
		t.Errorf("the open one is on the second page: %d, %s", got.code, got.talk)
	}
}

func TestRunWaitReturnsWhenNothingIsDirty(t *testing.T) {
	b := openBridge(t, ready())
	w := mirrors(t, b.helm)
	w.onLook = func(w *world) {
		if w.looks == 4 { // the first is of the command that runs it
			w.worker.Dirty, w.worker.Keys, w.worker.Ranges, w.worker.OldestSeconds = 0, 0, 0, 0
		}
	}
	got := b.operator(t, "reconcile", "run", "--wait", "--reason", "before the switch")
	if got.code != exitDone || w.looks != 4 || !strings.Contains(got.out, "dirty      0 (0 keys, 0 ranges)") {
		t.Errorf("%d looks: %+v", w.looks, got)
	}
	want := "Reconcile: 3 keys and 1 range dirty; oldest 1m15s; repaired 4.2k; flapping 0; state running\n" +
		"Reconcile: 0 keys and 0 ranges dirty; oldest 0s; repaired 4.2k; flapping 0; state running\n"
	if diff := cmp.Diff(want, got.talk); diff != "" {
		t.Error(diff)
	}
	if !slices.Equal(w.done, []string{"run"}) {
		t.Errorf("%q", w.done)
	}
}

func TestRunWaitEndsWhenTheWorkerIsPaused(t *testing.T) {
	b := openBridge(t, ready())
	w := mirrors(t, b.helm)
	w.onLook = func(w *world) {
		if w.looks == 3 {
			w.worker.State, w.worker.Reason = "paused", "by\x1b[2J night"
		}
	}
	got := b.operator(t, "reconcile", "run", "--wait", "--reason", "x")
	if got.code != exitFound || got.out != "" || !strings.Contains(got.talk, `paused (by\x1b[2J night): crossfade reconcile resume`) {
		t.Errorf("%+v", got)
	}
}

func TestBackfillShowsHowFarItIs(t *testing.T) {
	b := openBridge(t, ready())
	w := mirrors(t, b.helm)
	steps := []admin.Progress{
		{Table: "public.users", Copied: 4_200_000, Total: 7_500_000, Wrote: 4_100_000, State: "running", Rate: 41_200, ETA: &admin.Span{Low: 80, High: 130.4}},
		{Table: "public.users", Copied: 7_500_000, Total: 7_500_000, Wrote: 7_400_000, State: "done"},
	}
	w.onLook = func(w *world) { w.worker.Tables = []admin.Progress{steps[min(w.looks-1, len(steps)-1)]} }
	got := b.operator(t, "backfill", "public.users", "public.orders", "--reason", "after the outage", "-o", "json")
	want := "Copy public.orders: 0/1.0k 0.0%; wrote 0; state done\n" +
		"Copy public.users: 4.2M/7.5M 56.0%; wrote 4.1M; 41k rows/s; state running; ETA 1m20s-2m10s\n" +
		"Copy public.users: 7.5M/7.5M 100.0%; wrote 7.4M; state done\n"
	if diff := cmp.Diff(want, got.talk); diff != "" || got.code != exitDone {
		t.Errorf("%+v\n%s", got, diff)
	}
	var end admin.Backfill
	if err := json.Unmarshal([]byte(got.out), &end); err != nil || len(end.Tables) != 2 || end.Tables[1].State != "done" || end.Tables[1].Copied != 7_500_000 {
		t.Errorf("%v %s", err, got.out)
	}
	if !slices.Equal(w.done, []string{`backfill ["public.orders" "public.users"]`}) {
		t.Errorf("%q", w.done)
	}
}

func TestALineOfProgress(t *testing.T) {
	eta := &admin.Span{Low: 5, High: 4000}
	tests := []struct {
		walk admin.Progress
		want string
	}{
		{admin.Progress{Table: "t", State: "waiting"}, "Copy t: 0 rows; wrote 0; 0 rows/s; state waiting"},
		{admin.Progress{Table: "t", State: "running", Copied: 99, Total: 10_000, ETA: eta}, "Copy t: 99/10k 1.0%; wrote 0; 0 rows/s; state running"},
		{admin.Progress{Table: "t", State: "running", Copied: 100, Total: 10_000, ETA: eta}, "Copy t: 100/10k 1.0%; wrote 0; 0 rows/s; state running; ETA 5s-1h6m40s"},
		{admin.Progress{Table: "t", State: "running", Copied: 12_000, Total: 10_000, ETA: eta}, "Copy t: 12k/10k 100.0%; wrote 0; 0 rows/s; state running; ETA 5s-1h6m40s"},
		{admin.Progress{Table: "t", State: "throttled", Reason: "lag"}, "Copy t: 0 rows; wrote 0; 0 rows/s; state throttled (lag)"},
		{admin.Progress{Table: "t\x1b[2J\n", State: "running"}, `Copy t\x1b[2J\n: 0 rows; wrote 0; 0 rows/s; state running`},
	}
	for _, test := range tests {
		if got := walkLine(&test.walk); got != test.want {
			t.Errorf("%s, want %s", got, test.want)
		}
	}
	for n, want := range map[uint64]string{0: "0", 999: "999", 1000: "1.0k", 9_949: "9.9k", 41_200: "41k", 7_500_000: "7.5M", 3_000_000_000: "3.0G"} {
		if got := units(n); got != want {
			t.Errorf("%d is %s, want %s", n, got, want)
		}
	}
}

// TestWaitingEndsWithTheCommand: what it waited for is not done, and goes on.
func TestWaitingEndsWithTheCommand(t *testing.T) {
	b := openBridge(t, ready())
	w := mirrors(t, b.helm)
	ctx, cancel := context.WithCancel(t.Context())
	w.onLook = func(w *world) {
		if w.looks == 4 {
			cancel()
		}
	}
	var out, talk strings.Builder
	code := run(ctx, []string{"reconcile", "run", "--wait", "--reason", "x", "--admin", b.address, "--token", b.secrets[admin.Operator]}, &out, &talk)
	if code != exitFound || out.String() != "" || !strings.Contains(talk.String(), "the worker goes on without this command") {
		t.Errorf("%d %q %q", code, out.String(), talk.String())
	}
}

func TestTheReportIsOnePage(t *testing.T) {
	b := openBridge(t, ready())
	mirrors(t, b.helm)
	b.phase(t, "canary")
	page := b.as(t, admin.Auditor, "report")
	if page.code != exitDone || page.talk != "" || !strings.HasPrefix(page.out, "<!doctype html>") || !strings.Contains(page.out, "public.user_profiles") {
		t.Errorf("%d %s\n%.300s", page.code, page.talk, page.out)
	}
	got := b.as(t, admin.Auditor, "report", "-o", "json")
	var r report.Report
	if err := json.Unmarshal([]byte(got.out), &r); err != nil || r.Subject.Migration != "shop-v2" || len(r.Tables) != 2 {
		t.Errorf("%v %+v", err, got)
	}
	if acts := b.acts(t); !slices.Contains(acts, "report: done") {
		t.Errorf("that it was read is no act: %q", acts)
	}
	if got := b.as(t, admin.Auditor, "divergence", "export"); got.code != exitDone || !slices.Contains(b.acts(t), "divergence export: done") {
		t.Errorf("%+v %q", got, b.acts(t))
	}
}

// poison is what must not do anything to a terminal, a spreadsheet or a page.
var poison = []string{
	`=HYPERLINK("http://evil.example")`, "+1+cmd|' /C calc'!A0", "-2+3", "@SUM(1)", "\t=1", "\r=1", "\n=1", "＝1+1", "＠SUM(1)", " =1", "\u00a0\u3000=1", "'=1", "|calc", "%x",
	"\x1b[2Jgone", "\u202eback", "a,\"b\"\nc", `<script>alert(1)</script>`, `</style><img src=x onerror=alert(1)>`,
}

func TestNamesAndReasonsOfOthersDoNothing(t *testing.T) {
	b := openBridge(t, ready())
	w := mirrors(t, b.helm)
	for _, text := range poison {
		w.tables = []admin.Table{{Source: text, Target: text, Reason: text, Declared: text}}
		w.items = []admin.DirtyItem{{Table: text, Key: text, Cause: text, Error: text}}
		w.divergences = []admin.Divergence{{
			ID: 1, State: admin.Waived, Kind: text, Table: text, Key: text, Columns: []string{text}, Digest: text, Cause: text,
			Waiver: &admin.WaiverOf{Actor: text, Reason: text},
		}}
		w.statements = []admin.Statement{{Digest: text, Kind: text, Tables: []string{text}, Seen: 3, Skipped: map[string]uint64{text: 3}}}
		w.worker.Reason, w.worker.Tables[0].Table, w.weak = text, text, []string{text}
		for _, args := range [][]string{
			{"table", "list"},
			{"dirty", "list"},
			{"divergence", "list"},
			{"divergence", "show", "1"},
			{"coverage"},
			{"reconcile", "status"},
			{"divergence", "export"},
			{"divergence", "list", "-o", "json"},
			{"coverage", "-o", "yaml"},
		} {
			if got := b.operator(t, args...); got.code != exitDone || strings.ContainsAny(got.out, "\x1b\u202e\r") {
				t.Errorf("%q, %q: %+v", text, args, got)
			}
		}
		for _, verb := range []string{"table list", "dirty list", "divergence list", "divergence export", "coverage"} {
			inertRows(t, text, b.operator(t, append(strings.Fields(verb), "-o", "csv")...).out)
		}
		if page := b.operator(t, "report").out; strings.Contains(page, "<script") || strings.Contains(page, "<img") || strings.Count(page, "</style") != 1 {
			t.Errorf("%q is part of the page", text)
		}
	}
}

// inertRows says that no cell of a CSV is a formula, and that the text is in it.
func inertRows(t *testing.T, text, out string) {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
	if err != nil || len(rows) != 2 {
		t.Errorf("%q: %d rows, %v", text, len(rows), err)
		return
	}
	found := false
	for _, cell := range rows[1] {
		found = found || strings.Contains(cell, strings.ReplaceAll(text, "\r", "")) || strings.Contains(cell, text)
		if cell != "" && strings.ContainsRune("=+-@|%\t\r\n＝＋－＠", []rune(strings.TrimLeft(cell, " \u00a0\u3000") + "x")[0]) {
			t.Errorf("%q: a spreadsheet computes %q", text, cell)
		}
	}
	if !found {
		t.Errorf("%q is not in %q", text, fmt.Sprint(rows[1]))
	}
}
