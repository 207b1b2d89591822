package main

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/crossfade-db/crossfade/configs"
	"github.com/crossfade-db/crossfade/proxy"
	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/wire/pgwire"
)

// scramIterations and saltSize are those of a verifier that PostgreSQL itself
// makes of a password (scram-common.h).
const (
	scramIterations = 4096
	saltSize        = 16
)

// liveOf makes the reloadable part of a configuration. What takes a restart
// (the source, the listeners, the limits that size the process) comes from
// fixed, which on a reload is the configuration that the process began with.
func liveOf(c, fixed *configs.Config) (*proxy.Live, error) {
	live := &proxy.Live{
		Fronts: map[string]pgwire.FrontOptions{},
		Users:  map[string]*proxy.User{},
		Limits: proxy.Limits{
			Clients: fixed.Limits.Clients, LoginTimeout: time.Duration(c.Limits.LoginTimeout),
			LoginPerAddress: c.Limits.LoginPerAddress, LoginTotal: c.Limits.LoginTotal,
			Memory: int64(fixed.Limits.Memory), Drain: time.Duration(c.Limits.Drain), RetryKeep: int(c.Limits.RetryKeep),
		},
	}
	for _, l := range fixed.Listeners {
		front, err := frontOf(listenerTLS(l, c))
		if err != nil {
			return nil, fmt.Errorf("listener %s: %w", l.Name, err)
		}
		live.Fronts[l.Name] = front
	}
	source, err := sideOf(fixed.Source)
	if err != nil {
		return nil, fmt.Errorf("source: %w", err)
	}
	live.Sides[router.Source] = source
	if fixed.Target != nil {
		if live.Sides[router.Target], err = sideOf(*fixed.Target); err != nil {
			return nil, fmt.Errorf("target: %w", err)
		}
		live.Service[router.Target] = loginFrom(fixed.Target.Service)
		live.OwnParams = ownParamsOf(c)
	}
	for _, u := range c.Users {
		user, err := userOf(u)
		if err != nil {
			return nil, fmt.Errorf("user %s: %w", u.Name, err)
		}
		live.Users[u.Name] = user
	}
	return live, nil
}

// listenerTLS is the encryption of a running listener: its mode stays, its files
// are those that c has for the listener of its name. Without them it keeps its
// own, so that no edit takes the encryption off an open address.
func listenerTLS(running configs.Listener, c *configs.Config) configs.ListenerTLS {
	for _, l := range c.Listeners {
		if l.Name == running.Name && l.TLS.Cert != "" {
			files := l.TLS
			files.Mode = running.TLS.Mode
			return files
		}
	}
	return running.TLS
}

// listenersOf are the addresses to accept clients on.
func listenersOf(c *configs.Config) []proxy.ListenerOptions {
	var out []proxy.ListenerOptions
	for _, l := range c.Listeners {
		network, address := reach(l.Address)
		out = append(out, proxy.ListenerOptions{Name: l.Name, Network: network, Address: address})
	}
	return out
}

// socketName is the file that a server on port 5432 makes in its socket
// directory (manual, 20.3).
const socketName = ".s.PGSQL.5432"

// reach is an address as package net wants it.
func reach(a configs.Address) (network, address string) {
	if !a.Socket() {
		return "tcp", string(a)
	}
	if strings.HasPrefix(filepath.Base(string(a)), ".s.PGSQL.") {
		return "unix", string(a)
	}
	return "unix", filepath.Join(string(a), socketName)
}

func loginFrom(l configs.Login) proxy.Login {
	return proxy.Login{User: l.User, Password: l.Password.Reveal()}
}

func userOf(u configs.User) (*proxy.User, error) {
	user := &proxy.User{Name: u.Name}
	user.Logins[router.Source] = loginFrom(u.Source)
	user.Logins[router.Target] = loginFrom(u.Target)
	switch u.Auth {
	case configs.AuthSCRAM:
		user.Auth = proxy.Scram
	case configs.AuthSCRAMPassthrough:
		user.Auth = proxy.ScramPassThrough
	case configs.AuthCertificate:
		user.Auth = proxy.Certificate
		return user, nil
	case configs.AuthTrust:
		user.Auth = proxy.Trust
		return user, nil
	}
	var err error
	user.Verifier, err = verifierOf(u)
	return user, err
}

func verifierOf(u configs.User) (pgwire.Verifier, error) {
	if !u.Verifier.IsZero() {
		return pgwire.ParseVerifier(u.Verifier.Reveal())
	}
	salt := make([]byte, saltSize)
	if _, err := rand.Read(salt); err != nil {
		return pgwire.Verifier{}, err
	}
	return pgwire.NewVerifier(u.Password.Reveal(), salt, scramIterations)
}

func frontOf(t configs.ListenerTLS) (pgwire.FrontOptions, error) {
	switch t.Mode {
	case configs.ListenerTLSPrefer:
		return secureFront(t, pgwire.TLSPrefer)
	case configs.ListenerTLSRequire:
		return secureFront(t, pgwire.TLSRequire)
	case configs.ListenerTLSDisable:
		return pgwire.FrontOptions{}, nil
	default:
		return pgwire.FrontOptions{}, fmt.Errorf("tls mode %q is not known", t.Mode)
	}
}

func secureFront(t configs.ListenerTLS, mode pgwire.TLSMode) (pgwire.FrontOptions, error) {
	config, err := serverTLS(string(t.Cert), string(t.Key))
	if err != nil {
		return pgwire.FrontOptions{}, err
	}
	config.NextProtos = []string{pgwire.ALPN}
	if t.ClientCA != "" {
		if config.ClientCAs, err = poolOf(string(t.ClientCA)); err != nil {
			return pgwire.FrontOptions{}, err
		}
		config.ClientAuth = tls.VerifyClientCertIfGiven
	}
	front := pgwire.FrontOptions{Mode: mode, TLS: config}
	if hash, ok := pgwire.CertHash(config.Certificates[0].Leaf); ok {
		front.CertHash = hash
	}
	return front, nil
}

// serverTLS presents a certificate. Tickets are off, as in PostgreSQL: a
// resumed session would outlive a change of certificates.
func serverTLS(cert, key string) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("load certificate: %w", err)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, SessionTicketsDisabled: true}, nil
}

func poolOf(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read certificate authority: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", file)
	}
	return pool, nil
}

func sideOf(s configs.Server) (proxy.Side, error) {
	side := proxy.Side{Database: s.Database}
	side.Network, side.Address = reach(s.Address)
	if s.TLS.Mode == configs.ServerTLSDisable {
		return side, nil
	}
	config, err := clientTLS(s)
	side.TLS = config
	return side, err
}

// clientTLS checks a server's certificate as libpq's sslmode of the same name.
func clientTLS(s configs.Server) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: s.TLS.ServerName, NextProtos: []string{pgwire.ALPN}}
	if config.ServerName == "" {
		config.ServerName = s.Address.Host()
	}
	var err error
	if s.TLS.CA != "" {
		if config.RootCAs, err = poolOf(string(s.TLS.CA)); err != nil {
			return nil, err
		}
	}
	if s.TLS.Cert != "" {
		pair, err := tls.LoadX509KeyPair(string(s.TLS.Cert), string(s.TLS.Key))
		if err != nil {
			return nil, fmt.Errorf("load certificate: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	switch s.TLS.Mode {
	case configs.ServerTLSVerifyFull:
	case configs.ServerTLSVerifyCA:
		config.InsecureSkipVerify = true
		config.VerifyConnection = chainOnly(config.RootCAs)
	case configs.ServerTLSRequire:
		config.InsecureSkipVerify = true
	default:
		return nil, fmt.Errorf("tls mode %q is not known", s.TLS.Mode)
	}
	return config, nil
}

// chainOnly checks who signed a certificate and not for whom.
func chainOnly(roots *x509.CertPool) func(tls.ConnectionState) error {
	return func(state tls.ConnectionState) error {
		if len(state.PeerCertificates) == 0 {
			return errors.New("the server sent no certificate")
		}
		options := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool()}
		for _, c := range state.PeerCertificates[1:] {
			options.Intermediates.AddCert(c)
		}
		_, err := state.PeerCertificates[0].Verify(options)
		return err
	}
}
