package pgwire

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"io"
	"math/big"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/crossfade-db/crossfade/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every conversation of a test: who waits longer hangs.
const patience = 10 * time.Second

// said is a peer that has said all it will: each read gets the next piece, as
// one segment, and then the end. What it is told is kept.
type said struct {
	pieces [][]byte
	heard  bytes.Buffer
}

func says(pieces ...[]byte) *said {
	return &said{pieces: slices.DeleteFunc(slices.Clone(pieces), func(p []byte) bool { return len(p) == 0 })}
}

func (s *said) Read(p []byte) (int, error) {
	if len(s.pieces) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.pieces[0])
	if s.pieces[0] = s.pieces[0][n:]; len(s.pieces[0]) == 0 {
		s.pieces = s.pieces[1:]
	}
	return n, nil
}

func (s *said) Write(p []byte) (int, error)      { return s.heard.Write(p) }
func (s *said) Close() error                     { return nil }
func (s *said) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (s *said) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (s *said) SetDeadline(time.Time) error      { return nil }
func (s *said) SetReadDeadline(time.Time) error  { return nil }
func (s *said) SetWriteDeadline(time.Time) error { return nil }

// bytewise cuts into pieces of one byte.
func bytewise(p []byte) [][]byte {
	pieces := make([][]byte, len(p))
	for i := range p {
		pieces[i] = p[i : i+1]
	}
	return pieces
}

// dialled is a connection over loopback, from both ends, with a deadline.
func dialled(t testing.TB) (near, far net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if near, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if far, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []net.Conn{near, far} {
		t.Cleanup(func() { _ = c.Close() })
		if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
	}
	return near, far
}

// message is one message with its header.
func message(kind byte, body string) []byte { return appendMessage(nil, kind, []byte(body)) }

// declared is a header alone, of a message that never comes.
func declared(kind byte, length uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte{kind}, length)
}

// packet is what has no type byte: a length word, a code, and the rest.
func packet(code uint32, rest string) []byte {
	p := binary.BigEndian.AppendUint32(nil, uint32(8+len(rest)))
	return append(binary.BigEndian.AppendUint32(p, code), rest...)
}

var (
	sslRequest = packet(codeSSL, "")
	gssRequest = packet(codeGSS, "")
	query      = message('Q', "SELECT 'smuggled'\x00")
)

// startup is an honest startup packet of version 3.0.
func startup() []byte { return packet(Version30, "user\x00alice\x00database\x00shop\x00\x00") }

func aliceAtShop() wire.Startup {
	return wire.Startup{Version: Version30, Params: []wire.Param{{Name: "user", Value: "alice"}, {Name: "database", Value: "shop"}}}
}

// identity is a certificate for localhost, what trusts it, and its hash.
type identity struct {
	server, client *tls.Config
	hash           []byte
	leaf           *x509.Certificate
}

// ecdsaIdentity is made once: no test changes it.
var ecdsaIdentity = sync.OnceValue(func() identity {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return identify(key)
})

var ed25519Identity = sync.OnceValue(func() identity {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	return identify(key)
})

func identify(key crypto.Signer) identity {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"},
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	leaf, err := x509.ParseCertificate(raw)
	if err != nil {
		panic(err)
	}
	hash, _ := CertHash(leaf)
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return identity{
		server: &tls.Config{
			MinVersion: tls.VersionTLS12, NextProtos: []string{ALPN}, SessionTicketsDisabled: true,
			Certificates: []tls.Certificate{{Certificate: [][]byte{raw}, PrivateKey: key, Leaf: leaf}},
		},
		client: &tls.Config{MinVersion: tls.VersionTLS12, ServerName: "localhost", RootCAs: pool},
		hash:   hash, leaf: leaf,
	}
}

// front are the options of a listener with this identity.
func (i identity) front(mode TLSMode) FrontOptions {
	return FrontOptions{Mode: mode, TLS: i.server, CertHash: i.hash}
}
