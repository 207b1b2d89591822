package configs

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDiffListsWhatChangedAndWhetherAReloadTakesIt(t *testing.T) {
	const base = `
listeners:
  - {name: app, address: "127.0.0.1:6432", databases: {old: source, kept: target}, tls: {cert: server.crt, key: server.key}}
source: {address: "127.0.0.1:5432"}
users:
  - {name: app, password: "env:APP_PASSWORD", source: {password: "env:APP_PASSWORD"}}
  - {name: gone, auth: trust}
admin: {tokens: [{name: ops, role: operator, token: "env:APP_PASSWORD"}]}
limits: {clients: 100}
`
	cases := []struct {
		name, old, new string
		want           []Change
	}{
		{"nothing", "100", "100", nil},
		{"a default written out", "limits: {clients: 100}", "limits: {clients: 100, drain: 30s}", nil},
		{"a listener's address", "6432", "6433", []Change{{"listeners[app].address", "127.0.0.1:6432", "127.0.0.1:6433", false}}},
		{"a listener's authorities", "key: server.key", "key: server.key, client_ca: server.crt", []Change{{"listeners[app].tls.client_ca", "", "server.crt", true}}},
		{"a listener's tls mode", "key: server.key", "key: server.key, mode: require", []Change{{"listeners[app].tls.mode", "prefer", "require", false}}},
		{"a map", "old: source", "new: source", []Change{
			{"listeners[app].databases.old", "source", "", false}, {"listeners[app].databases.new", "", "source", false},
		}},
		{"the source", "5432", "5434", []Change{{"source.address", "127.0.0.1:5432", "127.0.0.1:5434", false}}},
		{"a secret", `source: {password: "env:APP_PASSWORD"}`, `source: {password: "env:APP_TARGET_PASSWORD"}`, []Change{{"users[app].source.password", "***", "***", true}}},
		{"the same secret from elsewhere", `source: {password: "env:APP_PASSWORD"}`, "source: {}", nil},
		{"a user removed and one added", "name: gone, auth: trust", "name: 'n%s', auth: trust", []Change{
			{"users[gone]", "{name: gone, auth: trust, source: {user: gone}, target: {user: gone}}", "", true},
			{"users[n%s]", "", "{name: n%s, auth: trust, source: {user: n%s}, target: {user: n%s}}", true},
		}},
		{"a token", "role: operator", "role: viewer", []Change{{"admin.tokens[ops].role", "operator", "viewer", false}}},
		{"limits that need a restart and one that does not", "clients: 100", "clients: 200, memory: 2GiB, drain: 1m", []Change{
			{"limits.clients", "100", "200", false}, {"limits.memory", "1GiB", "2GiB", false}, {"limits.drain", "30s", "1m", true},
		}},
		{"the log", "limits:", "log: {level: warn, format: json}\nlimits:", []Change{
			{"log.level", "info", "warn", true}, {"log.format", "text", "json", false},
		}},
		{"canary and mirror", "limits:", "canary: {force_in: [user=qa]}\nmirror: {breaker: {open_for: [2s, 30s]}}\nlimits:", []Change{
			{"mirror.breaker.open_for", "[1s, 30s]", "[2s, 30s]", false}, {"canary.force_in", "[]", "[user=qa]", true},
		}},
		{"a state directory", "limits:", "state: {dir: /x}\nlimits:", []Change{{"state.dir", "var", "/x", false}}},
		{"an admin address", "admin: {", `admin: {address: "127.0.0.1:1", `, []Change{{"admin.address", "127.0.0.1:7432", "127.0.0.1:1", false}}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if !strings.Contains(base, c.old) {
				t.Fatalf("the base does not contain %q", c.old)
			}
			got := Diff(mustParse(t, base), mustParse(t, strings.Replace(base, c.old, c.new, 1)))
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestATargetThatComesShowsItsSecretAsStars(t *testing.T) {
	before := doc{}.text()
	after := doc{rest: `target: {address: "127.0.0.1:1", service: {user: s, password: "env:APP_PASSWORD"}}`}.text()
	want := []Change{{Path: "target", After: "{engine: postgres, address: 127.0.0.1:1, tls: {mode: disable}, service: {user: s, password: ***}}"}}
	if diff := cmp.Diff(want, Diff(mustParse(t, before), mustParse(t, after))); diff != "" {
		t.Error(diff)
	}
}

func TestUnusedListsWhatTheFileSetsInVain(t *testing.T) {
	var got []string
	for _, n := range Unused(mustParse(t, string(contract))) {
		got = append(got, n.Path)
	}
	want := []string{
		"listeners[0].shape", "listeners[0].databases", "users[0].shape",
		"shadow",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestUnusedIsSilentAboutWhatIsNotSet(t *testing.T) {
	if got := Unused(mustParse(t, string(minimalExample))); got != nil {
		t.Errorf("the smallest file: %v", got)
	}
	if got := Unused(mustParse(t, doc{rest: "canary: {}"}.text())); got != nil {
		t.Errorf("an empty block: %v", got)
	}
	got := Unused(mustParse(t, doc{rest: "shadow: {sample: 5}"}.text()))
	if len(got) != 1 || got[0].String() != "crossfade.yaml:4:1: shadow: accepted, not used by this version (it is for shadow reads)" {
		t.Errorf("a block: %v", got)
	}
}
