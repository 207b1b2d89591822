package admin

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// leastRole says again, by hand, who may do what: the table is tested against it.
var leastRole = map[string]Role{
	"status": Viewer, "canary get": Viewer, "canary explain": Viewer, "version": Viewer,
	"audit list": Auditor, "audit verify": Auditor, "audit export": Auditor,
	"phase set": Operator, "canary set": Operator, "abort": Operator, "reload": Operator, "drain": Operator,
	"table list": Viewer, "dirty list": Viewer, "reconcile status": Viewer, "divergence list": Viewer, "divergence show": Viewer, "coverage": Viewer, "explain": Viewer,
	"divergence export": Auditor, "report": Auditor,
	"mirror": Operator, "table ready": Operator, "reconcile pause": Operator, "reconcile resume": Operator, "reconcile run": Operator,
	"backfill": Operator, "divergence waive": Operator,
}

func TestEveryVerbHasARoleAndAnAction(t *testing.T) {
	places := map[string]bool{}
	for _, v := range Verbs() {
		if !slices.Contains(Roles(), v.Role) {
			t.Errorf("%s has the role %s", v.Name, v.Role)
		}
		if v.Role != leastRole[v.Name] {
			t.Errorf("%s has the role %s, want %s", v.Name, v.Role, leastRole[v.Name])
		}
		if v.Changes != (v.Role == Operator) || v.Changes != (v.Method != http.MethodGet) || v.Changes != (v.Version != Unversioned) {
			t.Errorf("%s: role %s, method %s, version %d and changes %t do not go together", v.Name, v.Role, v.Method, v.Version, v.Changes)
		}
		if v.Noted != (v.Role == Auditor) {
			t.Errorf("%s: reading the chain is an act", v.Name)
		}
		if v.run == nil || v.Reply == nil || v.Short == "" {
			t.Errorf("%s is not whole", v.Name)
		}
		if place := v.Method + v.Path; places[place] {
			t.Errorf("%s %s is taken twice", v.Method, v.Path)
		} else {
			places[place] = true
		}
	}
	if len(Verbs()) != len(leastRole) {
		t.Errorf("%d verbs, %d in the test", len(Verbs()), len(leastRole))
	}
}

func TestNobodyMayDoWhatHasNoRole(t *testing.T) {
	for _, r := range append(Roles(), Nobody, Operator+1) {
		if r.may(Nobody) || Nobody.may(r) || r.may(Operator+1) || (Operator + 1).may(r) {
			t.Errorf("%s and nobody", r)
		}
	}
}

func TestWhoMayDoWhat(t *testing.T) {
	h := open(t)
	for _, v := range Verbs() {
		path, body := rightRequest(v)
		ask := func(secret string) reply { return h.send(t, v.Method, path, secret, body, "If-Match: *") }
		for name, secret := range map[string]string{"anonymous": "", "wrong token": wrongSecret} {
			before := h.count(v.Name)
			got := ask(secret)
			if got.status != http.StatusUnauthorized && got.status != http.StatusTooManyRequests || h.count(v.Name) != before {
				t.Errorf("%s as %s: %d", v.Name, name, got.status)
			}
			if challenge := got.header.Get("WWW-Authenticate"); !strings.HasPrefix(challenge, "Bearer") {
				t.Errorf("%s as %s: WWW-Authenticate %q", v.Name, name, challenge)
			}
		}
		for _, role := range Roles() {
			asked := v.Name
			if group, export := strings.CutSuffix(v.Name, " export"); export {
				asked = group + " list"
			}
			before := h.count(asked)
			got := ask(secrets[role])
			want, calls := http.StatusForbidden, 0
			if role >= leastRole[v.Name] {
				want, calls = http.StatusOK, 1
			}
			if got.status != want || h.count(asked) != before+calls {
				t.Errorf("%s as %s: %d and %d calls, want %d and %d\n%s", v.Name, role, got.status, h.count(asked)-before, want, calls, got.body)
			}
		}
	}
}

func TestEveryRouteButMonitoringAsksForAToken(t *testing.T) {
	h := open(t)
	h.server.Ready(true)
	d, ok := h.server.http.Handler.(*door)
	if !ok {
		t.Fatalf("the handler is a %T: something was put before the door", h.server.http.Handler)
	}
	paths := []string{
		"/", "/api", "/api/v1", "/api/v1/", "/api/v1/status/", "//api/v1/status", "/api/v1/../v1/status", "/metrics/", "/metrics/../api/v1/status",
		"/debug/pprof/", "/debug/vars", "/healthz/x", "/%61pi/v1/status", "/readyz%2f", "/favicon.ico",
	}
	for path := range d.routes {
		paths = append(paths, path)
	}
	if len(d.routes) < 10 {
		t.Fatalf("only %d routes", len(d.routes))
	}
	for _, path := range paths {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"} {
			if got := h.send(t, method, path, "", ""); got.status != http.StatusUnauthorized {
				t.Errorf("%s %s without a token: %d", method, path, got.status)
			}
		}
	}
	if len(h.asked) != 0 {
		t.Errorf("the control was asked: %v", h.asked)
	}
	if want := 3; len(d.open) != want {
		t.Errorf("%d open paths, want %d", len(d.open), want)
	}
	for _, path := range []string{"/metrics", "/healthz", "/readyz"} {
		if got := h.send(t, "GET", path, "", ""); got.status != http.StatusOK || got.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("GET %s: %d, %v", path, got.status, got.header)
		}
		if got := h.send(t, "POST", path, "", "{}"); got.status != http.StatusMethodNotAllowed {
			t.Errorf("POST %s: %d", path, got.status)
		}
	}
}

func TestWhatIsNotThereIsSaidToWhoMayAsk(t *testing.T) {
	h := open(t)
	tests := []struct {
		method, path string
		want         int
		allow        string
	}{
		{"GET", "/api/v1/nothing", http.StatusNotFound, ""},
		{"GET", "/api/v1/status/", http.StatusNotFound, ""},
		{"POST", "/api/v1/status", http.StatusMethodNotAllowed, "GET"},
		{"DELETE", "/api/v1/canary", http.StatusMethodNotAllowed, "GET, PUT"},
		{"GET", "/api/v1/abort", http.StatusMethodNotAllowed, "POST"},
		{"HEAD", "/api/v1/status", http.StatusOK, ""},
		{"GET", "/api/v1/openapi.json", http.StatusOK, ""},
	}
	for _, test := range tests {
		got := h.send(t, test.method, test.path, secrets[Viewer], "")
		if got.status != test.want || got.header.Get("Allow") != test.allow {
			t.Errorf("%s %s: %d, Allow %q", test.method, test.path, got.status, got.header.Get("Allow"))
		}
	}
}

func TestHowATokenIsSent(t *testing.T) {
	h := open(t)
	secret := secrets[Viewer]
	tests := []struct {
		name, header string
		want         int
	}{
		{"the word has no case", "bearer " + secret, http.StatusOK},
		{"more than one space", "Bearer   " + secret, http.StatusOK},
		{"another scheme", "Basic " + secret, http.StatusUnauthorized},
		{"no scheme", secret, http.StatusUnauthorized},
		{"nothing", "Bearer ", http.StatusUnauthorized},
		{"a part of it", "Bearer " + secret[:len(secret)-1], http.StatusUnauthorized},
		{"more than it", "Bearer " + secret + "0", http.StatusUnauthorized},
		{"the name and not the secret", "Bearer viewer", http.StatusUnauthorized},
		{"two of them", "Bearer " + secret + ", Bearer " + secret, http.StatusUnauthorized},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := h.send(t, "GET", "/api/v1/status", "", "", "Authorization: "+test.header); got.status != test.want {
				t.Errorf("%d, want %d", got.status, test.want)
			}
		})
	}
	if got := h.send(t, "GET", "/api/v1/status?token="+secret, "", ""); got.status != http.StatusUnauthorized {
		t.Errorf("a token in the query: %d", got.status)
	}
}

// markup is what must not become part of a page anywhere.
var markup = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `</title><svg/onload=alert(1)>`, `javascript:alert(1)`,
	`{{constructor.constructor('alert(1)')()}}`, `<!--`, `&lt;script&gt;`, `'; DROP TABLE acts; --`, `𝕏<b>`,
}

func TestMarkupComesBackAsJSON(t *testing.T) {
	h := open(t)
	for _, text := range markup {
		quoted, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		replies := []reply{
			h.send(t, "POST", "/api/v1/abort", secrets[Operator], `{"reason": `+string(quoted)+`}`),
			h.send(t, "PUT", "/api/v1/phase", secrets[Operator], `{"reason": "a test", "phase": `+string(quoted)+`}`, "If-Match: *"),
			h.send(t, "PUT", "/api/v1/phase", secrets[Operator], `{"reason": "a test", `+string(quoted)+`: 1}`, "If-Match: *"),
			h.send(t, "GET", "/api/v1/audit", secrets[Auditor], ""),
			h.send(t, "GET", "/api/v1/canary/explain?key=%3Cscript%3Ealert(1)%3C/script%3E", secrets[Viewer], ""),
			h.send(t, "GET", "/api/v1/status?%3Cscript%3E=1", secrets[Viewer], ""),
			h.send(t, "GET", "/%3Cscript%3Ealert(1)%3C/script%3E", secrets[Viewer], ""),
		}
		for i, got := range replies {
			media := got.header.Get("Content-Type")
			if media != "application/json" && media != "application/problem+json" {
				t.Errorf("%q, answer %d: content type %q", text, i, media)
			}
			if got.header.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(got.header.Get("Content-Security-Policy"), "default-src 'none'") {
				t.Errorf("%q, answer %d: headers %v", text, i, got.header)
			}
			if strings.ContainsAny(got.body, "<>") || !json.Valid([]byte(got.body)) {
				t.Errorf("%q, answer %d: %s", text, i, got.body)
			}
		}
	}
	var page Records
	if err := json.Unmarshal([]byte(h.send(t, "GET", "/api/v1/audit", secrets[Auditor], "").body), &page); err != nil {
		t.Fatal(err)
	}
	var reasons []string
	for _, r := range page.Records {
		reasons = append(reasons, r.Reason)
	}
	if !slices.Equal(reasons, markup) {
		t.Errorf("reasons %q, want %q", reasons, markup)
	}
}

func TestAFaultTellsTheCallerNothing(t *testing.T) {
	h := open(t)
	h.fault = errors.New("SELECT secret FROM acts: disk error")
	got := h.send(t, "GET", "/api/v1/status", secrets[Viewer], "")
	if got.status != http.StatusInternalServerError || got.refusal(t).Why() != Fault {
		t.Errorf("%d %s", got.status, got.body)
	}
	if strings.Contains(got.body, "SELECT") {
		t.Errorf("the answer has the error: %s", got.body)
	}
	if !strings.Contains(h.log.String(), "level=ERROR") || !strings.Contains(h.log.String(), "disk error") {
		t.Errorf("the log has not:\n%s", h.log)
	}
}

func TestTheLogHasWhoDidWhatAndNoToken(t *testing.T) {
	h := open(t)
	h.send(t, "POST", "/api/v1/abort", secrets[Operator], `{"reason": "why not"}`)
	h.send(t, "POST", "/api/v1/abort", secrets[Viewer], `{}`)
	h.send(t, "GET", "/api/v1/status", secrets[Viewer], "")
	h.send(t, "GET", "/api/v1/status", wrongSecret, "")
	text := h.log.String()
	for _, line := range []string{
		"level=INFO msg=\"admin request\" verb=abort actor=operator address=127.0.0.1 status=200",
		"level=INFO msg=\"admin request\" verb=abort actor=viewer address=127.0.0.1 status=403",
		"level=DEBUG msg=\"admin request\" verb=status actor=viewer address=127.0.0.1 status=200",
		"level=DEBUG msg=\"admin request\" verb=\"\" actor=\"\" address=127.0.0.1 status=401",
	} {
		if !strings.Contains(text, line) {
			t.Errorf("the log has no line %s\n%s", line, text)
		}
	}
	for _, secret := range append([]string{wrongSecret}, secrets[Viewer], secrets[Operator]) {
		if strings.Contains(text, secret) {
			t.Errorf("the log has the token %q", secret)
		}
	}
}
