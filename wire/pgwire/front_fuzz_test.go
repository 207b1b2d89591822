package pgwire

import (
	"context"
	"testing"

	"github.com/crossfade-db/crossfade/wire"
)

// Whatever a client sends, in whatever pieces: its login ends, it is not let
// in, what we hold and what we say is bounded.
func FuzzFront(f *testing.F) {
	scram := append(startup(), saslInitial("SCRAM-SHA-256", "n,,n=,r=abc", 11)...)
	f.Add(uint8(0), 0, append(append([]byte{}, scram...), message('p', "c=biws,r=abc,p=AAAA")...))
	f.Add(uint8(0), 1, append(append([]byte{}, scram...), startup()...))
	f.Add(uint8(1), 8, append(append([]byte{}, sslRequest...), 0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0))
	f.Add(uint8(2), 8, append(append([]byte{}, gssRequest...), sslRequest...))
	f.Add(uint8(0), 0, packet(codeCancel, "\x00\x00\x00\x01key!"))
	f.Add(uint8(0), 0, packet(3<<16|9999, "_pq_.grease\x00x\x00user\x00a\x00\x00"))
	f.Fuzz(func(t *testing.T, mode uint8, piece int, in []byte) {
		opt := FrontOptions{}
		if mode%3 != 0 {
			opt = ecdsaIdentity().front(TLSMode(mode % 3))
		}
		peer := says(pieces(in, piece)...)
		front := NewFront(peer, opt)
		request, err := front.Request(context.Background())
		switch {
		case err != nil && request != (Request{}):
			t.Fatalf("an error came with %+v", request)
		case err == nil && (request.Startup == nil) == (request.Cancel == nil):
			t.Fatalf("got %+v", request)
		case err == nil && request.Startup != nil:
			if err := letIn(front, request.Startup.Get("user")); err == nil {
				t.Fatal("it was let in")
			}
		}
		if held := cap(front.in.buf); held > 2*clientMost+512 {
			t.Fatalf("%d bytes held", held)
		}
		if said := peer.heard.Len(); said > wire.StartupMost+8*kib {
			t.Fatalf("%d bytes said", said)
		}
	})
}

// pieces cuts into pieces of n bytes; as a whole, if n is not positive.
func pieces(in []byte, n int) [][]byte {
	if n <= 0 {
		n = len(in)
	}
	var out [][]byte
	for len(in) > n {
		out = append(out, in[:n])
		in = in[n:]
	}
	return append(out, in)
}
