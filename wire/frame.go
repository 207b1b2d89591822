// Package wire holds what the wire protocols have in common: bounded framing
// and errors in a neutral form. It is pure (bytes in, values out) and a leaf:
// the dialects live in its subpackages.
//
//	header := wire.Parse(read)        // type and size of the first message
//	if header.State == wire.Whole { … read[:header.Size] … }
package wire

// MaxFrame is the longest PostgreSQL message there can be, header included:
// the server refuses what is longer (pqcomm.h PQ_LARGE_MESSAGE_LIMIT) and
// builds its own in buffers of at most 1 GiB (memutils.h MaxAllocSize).
const MaxFrame = 1<<30 + HeaderSize

// HeaderSize is the size of a message header: one type byte, then four bytes
// of length that count themselves (PostgreSQL manual, 54.7).
const HeaderSize = 5

// State says how much of a message is there.
type State uint8

const (
	// Short: not even the header is there.
	Short State = iota
	// Partial: the header is there, the body is not there whole.
	Partial
	// Whole: the message is there from its first byte to its last.
	Whole
	// Bad: the length is one that no honest peer sends.
	Bad
)

// Header is the head of one message.
type Header struct {
	State State
	Type  byte
	Size  int // bytes of the whole message, its header included
}

// Parse reads the header of the message at the beginning of in. The length is
// checked in 64 bits before any arithmetic is done with it (CVE-2024-27304,
// CVE-2026-6664: lengths that wrapped around).
func Parse(in []byte) Header {
	if len(in) < HeaderSize {
		return Header{State: Short}
	}
	length := int64(in[1])<<24 | int64(in[2])<<16 | int64(in[3])<<8 | int64(in[4])
	if length < 4 || length > MaxFrame-1 {
		return Header{State: Bad, Type: in[0]}
	}
	size := int(length) + 1
	if len(in) < size {
		return Header{State: Partial, Type: in[0], Size: size}
	}
	return Header{State: Whole, Type: in[0], Size: size}
}
