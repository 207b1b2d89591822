package main

import (
	"crypto/tls"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
)

// reloadedIs checks what the metrics say of the last reload: "0" or "1".
func (c *child) reloadedIs(t testing.TB, want string) {
	t.Helper()
	_, body, err := c.get("/metrics")
	if err != nil || !strings.Contains(body, "\ncrossfade_config_reload_success "+want+"\n") {
		t.Errorf("crossfade_config_reload_success is not %s (%v)", want, err)
	}
}

func TestSIGHUPChangesUsersAndPasswordsAtOnce(t *testing.T) {
	env := []string{"OLD=old password", "NEW=new password", "OTHER=other-password"}
	c := start(t, settings{users: `[{name: app, password: "env:OLD", source: {password: "env:APP_PASSWORD"}}]`}, env...)
	session := c.connect(t, "app", "old password", "")
	pid := value[int](t, session, "SELECT pg_backend_pid()")
	if code := code(c.refused(t, "other", "other-password", "")); code != "28P01" {
		t.Errorf("a user that is not there yet: %s", code)
	}

	c.rewrite(t, settings{users: `[{name: app, password: "env:NEW", source: {password: "env:APP_PASSWORD"}},
		{name: other, password: "env:OTHER"}]`})
	eventually(t, "the old password is refused", func() bool {
		conn, err := c.dial(t.Context(), "app", "old password", "")
		if err == nil {
			_ = conn.Close(t.Context())
		}
		return code(err) == "28P01"
	})
	// From the first login that knows the new users, all of them are there.
	c.connect(t, "other", "other-password", "")
	c.connect(t, "app", "new password", "")
	if got := value[int](t, session, "SELECT pg_backend_pid()"); got != pid {
		t.Errorf("the session has backend %d, before the reload it was %d", got, pid)
	}
	c.says(t, `msg=reloaded`, `key=users[app].password`, `before=*** after=***`)
	c.says(t, `msg=reloaded`, `key=users[other]`)
	c.reloadedIs(t, "1")
	for _, secret := range []string{"old password", "new password", "other-password"} {
		if strings.Contains(c.talk.String(), secret) {
			t.Errorf("the log has %q", secret)
		}
	}
}

func TestSIGHUPChangesTheLogLevel(t *testing.T) {
	c := start(t, settings{})
	c.connect(t, "app", appPassword, "")
	if c.said("level=DEBUG") {
		t.Errorf("debug lines at level info:\n%s", c.talk.String())
	}
	c.reload(t, settings{more: "log: {level: debug}"})
	c.connect(t, "app", appPassword, "")
	c.says(t, "level=DEBUG", "backend connected")
}

// serial is that of the certificate that a connection has met.
func serial(conn *pgx.Conn) string {
	secure, ok := conn.PgConn().Conn().(*tls.Conn)
	if !ok {
		return "none"
	}
	return secure.ConnectionState().PeerCertificates[0].SerialNumber.String()
}

func TestSIGHUPTakesARenewedCertificate(t *testing.T) {
	ca := newAuthority(t)
	first := ca.server(t, "proxy").String()
	encrypted := settings{listener: "address: 127.0.0.1:0, tls: " + ca.required("proxy")}
	options := ca.verified()
	c := start(t, encrypted)
	session := c.connect(t, "app", appPassword, options)
	second := ca.server(t, "proxy").String() // the same files
	if got := serial(c.connect(t, "app", appPassword, options)); got != first {
		t.Errorf("before the reload certificate %s, want %s", got, first)
	}
	c.reload(t, encrypted)
	if got := serial(c.connect(t, "app", appPassword, options)); got != second {
		t.Errorf("after the reload certificate %s, want %s", got, second)
	}
	if one := value[int](t, session, "SELECT 1"); one != 1 {
		t.Errorf("the older session says %d", one)
	}
}

func TestAFaultyFileChangesNothing(t *testing.T) {
	tests := []struct{ name, more, users, why string }{
		{"an unknown key", "limitz: {drain: 1s}", `[{name: trusted, auth: trust}]`, "limitz"},
		{"a password that stands in the file", "", `[{name: trusted, auth: trust}, {name: app, password: opensesame}]`, "is not written in this file"},
		{"a variable that is not set", "", `[{name: trusted, auth: trust}, {name: app, password: "env:NOT_SET"}]`, "NOT_SET is not set"},
		{"no YAML at all", "}{", "", "crossfade.yaml:"},
	}
	c := start(t, settings{})
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			before := c.talk.count(refused)
			c.rewrite(t, settings{more: test.more, users: test.users})
			eventually(t, "the file is refused", func() bool { return c.talk.count(refused) > before })
			c.says(t, "level=ERROR", refused, test.why)
			c.reloadedIs(t, "0")
			c.connect(t, "app", appPassword, "")
			if code := code(c.refused(t, "trusted", "", "")); code != "28P01" {
				t.Errorf("a user of the faulty file: %s", code)
			}
			c.reload(t, settings{})
			c.reloadedIs(t, "1")
		})
	}
	t.Run("no file", func(t *testing.T) {
		if err := os.Remove(c.file); err != nil {
			t.Fatal(err)
		}
		c.signal(t, syscall.SIGHUP)
		c.says(t, refused, "no such file")
		c.reloadedIs(t, "0")
		c.connect(t, "app", appPassword, "")
	})
	if c.said("opensesame") {
		t.Error("the log has the password")
	}
}

func TestWhatTakesARestartIsSaidAndNotDone(t *testing.T) {
	ca := newAuthority(t)
	ca.server(t, "proxy")
	tls := ca.required("proxy")
	running := settings{listener: "address: 127.0.0.1:0, tls: " + tls}
	tests := []struct {
		name    string
		changed settings
		key     string
	}{
		{"another source", settings{listener: running.listener, source: "address: " + nobody(t)}, "source.address"},
		{"another address", settings{listener: "address: 127.0.0.1:1, tls: " + tls}, "listeners[app].address"},
		{"fewer clients", settings{listener: running.listener, more: "limits: {clients: 1}"}, "limits.clients"},
		{"encryption by choice", settings{listener: "address: 127.0.0.1:0, tls: " + strings.Replace(tls, "require", "prefer", 1)}, "listeners[app].tls.mode"},
		{"no encryption", settings{listener: "address: 127.0.0.1:0"}, "listeners[app].tls.mode"},
		{"another name", settings{name: "db"}, "listeners[db]"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := start(t, running)
			session := c.connect(t, "app", appPassword, ca.verified())
			c.reload(t, test.changed)
			if !c.said("level=WARN", "changed in the file, takes a restart", "key="+test.key) {
				t.Errorf("the log does not name %s:\n%s", test.key, c.talk.String())
			}
			c.connect(t, "app", appPassword, ca.verified())
			mustExec(t, session, "SELECT 1")
			if err := c.refused(t, "app", appPassword, ""); code(err) != "28000" {
				t.Errorf("a client without encryption: %v", err)
			}
		})
	}
}
