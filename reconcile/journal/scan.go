package journal

import (
	"hash/crc32"
)

// sector is what a disk writes wholly or not at all.
const sector = 512

// flaw is where the records of a segment end before its bytes do.
type flaw struct {
	offset int64
	reason string
	torn   bool // as a crash leaves the batch that was being written
}

// scan walks the records of a segment. Bodies are made readable in place.
type scan struct {
	data  []byte
	nonce nonce
	at    int64  // of the next record
	start int64  // of the batch of the record before
	chain uint32 // the sum of the record before
}

func newScan(h *head, data []byte) *scan {
	return &scan{data: data, nonce: h.nonce, at: headSize, start: headSize, chain: h.sum()}
}

// next reads a record. At the end of the records both results are nil.
func (s *scan) next() (*record, *flaw) {
	if s.at == int64(len(s.data)) {
		return nil, nil
	}
	p, ok := decodePrefix(s.data, s.nonce, s.at)
	if !ok {
		return nil, s.broken("the start of a record does not match its sum", s.prefixLost())
	}
	end := s.at + prefixSize + int64(p.length)
	if end > int64(len(s.data)) {
		return nil, s.broken("a record is longer than the file", true)
	}
	body := s.data[s.at+prefixSize : end]
	if crc32.Checksum(body, castagnoli) != p.body {
		return nil, s.broken("a record does not match its sum", s.lost(s.at, end))
	}
	if p.chain != s.chain || (p.start != s.at && p.start != s.start) {
		return nil, s.broken("a record does not follow the one before it", false)
	}
	s.nonce.blend(body)
	r, err := parse(body)
	if err != nil {
		return nil, s.broken(err.Error(), false)
	}
	s.at, s.start, s.chain = end, p.start, p.sum
	return &r, nil
}

// ends says what is wrong with a segment whose records are all read, when the
// next one says where it ends.
func (s *scan) ends(after *head) *flaw {
	switch {
	case s.at != after.end:
		return &flaw{offset: s.at, reason: "its end is missing", torn: true}
	case s.chain != after.chain:
		return &flaw{offset: s.at, reason: "its last record is not the one that the next segment knows"}
	default:
		return nil
	}
}

// broken is a flaw at the next record. It is torn if it looks like that, and
// nothing of a later batch is there: that would have been written after this
// one was durable.
func (s *scan) broken(reason string, torn bool) *flaw {
	return &flaw{offset: s.at, reason: reason, torn: torn && !s.continues()}
}

func (s *scan) continues() bool {
	for at := s.at + 1; at < int64(len(s.data)); at++ {
		if p, ok := decodePrefix(s.data, s.nonce, at); ok && p.start > s.at {
			return true
		}
	}
	return false
}

// prefixLost says that a prefix is not there as a whole, or in a lost sector:
// the bytes of a written one are zero in no sector that it touches, since its
// mark or its closing is in there, or hundreds of bytes of a blended body.
func (s *scan) prefixLost() bool {
	end := s.at + prefixSize
	if end > int64(len(s.data)) {
		return true
	}
	return s.lost(s.at, min((end+sector-1)/sector*sector, int64(len(s.data))))
}

// lost says that one of the sectors of a record is zeros.
func (s *scan) lost(from, to int64) bool {
	for from < to {
		end := min(from/sector*sector+sector, to)
		if zero(s.data[from:end]) {
			return true
		}
		from = end
	}
	return false
}

func zero(b []byte) bool {
	for _, v := range b {
		if v != 0 {
			return false
		}
	}
	return true
}

// rest calls yes for every record behind a flaw that can be read by itself.
func (s *scan) rest(yes func(*record)) {
	for at := s.at + 1; at < int64(len(s.data)); at++ {
		p, ok := decodePrefix(s.data, s.nonce, at)
		end := at + prefixSize + int64(p.length)
		if !ok || end > int64(len(s.data)) {
			continue
		}
		body := s.data[at+prefixSize : end]
		if crc32.Checksum(body, castagnoli) != p.body {
			continue
		}
		s.nonce.blend(body)
		if r, err := parse(body); err == nil {
			yes(&r)
		}
		at = end - 1
	}
}
