package admin

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
)

func contextWith(ctx context.Context, arrived net.Addr) context.Context {
	return context.WithValue(ctx, http.LocalAddrContextKey, arrived)
}

func TestWhatABodyMayBe(t *testing.T) {
	h := open(t)
	long := strings.Repeat("x", bodyBytes)
	tests := []struct {
		name, body string
		want       int
		detail     string
	}{
		{"right", `{"share": 5, "reason": "a test"}`, http.StatusOK, ""},
		{"two decimals", `{"share": 0.25, "reason": "a test"}`, http.StatusOK, ""},
		{"nothing", ``, http.StatusUnprocessableEntity, "needs share"},
		{"no reason", `{"share": 5}`, http.StatusUnprocessableEntity, "needs a reason"},
		{"a blank reason", `{"share": 5, "reason": " \t "}`, http.StatusUnprocessableEntity, "needs a reason"},
		{"a reason of two lines", `{"share": 5, "reason": "a\nb"}`, http.StatusUnprocessableEntity, "not one line"},
		{"a reason that paints the terminal", `{"share": 5, "reason": "a\u001b[31mb"}`, http.StatusUnprocessableEntity, "not one line"},
		{"a reason that turns the line around", `{"share": 5, "reason": "a\u202eb"}`, http.StatusUnprocessableEntity, "not one line"},
		{"a reason without end", `{"share": 5, "reason": "` + strings.Repeat("x", reasonBytes+1) + `"}`, http.StatusUnprocessableEntity, "longer than 1000"},
		{"a reason that is none", `{"share": 5, "reason": 5}`, http.StatusUnprocessableEntity, "reason is not a string"},
		{"no share", `{"reason": "a test"}`, http.StatusUnprocessableEntity, "needs share"},
		{"a share as text", `{"share": "5", "reason": "a test"}`, http.StatusUnprocessableEntity, "share is not a number"},
		{"no number", `{"share": null, "reason": "a test"}`, http.StatusUnprocessableEntity, "share is not a number"},
		{"an unknown member", `{"share": 5, "reason": "a test", "force": true}`, http.StatusUnprocessableEntity, `no member "force"`},
		{"a list", `[5]`, http.StatusUnprocessableEntity, "not one JSON object"},
		{"null", `null`, http.StatusUnprocessableEntity, "not one JSON object"},
		{"two documents", `{"share": 5, "reason": "a"}{}`, http.StatusUnprocessableEntity, "not one JSON object"},
		{"no JSON", `share=5`, http.StatusUnprocessableEntity, "not one JSON object"},
		{"no UTF-8", "{\"share\": 5, \"reason\": \"\xff\"}", http.StatusUnprocessableEntity, "not UTF-8"},
		{"too long", `{"share": 5, "reason": "` + long + `"}`, http.StatusRequestEntityTooLarge, "longer than 65536"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			before := h.count("canary set")
			got := h.send(t, "PUT", "/api/v1/canary", secrets[Operator], test.body, "If-Match: *")
			if got.status != test.want || !strings.Contains(got.body, strings.ReplaceAll(test.detail, `"`, `\"`)) {
				t.Errorf("%d %s", got.status, got.body)
			}
			if done := h.count("canary set") > before; done != (test.want == http.StatusOK) {
				t.Errorf("it was carried out: %t", done)
			}
		})
	}
}

func TestAnAbortNeedsNoReason(t *testing.T) {
	h := open(t)
	for _, body := range []string{"", "{}", `{"reason": ""}`} {
		if got := h.send(t, "POST", "/api/v1/abort", secrets[Operator], body); got.status != http.StatusOK {
			t.Errorf("%q: %d %s", body, got.status, got.body)
		}
	}
	for _, c := range h.changes {
		if c.Reason != "abort" {
			t.Errorf("reason %q", c.Reason)
		}
	}
}

func TestAQueryHasOnlyWhatTheVerbKnows(t *testing.T) {
	h := open(t)
	tests := []struct {
		path string
		want int
	}{
		{"/audit?after=1&limit=2&act=abort&actor=ops", http.StatusOK},
		{"/audit?limit=0", http.StatusUnprocessableEntity},
		{"/audit?limit=1001", http.StatusUnprocessableEntity},
		{"/audit?limit=many", http.StatusUnprocessableEntity},
		{"/audit?after=-1", http.StatusUnprocessableEntity},
		{"/audit?after=1&after=2", http.StatusUnprocessableEntity},
		{"/audit?since=1", http.StatusUnprocessableEntity},
		{"/audit?act=%zz", http.StatusUnprocessableEntity},
		{"/status?verbose=1", http.StatusUnprocessableEntity},
		{"/canary/explain", http.StatusUnprocessableEntity},
		{"/canary/explain?key=user%3Dapp", http.StatusOK},
	}
	for _, test := range tests {
		if got := h.send(t, "GET", Root+test.path, secrets[Auditor], ""); got.status != test.want {
			t.Errorf("%s: %d %s", test.path, got.status, got.body)
		}
	}
	for _, query := range []string{"?share=6", "?reason=x", "?x"} {
		got := h.send(t, "PUT", Root+"/canary"+query, secrets[Operator], `{"share": 5, "reason": "a test"}`, "If-Match: *")
		if got.status != http.StatusUnprocessableEntity || h.count("canary set") != 0 {
			t.Errorf("a change with the query %s: %d", query, got.status)
		}
	}
}

func TestAChangeSaysWhichVersionItChanges(t *testing.T) {
	right := `{"share": 9, "reason": "a test"}`
	tests := []struct {
		name, header string
		want         int
	}{
		{"the one in force", `If-Match: "7"`, http.StatusOK},
		{"any", `If-Match: *`, http.StatusOK},
		{"an old one", `If-Match: "6"`, http.StatusPreconditionFailed},
		{"a coming one", `If-Match: "8"`, http.StatusPreconditionFailed},
		{"none", `X: y`, http.StatusPreconditionRequired},
		{"without quotes", `If-Match: 7`, http.StatusUnprocessableEntity},
		{"a weak one", `If-Match: W/"7"`, http.StatusUnprocessableEntity},
		{"several", `If-Match: "7", "8"`, http.StatusUnprocessableEntity},
		{"no number", `If-Match: "-7"`, http.StatusUnprocessableEntity},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := open(t)
			got := h.send(t, "PUT", "/api/v1/canary", secrets[Operator], right, test.header)
			if got.status != test.want {
				t.Errorf("%d %s", got.status, got.body)
			}
			if tag := got.header.Get("ETag"); (tag == `"8"`) != (test.want == http.StatusOK) {
				t.Errorf("ETag %s", tag)
			}
		})
	}
	h := open(t)
	for _, path := range []string{"/status", "/canary"} {
		if tag := h.send(t, "GET", Root+path, secrets[Viewer], "").header.Get("ETag"); tag != `"7"` {
			t.Errorf("%s: ETag %s", path, tag)
		}
	}
	if got := h.send(t, "POST", "/api/v1/abort", secrets[Operator], "", `If-Match: "6"`); got.status != http.StatusPreconditionFailed {
		t.Errorf("an abort of an old version: %d", got.status)
	}
}

func TestTheControlLearnsWhoAskedAndWhy(t *testing.T) {
	h := open(t)
	h.send(t, "PUT", "/api/v1/canary", secrets[Operator], `{"share": 9, "reason": "  first step "}`, `If-Match: "7"`)
	seven := uint64(7)
	want := []Change{{Actor: "operator", Door: DoorHTTP, Address: "127.0.0.1", Reason: "first step", IfVersion: &seven}}
	if diff := cmp.Diff(want, h.changes); diff != "" {
		t.Error(diff)
	}
}

func TestAPageSaysWhereTheNextBegins(t *testing.T) {
	h := open(t)
	for range 5 {
		h.send(t, "POST", "/api/v1/abort", secrets[Operator], "")
	}
	for path, want := range map[string]string{"?limit=2": `"next": 2`, "?limit=2&after=2": `"next": 4`, "?limit=2&after=4": `"next": 0`, "": `"next": 0`, "?after=9": `"records": []`} {
		if got := h.send(t, "GET", "/api/v1/audit"+path, secrets[Auditor], ""); !strings.Contains(got.body, want) {
			t.Errorf("%s has no %s: %s", path, want, got.body)
		}
	}
}

// FuzzRequest: whatever arrives, nothing panics, and what is let through is what
// the table allows.
func FuzzRequest(f *testing.F) {
	f.Add("share=5", `{"share": 5, "reason": "x"}`, `"7"`, uint8(8))
	f.Add("", `{"phase": "canary", "reason": "x"}`, `*`, uint8(7))
	f.Add("key=user%3Dapp", ``, ``, uint8(2))
	f.Add("after=1&limit=2", `{"reason": "\u001b"}`, `"x"`, uint8(4))
	f.Fuzz(func(t *testing.T, query, body, match string, which uint8) {
		v := Verbs()[int(which)%len(Verbs())]
		r := httptest.NewRequest(v.Method, "/", strings.NewReader(body))
		r.URL.RawQuery = query
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("If-Match", match)
		call, err := callOf(httptest.NewRecorder(), r, v)
		if err != nil {
			return
		}
		if v.Changes && (call.Reason == "" || strings.ContainsFunc(call.Reason, unicode.IsControl)) {
			t.Errorf("%s with the reason %q", v.Name, call.Reason)
		}
		for name := range call.Args {
			if _, known := v.arg(name); !known {
				t.Errorf("%s has an argument %q", v.Name, name)
			}
		}
		if required(v, call.Args) != nil {
			t.Errorf("%s without an argument that it needs", v.Name)
		}
	})
}
