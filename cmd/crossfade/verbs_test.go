package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crossfade-db/crossfade/internal/admin"
	"github.com/crossfade-db/crossfade/router/live"
)

// bridge is a control behind a running door.
type bridge struct {
	*helm
	address string
	secrets map[admin.Role]string
	drained bool
}

func openBridge(t testing.TB, begin live.Options) *bridge {
	t.Helper()
	t.Setenv(envAdmin, "")
	t.Setenv(envToken, "")
	b := &bridge{helm: take(t, t.TempDir(), begin), secrets: map[admin.Role]string{}}
	b.hook = hooks{
		Reload: func(accept func(admin.Reloaded) error) error {
			return accept(admin.Reloaded{Before: "aaa", After: "bbb", Changed: []string{"users[app]"}, Restart: []string{}})
		},
		Drain: func() { b.drained = true },
	}
	var tokens []admin.Token
	for _, role := range admin.Roles() {
		b.secrets[role] = role.String() + "-secret-0123456789"
		token, err := admin.NewToken(role.String(), role, b.secrets[role])
		if err != nil {
			t.Fatal(err)
		}
		tokens = append(tokens, token)
	}
	server, err := admin.Open(admin.Options{Address: "127.0.0.1:0", Metrics: http.NotFoundHandler(), Control: b.control, Tokens: tokens})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve() }()
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	b.address = "http://" + server.Addr().String()
	return b
}

// said is what a command printed, and how it ended.
type said struct {
	code      int
	out, talk string
}

func command(t testing.TB, args ...string) said {
	t.Helper()
	var out, talk bytes.Buffer
	code := run(t.Context(), args, &out, &talk)
	return said{code, out.String(), talk.String()}
}

// as runs a command with the token of a role.
func (b *bridge) as(t testing.TB, role admin.Role, args ...string) said {
	t.Helper()
	return command(t, append(args, "--admin", b.address, "--token", b.secrets[role])...)
}

func (b *bridge) operator(t testing.TB, args ...string) said {
	t.Helper()
	return b.as(t, admin.Operator, args...)
}

// right are arguments with which each command does something, in an order in
// which they can be run.
var right = []struct {
	verb string
	args []string
	role admin.Role
}{
	{"status", nil, admin.Viewer},
	{"canary get", nil, admin.Viewer},
	{"canary explain", []string{"--key", "user=app"}, admin.Viewer},
	{"phase set", []string{"canary", "--reason", "a test"}, admin.Operator},
	{"canary set", []string{"5", "--reason", "a test"}, admin.Operator},
	{"abort", nil, admin.Operator},
	{"audit list", nil, admin.Auditor},
	{"audit verify", nil, admin.Auditor},
	{"audit export", nil, admin.Auditor},
	{"table list", nil, admin.Viewer},
	{"dirty list", nil, admin.Viewer},
	{"reconcile status", nil, admin.Viewer},
	{"divergence list", nil, admin.Viewer},
	{"divergence show", []string{"1"}, admin.Viewer},
	{"coverage", nil, admin.Viewer},
	{"explain", []string{"SELECT 1"}, admin.Viewer},
	{"divergence export", nil, admin.Auditor},
	{"report", nil, admin.Auditor},
	{"mirror", []string{"off", "--reason", "a test"}, admin.Operator},
	{"table ready", []string{"public.orders", "--reason", "a test"}, admin.Operator},
	{"reconcile pause", []string{"--reason", "a test"}, admin.Operator},
	{"reconcile resume", []string{"--reason", "a test"}, admin.Operator},
	{"reconcile run", []string{"--reason", "a test"}, admin.Operator},
	{"backfill", []string{"public.orders", "--reason", "a test"}, admin.Operator},
	{"divergence waive", []string{"1", "--until", "2999-12-31", "--reason", "a test"}, admin.Operator},
	{"reload", []string{"--reason", "a test"}, admin.Operator},
	{"drain", []string{"--reason", "a test"}, admin.Operator},
}

func TestWhoMayDoWhatByCommand(t *testing.T) {
	b := openBridge(t, ready())
	world := mirrors(t, b.helm)
	tested := map[string]bool{"version": true} // asks no proxy
	for _, c := range right {
		tested[c.verb] = true
		args := append(strings.Fields(c.verb), c.args...)
		for name, token := range map[string]string{"anonymous": "", "wrong token": "wrong-secret-0123456789"} {
			got := command(t, append(args, "--admin", b.address, "--token", token)...)
			if got.code != exitUsage || got.out != "" || !strings.Contains(got.talk, "CROSSFADE_TOKEN") && !strings.Contains(got.talk, "too many") {
				t.Errorf("%s as %s: %+v", c.verb, name, got)
			}
		}
		for _, role := range admin.Roles() {
			before, asked := b.in(), world.changed()
			got := b.as(t, role, args...)
			switch {
			case role >= c.role && (got.code != exitDone || got.out == ""):
				t.Errorf("%s as %s: %+v", c.verb, role, got)
			case role < c.role && world.changed() != asked:
				t.Errorf("%s as %s changed something", c.verb, role)
			case role < c.role && (got.code != exitUsage || got.out != "" || !strings.Contains(got.talk, "needs the role "+c.role.String()) || b.in() != before || b.drained):
				t.Errorf("%s as %s: %+v, in force %+v", c.verb, role, got, b.in())
			}
		}
	}
	for _, v := range admin.Verbs() {
		if !tested[v.Name] {
			t.Errorf("%s is not tested", v.Name)
		}
	}
	if !b.drained {
		t.Error("drain has not drained")
	}
}

func TestCommandsEndWithTheCodeOfTheirFault(t *testing.T) {
	noTarget := ready()
	noTarget.Policy.Writes = 0
	tests := []struct {
		name  string
		begin live.Options
		args  []string
		code  int
		says  string
	}{
		{"an unknown phase", ready(), []string{"phase", "set", "cannery", "--reason", "x"}, exitUsage, `phase "cannery" is not known: it is observe, mirror, canary`},
		{"no phase", ready(), []string{"phase", "set", "--reason", "x"}, exitUsage, "accepts 1 arg"},
		{"phase mirror", ready(), []string{"phase", "set", "mirror", "--reason", "x"}, exitUsage, "mirrors no writes"},
		{"unprepared", noTarget, []string{"phase", "set", "canary", "--reason", "x"}, exitUsage, "canary.writes does not say"},
		{"a share outside of canary", ready(), []string{"canary", "set", "5", "--reason", "x"}, exitUsage, "crossfade phase set canary --reason"},
		{"no number", ready(), []string{"canary", "set", "many", "--reason", "x"}, exitUsage, `share "many" is not a number`},
		{"more than all", ready(), []string{"canary", "set", "101", "--reason", "x"}, exitUsage, "not between 0 and 100"},
		{"three decimals", ready(), []string{"canary", "set", "0.125", "--reason", "x"}, exitUsage, "more than two decimals"},
		{"no reason", ready(), []string{"canary", "set", "5"}, exitUsage, "needs --reason"},
		{"a blank reason", ready(), []string{"reload", "--reason", "  "}, exitUsage, "needs --reason"},
		{"a reason of two lines", ready(), []string{"reload", "--reason", "a\nb"}, exitUsage, "not one line"},
		{"an old version", ready(), []string{"phase", "set", "canary", "--reason", "x", "--if-version", "9"}, exitUsage, "version 9 is not in force"},
		{"no key", ready(), []string{"canary", "explain"}, exitUsage, "needs --key"},
		{"a key that is none", ready(), []string{"canary", "explain", "--key", "usr=app"}, exitUsage, "is not a canary key"},
		{"an unknown form", ready(), []string{"status", "-o", "xml"}, exitUsage, "-o xml is not known: use table, json, yaml"},
		{"csv of what is no list", ready(), []string{"status", "-o", "csv"}, exitUsage, "use table, json, yaml"},
		{"an unknown flag", ready(), []string{"status", "--loud"}, exitUsage, "unknown flag"},
		{"an argument too many", ready(), []string{"status", "now"}, exitUsage, ""},
		{"a limit that is none", ready(), []string{"audit", "list", "--limit", "0"}, exitUsage, "--limit"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := openBridge(t, test.begin)
			before := b.in()
			got := b.operator(t, test.args...)
			if got.code != test.code || !strings.Contains(got.talk, test.says) || got.out != "" {
				t.Errorf("%+v", got)
			}
			if b.in() != before {
				t.Errorf("it changed something: %+v", b.in())
			}
		})
	}
}

func TestAGroupSaysWhatItHas(t *testing.T) {
	for _, args := range [][]string{{"canary"}, {"canary", "pause"}, {"canary", "set5", "5"}} {
		if got := command(t, args...); got.code != exitUsage || !strings.Contains(got.talk, "use one of explain, get, set") {
			t.Errorf("%q: %+v", args, got)
		}
	}
	for group, words := range map[string]string{
		"divergence": "export, list, show, waive", "reconcile": "pause, resume, run, status", "table": "list, ready", "dirty": "list",
	} {
		if got := command(t, group, "nothing"); got.code != exitUsage || !strings.Contains(got.talk, "use one of "+words) {
			t.Errorf("%s: %+v", group, got)
		}
	}
}

func TestAProxyThatIsNotThereIsExitThree(t *testing.T) {
	address := "http://" + nobody(t)
	for _, args := range [][]string{{"status"}, {"abort"}, {"canary", "set", "5", "--reason", "x"}, {"audit", "list"}, {"status", "--watch"}} {
		got := command(t, append(args, "--admin", address, "--token", "x")...)
		if got.code != exitUnreachable || !strings.Contains(got.talk, address) || got.out != "" {
			t.Errorf("%q: %+v", args, got)
		}
	}
}

func TestAChangeSaysWhatWasBefore(t *testing.T) {
	b := openBridge(t, ready())
	steps := []struct {
		args []string
		talk string
	}{
		{[]string{"phase", "set", "canary", "--reason", "begin"}, "phase observe -> canary\nshare 0% -> 0%, version 0 -> 1\n"},
		{[]string{"canary", "set", "0.25%", "--reason", "first"}, "share 0% -> 0.25%, version 1 -> 2\n"},
		{[]string{"canary", "set", "50", "--reason", "next", "--if-version", "2"}, "share 0.25% -> 50%, version 2 -> 3\n"},
		{[]string{"abort"}, "share 50% -> 0%, version 3 -> 4\n"},
		{[]string{"canary", "set", "100", "--reason", "again"}, "share 0% -> 100%, version 4 -> 5\n"},
		{[]string{"phase", "set", "observe", "--reason", "end"}, "phase canary -> observe\nshare 100% -> 0%, version 5 -> 6\n"},
	}
	for _, step := range steps {
		if got := b.operator(t, step.args...); got.code != exitDone || got.talk != step.talk {
			t.Errorf("%q: %+v", step.args, got)
		}
	}
}

func TestTwoOperatorsDoNotOverwriteEachOtherUnseen(t *testing.T) {
	b := openBridge(t, ready())
	b.phase(t, "canary")
	version := strconv.FormatUint(b.in().Version, 10)
	got := make([]said, 2)
	var both sync.WaitGroup
	for i, share := range []string{"10", "20"} {
		both.Go(func() {
			got[i] = b.operator(t, "canary", "set", share, "--reason", "a race", "--if-version", version)
		})
	}
	both.Wait()
	slices.SortFunc(got, func(x, y said) int { return x.code - y.code })
	if got[0].code != exitDone || got[1].code != exitUsage || !strings.Contains(got[1].talk, "operator did canary set at") {
		t.Errorf("%+v", got)
	}
}

func TestAChangeSendsTheVersionThatWasReadJustBefore(t *testing.T) {
	var got []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = append(got, r.Method+" "+r.URL.Path+" "+r.Header.Get("If-Match"))
		_, _ = fmt.Fprint(w, `{"share": 1, "version": 41}`)
	}))
	defer server.Close()
	at := []string{"--admin", server.URL, "--token", "x"}
	for _, args := range [][]string{
		{"canary", "set", "5", "--reason", "x"},
		{"phase", "set", "canary", "--reason", "x", "--if-version", "7"},
		{"abort"},
		{"reload", "--reason", "x", "--if-version", "7"},
	} {
		if said := command(t, append(args, at...)...); said.code != exitDone {
			t.Errorf("%q: %+v", args, said)
		}
	}
	want := []string{
		"GET /api/v1/canary ", `PUT /api/v1/canary "41"`,
		`PUT /api/v1/phase "7"`,
		"POST /api/v1/abort ",
		`POST /api/v1/reload "7"`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestABrokenChainIsExitOne(t *testing.T) {
	b := openBridge(t, ready())
	b.phase(t, "canary")
	b.share(t, "5")
	if got := b.operator(t, "audit", "verify"); got.code != exitDone || !strings.Contains(got.out, "verdict  ok") {
		t.Errorf("%+v", got)
	}
	tamper(t, b.dir)
	got := b.operator(t, "audit", "verify")
	if got.code != exitFound || !strings.Contains(got.out, "broken at record 2") {
		t.Errorf("%+v", got)
	}
}

func TestAnAbortThatIsNotWrittenIsExitOneAndSaysSo(t *testing.T) {
	b := openBridge(t, ready())
	b.phase(t, "canary")
	b.share(t, "5")
	b.disk.set(os.ErrPermission, nil)
	got := b.operator(t, "abort")
	if got.code != exitFound || !strings.Contains(got.talk, "warning: the abort of") || b.in().Share != 0 {
		t.Errorf("%+v, in force %+v", got, b.in())
	}
	if got := b.operator(t, "canary", "set", "5", "--reason", "x"); got.code != exitUnreachable || !strings.Contains(got.talk, "crossfade abort works all the same") {
		t.Errorf("%+v", got)
	}
	b.disk.set(nil, nil)
	b.settled(t)
}
