package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"github.com/crossfade-db/crossfade/internal/admin"
	"github.com/crossfade-db/crossfade/reconcile/state"
)

// TestFormsOfAnswers compares with files that a reader can judge by eye.
func TestFormsOfAnswers(t *testing.T) {
	b := openBridge(t, ready())
	b.phase(t, "canary")
	b.share(t, "12.5")
	b.at = standing{Pending: 3}
	b.at.Sessions, b.at.Backends = [2]int{30, 10}, [2]int{31, 12}
	tests := []struct {
		file string
		args []string
	}{
		{"status.txt", []string{"status"}},
		{"status.json", []string{"status", "-o", "json"}},
		{"status.yaml", []string{"status", "-o", "yaml"}},
		{"canary_get.txt", []string{"canary", "get"}},
		{"canary_get.json", []string{"canary", "get", "-o", "json"}},
		{"canary_get.yaml", []string{"canary", "get", "-o", "yaml"}},
		{"canary_explain.txt", []string{"canary", "explain", "--key", "user=app"}},
		{"canary_explain.json", []string{"canary", "explain", "--key", "app", "-o", "json"}},
		{"audit_list.txt", []string{"audit", "list", "--act", "canary set"}},
		{"audit_list.csv", []string{"audit", "list", "--act", "canary set", "-o", "csv"}},
		{"audit_list.json", []string{"audit", "list", "--act", "canary set", "-o", "json"}},
		{"audit_list.yaml", []string{"audit", "list", "--act", "canary set", "-o", "yaml"}},
		{"audit_export.json", []string{"audit", "export", "--act", "canary set"}},
		{"reload.txt", []string{"reload", "--reason", "a test"}},
	}
	for _, test := range tests {
		t.Run(test.file, func(t *testing.T) { b.prints(t, test.file, test.args) })
	}
}

// prints compares what a command prints with a file, which UPDATE=1 writes.
func (b *bridge) prints(t *testing.T, file string, args []string) {
	t.Helper()
	got := b.operator(t, args...)
	if got.code != exitDone {
		t.Fatalf("%+v", got)
	}
	text := still(got.out)
	path := filepath.Join("testdata", "verbs", file)
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v: UPDATE=1 writes it", err)
	}
	if diff := cmp.Diff(string(want), text); diff != "" {
		t.Error(diff)
	}
}

// moving is what differs from run to run.
var moving = []struct {
	pattern *regexp.Regexp
	still   string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`), "2026-07-01T12:00:00Z"},
	{regexp.MustCompile(`[0-9a-f]{64}`), "HASH"},
	{regexp.MustCompile(`\b[0-9a-f]{16}\b`), "INSTANCE"},
}

func still(text string) string {
	for _, m := range moving {
		text = m.pattern.ReplaceAllString(text, m.still)
	}
	return text
}

func TestEveryFormSaysTheSame(t *testing.T) {
	b := openBridge(t, ready())
	b.phase(t, "canary")
	b.share(t, "0.25")
	for _, args := range [][]string{{"status"}, {"canary", "get"}, {"canary", "explain", "--key", "app"}, {"audit", "list", "--limit", "2"}, {"audit", "verify", "-o", "yaml"}} {
		var fromJSON, fromYAML any
		if err := json.Unmarshal([]byte(b.operator(t, append(args, "-o", "json")...).out), &fromJSON); err != nil {
			t.Fatal(err)
		}
		asJSON, err := yaml.YAMLToJSON([]byte(b.operator(t, append(args, "-o", "yaml")...).out))
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(asJSON, &fromYAML); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(fromJSON, fromYAML); diff != "" {
			t.Errorf("%q:\n%s", args, diff)
		}
	}
}

func TestAnExportVerifiesWithoutTheProxy(t *testing.T) {
	b := openBridge(t, ready())
	b.phase(t, "canary")
	for i := range 20 {
		b.share(t, fmt.Sprint(i))
	}
	if _, err := b.SetShare(t.Context(), by("<b>&\u00e9\u2713 \"quoted\""), "99.99"); err != nil {
		t.Fatal(err)
	}
	got := b.operator(t, "audit", "export")
	v, err := state.VerifyLines(strings.NewReader(got.out))
	if err != nil || v.Broken != 0 || v.Records < 22 {
		t.Errorf("%+v %v", v, err)
	}
	changed := strings.Replace(got.out, `"reason":"a test"`, `"reason":"another"`, 1)
	if v, err := state.VerifyLines(strings.NewReader(changed)); err != nil || v.Broken != 1 || changed == got.out {
		t.Errorf("a changed export: %+v %v", v, err)
	}
}

func TestPagesAreFollowed(t *testing.T) {
	b := openBridge(t, ready())
	for i := range admin.PageMost + 5 {
		if _, err := b.disk.Store.Record(t.Context(), state.Act{Actor: "a", Act: "x", Reason: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		args []string
		want int
	}{
		{nil, admin.PageMost + 5},
		{[]string{"--limit", "7"}, 7},
		{[]string{"--limit", fmt.Sprint(admin.PageMost + 2)}, admin.PageMost + 2},
		{[]string{"--after", fmt.Sprint(admin.PageMost)}, 5},
	} {
		got := b.operator(t, append([]string{"audit", "export", "--act", "x"}, test.args...)...)
		if n := strings.Count(got.out, "\n"); n != test.want {
			t.Errorf("%q: %d lines, want %d: %s", test.args, n, test.want, got.talk)
		}
	}
}

func TestNoSpreadsheetTakesACellForAFormula(t *testing.T) {
	b := openBridge(t, ready())
	for _, reason := range []string{`=HYPERLINK("http://evil.example")`, "+1", "-1", "@SUM(1)", "a=b", `a,"b"`} {
		if _, err := b.disk.Store.Record(t.Context(), state.Act{Actor: "ops", Act: "x", Reason: reason}); err != nil {
			t.Fatal(err)
		}
	}
	rows, err := csv.NewReader(strings.NewReader(b.operator(t, "audit", "list", "--act", "x", "-o", "csv").out)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var reasons []string
	at := slices.Index(rows[0], "reason")
	for _, row := range rows[1:] {
		reasons = append(reasons, row[at])
	}
	if want := []string{`'=HYPERLINK("http://evil.example")`, "'+1", "'-1", "'@SUM(1)", "a=b", `a,"b"`}; !slices.Equal(reasons, want) {
		t.Errorf("%q, want %q", reasons, want)
	}
}

func TestAReasonDoesNothingToATerminal(t *testing.T) {
	b := openBridge(t, ready())
	reason := "\x1b[2Jgone\nnext\u202eline\t|\u009b31m\x7f\U000E0001 plain \u00e9"
	act := state.Act{Actor: "ops", Act: "x", Reason: reason}
	if _, err := b.disk.Store.Record(t.Context(), act); err != nil {
		t.Fatal(err)
	}
	for _, form := range []string{"table", "json", "yaml"} {
		got := b.operator(t, "audit", "list", "--act", "x", "-o", form)
		if strings.ContainsAny(got.out, "\x1b\u202e\u009b\x7f\U000E0001\t") || got.code != exitDone || !strings.Contains(got.out, "plain \u00e9") {
			t.Errorf("%s: %q", form, got.out)
		}
		if form == "table" {
			continue
		}
		var page admin.Records
		if err := yaml.Unmarshal([]byte(got.out), &page); err != nil || len(page.Records) != 1 || page.Records[0].Reason != reason {
			t.Errorf("%s: it is another reason: %v in %s", form, err, got.out)
		}
	}
}
