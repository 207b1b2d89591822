package image

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/crossfade-db/crossfade/rewrite"
)

// ErrValue says that a binary value is not of its type, or that its type has no
// counterpart of the same build at the target.
var ErrValue = errors.New("the value cannot be translated")

// Limits of a value: the depth of types within types, and PostgreSQL's MAXDIM.
const (
	maxDepth      = 32
	maxDimensions = 6
)

// Translate gives a binary value the type numbers of the target: those of the
// elements in the header of an array, those of the fields in a composite, also
// within ranges and domains of them. No other byte changes, and no length. The
// value itself is left as it is, and returned where no number of a user's type is
// in it. Nothing of a value is in an error.
func Translate(value []byte, from, to *rewrite.Type, source, target *rewrite.Schema) ([]byte, error) {
	t := translator{source: source, target: target}
	if value == nil || from == nil || from.BuiltIn() || !t.embeds(from, 0) {
		return value, nil
	}
	out := append([]byte{}, value...)
	if err := t.value(out, from, to, 0); err != nil {
		return nil, err
	}
	return out, nil
}

type translator struct{ source, target *rewrite.Schema }

// embeds says that values of the type have type numbers in them.
func (t *translator) embeds(from *rewrite.Type, depth int) bool {
	if from == nil || depth > maxDepth {
		return true
	}
	switch from.Kind {
	case rewrite.ArrayType, rewrite.CompositeType:
		return true
	case rewrite.DomainType:
		return t.embeds(t.source.Types[from.Base], depth+1)
	case rewrite.RangeType, rewrite.MultirangeType:
		return !from.BuiltIn() && t.embeds(t.source.Types[from.Element], depth+1)
	case rewrite.BaseType, rewrite.EnumType, rewrite.PseudoType:
		return false
	}
	return true
}

// value translates b, all of it, in place.
func (t *translator) value(b []byte, from, to *rewrite.Type, depth int) error {
	from, to = root(from, t.source), root(to, t.target)
	if from == nil || to == nil {
		return fmt.Errorf("%w: a type is not in the catalog", ErrValue)
	}
	if depth > maxDepth {
		return fmt.Errorf("%w: %s has more than %d types within types", ErrValue, from.Name, maxDepth)
	}
	if !t.embeds(from, depth) {
		return nil
	}
	if from.Kind != to.Kind {
		return fmt.Errorf("%w: %s is built in another way at the target", ErrValue, from.Name)
	}
	switch from.Kind {
	case rewrite.ArrayType:
		return t.array(b, from, to, depth)
	case rewrite.CompositeType:
		return t.composite(b, from, to, depth)
	case rewrite.RangeType:
		return t.bounds(b, from, to, depth)
	case rewrite.MultirangeType:
		return t.ranges(b, from, to, depth)
	case rewrite.BaseType, rewrite.EnumType, rewrite.PseudoType, rewrite.DomainType:
		return nil
	}
	return nil
}

// root is what a domain is made of in the end.
func root(t *rewrite.Type, s *rewrite.Schema) *rewrite.Type {
	for range maxDepth {
		if t == nil || t.Kind != rewrite.DomainType {
			return t
		}
		t = s.Types[t.Base]
	}
	return nil
}

func broken(t *rewrite.Type) error {
	return fmt.Errorf("%w: it is not a binary %s", ErrValue, t.Name)
}

// number replaces the type number at the start of b.
func (t *translator) number(b []byte, from, to uint32, in *rewrite.Type) error {
	if binary.BigEndian.Uint32(b) != from {
		return broken(in)
	}
	binary.BigEndian.PutUint32(b, to)
	return nil
}

// part takes a length and that many bytes off b; NULL has none.
func part(b []byte, in *rewrite.Type) (value, rest []byte, isNull bool, err error) {
	if len(b) < 4 {
		return nil, nil, false, broken(in)
	}
	n := binary.BigEndian.Uint32(b)
	b = b[4:]
	if n == null {
		return nil, b, true, nil
	}
	if uint64(n) > uint64(len(b)) {
		return nil, nil, false, broken(in)
	}
	return b[:n:n], b[n:], false, nil
}

// array is the form of array_send: dimensions, flags, element type, per
// dimension length and lower bound, then the elements.
func (t *translator) array(b []byte, from, to *rewrite.Type, depth int) error {
	if len(b) < arrayHeader {
		return broken(from)
	}
	dimensions, flags := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
	if dimensions > maxDimensions || flags > 1 || len(b) < arrayHeader+int(dimensions)*8 {
		return broken(from)
	}
	if err := t.number(b[8:], from.Element, to.Element, from); err != nil {
		return err
	}
	rest, count := b[arrayHeader:], uint64(1)
	for range dimensions {
		count *= uint64(binary.BigEndian.Uint32(rest))
		rest = rest[8:]
		if count > uint64(len(b)) {
			return broken(from)
		}
	}
	if dimensions == 0 {
		count = 0
	}
	return t.parts(rest, count, from, [2]uint32{from.Element, to.Element}, depth)
}

// parts are count values of one type, with their lengths, up to the end of b.
func (t *translator) parts(b []byte, count uint64, in *rewrite.Type, types [2]uint32, depth int) error {
	for range count {
		value, rest, isNull, err := part(b, in)
		if err != nil {
			return err
		}
		if !isNull {
			if err := t.value(value, t.source.Types[types[0]], t.target.Types[types[1]], depth+1); err != nil {
				return err
			}
		}
		b = rest
	}
	if len(b) != 0 {
		return broken(in)
	}
	return nil
}

// composite is the form of record_send: the number of fields, then each with its
// type before it.
func (t *translator) composite(b []byte, from, to *rewrite.Type, depth int) error {
	if len(from.Fields) != len(to.Fields) {
		return fmt.Errorf("%w: %s has %d fields at the source and %d at the target", ErrValue, from.Name, len(from.Fields), len(to.Fields))
	}
	if len(b) < 4 || uint64(binary.BigEndian.Uint32(b)) != uint64(len(from.Fields)) {
		return broken(from)
	}
	b = b[4:]
	for i := range from.Fields {
		if len(b) < 4 {
			return broken(from)
		}
		if err := t.number(b, from.Fields[i], to.Fields[i], from); err != nil {
			return err
		}
		value, rest, isNull, err := part(b[4:], from)
		if err != nil {
			return err
		}
		if !isNull {
			if err := t.value(value, t.source.Types[from.Fields[i]], t.target.Types[to.Fields[i]], depth+1); err != nil {
				return err
			}
		}
		b = rest
	}
	if len(b) != 0 {
		return broken(from)
	}
	return nil
}

// Flags of a range (utils/rangetypes.h).
const (
	rangeEmpty        = 0x01
	rangeLowInfinite  = 0x08
	rangeHighInfinite = 0x10
	rangeFlags        = 0x1F
)

// bounds is the form of range_send: flags, then the bounds that there are.
func (t *translator) bounds(b []byte, from, to *rewrite.Type, depth int) error {
	if len(b) < 1 || b[0]&^rangeFlags != 0 {
		return broken(from)
	}
	count := uint64(2)
	switch flags := b[0]; {
	case flags&rangeEmpty != 0, flags&rangeLowInfinite != 0 && flags&rangeHighInfinite != 0:
		count = 0
	case flags&(rangeLowInfinite|rangeHighInfinite) != 0:
		count = 1
	}
	return t.parts(b[1:], count, from, [2]uint32{from.Element, to.Element}, depth)
}

// ranges is the form of multirange_send: their number, then each.
func (t *translator) ranges(b []byte, from, to *rewrite.Type, depth int) error {
	if len(b) < 4 {
		return broken(from)
	}
	count := uint64(binary.BigEndian.Uint32(b))
	if count > uint64(len(b)) {
		return broken(from)
	}
	return t.parts(b[4:], count, from, [2]uint32{from.Element, to.Element}, depth)
}
