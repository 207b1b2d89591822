package pgwire

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/crossfade-db/crossfade/wire"
)

const (
	outOfTurn = "unexpected message from the server during the login"
	endless   = "messages without end"
	noTLS     = "does not offer TLS"
	clearSeen = "unencrypted data after its answer"
)

// hostile is a server that must not be logged in at, and why we say so.
type hostile struct {
	name   string
	opt    LoginOptions
	script func(*server)
	want   string
}

// opens makes a script that says this to our startup packet.
func opens(messages ...[]byte) func(*server) {
	return func(s *server) {
		s.opening()
		s.say(messages...)
	}
}

// opensSecurely makes the same over TLS; it hears one answer at the end.
func opensSecurely(messages ...[]byte) func(*server) {
	return func(s *server) {
		s.secure()
		s.opening()
		s.say(messages...)
		s.hear()
	}
}

// challenges makes a script that changes the first message of honest SCRAM.
func challenges(change func(honest string) []byte) func(*server) {
	return func(s *server) { s.say(change(s.challenge(pencil(ScramServerOptions{})))) }
}

// concludes makes a script that does SCRAM and says something of its own last.
func concludes(last func(honest string) [][]byte) func(*server) {
	return func(s *server) { s.say(last(s.scram(pencil(ScramServerOptions{})))...) }
}

func first(data string) []byte { return auth(pgproto3.AuthTypeSASLContinue, data) }
func last(data string) []byte  { return auth(pgproto3.AuthTypeSASLFinal, data) }

func scramScripts() []hostile {
	wrong := "v=" + strings.Repeat("A", 43) + "="
	changed := func(old, replacement string) func(*server) {
		return challenges(func(honest string) []byte { return first(strings.Replace(honest, old, replacement, 1)) })
	}
	return []hostile{
		{"nonce that is not ours", withPencil(), changed("r=", "r=x"), "nonce does not extend ours"},
		{"nonce with nothing of its own", withPencil(), challenges(func(h string) []byte { return first(h[:26] + h[50:]) }), "nonce does not extend ours"},
		{"iterations for a day", withPencil(), changed("i=64", "i=2147483647"), "iteration count too high"},
		{"iterations beyond int", withPencil(), changed("i=64", "i=99999999999999999999"), "malformed iteration count"},
		{"no iterations", withPencil(), changed("i=64", "i=0"), "malformed iteration count"},
		{"salt that is no base64", withPencil(), changed("s=", "s=****"), "malformed, empty or too long salt"},
		{"challenge of 64 KiB", withPencil(), challenges(func(h string) []byte { return first(h + strings.Repeat("x", 60*kib)) }), "message too long"},
		{"empty challenge", withPencil(), challenges(func(string) []byte { return first("") }), "empty message"},
		{"let in before the proof", withPencil(), challenges(func(string) []byte { return authOK }), outOfTurn},
		{"let in without a signature", withPencil(), concludes(func(string) [][]byte { return [][]byte{authOK, welcome} }), outOfTurn},
		{"ready without a signature", withPencil(), concludes(func(string) [][]byte { return [][]byte{ready} }), outOfTurn},
		{"wrong signature", withPencil(), concludes(func(string) [][]byte { return [][]byte{last(wrong), authOK, welcome} }), "check server signature"},
		{"no signature", withPencil(), concludes(func(string) [][]byte { return [][]byte{last(""), authOK, welcome} }), "empty message"},
		{"refused inside SCRAM", withPencil(), concludes(func(string) [][]byte { return [][]byte{last("e=invalid-proof")} }), "server says invalid-proof"},
		{"signature twice", withPencil(), concludes(func(h string) [][]byte { return [][]byte{last(h), last(h), authOK, welcome} }), "message out of order"},
		{"signature before the challenge", withPencil(), challenges(func(string) []byte { return last(wrong) }), "message out of order"},
		{"signature without SCRAM", withPencil(), opens(last(wrong), authOK, welcome), outOfTurn},
		{"challenge without SCRAM", withPencil(), opens(first("r=abc,s=AAAA,i=64")), outOfTurn},
		{"challenge twice", withPencil(), concludes(func(string) [][]byte { return [][]byte{first("r=abc,s=AAAA,i=64")} }), "message out of order"},
		{"SCRAM twice", withPencil(), challenges(func(string) []byte { return sasl("SCRAM-SHA-256") }), outOfTurn},
		{"no mechanism", withPencil(), opens(auth(pgproto3.AuthTypeSASL, "\x00")), "no mechanism that we can use"},
		{"mechanisms that we do not know", withPencil(), opens(sasl("OAUTHBEARER", "SCRAM-SHA-1")), "no mechanism that we can use"},
		{"mechanisms without end", withPencil(), opens(auth(pgproto3.AuthTypeSASL, "SCRAM-SHA-256")), outOfTurn},
		{"binding without TLS", withPencil(), opens(sasl("SCRAM-SHA-256-PLUS", "SCRAM-SHA-256")), "channel binding without TLS"},
		{"another verifier than the configured one", LoginOptions{Startup: aliceAtShop(), Secret: Secret{Keys: &Keys{Verifier: Verifier{Iterations: 64, Salt: []byte("another")}}}}, concludes(func(string) [][]byte { return nil }), "verifier at this server differs"},
		{"binding to another certificate", overTLS(), func(s *server) {
			s.secure()
			other := sha256.Sum256(nil)
			s.scram(pencil(ScramServerOptions{CertHash: other[:]}))
		}, "EOF"},
	}
}

func methodScripts() []hostile {
	nobody := LoginOptions{Startup: aliceAtShop()}
	scripts := []hostile{
		{"password in clear without TLS", withPencil(), opens(authClear), "sent over TLS only"},
		{"password in clear in the midst of SCRAM", overTLS(), func(s *server) {
			s.secure()
			s.challenge(pencil(ScramServerOptions{CertHash: ecdsaIdentity().hash}))
			s.say(authClear)
			s.hear()
		}, outOfTurn},
		{"password in clear once we are in", overTLS(), opensSecurely(authOK, authClear), outOfTurn},
		{"MD5 in the midst of SCRAM", withPencil(), challenges(func(string) []byte { return authMD5 }), outOfTurn},
		{"MD5 twice, with a salt of its choice", withPencil(), opens(authMD5, auth(pgproto3.AuthTypeMD5Password, "tlas")), outOfTurn},
		{"MD5 with a short salt", withPencil(), opens(auth(pgproto3.AuthTypeMD5Password, "sal")), outOfTurn},
		{"MD5 with a long salt", withPencil(), opens(auth(pgproto3.AuthTypeMD5Password, "salty")), outOfTurn},
		{"MD5 without a salt", withPencil(), opens(auth(pgproto3.AuthTypeMD5Password, "")), outOfTurn},
		{"MD5 where no password is configured", nobody, opens(authMD5), "none is configured"},
		{"SCRAM where no password is configured", nobody, opens(sasl("SCRAM-SHA-256")), "neither a password nor a verifier"},
		{"SCRAM once we are in", withPencil(), opens(authOK, sasl("SCRAM-SHA-256")), outOfTurn},
		{"let in twice", withPencil(), opens(authOK, authOK, welcome), outOfTurn},
		{"empty authentication message", withPencil(), opens(message('R', "")), outOfTurn},
		{"authentication message of 3 bytes", withPencil(), opens(message('R', "\x00\x00\x00")), outOfTurn},
	}
	for name, method := range map[string]uint32{
		"Kerberos V4": 1, "Kerberos V5": 2, "crypt": 4, "SCM": 6, "GSSAPI": 7, "GSSAPI goes on": 8, "SSPI": 9, "method 99": 99, "method -1": 1<<32 - 1,
	} {
		scripts = append(scripts, hostile{name, withPencil(), opens(auth(method, "data")), fmt.Sprintf("method %d, which is not supported", method)})
	}
	return scripts
}

func errorScripts() []hostile {
	refused := "the server refused the login (SQLSTATE ?????)"
	return []hostile{
		{"error with nothing in it", withPencil(), opens(message('E', "")), refused},
		{"error without fields", withPencil(), opens(message('E', "\x00")), refused},
		{"error without SQLSTATE", withPencil(), opens(message('E', "SFATAL\x00Mno\x00\x00")), refused},
		{"error whose SQLSTATE is short", withPencil(), opens(message('E', "C28P\x00\x00")), refused},
		{"error whose SQLSTATE is long", withPencil(), opens(message('E', "C28P0128P01\x00\x00")), refused},
		{"error whose SQLSTATE is an escape sequence", withPencil(), opens(message('E', "C\x1b[2J\n\x00\x00")), refused},
		{"error whose field does not end", withPencil(), opens(message('E', "SFATAL\x00C28P01")), refused},
		{"error without a terminator", withPencil(), opens(message('E', "SFATAL\x00C28P01\x00")), "the server refused the login (SQLSTATE "},
		{"error with a line that is no number", withPencil(), opens(message('E', "C28P01\x00Lxyz\x00P-1\x00\x00")), "the server refused the login (SQLSTATE "},
		{"error with unknown fields", withPencil(), opens(message('E', "C53300\x00\x01x\x00\xffy\x00\x00")), "(SQLSTATE 53300)"},
		{"error once we are in", withPencil(), opens(authOK, parameter, message('E', "C3D000\x00Mno such database\x00\x00")), "(SQLSTATE 3D000)"},
		{"error of 64 KiB and more", withPencil(), opens(declared('E', serverMost)), "message too long for a login"},
	}
}

func framingScripts() []hostile {
	const tooMany = 3000 // messages
	big := strings.Repeat("x", 60*kib)
	forever := func(m []byte) func(*server) {
		return func(s *server) {
			s.opening()
			s.say(authOK)
			for range tooMany {
				if _, err := s.conn.Write(m); err != nil {
					return
				}
			}
		}
	}
	return []hostile{
		{"message of 2 GiB", withPencil(), opens(declared('R', 1<<31), []byte("abc")), "invalid message length"},
		{"message of 4 GiB", withPencil(), opens(declared('S', 1<<32-1)), "invalid message length"},
		{"message of 1 GiB", withPencil(), opens(declared('N', 1<<30), []byte("abc")), "message too long for a login"},
		{"message over 64 KiB", withPencil(), opens(authOK, declared('S', serverMost)), "message too long for a login"},
		{"length of nothing", withPencil(), opens(declared('R', 0)), "invalid message length"},
		{"length that does not count itself", withPencil(), opens(declared('R', 3)), "invalid message length"},
		{"parameters without end", withPencil(), forever(parameter), endless},
		{"notices without end", withPencil(), forever(notice), endless},
		{"notices of 60 KiB", withPencil(), forever(message('N', big)), endless},
		{"versions without end", withPencil(), func(s *server) {
			s.opening()
			for range tooMany {
				s.say(message('v', "\x00\x03\x00\x00\x00\x00\x00\x00"))
			}
		}, endless},
		{"ready before we are in", withPencil(), opens(ready), outOfTurn},
		{"ready and nothing said of how", withPencil(), opens(authOK, message('Z', "")), outOfTurn},
		{"ready twice over", withPencil(), opens(authOK, message('Z', "II")), outOfTurn},
		{"parameter before we are in", withPencil(), opens(parameter, authOK, welcome), outOfTurn},
		{"key before we are in", withPencil(), opens(backendKey, authOK, welcome), outOfTurn},
		{"key of no bytes", withPencil(), opens(authOK, message('K', "")), outOfTurn},
		{"no key behind the number", withPencil(), opens(authOK, message('K', "\x00\x00\x00\x01")), outOfTurn},
		{"key of 3 bytes", withPencil(), opens(authOK, message('K', "\x00\x00\x00\x01key")), outOfTurn},
		{"key of 257 bytes", withPencil(), opens(authOK, message('K', "\x00\x00\x00\x01"+strings.Repeat("k", 257))), outOfTurn},
		{"end before a word", withPencil(), opens(), "EOF"},
		{"web server", withPencil(), opens([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")), "invalid message length"},
		{"shell", withPencil(), opens([]byte("SSH-2.0-OpenSSH_9.9\r\n")), "invalid message length"},
		{"MySQL", withPencil(), opens([]byte("J\x00\x00\x00\x0a8.4.0\x00")), outOfTurn},
		{"zeros", withPencil(), opens(make([]byte, 4*kib)), "invalid message length"},
	}
}

func tlsScripts() []hostile {
	return []hostile{
		{"TLS, and an error that could be forged", overTLS(), opens([]byte("S"), message('E', "C28P01\x00\x00")), clearSeen},
		{"TLS, and that we are in", overTLS(), opens([]byte("S"), authOK, welcome), clearSeen},
		{"TLS, and one byte", overTLS(), opens([]byte("SS")), clearSeen},
		{"no TLS, and that we are in", overTLS(), opens([]byte("N"), authOK, welcome), clearSeen},
		{"no TLS", overTLS(), opens([]byte("N")), noTLS},
		{"error in place of TLS", overTLS(), opens([]byte("E")), noTLS},
		{"whole error in place of TLS", overTLS(), opens(message('E', "C53300\x00\x00")), clearSeen},
		{"GSS in place of TLS", overTLS(), opens([]byte("G")), noTLS},
		{"NUL in place of TLS", overTLS(), opens([]byte{0}), noTLS},
		{"end in place of TLS", overTLS(), opens(), "read answer to TLS request"},
		{"TLS, and then clear text", overTLS(), func(s *server) {
			s.opening()
			s.say([]byte("S"))
			_, _ = s.in.need(5) // the beginning of our handshake
			s.say(authOK, welcome)
		}, "TLS handshake with the server"},
		{"TLS, and then the end", overTLS(), func(s *server) {
			s.opening()
			s.say([]byte("S"))
			_, _ = s.in.need(5)
		}, "TLS handshake with the server"},
		{"certificate of a stranger", strangers(), opensSecurely(authOK, welcome), "certificate"},
	}
}

// strangers trusts another certificate than the server's.
func strangers() LoginOptions {
	options := withPencil()
	options.TLS = ed25519Identity().client
	return options
}

// Servers are not trusted: whatever one says that the protocol does not have
// ends the login with a clear reason, soon, and without our password.
func TestV11HostileServers(t *testing.T) {
	for group, scripts := range map[string][]hostile{
		"scram": scramScripts(), "method": methodScripts(), "error": errorScripts(), "framing": framingScripts(), "tls": tlsScripts(),
	} {
		for _, c := range scripts {
			t.Run(group+"/"+c.name, func(t *testing.T) {
				_, heard, err := play(t, c.opt, c.script)
				if err == nil || !strings.Contains(err.Error(), c.want) || errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("got %v, want %q", err, c.want)
				}
				if bytes.Contains(heard, []byte("pencil")) || strings.Contains(fmt.Sprintf("%+v", err), "pencil") {
					t.Errorf("the password went to the server or into %v", err)
				}
			})
		}
	}
}

// The states of a login before and after AuthenticationOk, with every type of
// message there could be.
func TestV11EveryMessageInEveryState(t *testing.T) {
	for kind := range 256 {
		for state, c := range map[string]struct {
			said    [][]byte
			allowed string
		}{
			"before":  {nil, "RENv"},
			"between": {[][]byte{sasl("SCRAM-SHA-256")}, "RENv"},
			"after":   {[][]byte{authOK}, "ENSKZ"},
		} {
			_, err := Login(t.Context(), says(append(c.said, message(byte(kind), "x"))...), withPencil())
			want := outOfTurn
			switch {
			case kind == 'E':
				want = "the server refused the login"
			case strings.ContainsRune("NSv", rune(kind)) && strings.ContainsRune(c.allowed, rune(kind)):
				want = "EOF"
			case kind == 'Z' && state == "after":
				want = ""
			}
			if got := fmt.Sprint(err); err == nil && want != "" || err != nil && (want == "" || !strings.Contains(got, want)) {
				t.Errorf("%q %s: got %v, want %q", rune(kind), state, err, want)
			}
		}
	}
}

// cut lets so many bytes through, and then hangs up.
type cut struct {
	net.Conn
	left int
	sent int
}

func (c *cut) Write(p []byte) (int, error) {
	n := min(len(p), c.left)
	c.left -= n
	c.sent += n
	written, err := c.Conn.Write(p[:n])
	if c.left == 0 {
		_ = c.Close()
		err = io.ErrClosedPipe
	}
	return written, err
}

func honest(s *server) {
	final := s.scram(pencil(ScramServerOptions{}))
	s.say(last(final), authOK, welcome)
}

func TestV16HonestLoginCutAtEveryByte(t *testing.T) {
	whole := 0
	cutAt := func(n int) error {
		_, _, err := play(t, withPencil(), func(s *server) {
			link := &cut{Conn: s.conn, left: n}
			s.conn = link
			honest(s)
			whole = max(whole, link.sent)
		})
		return err
	}
	if err := cutAt(1 << 20); err != nil {
		t.Fatal(err)
	}
	for n := range whole {
		if err := cutAt(n); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("cut at byte %d of %d: got %v", n, whole, err)
		}
	}
}

// A server that says nothing holds us as long as the caller allows.
func TestV11SilentServer(t *testing.T) {
	for name, opt := range map[string]LoginOptions{"without TLS": withPencil(), "over TLS": overTLS()} {
		t.Run(name, func(t *testing.T) {
			near, _ := dialled(t)
			if err := near.SetDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
				t.Fatal(err)
			}
			if _, err := Login(t.Context(), near, opt); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// What a login holds of what a server says is bounded, in each message and in
// all of them together.
func TestV11MemoryOfALogin(t *testing.T) {
	large := message('N', strings.Repeat("x", serverMost-wire.HeaderSize))
	for name, pieces := range map[string][][]byte{
		"2 GiB declared":               {declared('R', 1<<31), []byte("abc")},
		"64 KiB declared":              {declared('R', serverMost-1), []byte("abc")},
		"a thousand notices of 64 KiB": repeated(large, loginMessages),
	} {
		t.Run(name, func(t *testing.T) {
			least := ^uint64(0)
			for range 3 {
				peer := says(pieces...)
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				_, err := Login(t.Context(), peer, withPencil())
				runtime.ReadMemStats(&after)
				if err == nil {
					t.Fatal("it worked")
				}
				least = min(least, after.TotalAlloc-before.TotalAlloc)
			}
			most := uint64(16 * kib)
			if len(pieces) > 2 {
				most = 4 * (greetingMost + serverMost)
			}
			if least > most {
				t.Errorf("%d bytes allocated, want at most %d", least, most)
			}
		})
	}
}

func repeated(p []byte, times int) [][]byte {
	out := make([][]byte, times)
	for i := range out {
		out[i] = p
	}
	return out
}

// Names and settings of a client arrive at the server as they are, or not at
// all (THREATS V4, V20).
func TestV04StartupPacketWithNULIsNotSent(t *testing.T) {
	options := withPencil()
	options.Startup.Set("application_name", "x\x00user\x00root")
	peer := says(authOK, welcome)
	if _, err := Login(t.Context(), peer, options); err == nil || peer.heard.Len() > 0 {
		t.Errorf("got %v, and %q was sent", err, peer.heard.String())
	}
}

// A refusal passes byte for byte, malformed as it may be.
func TestV11RefusalIsKeptAsItCame(t *testing.T) {
	for _, body := range []string{"", "\x00", "SFATAL\x00C28P01", "C28P01\x00Mno\x00\x00"} {
		raw := message('E', body)
		_, err := Login(t.Context(), says(raw), withPencil())
		var refused *ServerError
		if !errors.As(err, &refused) || !bytes.Equal(refused.Raw, raw) {
			t.Errorf("%q: got %v", body, err)
		}
	}
}
