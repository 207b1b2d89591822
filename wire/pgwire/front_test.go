package pgwire

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/crossfade-db/crossfade/wire"
)

// serve is our end of a whole login of alice, whose password is pencil. Its
// error is told to the client, as the proxy does.
func serve(conn net.Conn, opt FrontOptions) (*Front, Request, error) {
	front := NewFront(conn, opt)
	request, err := front.Request(context.Background())
	if err == nil && request.Startup != nil {
		err = letIn(front, request.Startup.Get("user"))
	}
	var own *wire.Error
	if errors.As(err, &own) {
		_, _ = front.Conn().Write(AppendError(nil, own))
	}
	return front, request, err
}

func letIn(front *Front, user string) error {
	options := ScramServerOptions{User: user, CertHash: front.CertHash()}
	if user == "alice" {
		verifier, err := NewVerifier("pencil", scramSalt, 64)
		if err != nil {
			return err
		}
		options.Verifier = &verifier
	}
	if err := front.Scram(NewScramServer(options), user); err != nil {
		return err
	}
	greeting := message('S', "server_version\x0017\x00")
	return front.Welcome(greeting, 4711, bytes.Repeat([]byte{7}, front.KeySize()))
}

// wantRefused wants an error for the client: its SQLSTATE, and words in it.
func wantRefused(t *testing.T, err error, code, words string) {
	t.Helper()
	var own *wire.Error
	if !errors.As(err, &own) {
		t.Fatalf("got %v, want a refusal that says %q", err, words)
	}
	if own.Code != code || !strings.Contains(own.Message, words) {
		t.Errorf("got %s %q, want %s and %q", own.Code, own.Message, code, words)
	}
}

// A login that is honest in every respect, by our own client.
func TestFrontLetsOurOwnClientIn(t *testing.T) {
	id := ecdsaIdentity()
	for _, c := range []struct {
		name  string
		front FrontOptions
		tls   *tls.Config
	}{
		{"without TLS", FrontOptions{}, nil},
		{"TLS preferred and not used", id.front(TLSPrefer), nil},
		{"over TLS", id.front(TLSPrefer), id.client},
		{"TLS required", id.front(TLSRequire), id.client},
		{"certificate without a hash", ed25519Identity().front(TLSRequire), ed25519Identity().client},
	} {
		t.Run(c.name, func(t *testing.T) {
			near, far := dialled(t)
			served := make(chan error, 1)
			go func() {
				_, _, err := serve(far, c.front)
				served <- err
			}()
			back, err := Login(t.Context(), near, LoginOptions{Startup: aliceAtShop(), TLS: c.tls, Secret: Secret{Password: "pencil"}})
			if err := errors.Join(err, <-served); err != nil {
				t.Fatal(err)
			}
			if back.PID != 4711 || !bytes.Equal(back.Key, []byte{7, 7, 7, 7}) || !bytes.Contains(back.Greeting, []byte("server_version")) {
				t.Errorf("got pid %d, key %x, greeting %q", back.PID, back.Key, back.Greeting)
			}
		})
	}
}

// What version a client asks for changes the length of its key and nothing
// else; what we do not know is listed to it.
func TestV27Versions(t *testing.T) {
	for _, c := range []struct {
		name    string
		version uint32
		params  string
		agreed  uint32
		key     int
		told    *pgproto3.NegotiateProtocolVersion
	}{
		{"3.0", 3 << 16, "", 3 << 16, 4, nil},
		{"3.1, which never was", 3<<16 | 1, "", 3<<16 | 1, 4, nil},
		{"3.2", 3<<16 | 2, "", 3<<16 | 2, 32, nil},
		{"3.3", 3<<16 | 3, "", 3<<16 | 2, 32, &pgproto3.NegotiateProtocolVersion{NewestMinorProtocol: 3<<16 | 2, UnrecognizedOptions: []string{}}},
		{"3.9999, the grease of PostgreSQL 19", 3<<16 | 9999, "", 3<<16 | 2, 32, &pgproto3.NegotiateProtocolVersion{NewestMinorProtocol: 3<<16 | 2, UnrecognizedOptions: []string{}}},
		{"3.65535", 3<<16 | 65535, "", 3<<16 | 2, 32, &pgproto3.NegotiateProtocolVersion{NewestMinorProtocol: 3<<16 | 2, UnrecognizedOptions: []string{}}},
		{"unknown options at 3.0", 3 << 16, "_pq_.a\x00x\x00_pq_.\x00\x00_pq_.b'\x00y\x00", 3 << 16, 4, &pgproto3.NegotiateProtocolVersion{
			NewestMinorProtocol: 3 << 16, UnrecognizedOptions: []string{"_pq_.a", "_pq_.", "_pq_.b'"},
		}},
		{"unknown option at 3.9999", 3<<16 | 9999, "_pq_.test_protocol_negotiation\x00\x00", 3<<16 | 2, 32, &pgproto3.NegotiateProtocolVersion{
			NewestMinorProtocol: 3<<16 | 2, UnrecognizedOptions: []string{"_pq_.test_protocol_negotiation"},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			peer := says(packet(c.version, c.params+"user\x00alice\x00\x00"))
			front := NewFront(peer, FrontOptions{})
			request, err := front.Request(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]wire.Param{{Name: "user", Value: "alice"}}, request.Startup.Params); diff != "" {
				t.Errorf("parameters (-want +got):\n%s", diff)
			}
			if front.Version() != c.agreed || front.KeySize() != c.key {
				t.Errorf("agreed on %x with a key of %d bytes", front.Version(), front.KeySize())
			}
			if err := front.Welcome(nil, 1, make([]byte, front.KeySize())); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.told, firstTold(t, &peer.heard)); diff != "" {
				t.Errorf("negotiation (-want +got):\n%s", diff)
			}
		})
	}
}

// firstTold is what the first message says of the protocol; nil if it is another.
func firstTold(t *testing.T, heard io.Reader) *pgproto3.NegotiateProtocolVersion {
	t.Helper()
	m, err := pgproto3.NewFrontend(heard, io.Discard).Receive()
	if err != nil {
		t.Fatal(err)
	}
	told, ok := m.(*pgproto3.NegotiateProtocolVersion)
	if !ok {
		if _, ok := m.(*pgproto3.AuthenticationOk); !ok {
			t.Fatalf("got %T", m)
		}
		return nil
	}
	return told
}

func TestV27OtherProtocols(t *testing.T) {
	for _, version := range []uint32{0, 1 << 16, 2 << 16, 2<<16 | 9999, 4 << 16, 4<<16 | 1, 1234<<16 | 5677, 1234<<16 | 5681, 1<<32 - 1} {
		t.Run(fmt.Sprintf("%d.%d", version>>16, version&0xffff), func(t *testing.T) {
			peer := says(packet(version, "user\x00alice\x00\x00"))
			_, err := NewFront(peer, FrontOptions{}).Request(t.Context())
			wantRefused(t, err, CodeNotSupported, fmt.Sprintf("unsupported frontend protocol %d.%d: server supports 3.0 to 3.2", version>>16, version&0xffff))
			if peer.heard.Len() > 0 {
				t.Errorf("it was told %q", peer.heard.String())
			}
		})
	}
}

func TestV27CancelRequests(t *testing.T) {
	for length, valid := range map[int]bool{0: false, 1: false, 3: false, 4: true, 5: true, 32: true, 255: true, 256: true, 257: false, 5000: false} {
		t.Run(fmt.Sprintf("key of %d bytes", length), func(t *testing.T) {
			key := strings.Repeat("k", length)
			request, err := NewFront(says(packet(codeCancel, "\x00\x00\x12\x67"+key)), FrontOptions{}).Request(t.Context())
			if !valid {
				wantRefused(t, err, CodeProtocolViolation, "invalid length of cancel request")
				return
			}
			if err != nil || request.Startup != nil || request.Cancel.PID != 0x1267 || string(request.Cancel.Secret) != key {
				t.Errorf("got %+v, %v", request, err)
			}
		})
	}
	t.Run("no process id", func(t *testing.T) {
		_, err := NewFront(says(packet(codeCancel, "\x00\x00")), FrontOptions{}).Request(t.Context())
		wantRefused(t, err, CodeProtocolViolation, "invalid length of cancel request")
	})
	t.Run("over TLS", func(t *testing.T) {
		near, far := dialled(t)
		type served struct {
			request Request
			err     error
		}
		done := make(chan served, 1)
		go func() {
			_, request, err := serve(far, ecdsaIdentity().front(TLSRequire))
			done <- served{request, err}
		}()
		secure, err := StartTLS(t.Context(), near, ecdsaIdentity().client)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := secure.Write(packet(codeCancel, "\x00\x00\x00\x01key!")); err != nil {
			t.Fatal(err)
		}
		if got := <-done; got.err != nil || string(got.request.Cancel.Secret) != "key!" {
			t.Errorf("got %+v, %v", got.request, got.err)
		}
	})
}

// A key that cancels is a secret: it is not printed.
func TestV25KeysAreNotPrinted(t *testing.T) {
	key := []byte("a key that nobody may read")
	for name, value := range map[string]any{
		"cancel key": &CancelKey{PID: 1, Secret: key}, "back": &Back{PID: 1, Key: key},
		"request": Request{Cancel: &CancelKey{Secret: key}}, "copy": CancelKey{Secret: key},
		"secret": Secret{Password: string(key)}, "options": LoginOptions{Secret: Secret{Password: string(key)}},
		"options' address": &LoginOptions{Secret: Secret{Password: string(key)}},
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			text := fmt.Sprintf(verb, value)
			for _, form := range []string{string(key), hex.EncodeToString(key), strings.Trim(fmt.Sprint(key), "[]")} {
				if strings.Contains(text, form) {
					t.Errorf("%s prints under %s as %s", name, verb, text)
				}
			}
		}
	}
}
