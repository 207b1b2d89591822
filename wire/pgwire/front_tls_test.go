package pgwire

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/crossfade-db/crossfade/wire"
)

// Requests for encryption where there is none: each once, in either order.
func TestV05RequestsForEncryption(t *testing.T) {
	for _, c := range []struct {
		name     string
		requests [][]byte
		told     string
		want     string // words of the refusal; "": the startup packet is read
	}{
		{"none", nil, "", ""},
		{"SSL", [][]byte{sslRequest}, "N", ""},
		{"GSS", [][]byte{gssRequest}, "N", ""},
		{"GSS then SSL", [][]byte{gssRequest, sslRequest}, "NN", ""},
		{"SSL then GSS", [][]byte{sslRequest, gssRequest}, "NN", ""},
		{"SSL twice", [][]byte{sslRequest, sslRequest}, "N", "SSL request repeated"},
		{"GSS twice", [][]byte{gssRequest, gssRequest}, "N", "GSSAPI encryption request not allowed here"},
		{"SSL, GSS, SSL", [][]byte{sslRequest, gssRequest, sslRequest}, "NN", "SSL request repeated"},
		{"GSS, SSL, GSS", [][]byte{gssRequest, sslRequest, gssRequest}, "NN", "GSSAPI encryption request not allowed here"},
	} {
		t.Run(c.name, func(t *testing.T) {
			peer := says(append(slices.Clone(c.requests), startup())...)
			request, err := NewFront(peer, FrontOptions{}).Request(t.Context())
			if c.want != "" {
				wantRefused(t, err, CodeProtocolViolation, c.want)
			} else if err != nil || request.Startup.Get("user") != "alice" {
				t.Errorf("got %+v, %v", request, err)
			}
			if peer.heard.String() != c.told {
				t.Errorf("it was told %q, want %q", peer.heard.String(), c.told)
			}
		})
	}
}

// CVE-2021-23214: what comes in one segment with a request for encryption is
// refused before the request is answered, and is not kept.
func TestV10BytesBehindARequestForEncryption(t *testing.T) {
	id := ecdsaIdentity()
	for mode, opt := range map[string]FrontOptions{"TLS off": {}, "TLS preferred": id.front(TLSPrefer), "TLS required": id.front(TLSRequire)} {
		for name, behind := range map[string][]byte{
			"one byte": {0}, "query": query, "startup packet": startup(), "request for GSS": gssRequest, "TLS": {0x16, 3, 1, 0, 5},
		} {
			for request, words := range map[*[]byte]string{&sslRequest: "SSL request", &gssRequest: "GSSAPI encryption request"} {
				t.Run(mode+", "+name+" behind "+words, func(t *testing.T) {
					peer := says(append(bytes.Clone(*request), behind...))
					_, err := NewFront(peer, opt).Request(t.Context())
					wantRefused(t, err, CodeProtocolViolation, "received unencrypted data after "+words)
					if peer.heard.Len() > 0 {
						t.Errorf("it was told %q", peer.heard.String())
					}
				})
			}
		}
	}
}

// Sent a moment later the bytes meet the handshake, which they break.
func TestV10QueryInPlaceOfTheHandshake(t *testing.T) {
	peer := says(sslRequest, query)
	front := NewFront(peer, ecdsaIdentity().front(TLSPrefer))
	request, err := front.Request(t.Context())
	var record tls.RecordHeaderError
	if !errors.As(err, &record) || request != (Request{}) {
		t.Errorf("got %+v, %v", request, err)
	}
	if !strings.HasPrefix(peer.heard.String(), "S") || len(front.Rest()) > 0 {
		t.Errorf("it was told %q, %q is left", peer.heard.String(), front.Rest())
	}
}

// ended is how a login ended at our end.
type ended struct {
	front   *Front
	request Request
	err     error
}

// served serves one client over loopback.
func served(t *testing.T, opt FrontOptions) (client net.Conn, end func() ended) {
	t.Helper()
	near, far := dialled(t)
	done := make(chan ended, 1)
	go func() {
		front, request, err := serve(far, opt)
		_ = far.Close()
		done <- ended{front, request, err}
	}()
	return near, func() ended { return <-done }
}

func TestV05RequestsForEncryptionInsideTLS(t *testing.T) {
	id := ecdsaIdentity()
	ask := func(t *testing.T, conn net.Conn) net.Conn {
		t.Helper()
		secure, err := StartTLS(t.Context(), conn, id.client)
		if err != nil {
			t.Fatal(err)
		}
		return secure
	}
	ways := map[string]func(*testing.T, net.Conn) net.Conn{
		"asked for": ask,
		"GSS first": func(t *testing.T, conn net.Conn) net.Conn {
			if answer := exchange(t, conn, gssRequest, 1); answer != "N" {
				t.Fatalf("told %q of GSS", answer)
			}
			return ask(t, conn)
		},
		"direct": func(_ *testing.T, conn net.Conn) net.Conn { return tls.Client(conn, direct(id, ALPN)) },
	}
	for way, secure := range ways {
		for words, request := range map[string][]byte{"SSL request repeated": sslRequest, "GSSAPI encryption request not allowed here": gssRequest} {
			t.Run(way+", "+words, func(t *testing.T) {
				conn, end := served(t, id.front(TLSPrefer))
				if _, err := secure(t, conn).Write(request); err != nil {
					t.Fatal(err)
				}
				_ = conn.Close()
				wantRefused(t, end().err, CodeProtocolViolation, words)
			})
		}
	}
}

func exchange(t *testing.T, conn net.Conn, question []byte, size int) string {
	t.Helper()
	if _, err := conn.Write(question); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, size)
	if _, err := io.ReadFull(conn, answer); err != nil {
		t.Fatal(err)
	}
	return string(answer)
}

func direct(id identity, protocols ...string) *tls.Config {
	config := id.client.Clone()
	config.NextProtos = protocols
	return config
}

// sslnegotiation=direct, of libpq 17: without ALPN another protocol's client
// could be made to talk to us (ALPACA).
func TestV10DirectTLS(t *testing.T) {
	id := ecdsaIdentity()
	for _, c := range []struct {
		name      string
		protocols []string
		want      string
	}{
		{"with ALPN", []string{ALPN}, ""},
		{"with ALPN among others", []string{"h2", ALPN}, ""},
		{"without ALPN", nil, "received direct SSL connection request without ALPN"},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn, end := served(t, id.front(TLSRequire))
			_, err := Login(t.Context(), tls.Client(conn, direct(id, c.protocols...)), LoginOptions{Startup: aliceAtShop(), Secret: Secret{Password: "pencil"}})
			_ = conn.Close()
			got := end()
			if c.want != "" {
				wantRefused(t, got.err, CodeProtocolViolation, c.want)
				return
			}
			// PLUS is offered, and our client does not know of the TLS below.
			if err == nil || !strings.Contains(err.Error(), "channel binding without TLS") || got.request.Startup.Get("user") != "alice" {
				t.Errorf("got %v and %+v", err, got.request)
			}
		})
	}
	t.Run("another protocol", func(t *testing.T) {
		conn, end := served(t, id.front(TLSRequire))
		if err := tls.Client(conn, direct(id, "h2")).HandshakeContext(t.Context()); err == nil {
			t.Error("a client of HTTP was let in")
		}
		var own *wire.Error
		if err := end().err; err == nil || errors.As(err, &own) {
			t.Errorf("got %v, want a handshake that failed", err)
		}
	})
	t.Run("where TLS is off", func(t *testing.T) {
		_, err := NewFront(says([]byte{tlsHandshake, 3, 1, 0, 200}), FrontOptions{}).Request(t.Context())
		wantRefused(t, err, CodeProtocolViolation, "invalid length of startup packet")
	})
}

func TestV10TLSRequired(t *testing.T) {
	for name, pieces := range map[string][][]byte{
		"startup packet": {startup()}, "GSS refused, then a startup packet": {gssRequest, startup()},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := NewFront(says(pieces...), ecdsaIdentity().front(TLSRequire)).Request(t.Context())
			wantRefused(t, err, CodeInvalidAuth, "TLS only")
		})
	}
}

func TestV16HandshakeCutAtEveryByte(t *testing.T) {
	id := ecdsaIdentity()
	hello := &said{}
	_ = tls.Client(hello, direct(id, ALPN)).HandshakeContext(context.Background())
	whole := hello.heard.Bytes()
	for n := 1; n < len(whole); n += 7 {
		for way, pieces := range map[string][][]byte{"direct": {whole[:n]}, "asked for": {sslRequest, whole[:n]}} {
			request, err := NewFront(says(pieces...), id.front(TLSPrefer)).Request(t.Context())
			if err == nil || request != (Request{}) {
				t.Errorf("%s, %d bytes: got %+v, %v", way, n, request, err)
			}
		}
	}
}

// PLUS is offered where the certificate has a hash to bind to, and nowhere else.
func TestV12PlusIsOfferedWhereItIsVerified(t *testing.T) {
	for _, c := range []struct {
		name string
		id   identity
		tls  bool
		want []string
	}{
		{"ECDSA over TLS", ecdsaIdentity(), true, []string{scramPlus, scramPlain}},
		{"ECDSA without TLS", ecdsaIdentity(), false, []string{scramPlain}},
		{"Ed25519 over TLS", ed25519Identity(), true, []string{scramPlain}},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn, end := served(t, c.id.front(TLSPrefer))
			speak := conn
			if c.tls {
				var err error
				if speak, err = StartTLS(t.Context(), conn, c.id.client); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := speak.Write(startup()); err != nil {
				t.Fatal(err)
			}
			m, err := pgproto3.NewFrontend(speak, io.Discard).Receive()
			if err != nil {
				t.Fatal(err)
			}
			if offer := m.(*pgproto3.AuthenticationSASL); !slices.Equal(offer.AuthMechanisms, c.want) {
				t.Errorf("got %q, want %q", offer.AuthMechanisms, c.want)
			}
			_ = conn.Close()
			if err := end().err; err == nil {
				t.Error("it was let in")
			}
		})
	}
}
