package engine

// owed is a FIFO of what the busy leg still owes: one byte per forwarded
// message that will be answered, in order. It lives inside the session while
// short and on the heap while a client pipelines deeply.
type owed struct {
	heap  []byte // power of two; nil while the inline array serves
	head  int
	n     int
	small [owedInline]byte
}

const (
	owedInline = 16
	// owedMost bounds the memory of a pipeline. A server holds back at most
	// its own send buffer of answers (8 KiB, pqcomm.c), and an answer has at
	// least five bytes, so a client that waits here for answers gets them.
	owedMost = 1 << 16
	// owedKept is the longest heap that a session keeps while idle, in bytes.
	owedKept = 256
)

func (o *owed) ring() []byte {
	if o.heap != nil {
		return o.heap
	}
	return o.small[:]
}

func (o *owed) full() bool { return o.n >= owedMost }

func (o *owed) push(kind byte) {
	ring := o.ring()
	if o.n == len(ring) {
		ring = o.grow()
	}
	ring[(o.head+o.n)&(len(ring)-1)] = kind
	o.n++
}

func (o *owed) grow() []byte {
	old := o.ring()
	bigger := make([]byte, 4*len(old))
	for i := range o.n {
		bigger[i] = old[(o.head+i)&(len(old)-1)]
	}
	o.heap, o.head = bigger, 0
	return bigger
}

// at returns the i-th entry from the front; i < n.
func (o *owed) at(i int) byte {
	ring := o.ring()
	return ring[(o.head+i)&(len(ring)-1)]
}

func (o *owed) set(i int, kind byte) {
	ring := o.ring()
	ring[(o.head+i)&(len(ring)-1)] = kind
}

// drop removes the first k entries; a long heap is given back when empty.
func (o *owed) drop(k int) {
	ring := o.ring()
	o.head = (o.head + k) & (len(ring) - 1)
	o.n -= k
	if o.n == 0 && len(o.heap) > owedKept {
		o.head, o.heap = 0, nil
	}
}
