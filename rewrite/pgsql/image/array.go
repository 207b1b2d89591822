package image

import "encoding/binary"

// arrayHeader is dimensions, flags, type of the elements, and per dimension its
// length and lower bound (array_recv in adt/arrayfuncs.c).
const arrayHeader = 12

// Array is the binary form of an array of one dimension, from 1; a nil value is
// NULL.
func Array(element uint32, values [][]byte) []byte {
	size, nulls := arrayHeader+8, uint32(0)
	for _, v := range values {
		size += 4 + len(v)
		if v == nil {
			nulls = 1
		}
	}
	b := make([]byte, 0, size)
	if len(values) == 0 {
		b = binary.BigEndian.AppendUint32(b, 0)
		b = binary.BigEndian.AppendUint32(b, 0)
		return binary.BigEndian.AppendUint32(b, element)
	}
	b = binary.BigEndian.AppendUint32(b, 1)
	b = binary.BigEndian.AppendUint32(b, nulls)
	b = binary.BigEndian.AppendUint32(b, element)
	b = binary.BigEndian.AppendUint32(b, uint32(len(values)))
	b = binary.BigEndian.AppendUint32(b, 1)
	for _, v := range values {
		if v == nil {
			b = binary.BigEndian.AppendUint32(b, null)
			continue
		}
		b = binary.BigEndian.AppendUint32(b, uint32(len(v)))
		b = append(b, v...)
	}
	return b
}

// null is the length of NULL.
const null = 0xFFFFFFFF
