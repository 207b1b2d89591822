package journal

import (
	"encoding/binary"
	"slices"
	"testing"
)

// batch1 is a sealed batch of one record.
func batch1(h *head, at int64, chain uint32, number uint64) ([]byte, uint32) {
	b := appendRecord(nil, func(b []byte) []byte { return appendDrop(b, number) })
	return b, seal(b, h.nonce, at, chain)
}

func flawOf(h *head, data []byte) *flaw {
	s := newScan(h, data)
	for {
		if r, fl := s.next(); r == nil {
			return fl
		}
	}
}

func TestARecordFollowsTheOneBeforeIt(t *testing.T) {
	h := &head{number: 1, nonce: nonce{1}}
	one, chain := batch1(h, headSize, h.sum(), 1)
	other, _ := batch1(h, headSize, h.sum(), 2)
	two, _ := batch1(h, int64(headSize+len(one)), chain, 3)
	if fl := flawOf(h, slices.Concat(h.encode(), one, two)); fl != nil {
		t.Fatalf("a whole segment: %+v", fl)
	}
	if fl := flawOf(h, slices.Concat(h.encode(), other, two)); fl == nil || fl.torn || fl.offset != int64(headSize+len(one)) {
		t.Errorf("another record before it: %+v", fl)
	}
	within := slices.Clone(two) // of a batch that begins within the record before
	at := int64(headSize + len(one))
	p := prefix{length: len(two) - prefixSize, start: headSize + 1, chain: chain, body: binary.LittleEndian.Uint32(two[13:])}
	p.encode(within, h.nonce, at)
	if fl := flawOf(h, slices.Concat(h.encode(), one, within)); fl == nil || fl.torn || fl.offset != at {
		t.Errorf("a batch that nothing begins: %+v", fl)
	}
}

// A disk may show what was there before the file: records of another segment
// behind a torn batch are no sign that it was synced.
func TestRecordsOfAnotherSegmentAreNone(t *testing.T) {
	own, old := &head{number: 2, nonce: nonce{1}}, &head{number: 1, nonce: nonce{2}}
	fill := func(h *head) []byte {
		data, chain := h.encode(), h.sum()
		for len(data) < 3*sector {
			var b []byte
			b, chain = batch1(h, int64(len(data)), chain, 1)
			data = append(data, b...)
		}
		return data
	}
	data, before := fill(own), fill(old)
	clear(data[sector : 2*sector])
	copy(data[2*sector:], before[2*sector:])
	if fl := flawOf(own, slices.Clone(data)); fl == nil || !fl.torn {
		t.Errorf("%+v, want a torn tail", fl)
	}
	copy(data[2*sector:], fill(own)[2*sector:])
	if fl := flawOf(own, data); fl == nil || fl.torn {
		t.Errorf("%+v, want a corruption: later batches are there", fl)
	}
}
