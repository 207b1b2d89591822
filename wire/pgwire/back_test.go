package pgwire

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// server is a stub: it plays a script to one login of ours. It does not care
// whether what it says arrives.
type server struct {
	conn  net.Conn
	in    reader
	heard bytes.Buffer
}

func newServer(conn net.Conn) *server {
	s := &server{conn: conn}
	s.in = reader{from: io.TeeReader(conn, &s.heard), most: serverMost}
	return s
}

// say sends all in one segment.
func (s *server) say(messages ...[]byte) { _, _ = s.conn.Write(bytes.Join(messages, nil)) }

// hear takes our next message.
func (s *server) hear() []byte {
	_, body, _ := s.in.message()
	return body
}

// opening takes our startup packet, or our request for TLS.
func (s *server) opening() { _, _ = s.in.startup() }

// secure takes our request for TLS and speaks TLS from then on.
func (s *server) secure() {
	s.opening()
	s.say([]byte("S"))
	conn := tls.Server(s.conn, ecdsaIdentity().server)
	s.conn, s.in.from = conn, io.TeeReader(conn, &s.heard)
}

// challenge offers SCRAM and hears us begin it; what it gives is the honest
// next message.
func (s *server) challenge(exchange *ScramServer) string {
	s.opening()
	s.say(sasl(exchange.Mechanisms()...))
	mechanism, data, err := initialResponse(s.hear())
	if err != nil {
		return ""
	}
	first, _ := exchange.First(mechanism, data)
	return string(first)
}

// scram proves to us that it knows pencil, all but the last message.
func (s *server) scram(exchange *ScramServer) (final string) {
	s.say(auth(pgproto3.AuthTypeSASLContinue, s.challenge(exchange)))
	data, _ := exchange.Final(s.hear())
	return string(data)
}

func pencil(opts ScramServerOptions) *ScramServer {
	verifier, err := NewVerifier("pencil", scramSalt, 64)
	if err != nil {
		panic(err)
	}
	opts.Verifier = &verifier
	return NewScramServer(opts)
}

// auth is an authentication message of a method.
func auth(method uint32, data string) []byte {
	return message('R', string(binary.BigEndian.AppendUint32(nil, method))+data)
}

func sasl(mechanisms ...string) []byte {
	return auth(pgproto3.AuthTypeSASL, strings.Join(mechanisms, "\x00")+"\x00\x00")
}

var (
	authOK     = auth(pgproto3.AuthTypeOk, "")
	authClear  = auth(pgproto3.AuthTypeCleartextPassword, "")
	authMD5    = auth(pgproto3.AuthTypeMD5Password, "salt")
	parameter  = message('S', "server_version\x0017\x00")
	notice     = message('N', "SNOTICE\x00Mhello\x00\x00")
	backendKey = message('K', "\x00\x00\x12\x67key!")
	ready      = message('Z', "I")
	welcome    = bytes.Join([][]byte{parameter, notice, backendKey, ready}, nil)
)

// withPencil logs alice in without TLS; overTLS with it.
func withPencil() LoginOptions {
	return LoginOptions{Startup: aliceAtShop(), Secret: Secret{Password: "pencil"}}
}

func overTLS() LoginOptions {
	options := withPencil()
	options.TLS = ecdsaIdentity().client
	return options
}

// play lets us log in at a server that plays a script and then hangs up. heard
// is what it was told, decrypted.
func play(t *testing.T, opt LoginOptions, script func(*server)) (back *Back, heard []byte, err error) {
	t.Helper()
	near, far := dialled(t)
	stub := newServer(far)
	done := make(chan struct{})
	go func() {
		defer close(done)
		script(stub)
		_ = far.Close()
	}()
	back, err = Login(t.Context(), near, opt)
	_ = near.Close()
	<-done
	return back, stub.heard.Bytes(), err
}

func TestLoginAtHonestServers(t *testing.T) {
	for _, c := range []struct {
		name   string
		opt    LoginOptions
		script func(*server)
	}{
		{"that trust us", withPencil(), func(s *server) {
			s.opening()
			s.say(authOK, welcome)
		}},
		{"that ask for SCRAM", withPencil(), func(s *server) {
			final := s.scram(pencil(ScramServerOptions{}))
			s.say(auth(pgproto3.AuthTypeSASLFinal, final), authOK, welcome)
		}},
		{"that ask for SCRAM and bind it", overTLS(), func(s *server) {
			s.secure()
			final := s.scram(pencil(ScramServerOptions{CertHash: ecdsaIdentity().hash}))
			s.say(auth(pgproto3.AuthTypeSASLFinal, final), authOK, welcome)
		}},
		{"that ask for MD5", withPencil(), func(s *server) {
			s.opening()
			s.say(authMD5)
			if string(s.hear()) == MD5Response("alice", "pencil", [4]byte([]byte("salt")))+"\x00" {
				s.say(authOK, welcome)
			}
		}},
		{"that ask for the password over TLS", overTLS(), func(s *server) {
			s.secure()
			s.opening()
			s.say(authClear)
			if string(s.hear()) == "pencil\x00" {
				s.say(authOK, welcome)
			}
		}},
		{"that tell of versions and have notices first", withPencil(), func(s *server) {
			s.opening()
			s.say(message('v', "\x00\x03\x00\x00\x00\x00\x00\x00"), authOK, welcome)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			back, _, err := play(t, c.opt, c.script)
			if err != nil {
				t.Fatal(err)
			}
			if back.PID != 0x1267 || string(back.Key) != "key!" || !bytes.Equal(back.Greeting, append(bytes.Clone(parameter), notice...)) || len(back.Rest) > 0 {
				t.Errorf("got pid %d, key %q, greeting %q, rest %q", back.PID, back.Key, back.Greeting, back.Rest)
			}
		})
	}
}

func TestLoginKeepsWhatComesBehindIt(t *testing.T) {
	peer := says(bytes.Join([][]byte{authOK, notice, ready, notice}, nil))
	back, err := Login(t.Context(), peer, withPencil())
	if err != nil || !bytes.Equal(back.Rest, notice) || !bytes.Equal(back.Greeting, notice) || back.Key != nil {
		t.Errorf("got %q, %v", back.Rest, err)
	}
	if want := startup(); !bytes.Equal(peer.heard.Bytes(), want) {
		t.Errorf("it was told %q, want %q", peer.heard.Bytes(), want)
	}
}

func TestSendCancel(t *testing.T) {
	for name, key := range map[string]string{"key of 4 bytes": "key!", "key of 256 bytes": strings.Repeat("k", 256)} {
		t.Run(name, func(t *testing.T) {
			peer := says()
			if err := SendCancel(peer, 0x1267, []byte(key)); err != nil {
				t.Error(err)
			}
			request, err := NewFront(says(peer.heard.Bytes()), FrontOptions{}).Request(context.Background())
			if err != nil || request.Cancel.PID != 0x1267 || string(request.Cancel.Secret) != key {
				t.Errorf("it reads as %d %q, %v", request.Cancel.PID, request.Cancel.Secret, err)
			}
		})
	}
	t.Run("to a server that answers", func(t *testing.T) {
		if err := SendCancel(says([]byte("E")), 1, []byte("key!")); !errors.Is(err, errServer) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("to a server that does not hang up", func(t *testing.T) {
		near, _ := dialled(t)
		if err := near.SetDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if err := SendCancel(near, 1, []byte("key!")); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}
