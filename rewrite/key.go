package rewrite

import (
	"encoding/binary"
	"errors"
)

// RowKey names a row within a pair: the key's cells as they travel (binary, or
// text for types without a binary form), each with its length before it
// (32 bits, big-endian). No part of a key is NULL.
type RowKey string

// KeyOf takes the key out of an image.
func (p *Pair) KeyOf(image Image) (RowKey, bool) {
	size := 0
	for _, i := range p.Key {
		if image[i] == nil {
			return "", false
		}
		size += 4 + len(image[i])
	}
	b := make([]byte, 0, size)
	for _, i := range p.Key {
		b = binary.BigEndian.AppendUint32(b, uint32(len(image[i])))
		b = append(b, image[i]...)
	}
	return RowKey(b), true
}

// KeyFrom makes a key of its cells.
func KeyFrom(cells [][]byte) RowKey {
	var b []byte
	for _, c := range cells {
		b = binary.BigEndian.AppendUint32(b, uint32(len(c)))
		b = append(b, c...)
	}
	return RowKey(b)
}

var errKey = errors.New("a row key cannot be read")

// Cells takes a key apart.
func (k RowKey) Cells() ([][]byte, error) {
	var cells [][]byte
	for b := []byte(k); len(b) > 0; {
		if len(b) < 4 {
			return nil, errKey
		}
		n := int(binary.BigEndian.Uint32(b))
		if n < 0 || n > len(b)-4 {
			return nil, errKey
		}
		cells = append(cells, b[4:4+n])
		b = b[4+n:]
	}
	return cells, nil
}

// Image is a row as the authority says it is: one value per cell of its pair,
// nil for NULL.
type Image [][]byte
