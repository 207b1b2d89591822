package configs

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// doc is a file of which a case changes one part. The keys below stand in line
// 1, 2, 3 and from 4 on.
type doc struct{ listeners, source, users, rest string }

func (d doc) text() string {
	or := func(part, usual string) string {
		if part == "" {
			return usual
		}
		return part
	}
	return "listeners: " + or(d.listeners, "[{address: 127.0.0.1:6432}]") +
		"\nsource: " + or(d.source, "{address: 127.0.0.1:5432}") +
		"\nusers: " + or(d.users, `[{name: app, password: "env:APP_PASSWORD"}]`) + "\n" + d.rest
}

func faultsOf(t *testing.T, text string) []string {
	t.Helper()
	_, err := parse("f", []byte(text), inMemory())
	if err == nil {
		return nil
	}
	faults, ok := err.(Faults)
	if !ok {
		t.Fatalf("the error is a %T", err)
	}
	var lines []string
	for _, f := range faults {
		lines = append(lines, f.String())
	}
	return lines
}

// Cases with schema: true are faults that an editor finds as well.
var badFiles = []struct {
	name   string
	doc    doc
	schema bool
	want   []string
}{
	{name: "a misspelled word", doc: doc{users: `[{name: app, auth: scramm}]`}, schema: true, want: []string{
		`f:3:21: users[0].auth: "scramm" is not one of scram, scram-passthrough, certificate, trust; did you mean "scram"?`,
	}},
	{name: "a word of a later version", doc: doc{source: `{engine: mariadb, address: "a:1"}`}, schema: true, want: []string{
		`f:2:10: source.engine: "mariadb" is not in this version, which has postgres`,
	}},
	{name: "a protocol of a later version", doc: doc{listeners: `[{address: "127.0.0.1:1", protocol: mysql}]`}, schema: true, want: []string{
		`f:1:38: listeners[0].protocol: "mysql" is not in this version, which has postgres`,
	}},
	{name: "a login of a later version", doc: doc{users: `[{name: app, auth: caching-sha2}]`}, schema: true, want: []string{
		`f:3:21: users[0].auth: "caching-sha2" is not in this version, which has scram, scram-passthrough, certificate, trust`,
	}},
	{name: "an unknown key", doc: doc{rest: "limits: {client: 5}"}, schema: true, want: []string{
		`f:4:10: limits.client: unknown key; did you mean "clients"?`,
	}},
	{name: "an unknown key like nothing else", doc: doc{rest: "zebra: 1"}, schema: true, want: []string{`f:4:1: zebra: unknown key`}},
	{name: "an unknown key that garbles a terminal", doc: doc{rest: `"a\e[2J": 1`}, schema: true, want: []string{`f:4:1: "a\x1b[2J": unknown key`}},
	{name: "a key given twice", doc: doc{rest: "log: {level: info}\nlog: {level: warn}"}, want: []string{
		`f:5:1: log: is given twice, first in line 4`,
	}},
	{name: "no listener and no user", doc: doc{listeners: "[]", users: "[]"}, schema: true, want: []string{
		"f:1:1: listeners: expected at least 1", "f:3:1: users: expected at least 1",
	}},
	{name: "required keys absent", doc: doc{listeners: "[{name: a}]", source: "{database: x}", users: `[{password: "env:APP_PASSWORD"}]`}, schema: true, want: []string{
		"f:1:13: listeners[0].address: is missing (host:port to listen on; an empty host is every interface, port 0 any free port)",
		"f:2:1: source.address: is missing (host:port or /socket/dir)",
		"f:3:9: users[0].name: is missing (The name that the client logs in with)",
	}},
	{name: "wrong types", doc: doc{listeners: "7", source: "[]", rest: "limits: {clients: many, frame: [], drain: 15}\nmirror: {strict: 1, breaker: {open_for: [1s]}}\ncanary: {key: x}\nlog:\n"}, schema: true, want: []string{
		"f:1:1: listeners: expected a list, got a number",
		"f:2:1: source: expected a mapping, got a list",
		"f:4:10: limits.clients: expected a whole number, got text",
		"f:4:25: limits.frame: expected text, got a list",
		`f:4:36: limits.drain: "15" is not a duration such as 250ms, 15s or 1h30m, more than zero`,
		"f:5:10: mirror.strict: expected true or false, got a number",
		"f:5:31: mirror.breaker.open_for: expected 2 values, got 1",
		"f:6:10: canary.key: expected a list, got text",
		"f:7:1: log: expected a mapping, got nothing (give a value or remove the key)",
	}},
	{name: "numbers where text is meant", doc: doc{source: `{address: "a:1", database: 010}`}, schema: true, want: []string{
		"f:2:26: source.database: expected text, got a number: put it in quotes",
	}},
	{name: "octal and other numbers", doc: doc{rest: "limits: {clients: 010, login_total: 0x20, inline_rows: 1_000, dirty_keys: 0}"}, want: []string{
		"f:4:10: limits.clients: expected a whole number, got a number",
		"f:4:24: limits.login_total: expected a whole number, got a number",
		"f:4:43: limits.inline_rows: expected a whole number, got a number",
		"f:4:63: limits.dirty_keys: must be at least 1",
	}},
	{name: "a NUL byte", doc: doc{users: `[{name: "app\0x", password: "env:APP_PASSWORD"}]`}, want: []string{
		"f:3:10: users[0].name: contains a NUL byte",
	}},
	{name: "a NUL byte in a key", doc: doc{listeners: `[{address: "127.0.0.1:1", databases: {"a\0b": source}}]`}, want: []string{
		"f:1:50: listeners[0].databases: a key must be a name",
	}},
	{name: "rules before their time", doc: doc{rest: "migration: {sequences: [{source: a}], rules: [{use: x}]}"}, schema: true, want: []string{
		"f:4:13: migration.sequences: must be empty: not yet in this version",
		"f:4:39: migration.rules: must be empty: not yet in this version",
	}},
	{name: "an address that is a URL with a password", doc: doc{source: "{address: postgres://app:hunter2@db/shop}"}, schema: true, want: []string{
		"f:2:10: source.address: is not an address: write host:port (IPv6 as [::1]:5432) or /socket/dir, not a URL",
	}},
	{name: "names and addresses taken", doc: doc{
		listeners: `[{name: a, address: "127.0.0.1:1"}, {name: a, address: "127.0.0.1:1"}]`,
		users:     `[{name: u, password: "env:APP_PASSWORD"}, {name: u, password: "env:APP_PASSWORD"}]`,
		rest:      `admin: {address: "127.0.0.1:1"}`,
	}, want: []string{
		`f:1:49: listeners[1].name: "a" is taken by listeners[0].name`,
		`f:1:58: listeners[1].address: "127.0.0.1:1" is taken by listeners[0].address`,
		`f:3:51: users[1].name: "u" is taken by users[0].name`,
		`f:4:9: admin.address: "127.0.0.1:1" is taken by listeners[0].address`,
	}},
	{name: "an empty name", doc: doc{users: `[{name: "", password: "env:APP_PASSWORD"}]`}, want: []string{"f:3:10: users[0].name: is empty"}},
	{name: "addresses that cannot be used", doc: doc{listeners: "[{address: /run/x}]", source: `{address: ":5432"}`}, want: []string{
		"f:1:14: listeners[0].address: the proxy listens on host:port only",
		"f:2:10: source.address: expected a host and a port, or /socket/dir",
	}},
	{name: "an admin address for everybody without tls", doc: doc{rest: `admin: {address: "0.0.0.0:7432"}`}, want: []string{
		"f:4:9: admin.address: 0.0.0.0:7432 is not on loopback, which needs admin.tls with cert and key",
	}},
	{name: "limits that contradict", doc: doc{rest: "limits: {login_per_address: 300, frame: 1GiB, retry_keep: 2GiB, memory: 1MiB}"}, want: []string{
		"f:4:10: limits.login_per_address: 300 is more than limits.login_total, which is 256",
		"f:4:34: limits.frame: 1GiB is more than 1GiB-1 (1073741823), the longest message of the protocol",
		"f:4:47: limits.retry_keep: 2GiB is more than limits.frame, which is 1GiB",
		"f:4:65: limits.memory: 1MiB is too little for 10000 clients of 8KiB each: give at least 79MiB, or at most 128 clients",
	}},
	{name: "pauses in the wrong order", doc: doc{rest: "mirror: {breaker: {open_for: [30s, 1s]}}"}, want: []string{
		"f:4:20: mirror.breaker.open_for: the first pause 30s is longer than the longest 1s",
	}},
	{name: "a share that is none", doc: doc{rest: "shadow: {sample: 101}"}, schema: true, want: []string{
		`f:4:10: shadow.sample: "101" is not a percentage from 0 to 100 with at most two decimals`,
	}},
}

func TestEveryFaultIsSaidAtOnceAndInPlace(t *testing.T) {
	for _, c := range badFiles {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, faultsOf(t, c.doc.text())); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLoginsSayWhatTheyNeed(t *testing.T) {
	const two = `[{address: "127.0.0.1:1", tls: {cert: server.crt, key: server.key, client_ca: server.crt}}, {address: "127.0.0.1:2"}]`
	cases := []struct {
		name      string
		listeners string
		user      string
		want      []string
	}{
		{"scram with a password", "", `password: "env:APP_PASSWORD"`, nil},
		{"scram with nothing", "", `auth: scram`, []string{"users[0].auth: scram needs password or verifier"}},
		{"scram with both", "", `password: "env:APP_PASSWORD", verifier: "` + verifier + `"`, []string{
			"users[0].verifier: give password or verifier, not both",
		}},
		{"scram with a verifier that cannot log in", "", `verifier: "` + verifier + `"`, []string{
			"users[0].verifier: a verifier cannot log in to the source: give source.password, or use auth scram-passthrough",
		}},
		{"scram with a verifier and a password for the source", "", `verifier: "` + verifier + `", source: {password: "env:APP_PASSWORD"}`, nil},
		{"a verifier that is none", "", `verifier: "SCRAM-SHA-256$4096:x", source: {password: "env:APP_PASSWORD"}`, []string{
			"users[0].verifier: is not SCRAM-SHA-256$iterations:salt$stored:server, as pg_authid.rolpassword has it",
		}},
		{"passthrough with a verifier", "", `auth: scram-passthrough, verifier: "` + verifier + `"`, nil},
		{"passthrough with a password", "", `auth: scram-passthrough, password: "env:APP_PASSWORD"`, []string{
			"users[0].auth: scram-passthrough needs a verifier, the same as the source's",
			"users[0].password: has no use with scram-passthrough, which logs in with the client's own proof: remove it, or use auth scram",
		}},
		{"trust on loopback", "", `auth: trust`, nil},
		{"trust for everybody", `[{address: "127.0.0.1:1"}, {address: ":6432"}]`, `auth: trust`, []string{
			"users[0].auth: trust is only for loopback, and listeners[1] is on :6432",
		}},
		{"trust with a verifier", "", `auth: trust, verifier: "` + verifier + `"`, []string{"users[0].verifier: has no use with trust"}},
		{"certificate where only one listener has tls", two, `auth: certificate`, nil},
		{"certificate without tls", "", `auth: certificate`, []string{"users[0].auth: certificate needs a listener with tls and client_ca"}},
		{"certificate without an authority", `[{address: "127.0.0.1:1", tls: {cert: server.crt, key: server.key}}]`, `auth: certificate`, []string{
			"users[0].auth: certificate needs client_ca in listeners[0].tls",
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			text := doc{listeners: c.listeners, users: "[{name: app, " + c.user + "}]"}.text()
			if diff := cmp.Diff(c.want, withoutPlace(faultsOf(t, text))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCertificatesMustExistAndFit(t *testing.T) {
	listener := func(tls string) doc { return doc{listeners: `[{address: "127.0.0.1:1", tls: {` + tls + `}}]`} }
	source := func(address, tls string) doc { return doc{source: `{address: "` + address + `", tls: {` + tls + `}}`} }
	cases := []struct {
		name string
		doc  doc
		want []string
	}{
		{"cert without key", listener("cert: server.crt"), []string{"listeners[0].tls.cert: needs its key beside it"}},
		{"key without cert", listener("key: server.key"), []string{"listeners[0].tls.key: needs its cert beside it"}},
		{"a mode without cert", listener("mode: require"), []string{"listeners[0].tls.mode: require needs cert and key"}},
		{"files that are absent", listener("cert: a.crt, key: a.key"), []string{
			"listeners[0].tls.cert: read file: open a.crt: file does not exist",
			"listeners[0].tls.key: read file: open a.key: file does not exist",
		}},
		{"a key that is none", listener("cert: server.crt, key: server.crt"), []string{
			`listeners[0].tls.cert: cert and key do not load: tls: found a certificate rather than a key in the PEM for the private key`,
		}},
		{"an authority that is none", listener("cert: server.crt, key: server.key, client_ca: server.key"), []string{
			"listeners[0].tls.client_ca: server.key has no PEM certificate",
		}},
		{"an authority without tls", listener("client_ca: server.crt"), []string{
			"listeners[0].tls.client_ca: has no use while tls is disabled: give cert and key, or mode prefer or require",
		}},
		{"an authority on loopback without a mode", source("127.0.0.1:1", "ca: server.crt"), []string{
			"source.tls: certificates are given while mode is disable, which is the default on loopback and sockets: write the mode",
		}},
		{"tls on a socket", source("/run/postgresql", "mode: require"), []string{
			"source.tls.mode: a socket has no tls: write disable or nothing",
		}},
		{"admin tls for everybody", doc{rest: `admin: {address: ":7432", tls: {cert: server.crt, key: server.key}}`}, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, withoutPlace(faultsOf(t, c.doc.text()))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// withoutPlace cuts file, line and column, which are not every case's point.
func withoutPlace(lines []string) []string {
	var cut []string
	for _, l := range lines {
		cut = append(cut, strings.SplitN(l, ": ", 2)[1])
	}
	return cut
}
