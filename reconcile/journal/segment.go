package journal

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
	"time"
)

const (
	suffix   = ".journal"
	headSize = 72
	// prefixSize is what stands before a body: mark, length, start of its batch,
	// sum of the record before, sum of the body, sum of these.
	prefixSize = 1 + 5*4
	// mark is the first byte of every record.
	mark = 0xc7
	// bodyMin is kind, something, closing.
	bodyMin = 3
)

var (
	magic      = []byte("cfjrnl1\n")
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

// nonce is different in every segment: no key that a client chooses can look
// like a record of it, or like lost sectors.
type nonce [8]byte

// head is how a segment begins.
type head struct {
	nonce  nonce
	number uint64
	prev   uint64 // the segment before it; 0: there was none
	end    int64  // where that one ends, whatever its file holds behind
	sure   int64  // up to where it was synced; the batch behind may be torn still
	chain  uint32 // the sum of its last record, or of its head
	lastID uint64 // the last that was given before
	began  time.Time
}

func (h *head) encode() []byte {
	b := make([]byte, 0, headSize)
	b = append(append(b, magic...), h.nonce[:]...)
	for _, v := range []uint64{h.number, h.prev, uint64(h.end), uint64(h.sure), uint64(h.began.UnixNano()), h.lastID} {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	b = binary.LittleEndian.AppendUint32(b, h.chain)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// sum is what the first record names as the one before it.
func (h *head) sum() uint32 { return binary.LittleEndian.Uint32(h.encode()[headSize-4:]) }

func decodeHead(b []byte) (h head, ok bool) {
	if len(b) < headSize || !bytes.Equal(b[:8], magic) {
		return h, false
	}
	word := func(i int) uint64 { return binary.LittleEndian.Uint64(b[i:]) }
	if crc32.Checksum(b[:headSize-4], castagnoli) != binary.LittleEndian.Uint32(b[headSize-4:]) {
		return h, false
	}
	copy(h.nonce[:], b[8:])
	h.number, h.prev, h.end, h.sure = word(16), word(24), int64(word(32)), int64(word(40))
	h.began, h.lastID, h.chain = time.Unix(0, int64(word(48))), word(56), binary.LittleEndian.Uint32(b[64:])
	return h, true
}

// prefix is what stands before a body.
type prefix struct {
	length int    // of the body
	start  int64  // where its batch starts in the file
	chain  uint32 // the sum of the record before
	body   uint32 // the sum of the body as it is in the file
	sum    uint32 // of all that, the place in the file and the nonce
}

func (p *prefix) encode(b []byte, n nonce, at int64) {
	b[0] = mark
	for i, v := range []uint32{uint32(p.length), uint32(p.start), p.chain, p.body} {
		binary.LittleEndian.PutUint32(b[1+4*i:], v)
	}
	p.sum = prefixSum(b, n, at)
	binary.LittleEndian.PutUint32(b[17:], p.sum)
}

func prefixSum(b []byte, n nonce, at int64) uint32 {
	var seed [16]byte
	copy(seed[:], n[:])
	binary.LittleEndian.PutUint64(seed[8:], uint64(at))
	return crc32.Update(crc32.Checksum(seed[:], castagnoli), castagnoli, b[:17])
}

// decodePrefix reads the prefix at a place of a segment; ok says that it is
// the one that was written there.
func decodePrefix(data []byte, n nonce, at int64) (p prefix, ok bool) {
	b := data[at:]
	if len(b) < prefixSize || b[0] != mark {
		return p, false
	}
	word := func(i int) uint32 { return binary.LittleEndian.Uint32(b[1+4*i:]) }
	p = prefix{length: int(word(0)), start: int64(word(1)), chain: word(2), body: word(3), sum: word(4)}
	if p.start > at || p.start < headSize || p.length < bodyMin {
		return p, false
	}
	return p, prefixSum(b, n, at) == p.sum
}

// blend makes a body differ from what a client chose, and back: a lost sector
// reads as zeros, and so may a key.
func (n *nonce) blend(body []byte) {
	for i := range body[:len(body)-1] {
		body[i] ^= n[i%len(n)]
	}
}

// seal completes the records of a batch that will stand at a place of a
// segment, and returns the sum of its last one. Until then a prefix has a
// length only.
func seal(batch []byte, n nonce, at int64, chain uint32) uint32 {
	for i := 0; i < len(batch); {
		length := int(binary.LittleEndian.Uint32(batch[i+1:]))
		body := batch[i+prefixSize : i+prefixSize+length]
		n.blend(body)
		p := prefix{length: length, start: at, chain: chain, body: crc32.Checksum(body, castagnoli)}
		p.encode(batch[i:], n, at+int64(i))
		chain = p.sum
		i += prefixSize + length
	}
	return chain
}

// appendRecord appends a record that is not sealed.
func appendRecord(b []byte, body func([]byte) []byte) []byte {
	at := len(b)
	b = body(append(b, make([]byte, prefixSize)...))
	binary.LittleEndian.PutUint32(b[at+1:], uint32(len(b)-at-prefixSize))
	return b
}

func fileName(number uint64) string { return fmt.Sprintf("%016x%s", number, suffix) }

// numberOf reads a file's name; false: it is not a segment.
func numberOf(name string) (uint64, bool) {
	digits, ok := strings.CutSuffix(name, suffix)
	if !ok || len(digits) != 16 {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 16, 64)
	return n, err == nil && n > 0 && fileName(n) == name
}
