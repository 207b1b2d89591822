package configs

import (
	"encoding/base64"
	"strconv"
	"strings"
)

func (k *checker) users(c *Config) {
	names := seen{}
	for i := range c.Users {
		u := &c.Users[i]
		path := "users[" + strconv.Itoa(i) + "]"
		k.unique(names, u.Name, path+".name")
		k.auth(c, u, path)
		if !u.Verifier.IsZero() && !isVerifier(u.Verifier.Reveal()) {
			k.add(path+".verifier", "is not SCRAM-SHA-256$iterations:salt$stored:server, as pg_authid.rolpassword has it")
		}
	}
}

// auth checks what a way of logging in needs, and what it has no use for.
func (k *checker) auth(c *Config, u *User, path string) {
	verifier := k.has(path + ".verifier")
	switch u.Auth {
	case AuthSCRAM:
		k.scram(path)
	case AuthSCRAMPassthrough:
		if !verifier {
			k.add(path+".auth", "scram-passthrough needs a verifier, the same as the source's")
		}
		if k.has(path + ".password") {
			k.add(path+".password", "has no use with scram-passthrough, which logs in with the client's own proof: remove it, or use auth scram")
		}
	case AuthCertificate, AuthTrust:
		if verifier {
			k.add(path+".verifier", "has no use with %s", u.Auth)
		}
	}
	switch u.Auth {
	case AuthTrust:
		k.trust(c, path)
	case AuthCertificate:
		k.certificate(c, path)
	case AuthSCRAM, AuthSCRAMPassthrough:
	}
}

// scram needs the password or its verifier. A verifier proves a client but
// cannot log in anywhere (RFC 5802 section 9), so the source then needs a
// password of its own.
func (k *checker) scram(path string) {
	password, verifier := k.has(path+".password"), k.has(path+".verifier")
	switch {
	case password && verifier:
		k.add(path+".verifier", "give password or verifier, not both")
	case !password && !verifier:
		k.add(path+".auth", "scram needs password or verifier")
	case verifier && !k.has(path+".source.password"):
		k.add(path+".verifier", "a verifier cannot log in to the source: give source.password, or use auth scram-passthrough")
	}
}

// trust asks the client for nothing, so everybody who reaches a listener is in.
func (k *checker) trust(c *Config, path string) {
	for i := range c.Listeners {
		if a := c.Listeners[i].Address; a != "" && !a.Local() {
			k.add(path+".auth", "trust is only for loopback, and listeners[%d] is on %s", i, a)
		}
	}
}

// certificate needs a listener with tls, and on each of them an authority to
// check client certificates against.
func (k *checker) certificate(c *Config, path string) {
	encrypted := 0
	for i := range c.Listeners {
		t := &c.Listeners[i].TLS
		if t.Mode == ListenerTLSDisable {
			continue
		}
		encrypted++
		if t.ClientCA == "" {
			k.add(path+".auth", "certificate needs client_ca in listeners[%d].tls", i)
		}
	}
	if encrypted == 0 {
		k.add(path+".auth", "certificate needs a listener with tls and client_ca")
	}
}

// isVerifier reports whether s has the form of RFC 5803 as PostgreSQL writes
// it: SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>, both keys 32
// bytes in base64.
func isVerifier(s string) bool {
	parts := strings.Split(s, "$")
	if len(parts) != 3 || parts[0] != "SCRAM-SHA-256" {
		return false
	}
	iterations, salt, _ := strings.Cut(parts[1], ":")
	stored, server, _ := strings.Cut(parts[2], ":")
	n, err := strconv.ParseUint(iterations, 10, 31)
	return err == nil && n > 0 && decodedLen(salt) > 0 && decodedLen(stored) == 32 && decodedLen(server) == 32
}

// decodedLen is the number of bytes of a base64 text, or -1.
func decodedLen(s string) int {
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil {
		return -1
	}
	return len(b)
}
