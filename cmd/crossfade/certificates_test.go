package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// authority signs certificates for a test, into files of one directory:
//
//	ca.pem  NAME.pem  NAME.key
type authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	last int64 // serial number
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{dir: t.TempDir()}
	a.cert, a.key = a.sign(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, KeyUsage: x509.KeyUsageCertSign,
	})
	a.write(t, "ca.pem", "CERTIFICATE", a.cert.Raw)
	return a
}

func (a *authority) path(name string) string { return filepath.Join(a.dir, name) }

// required is the tls of a listener that presents NAME.pem to all its clients.
func (a *authority) required(name string) string {
	return fmt.Sprintf("{mode: require, cert: %q, key: %q}", a.path(name+".pem"), a.path(name+".key"))
}

// verified are the options of a client that takes certificates of a alone.
func (a *authority) verified() string { return "sslmode=verify-full sslrootcert=" + a.path("ca.pem") }

// server issues NAME.pem for 127.0.0.1 and returns its serial number.
func (a *authority) server(t testing.TB, name string) *big.Int {
	t.Helper()
	return a.issue(t, name, &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
}

// client issues NAME.pem for a user called name.
func (a *authority) client(t testing.TB, name string) {
	t.Helper()
	a.issue(t, name, &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
}

func (a *authority) issue(t testing.TB, name string, request *x509.Certificate) *big.Int {
	t.Helper()
	cert, key := a.sign(t, request)
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	a.write(t, name+".pem", "CERTIFICATE", cert.Raw)
	a.write(t, name+".key", "PRIVATE KEY", encoded)
	return cert.SerialNumber
}

// sign completes a request; without a certificate of its own yet, a signs itself.
func (a *authority) sign(t testing.TB, request *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a.last++
	request.SerialNumber, request.BasicConstraintsValid = big.NewInt(a.last), true
	request.NotBefore, request.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, parentKey := a.cert, a.key
	if parent == nil {
		parent, parentKey = request, key
	}
	encoded, err := x509.CreateCertificate(rand.Reader, request, parent, &key.PublicKey, parentKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(encoded)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

func (a *authority) write(t testing.TB, name, kind string, content []byte) {
	t.Helper()
	block := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content})
	if err := os.WriteFile(a.path(name), block, 0o600); err != nil {
		t.Fatal(err)
	}
}
