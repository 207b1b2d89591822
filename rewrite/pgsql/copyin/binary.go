package copyin

import "encoding/binary"

// signature begins data in binary (manual, COPY, Binary Format).
const signature = "PGCOPY\n\xff\r\n\x00"

// step is what comes next in data in binary.
type step uint8

const (
	atSignature step = iota
	atFlags
	atExtension // its length
	inExtension
	atTuple  // how many fields it has
	atLength // of a field
	inValue
	atEnd
)

const (
	countSize  = 2
	numberSize = 4
	// tupleEnd stands where the count of a tuple would, and nullLength where the
	// length of a value would.
	tupleEnd, nullLength = -1, -1
	// criticalFlags change the meaning of what follows.
	criticalFlags = 0xffff << 16
)

// tuples reads the binary format.
type tuples struct {
	*row
	step  step
	need  int // bytes that are still to come of what is at hand
	whole []byte
}

func newTuples(r *row) *tuples { return &tuples{row: r, need: len(signature)} }

func (t *tuples) take(p []byte) error {
	for len(p) > 0 {
		if t.step == atEnd {
			return ErrUnsure
		}
		n := min(t.need, len(p))
		if t.holds() {
			t.whole = append(t.whole, p[:n]...)
		}
		t.need -= n
		p = p[n:]
		for t.need == 0 && t.step != atEnd {
			if err := t.advance(); err != nil {
				return err
			}
		}
	}
	return nil
}

// holds says that what is at hand is looked at.
func (t *tuples) holds() bool {
	return t.step != inExtension && (t.step != inValue || t.wanted())
}

// expect says what comes next, and how long it is.
func (t *tuples) expect(next step, size int) {
	t.step, t.need, t.whole = next, size, t.whole[:0]
}

// advance takes what has come whole.
func (t *tuples) advance() error {
	switch t.step {
	case atSignature:
		if string(t.whole) != signature {
			return ErrUnsure
		}
		t.expect(atFlags, numberSize)
	case atFlags:
		if binary.BigEndian.Uint32(t.whole)&criticalFlags != 0 {
			return ErrUnsure
		}
		t.expect(atExtension, numberSize)
	case atExtension:
		size := int32(binary.BigEndian.Uint32(t.whole))
		if size < 0 {
			return ErrUnsure
		}
		t.expect(inExtension, int(size))
	case inExtension:
		t.expect(atTuple, countSize)
	case atTuple:
		return t.tuple(int(int16(binary.BigEndian.Uint16(t.whole))))
	case atLength:
		return t.length(int(int32(binary.BigEndian.Uint32(t.whole))))
	case inValue:
		return t.value()
	case atEnd:
	}
	return nil
}

// tuple takes the count of a row's fields.
func (t *tuples) tuple(fields int) error {
	switch fields {
	case tupleEnd:
		t.expect(atEnd, 0)
		return nil
	case len(t.form.fields):
		t.expect(atLength, numberSize)
		return nil
	default:
		return ErrUnsure
	}
}

// length takes the length of a field.
func (t *tuples) length(n int) error {
	switch {
	case n == nullLength && !t.wanted():
		return t.behind()
	case n < 0, t.wanted() && n > keyMost:
		return ErrUnsure
	}
	t.expect(inValue, n)
	return nil
}

// value takes a field.
func (t *tuples) value() error {
	if f, ok := t.at(); ok && f.key != noKey {
		var err error
		if t.cells[f.key], err = f.fromBinary(t.cells[f.key][:0], t.whole); err != nil {
			return err
		}
	}
	return t.behind()
}

// behind is what comes behind a field.
func (t *tuples) behind() error {
	t.field++
	if t.field < len(t.form.fields) {
		t.expect(atLength, numberSize)
		return nil
	}
	t.expect(atTuple, countSize)
	return t.done()
}

func (t *tuples) end() error {
	if t.step == atEnd || t.step == atTuple && len(t.whole) == 0 {
		return nil
	}
	return ErrUnsure
}
