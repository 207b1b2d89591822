package wire

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func header(kind byte, length uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte{kind}, length)
}

// The lengths around every boundary of 32 bits, signed and unsigned, with the
// header alone: an honest one waits for its body, the others are refused.
func TestV01LengthsOfAHeader(t *testing.T) {
	for _, c := range []struct {
		length uint32
		want   Header
	}{
		{0, Header{State: Bad, Type: 'Q'}},
		{1, Header{State: Bad, Type: 'Q'}},
		{3, Header{State: Bad, Type: 'Q'}},
		{4, Header{State: Whole, Type: 'Q', Size: 5}},
		{5, Header{State: Partial, Type: 'Q', Size: 6}},
		{1<<30 - 1, Header{State: Partial, Type: 'Q', Size: 1 << 30}},
		{1 << 30, Header{State: Partial, Type: 'Q', Size: 1<<30 + 1}},
		{1<<30 + 4, Header{State: Partial, Type: 'Q', Size: MaxFrame}},
		{1<<30 + 5, Header{State: Bad, Type: 'Q'}},
		{1<<31 - 1, Header{State: Bad, Type: 'Q'}},
		{1 << 31, Header{State: Bad, Type: 'Q'}},
		{1<<31 + 4, Header{State: Bad, Type: 'Q'}},
		{1<<32 - 4, Header{State: Bad, Type: 'Q'}},
		{1<<32 - 1, Header{State: Bad, Type: 'Q'}},
	} {
		t.Run(fmt.Sprintf("length %d", c.length), func(t *testing.T) {
			if got := Parse(header('Q', c.length)); got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestV02HeaderThatIsNotWhole(t *testing.T) {
	whole := header('Q', 1<<32-1)
	for n := range whole {
		if got := Parse(whole[:n]); got != (Header{}) {
			t.Errorf("%d bytes: got %+v, want a header that is short", n, got)
		}
	}
}

// A stream is cut where its messages end: as many come out as went in, and the
// same ones, whatever their bodies look like (CVE-2024-27304).
func TestV01StreamHasTheMessagesThatWentIn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bodies := rapid.SliceOf(rapid.SliceOf(rapid.Byte())).Draw(t, "bodies")
		var stream []byte
		for i, body := range bodies {
			stream = append(append(stream, header(byte(i), uint32(len(body)+4))...), body...)
		}
		var got [][]byte
		for len(stream) > 0 {
			h := Parse(stream)
			if h.State != Whole || h.Type != byte(len(got)) {
				t.Fatalf("message %d: got %+v", len(got), h)
			}
			got = append(got, stream[HeaderSize:h.Size])
			stream = stream[h.Size:]
		}
		if diff := cmp.Diff(bodies, got, equalBytes); diff != "" {
			t.Fatalf("bodies (-sent +parsed):\n%s", diff)
		}
	})
}

// equalBytes takes nothing and an empty slice for the same.
var equalBytes = cmp.Transformer("text", func(p [][]byte) []string {
	texts := []string{}
	for _, b := range p {
		texts = append(texts, string(b))
	}
	return texts
})

// Whatever comes, the header is one of four kinds, and what it says of its size
// is true.
func FuzzHeader(f *testing.F) {
	f.Add(header('Q', 4))
	f.Add(header('Q', 1<<32-1))
	f.Add(header('d', MaxFrame-1))
	f.Add([]byte{'X', 0, 0})
	f.Fuzz(func(t *testing.T, in []byte) {
		h := Parse(in)
		sized := h.Size >= HeaderSize && h.Size <= MaxFrame && h.Type == in[0]
		switch h.State {
		case Short:
			if len(in) >= HeaderSize || h != (Header{}) {
				t.Errorf("%d bytes: %+v", len(in), h)
			}
		case Partial:
			if !sized || h.Size <= len(in) {
				t.Errorf("%d bytes: %+v", len(in), h)
			}
		case Whole:
			if !sized || h.Size > len(in) {
				t.Errorf("%d bytes: %+v", len(in), h)
			}
		case Bad:
			if length := binary.BigEndian.Uint32(in[1:]); length >= 4 && length < MaxFrame || h.Size != 0 {
				t.Errorf("length %d: %+v", length, h)
			}
		default:
			t.Errorf("state %d", h.State)
		}
	})
}
