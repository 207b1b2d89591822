package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// marker is in every secret of this test, so that one search finds any.
const marker = "MARKER7f3a"

// markedUsers have secrets in all the places where a file can name them.
const markedUsers = `[{name: marked, password: "env:MARKED"},
	{name: infile, password: "file:secret", source: {user: marked, password: "env:MARKED"}},
	{name: through, auth: scram-passthrough, verifier: "env:VERIFIER"},
	{name: astray, password: "env:MARKED", source: {user: app, password: "env:WRONG"}}]`

const markedRest = `admin: {address: 127.0.0.1:0, tokens: [{name: ops, role: operator, token: "env:TOKEN"}]}
log: {level: debug}`

// leaks is everything that was put out, by where.
type leaks map[string]string

func (l leaks) add(where, text string) { l[where] += text + "\n" }

// TestNoSecretIsPutOut is THREATS V25: everything that can go wrong with a login
// and a file does, at the most talkative level, and all that is put out is
// searched.
func TestNoSecretIsPutOut(t *testing.T) {
	for _, role := range []string{"marked", "through"} {
		if err := postgres.Exec(t.Context(), "postgres", "CREATE ROLE "+role+" LOGIN PASSWORD '"+marker+"-env'"); err != nil {
			t.Fatal(err)
		}
	}
	verifier, err := postgres.Query(t.Context(), "postgres", "SELECT rolpassword FROM pg_authid WHERE rolname = 'through'")
	if err != nil {
		t.Fatal(err)
	}
	env := []string{"MARKED=" + marker + "-env", "VERIFIER=" + verifier, "WRONG=" + marker + "-wrong", "TOKEN=" + marker + "-token"}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "secret"), []byte(marker+"-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := settings{users: markedUsers, more: markedRest}.write(dir)
	if err != nil {
		t.Fatal(err)
	}
	c := serveFile(t, file, env...)
	out := leaks{}
	out.logins(t, c)
	out.faults(t, c, env, verifier)
	_, metrics, err := c.get("/metrics")
	if err != nil {
		t.Fatal(err)
	}
	c.signal(t, syscall.SIGTERM)
	c.exits(t, 0)
	out.add("the metrics", metrics)
	out.add("standard output", c.out.String())
	out.add("the log", c.talk.String())
	_, keys, _ := strings.Cut(verifier[len("SCRAM-SHA-256$"):], "$")
	stored, server, _ := strings.Cut(keys, ":")
	out.search(t, marker, stored, server)
}

func (l leaks) search(t *testing.T, secrets ...string) {
	t.Helper()
	for where, text := range l {
		if strings.TrimSpace(text) == "" {
			t.Errorf("nothing was put out to %s: the search would find nothing", where)
		}
		for _, secret := range secrets {
			if strings.Contains(text, secret) {
				t.Errorf("%s: %q is in:\n%s", where, secret, text)
			}
		}
	}
}

// logins logs in well and badly, and has a statement fail.
func (l leaks) logins(t *testing.T, c *child) {
	t.Helper()
	c.connect(t, "infile", marker+"-file", "")
	c.connect(t, "through", marker+"-env", "")
	conn := c.connect(t, "marked", marker+"-env", "")
	if _, err := conn.Exec(t.Context(), "SELECT 1/0 AS \""+marker+"\""); code(err) != "22012" {
		t.Errorf("the statement: %v", err)
	}
	for _, user := range []string{"marked", "infile", "through", "nobody"} {
		l.add("clients", c.refused(t, user, marker+"-guess", "").Error())
	}
	l.add("clients", c.refused(t, "astray", marker+"-env", "").Error())
	c.says(t, "login refused", "outcome=backend")
}

// faults reloads files with faults next to their secrets, and has check look at
// the same ones.
func (l leaks) faults(t *testing.T, c *child, env []string, verifier string) {
	t.Helper()
	files := []settings{
		{more: markedRest, users: "[{name: marked, password: " + marker + "}]"},
		{more: markedRest, users: `[{name: marked, password: {env: ` + marker + `}}]`},
		{more: markedRest, users: "[{name: marked, verifier: " + marker + "}]"},
		{more: markedRest, users: `[{name: through, auth: scram-passthrough, verifier: "` + verifier[:len(verifier)-9] + `"}]`},
		{more: markedRest, users: `[{name: marked, password: "env:MARKED", verifier: "` + verifier + `"}]`},
		{more: markedRest, users: "[{name: marked, password: |\n" + marker + "\n}]"},
		{more: markedRest, users: "[{name: marked, password: '" + marker + "}]"},
		{more: "admin: {tokens: [{name: ops, role: operator, token: " + marker + "}]}"},
		{more: markedRest, users: `[{name: marked, password: "env:WRONG"}]`}, // no fault: another secret
		{more: markedRest, users: `[{name: marked, password: "env:WRONG", source: {password: "env:MARKED"}}]`},
		{more: markedRest, users: markedUsers},
	}
	for i, s := range files {
		before := c.talk.count(refused) + c.talk.count(reloaded)
		c.rewrite(t, s)
		eventually(t, fmt.Sprintf("file %d is looked at", i), func() bool {
			return c.talk.count(refused)+c.talk.count(reloaded) > before
		})
		for _, format := range []string{"table", "json", "yaml"} {
			check := exec.Command(program, "check", "-c", c.file, "-o", format)
			check.Env = append([]string{"APP_PASSWORD=" + appPassword}, env...)
			output, err := check.CombinedOutput()
			var ended *exec.ExitError
			if err != nil && !errors.As(err, &ended) {
				t.Fatal(err)
			}
			l.add("check -o "+format, string(output))
		}
	}
}
