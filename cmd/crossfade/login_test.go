package main

import (
	"crypto/tls"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// secureSource are the keys of a source whose certificate is checked as libpq's
// verify-full does.
func secureSource() string {
	return fmt.Sprintf("address: %s, tls: {mode: verify-full, ca: %q}", postgres.Addr(), postgres.CAFile())
}

func TestBothConnectionsAreVerifiedInFull(t *testing.T) {
	ca := newAuthority(t)
	ca.server(t, "proxy")
	c := start(t, settings{listener: "address: 127.0.0.1:0, tls: " + ca.required("proxy"), source: secureSource()})
	conn := c.connect(t, "app", appPassword, ca.verified()+" channel_binding=require")
	if _, ok := conn.PgConn().Conn().(*tls.Conn); !ok {
		t.Errorf("the client's connection is %T", conn.PgConn().Conn())
	}
	if !value[bool](t, conn, "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()") {
		t.Error("the server's connection is in plain")
	}

	other := newAuthority(t) // that signed neither
	if err := c.refused(t, "app", appPassword, other.verified()); !strings.Contains(err.Error(), "certificate signed by unknown authority") {
		t.Errorf("a client that trusts somebody else: %v", err)
	}
	if err := c.refused(t, "app", appPassword, ""); code(err) != "28000" {
		t.Errorf("a client in plain: %v", err)
	}
}

func TestASourceThatCannotProveItselfIsNotLoggedInAt(t *testing.T) {
	other := newAuthority(t)
	tests := []struct{ name, tls, why string }{
		{"another authority", fmt.Sprintf("{mode: verify-full, ca: %q}", other.path("ca.pem")), "certificate signed by unknown authority"},
		{"another name", fmt.Sprintf("{mode: verify-full, ca: %q, server_name: db.example}", postgres.CAFile()), "not db.example"},
		{"another authority, of verify-ca", fmt.Sprintf("{mode: verify-ca, ca: %q}", other.path("ca.pem")), "certificate signed by unknown authority"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := start(t, settings{source: "address: " + postgres.Addr() + ", tls: " + test.tls})
			err := c.refused(t, "app", appPassword, "")
			if code(err) != "08006" || strings.Contains(err.Error(), "certificate") {
				t.Errorf("the client is told %v", err)
			}
			c.says(t, "login refused", "outcome=backend", test.why)
		})
	}
}

func TestAClientCertificateIsALogin(t *testing.T) {
	ca, stranger := newAuthority(t), newAuthority(t)
	ca.server(t, "proxy")
	ca.client(t, "app")
	ca.client(t, "other")
	stranger.client(t, "app")
	c := start(t, settings{
		listener: fmt.Sprintf("address: 127.0.0.1:0, tls: {mode: require, cert: %q, key: %q, client_ca: %q}",
			ca.path("proxy.pem"), ca.path("proxy.key"), ca.path("ca.pem")),
		users: `[{name: app, auth: certificate, source: {password: "env:APP_PASSWORD"}}]`,
	})
	with := func(a *authority, name string) string {
		return fmt.Sprintf("%s sslcert=%s sslkey=%s", ca.verified(), a.path(name+".pem"), a.path(name+".key"))
	}
	conn := c.connect(t, "app", "", with(ca, "app"))
	if user := value[string](t, conn, "SELECT current_user"); user != "app" {
		t.Errorf("the server's user is %s", user)
	}
	if err := c.refused(t, "app", "", with(ca, "other")); code(err) != "28000" {
		t.Errorf("with somebody else's certificate: %v", err)
	}
	if err := c.refused(t, "app", appPassword, ca.verified()); code(err) != "28000" {
		t.Errorf("with a password and no certificate: %v", err)
	}
	config, err := c.config("app", "", ca.verified())
	if err != nil {
		t.Fatal(err)
	}
	config.TLSConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(stranger.path("app.pem"), stranger.path("app.key"))
		return &pair, err
	}
	if conn, err := pgx.ConnectConfig(t.Context(), config); err == nil || !strings.Contains(err.Error(), "unknown certificate authority") {
		t.Errorf("with a certificate of an authority that is not trusted: %v, %v", conn, err)
	}
}

func TestPassThroughLogsInWithTheClientsOwnProof(t *testing.T) {
	verifier, err := postgres.Query(t.Context(), "postgres", "SELECT rolpassword FROM pg_authid WHERE rolname = 'app'")
	if err != nil {
		t.Fatal(err)
	}
	for name, source := range map[string]string{"in plain": "address: " + postgres.Addr(), "encrypted": secureSource()} {
		t.Run(name, func(t *testing.T) {
			c := start(t, settings{
				source: source, users: `[{name: app, auth: scram-passthrough, verifier: "env:VERIFIER"}]`,
			}, "VERIFIER="+verifier)
			for range 2 { // the second from what the first has learnt
				conn := c.connect(t, "app", appPassword, "")
				if user := value[string](t, conn, "SELECT session_user"); user != "app" {
					t.Errorf("the server's user is %s", user)
				}
			}
			if err := c.refused(t, "app", "wrong", ""); code(err) != "28P01" {
				t.Errorf("a wrong password: %v", err)
			}
		})
	}
}

func TestWaysInWhichTheSourceAsksForProof(t *testing.T) {
	plain := "address: " + postgres.Addr()
	socket := "address: " + filepath.Join(postgres.SocketDir(), fmt.Sprintf(".s.PGSQL.%d", postgres.Port()))
	tests := []struct{ name, source, user, refusal string }{
		{"md5 in plain", plain, "legacy", ""},
		{"md5 encrypted", secureSource(), "legacy", ""},
		{"the password itself, encrypted", secureSource(), "plain", ""},
		{"the password itself, in plain", plain, "plain", "which is sent over TLS only"},
		{"SCRAM in plain", plain, "app", ""},
		{"SCRAM encrypted", secureSource(), "app", ""},
		{"SCRAM on a Unix socket", socket, "app", ""},
		{"nothing", plain, "trusted", ""},
	}
	users := `[{name: app, password: "env:APP_PASSWORD"}, {name: legacy, password: "env:LEGACY"},
		{name: plain, password: "env:PLAIN"}, {name: trusted, auth: trust}]`
	passwords := map[string]string{"app": appPassword, "legacy": legacyPassword, "plain": plainPassword}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := start(t, settings{source: test.source, users: users}, "LEGACY="+legacyPassword, "PLAIN="+plainPassword)
			if test.refusal != "" {
				if err := c.refused(t, test.user, passwords[test.user], ""); code(err) != "08006" {
					t.Errorf("the client is told %v", err)
				}
				c.says(t, "login refused", "outcome=backend", test.refusal)
				return
			}
			conn := c.connect(t, test.user, passwords[test.user], "")
			if user := value[string](t, conn, "SELECT session_user"); user != test.user {
				t.Errorf("the server's user is %s", user)
			}
		})
	}
}
