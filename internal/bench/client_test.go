package main

import (
	"context"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var testAnswer = appendMessage(appendMessage(appendMessage(nil, 'D', make([]byte, 300)), 'C', []byte("SELECT 1\x00")), 'Z', []byte("I"))

func TestScannerFindsTheEndHoweverTheBytesAreCut(t *testing.T) {
	for size := 1; size <= len(testAnswer); size++ {
		var s scanner
		for at := 0; at < len(testAnswer); at += size {
			if s.ready {
				t.Fatalf("cut at %d: ready at %d of %d", size, at, len(testAnswer))
			}
			if err := s.scan(testAnswer[at:min(at+size, len(testAnswer))]); err != nil {
				t.Fatalf("cut at %d: %v", size, err)
			}
		}
		if !s.ready {
			t.Fatalf("cut at %d: not ready at the end", size)
		}
	}
}

func TestScannerRefuses(t *testing.T) {
	for name, in := range map[string][]byte{
		"an error of the server":  appendMessage(nil, 'E', []byte("SERROR\x00\x00")),
		"a length that cannot be": {'D', 0, 0, 0, 3},
		"more than was asked for": append(appendMessage(nil, 'Z', []byte("I")), 'N'),
	} {
		t.Run(name, func(t *testing.T) {
			var s scanner
			if err := s.scan(in); err == nil {
				t.Error("no error")
			}
		})
	}
}

func FuzzScanner(f *testing.F) {
	f.Add(testAnswer, 7)
	f.Fuzz(func(t *testing.T, in []byte, cut int) {
		var whole, parts scanner
		wholeErr := whole.scan(in)
		cut = min(max(cut, 0), len(in))
		partsErr := parts.scan(in[:cut])
		if partsErr == nil {
			partsErr = parts.scan(in[cut:])
		}
		if (wholeErr == nil) != (partsErr == nil) {
			t.Fatalf("whole: %v, cut at %d: %v", wholeErr, cut, partsErr)
		}
		if wholeErr == nil && len(in) > 0 && whole != parts {
			t.Fatalf("whole: %+v, cut at %d: %+v", whole, cut, parts)
		}
	})
}

func TestADummyServerLetsInAndAnswers(t *testing.T) {
	d, err := startDummy(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := d.close(); err != nil {
			t.Error(err)
		}
	}()
	c, err := dial(context.Background(), d.addr(), login{user: loadUser}, smallBuffer)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if size, err := c.query("LISTEN nobody"); err != nil || size != len(nothing) {
			t.Errorf("query = %d bytes, %v, want %d", size, err, len(nothing))
		}
	}
	if err := c.close(); err != nil {
		t.Error(err)
	}
}
