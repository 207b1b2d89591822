package pgwire

import (
	"bytes"
	"context"
	"testing"

	"github.com/crossfade-db/crossfade/wire"
)

// Whatever a server says, in whatever pieces: our login ends, what we hold and
// what we say is bounded, the password stays with us, and nobody who cannot
// sign for SCRAM ends it well.
func FuzzLogin(f *testing.F) {
	f.Add(false, 0, bytes.Join([][]byte{authOK, welcome}, nil))
	f.Add(false, 1, bytes.Join([][]byte{authMD5, authOK, welcome}, nil))
	f.Add(false, 7, bytes.Join([][]byte{sasl("SCRAM-SHA-256"), first("r=abc,s=AAAA,i=64"), last("v=AAAA"), authOK, welcome}, nil))
	f.Add(false, 0, message('E', "SFATAL\x00C28P01"))
	f.Add(true, 0, append([]byte("S"), authOK...))
	f.Add(true, 1, []byte("S\x16\x03\x03\x00\x05"))
	f.Fuzz(func(t *testing.T, secure bool, piece int, in []byte) {
		options := withPencil()
		if secure {
			options = overTLS()
		}
		peer := says(pieces(in, piece)...)
		back, err := Login(context.Background(), peer, options)
		heard := peer.heard.Bytes()
		if bytes.Contains(heard, []byte("pencil")) || len(heard) > wire.StartupMost+8*kib {
			t.Fatalf("%d bytes were said: %q", len(heard), heard)
		}
		if (back == nil) != (err != nil) {
			t.Fatalf("got %v and %v", back, err)
		}
		if err != nil {
			return
		}
		if secure || bytes.Contains(heard, []byte(scramPlain)) {
			t.Fatal("it logged in at a server that has proved nothing")
		}
		if len(back.Greeting) > greetingMost || len(back.Key) > keyMost || len(back.Rest) > 2*serverMost {
			t.Fatalf("greeting of %d bytes, key of %d, rest of %d", len(back.Greeting), len(back.Key), len(back.Rest))
		}
	})
}
