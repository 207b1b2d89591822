package parse_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/rewrite/pgsql"
	"github.com/crossfade-db/crossfade/rewrite/pgsql/parse"
)

func FuzzAnalyse(f *testing.F) {
	for _, c := range goldenCases(f) {
		f.Add(c.text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := parse.Analyse(text, parse.Limits{Bytes: 4096})
		if err != nil {
			if s == nil || s.Kind != rewrite.Unknown || len(s.Reads)+len(s.Writes) > 0 {
				t.Fatalf("%q: %v with a statement", text, err)
			}
			return
		}
		checkPlaces(t, text, s)
		checkCapture(t, text, s)
	})
}

// checkPlaces demands that the offsets lie within the text, of every part.
func checkPlaces(t *testing.T, text []byte, s *rewrite.Statement) {
	t.Helper()
	for _, span := range []rewrite.Span{s.Where, s.With, {From: 0, Upto: s.End}} {
		if span.From < 0 || span.Upto < span.From || span.Upto > s.End || s.End > len(text) {
			t.Fatalf("%q: place %v before the end %d", text, span, s.End)
		}
	}
	below := s.Parts
	if s.Prepared != nil {
		below = append(below, s.Prepared)
	}
	for _, part := range below {
		checkPlaces(t, text[part.At.From:part.At.Upto], part)
		checkCapture(t, text[part.At.From:part.At.Upto], part)
	}
}

// checkCapture demands that our texts are statements of the same meaning, and
// that what writes is never taken for a read.
func checkCapture(t *testing.T, text []byte, s *rewrite.Statement) {
	t.Helper()
	if s.Kind == rewrite.Read && !s.Explains && len(s.Writes) > 0 {
		t.Fatalf("%q: a read that writes %v", text, s.Writes)
	}
	switch s.Kind {
	case rewrite.Insert, rewrite.Update, rewrite.Delete, rewrite.Merge:
	default:
		return
	}
	if s.Several {
		return
	}
	if !pgsql.Classify(text, 0).Has(pgsql.Writes) {
		t.Fatalf("%q: the scanner sees no write", text)
	}
	captured := parse.Capture(text, s, columnsOf(s))
	again, err := parse.Analyse(captured, parse.Limits{})
	if err != nil || again.Several || again.Kind != s.Kind || again.Target != s.Target || !again.Returning {
		t.Fatalf("%q: captured as %q, which is %v, %v", text, captured, again.Kind, err)
	}
	keys, ok := parse.OldKeys(text, s, columnsOf(s)[:1])
	if !ok {
		return
	}
	read, err := parse.Analyse(keys, parse.Limits{})
	if err != nil || read.Several || read.Kind != rewrite.Read || !read.Locking {
		t.Fatalf("%q: old keys by %q, which is %v, %v", text, keys, read.Kind, err)
	}
}

func FuzzKey(f *testing.F) {
	for _, c := range goldenCases(f) {
		f.Add(c.text, uint64(len(c.text)))
	}
	f.Fuzz(func(t *testing.T, text []byte, seed uint64) {
		key, ok := parse.Key(text, nil)
		if !ok || len(text) > 4096 {
			return
		}
		again, ok := parse.Key(bytes.Clone(text), make([]byte, 0, 8))
		if !ok || !bytes.Equal(key, again) {
			t.Fatalf("%q: keys %q and %q", text, key, again)
		}
		if _, err := parse.Analyse(text, parse.Limits{}); err != nil {
			return
		}
		other := variant(text, rand.New(rand.NewPCG(seed, 0)))
		if _, err := parse.Analyse(other, parse.Limits{}); err != nil {
			return // a literal may be wrong where it stands: float(99)
		}
		compareVariant(t, text, rand.New(rand.NewPCG(seed, 0)))
	})
}
