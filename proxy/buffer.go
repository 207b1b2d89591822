package proxy

import (
	"sync"
	"sync/atomic"
)

const (
	kib = 1 << 10
	// smallBuffer serves statements and their answers, in bytes.
	smallBuffer = 4 * kib
	// largeBuffer serves streams: above 64 KiB throughput does not grow any
	// more (docs/benchmarks.md).
	largeBuffer = 64 * kib
)

// buffer holds bytes that were read and not used yet: data[at:end].
type buffer struct {
	data    []byte
	at, end int
	large   bool // counted in the budget
}

func (b *buffer) unread() []byte { return b.data[b.at:b.end] }
func (b *buffer) free() []byte   { return b.data[b.end:] }
func (b *buffer) empty() bool    { return b.at == b.end }
func (b *buffer) full() bool     { return b.at == 0 && b.end == len(b.data) }

// compact moves what is unread to the front.
func (b *buffer) compact() {
	b.end = copy(b.data, b.data[b.at:b.end])
	b.at = 0
}

// buffers lends buffers. The bytes in large ones are bounded by a budget;
// above it everybody gets small ones, of which a session has at most two, so
// that memory is bounded by configuration and nobody waits for a buffer
// (DESIGN P11).
type buffers struct {
	small, large sync.Pool
	lent         atomic.Int64 // bytes in large buffers
	most         atomic.Int64
}

func newBuffers(most int64) *buffers {
	b := &buffers{}
	b.most.Store(most)
	b.small.New = func() any { return &buffer{data: make([]byte, smallBuffer)} }
	b.large.New = func() any { return &buffer{data: make([]byte, largeBuffer), large: true} }
	return b
}

// take lends an empty buffer; a small one where large is refused.
func (b *buffers) take(large bool) *buffer {
	if !large {
		return b.small.Get().(*buffer)
	}
	if b.lent.Add(largeBuffer) > b.most.Load() {
		b.lent.Add(-largeBuffer)
		return b.small.Get().(*buffer)
	}
	return b.large.Get().(*buffer)
}

// give takes a buffer back.
func (b *buffers) give(buf *buffer) {
	buf.at, buf.end = 0, 0
	if buf.large {
		b.lent.Add(-largeBuffer)
		b.large.Put(buf)
		return
	}
	b.small.Put(buf)
}
