package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Secrets of the tests, one for each role.
var secrets = map[Role]string{
	Viewer:   "viewer-secret-0123456789",
	Auditor:  "auditor-secret-0123456789",
	Operator: "operator-secret-0123456789",
}

const wrongSecret = "wrong-secret-0123456789"

// fake is a control that remembers what it was asked. It keeps versions as the
// real one does.
type fake struct {
	mu      sync.Mutex
	asked   []string
	changes []Change
	notes   []Note
	status  Status
	fault   error
	given   []string // to the last verb that takes something
}

func newFake() *fake {
	since := time.Date(2026, 7, 1, 10, 0, 0, 0, time.UTC)
	return &fake{status: Status{
		Phase: "canary", Authority: "source", Epoch: 1, Share: 5, Version: 7, Applied: 7,
		Sessions: Sessions{Source: 30, Target: 10, Pending: 3}, Pins: map[string]int{"listen": 2},
		Target: Target{State: "open", Since: &since}, Writes: "refuse",
	}}
}

func (f *fake) ask(verb string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, verb)
	return f.fault
}

func (f *fake) count(verb string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range f.asked {
		if a == verb {
			n++
		}
	}
	return n
}

func (f *fake) change(verb string, c Change, share float64) (Status, error) {
	if err := f.ask(verb); err != nil {
		return Status{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.changes = append(f.changes, c)
	if c.IfVersion != nil && *c.IfVersion != f.status.Version {
		return Status{}, Refuse(Stale, "ops did it", "look again")
	}
	before := Point{f.status.Phase, f.status.Share, f.status.Version}
	f.status.Share, f.status.Version = share, f.status.Version+1
	s := f.status
	s.Before = &before
	return s, nil
}

func (f *fake) Status(context.Context) (Status, error) { return f.status, f.ask("status") }

func (f *fake) Share(context.Context) (Share, error) {
	return Share{Share: f.status.Share, Version: f.status.Version}, f.ask("canary get")
}

func (f *fake) Explain(_ context.Context, key string) (Explanation, error) {
	return Explanation{Key: key, Hashed: "user", Bucket: 17, In: true, Share: 5, Why: "in_share"}, f.ask("canary explain")
}

func (f *fake) Version(context.Context) (Version, error) {
	return Version{"1", "abc", "go1"}, f.ask("version")
}

func (f *fake) SetPhase(_ context.Context, c Change, _ string) (Status, error) {
	return f.change("phase set", c, 0)
}

func (f *fake) SetShare(_ context.Context, c Change, percent string) (Share, error) {
	var share float64
	if _, err := fmt.Sscan(percent, &share); err != nil {
		return Share{}, err
	}
	s, err := f.change("canary set", c, share)
	return Share{s.Share, s.Version, s.Before}, err
}

func (f *fake) Abort(_ context.Context, c Change) (Status, error) { return f.change("abort", c, 0) }

func (f *fake) Reload(_ context.Context, c Change) (Reloaded, error) {
	_, err := f.change("reload", c, f.status.Share)
	return Reloaded{Before: "a", After: "b", Changed: []string{"users[app]"}, Restart: []string{}}, err
}

func (f *fake) Drain(_ context.Context, c Change) (Status, error) {
	return f.change("drain", c, f.status.Share)
}

func (f *fake) Records(_ context.Context, q Query) ([]Record, error) {
	if err := f.ask("audit list"); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var records []Record
	for i, c := range f.changes {
		r := Record{Seq: uint64(i + 1), Actor: c.Actor, Reason: c.Reason, Before: json.RawMessage("null"), After: json.RawMessage(`{"share":5}`)}
		if r.Seq > q.After && len(records) < q.Limit {
			records = append(records, r)
		}
	}
	return records, nil
}

func (f *fake) Verify(context.Context) (Verdict, error) {
	return Verdict{OK: true, Records: 3, Head: "00"}, f.ask("audit verify")
}

func (f *fake) Note(_ context.Context, n Note) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.notes = append(f.notes, n)
	return nil
}

func (f *fake) noted(act string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, note := range f.notes {
		if note.Act == act {
			n++
		}
	}
	return n
}

// house is a running door with a fake behind it.
type house struct {
	*fake
	server *Server
	base   string
	log    *talk
}

// talk collects a log.
type talk struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *talk) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *talk) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func tokens(t testing.TB) (all []Token) {
	t.Helper()
	for _, role := range Roles() {
		token, err := NewToken(role.String(), role, secrets[role])
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, token)
	}
	return all
}

func open(t testing.TB) *house {
	t.Helper()
	h := &house{fake: newFake(), log: &talk{}}
	log := slog.New(slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	metrics := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "metrics") })
	var err error
	h.server, err = Open(Options{Address: "127.0.0.1:0", Metrics: metrics, Control: h.fake, Tokens: tokens(t), Log: log})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- h.server.Serve() }()
	t.Cleanup(func() {
		if err := h.server.Close(); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	h.base = "http://" + h.server.Addr().String()
	return h
}

// reply is what a test looks at.
type reply struct {
	status int
	header http.Header
	body   string
}

// bare keeps no connection, which would outlive a test.
var bare = &http.Client{
	Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// send asks with a secret (none: "") and whatever headers, NAME: VALUE.
func (h *house) send(t testing.TB, method, path, secret, body string, headers ...string) reply {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, h.base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if secret != "" {
		request.Header.Set("Authorization", "Bearer "+secret)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		request.Header.Set(name, value)
		if name == "Host" {
			request.Host = value
		}
	}
	answer, err := bare.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{answer.StatusCode, answer.Header, string(text)}
}

// refusal is the problem that an answer has.
func (r reply) refusal(t testing.TB) *Refusal {
	t.Helper()
	var refusal Refusal
	if err := json.Unmarshal([]byte(r.body), &refusal); err != nil {
		t.Fatalf("%v in %s", err, r.body)
	}
	return &refusal
}

// rightArgs are arguments with which a verb can be carried out.
var rightArgs = map[string]string{
	"phase": "canary", "share": "5", "key": "user=app", "to": "off", "table": "public.orders", "tables": `["public.orders"]`,
	"id": "17", "until": "2999-12-31", "sql": "SELECT+1",
}

// path and body of a right request for a verb.
func rightRequest(v Verb) (path, body string) {
	path = Root + v.Path
	if v.Changes {
		body = `{"reason": "a test"`
		for _, a := range v.Args {
			value := rightArgs[a.Name]
			if a.Kind == Text {
				value = `"` + value + `"`
			}
			body += `, "` + a.Name + `": ` + value
		}
		return path, body + "}"
	}
	for _, a := range v.Args {
		if a.Required {
			path += "?" + a.Name + "=" + rightArgs[a.Name]
		}
	}
	return path, ""
}
