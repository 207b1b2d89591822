package pgwire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crossfade-db/crossfade/wire"
)

// opened is a client that has sent its startup packet and, if it goes on, the
// first message of SCRAM. What SCRAM wants of it does not depend on us.
func opened(goesOn bool) [][]byte {
	pieces := [][]byte{startup()}
	if goesOn {
		pieces = append(pieces, saslInitial("SCRAM-SHA-256", "n,,n=,r=abc", 11))
	}
	return pieces
}

func saslInitial(mechanism, data string, size uint32) []byte {
	return message('p', mechanism+"\x00"+string(binary.BigEndian.AppendUint32(nil, size))+data)
}

func TestV02LengthsOfTheFirstPacket(t *testing.T) {
	for length, refused := range map[uint32]bool{
		0: true, 1: true, 3: true, 4: true, 7: true, 8: false, 9_999: false, wire.StartupMost: false,
		wire.StartupMost + 1: true, 1 << 16: true, 1 << 30: true, 1<<31 - 1: true, 1 << 31: true, 1<<31 + 8: true, 1<<32 - 1: true,
	} {
		t.Run(fmt.Sprint(length), func(t *testing.T) {
			peer := says(binary.BigEndian.AppendUint32(nil, length))
			_, err := NewFront(peer, FrontOptions{}).Request(t.Context())
			if refused {
				wantRefused(t, err, CodeProtocolViolation, "invalid length of startup packet")
			} else if !errors.Is(err, io.EOF) {
				t.Errorf("got %v, want to wait for the rest", err)
			}
			if peer.heard.Len() > 0 {
				t.Errorf("it was told %q", peer.heard.String())
			}
		})
	}
}

func TestV02LongestFirstPacket(t *testing.T) {
	head := len(packet(Version30, "x\x00\x00\x00"))
	for length, refused := range map[int]bool{wire.StartupMost: false, wire.StartupMost + 1: true} {
		value := strings.Repeat("v", length-head)
		request, err := NewFront(says(packet(Version30, "x\x00"+value+"\x00\x00")), FrontOptions{}).Request(t.Context())
		if refused {
			wantRefused(t, err, CodeProtocolViolation, "invalid length of startup packet")
		} else if err != nil || request.Startup.Get("x") != value {
			t.Errorf("%d bytes: got %v", length, err)
		}
	}
}

// What is allocated follows from the bytes that came, not from a length.
func TestV02DeclaredLengthsAllocateNothing(t *testing.T) {
	for name, pieces := range map[string][][]byte{
		"first packet of 2 GiB, 3 bytes of it":     {declared(0x80, 0)[:4], []byte("abc")},
		"first packet of 10,000 bytes, 3 of it":    {{0, 0, 0x27, 0x10}, []byte("abc")},
		"SASL message of 2 GiB, 3 bytes of it":     append(opened(false), declared('p', 1<<31), []byte("abc")),
		"SASL message of 16 KiB, 3 bytes of it":    append(opened(false), declared('p', clientMost-1), []byte("abc")),
		"second message of 2 GiB, 3 bytes of it":   append(opened(true), declared('p', 1<<31-1), []byte("abc")),
		"SASL data of 2 GiB in a message of bytes": append(opened(false), saslInitial("SCRAM-SHA-256", "abc", 1<<31-1)),
	} {
		t.Run(name, func(t *testing.T) {
			least := ^uint64(0)
			for range 5 {
				peer := says(pieces...)
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				_, _, err := serve(peer, FrontOptions{})
				runtime.ReadMemStats(&after)
				if err == nil {
					t.Fatal("it was let in")
				}
				least = min(least, after.TotalAlloc-before.TotalAlloc)
			}
			if least > 64*kib {
				t.Errorf("%d bytes allocated", least)
			}
		})
	}
}

func TestV02SlowBytesMakeTheSameRequest(t *testing.T) {
	whole := packet(Version32, "user\x00alice\x00database\x00shop\x00options\x00-c a=b\x00\x00")
	want, err := NewFront(says(whole), FrontOptions{}).Request(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got, err := NewFront(says(bytewise(whole)...), FrontOptions{}).Request(t.Context())
	if diff := cmp.Diff(want.Startup, got.Startup); err != nil || diff != "" {
		t.Errorf("%v (-at once +bytewise):\n%s", err, diff)
	}
}

func TestV16FirstPacketCutAtEveryByte(t *testing.T) {
	for name, whole := range map[string][]byte{
		"startup": startup(), "cancel": packet(codeCancel, "\x00\x00\x00\x01key!"), "SSLRequest": sslRequest, "GSSENCRequest": gssRequest,
	} {
		for n := range whole {
			peer := says(whole[:n])
			if request, err := NewFront(peer, ecdsaIdentity().front(TLSPrefer)).Request(t.Context()); !errors.Is(err, io.EOF) || request != (Request{}) {
				t.Errorf("%s, %d bytes: got %+v, %v", name, n, request, err)
			}
			if peer.heard.Len() > 0 {
				t.Errorf("%s, %d bytes: it was told %q", name, n, peer.heard.String())
			}
		}
	}
}

func TestV16StartupPacketOfAnotherLayout(t *testing.T) {
	for name, params := range map[string]string{
		"nothing":                  "",
		"no terminator":            "user\x00alice\x00",
		"bytes behind the end":     "user\x00alice\x00\x00user\x00root\x00\x00",
		"empty name":               "\x00alice\x00\x00",
		"terminator out of bounds": "user\x00alice",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := NewFront(says(packet(Version30, params)), FrontOptions{}).Request(t.Context())
			wantRefused(t, err, CodeProtocolViolation, "invalid startup packet layout")
		})
	}
}

// A message with a type where the startup packet belongs: its type byte is the
// length's first one.
func TestV05EveryMessageInsteadOfTheStartup(t *testing.T) {
	for kind := range 256 {
		peer := says(message(byte(kind), "SELECT 1\x00"))
		_, err := NewFront(peer, FrontOptions{}).Request(t.Context())
		wantRefused(t, err, CodeProtocolViolation, "invalid length of startup packet")
	}
	t.Run("HTTP", func(t *testing.T) {
		_, err := NewFront(says([]byte("GET / HTTP/1.1\r\n\r\n")), FrontOptions{}).Request(t.Context())
		wantRefused(t, err, CodeProtocolViolation, "invalid length of startup packet")
	})
}

// The first answer to SCRAM's offer and the second are messages of type p; any
// other ends the login at once, whatever length it declares.
func TestV05EveryMessageInsideScram(t *testing.T) {
	for _, goesOn := range []bool{false, true} {
		for kind := range 256 {
			if kind == 'p' {
				continue
			}
			for _, length := range []uint32{0, 4, 12, clientMost - 1, 1 << 31} {
				peer := says(append(opened(goesOn), declared(byte(kind), length))...)
				_, _, err := serve(peer, FrontOptions{})
				wantRefused(t, err, CodeProtocolViolation, fmt.Sprintf("expected SASL response, got message type %d", kind))
			}
		}
	}
}

// CVE-2026-107350: a second startup packet inside SCRAM logged in as another.
func TestV05SecondStartupInsideScram(t *testing.T) {
	for name, second := range map[string][]byte{
		"startup":       packet(Version30, "user\x00root\x00database\x00shop\x00\x00"),
		"short startup": packet(Version30, "user\x00root\x00\x00"),
		"SSLRequest":    sslRequest,
		"GSSENCRequest": gssRequest,
		"cancel":        packet(codeCancel, "\x00\x00\x00\x01key!"),
	} {
		for _, goesOn := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, goes on %v", name, goesOn), func(t *testing.T) {
				peer := says(append(opened(goesOn), second)...)
				_, request, err := serve(peer, FrontOptions{})
				wantRefused(t, err, CodeProtocolViolation, "expected SASL response, got message type 0")
				if user := request.Startup.Get("user"); user != "alice" {
					t.Errorf("the user is %q now", user)
				}
			})
		}
	}
}

func TestV02SASLMessagesOverTheCap(t *testing.T) {
	for _, c := range []struct {
		name   string
		goesOn bool
		piece  []byte
		want   string
	}{
		{"first of 16 KiB", false, message('p', strings.Repeat("x", clientMost-wire.HeaderSize)), "malformed SASL message"},
		{"first over 16 KiB", false, declared('p', clientMost), "message too long for a login"},
		{"first over SCRAM's own cap", false, saslInitial("SCRAM-SHA-256", "n,,n=,r="+strings.Repeat("a", scramMaxMessage), 8+scramMaxMessage), "message too long"},
		{"second over 16 KiB", true, declared('p', clientMost), "message too long for a login"},
		{"second over SCRAM's own cap", true, message('p', strings.Repeat("c", scramMaxMessage+1)), "message too long"},
		{"length of nothing", false, declared('p', 0), "invalid message length"},
		{"length that does not count itself", true, declared('p', 3), "invalid message length"},
		{"length over all there is", true, declared('p', 1<<32-1), "invalid message length"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := serve(says(append(opened(c.goesOn), c.piece)...), FrontOptions{})
			wantRefused(t, err, CodeProtocolViolation, c.want)
		})
	}
}

func TestV16SASLInitialResponseOfAnotherLayout(t *testing.T) {
	const data = "n,,n=,r=abc"
	for name, piece := range map[string][]byte{
		"empty":                           message('p', ""),
		"mechanism without end":           message('p', "SCRAM-SHA-256"),
		"no length of the data":           message('p', "SCRAM-SHA-256\x00"),
		"half a length":                   message('p', "SCRAM-SHA-256\x00\x00\x00"),
		"more data than came":             saslInitial("SCRAM-SHA-256", data, uint32(len(data)+1)),
		"less data than came":             saslInitial("SCRAM-SHA-256", data, uint32(len(data)-1)),
		"no data, and data":               saslInitial("SCRAM-SHA-256", data, 1<<32-1),
		"data of 2 GiB":                   saslInitial("SCRAM-SHA-256", data, 1<<31),
		"password in place of the answer": message('p', "pencil\x00"),
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := serve(says(append(opened(false), piece)...), FrontOptions{})
			wantRefused(t, err, CodeProtocolViolation, "malformed SASL message")
		})
	}
	t.Run("one that says that it has no data", func(t *testing.T) {
		_, _, err := serve(says(append(opened(false), saslInitial("SCRAM-SHA-256", "", 1<<32-1))...), FrontOptions{})
		wantRefused(t, err, CodeProtocolViolation, "SASL")
	})
}

// What a client sends behind its last answer belongs to the session: it is
// kept whole, and only then.
func TestV10BytesBehindTheLoginAreKept(t *testing.T) {
	near, far := dialled(t)
	type served struct {
		front *Front
		err   error
	}
	done := make(chan served, 1)
	go func() {
		front, _, err := serve(far, FrontOptions{})
		done <- served{front, err}
	}()
	pipelining := &eager{Conn: near, behind: query}
	if _, err := Login(t.Context(), pipelining, LoginOptions{Startup: aliceAtShop(), Secret: Secret{Password: "pencil"}}); err != nil {
		t.Fatal(err)
	}
	got := <-done
	if got.err != nil || !bytes.Equal(got.front.Rest(), query) {
		t.Errorf("got %q, %v", got.front.Rest(), got.err)
	}
}

// eager sends bytes of its session in one segment with its proof.
type eager struct {
	net.Conn
	behind []byte
	writes int
}

func (e *eager) Write(p []byte) (int, error) {
	if e.writes++; e.writes < 3 {
		return e.Conn.Write(p)
	}
	n, err := e.Conn.Write(append(bytes.Clone(p), e.behind...))
	return min(n, len(p)), err
}
