package copyin

import (
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/crossfade-db/crossfade/rewrite"
)

// kind is a type whose values are known to the byte from either of their forms.
type kind uint8

const (
	int2 kind = iota
	int4
	int8
	text
	uuid
	date
	timestamp
	timestamptz
)

// Numbers of the types (pg_type.dat).
var kinds = map[uint32]kind{
	20: int8, 21: int2, 23: int4, 25: text, 1043: text, 1082: date, 1114: timestamp, 1184: timestamptz, 2950: uuid,
}

// sizes are those of a value, in bytes; 0: any.
var sizes = [...]int{int2: 2, int4: 4, int8: 8, text: 0, uuid: 16, date: 4, timestamp: 8, timestamptz: 8}

// kindOf is the kind of a column; false: its values are not understood, or may
// be changed on their way in.
func kindOf(c *rewrite.Column) (kind, bool) {
	k, known := kinds[c.Type]
	rounds := (k == timestamp || k == timestamptz) && c.Typmod >= 0
	return k, known && !rounds
}

// modifierHeader is what a modifier of a varchar is more than its length.
const modifierHeader = 4

// mostCharacters is what the modifier of a varchar says; 0: nothing.
func mostCharacters(c *rewrite.Column) int {
	return max(0, int(c.Typmod)-modifierHeader)
}

// fromBinary takes a value in binary, which is what keys are made of.
func (f *field) fromBinary(into, value []byte) ([]byte, error) {
	if size := sizes[f.kind]; size > 0 && len(value) != size {
		return nil, ErrUnsure
	}
	if f.kind == text {
		return f.characters(into, value)
	}
	return append(into, value...), nil
}

// fromText makes the binary form of a value in text, written in a way that every
// setting of a session takes for the same.
func (f *field) fromText(into, value []byte) ([]byte, error) {
	switch f.kind {
	case int2, int4, int8:
		return f.integer(into, value)
	case text:
		return f.characters(into, value)
	case uuid:
		return uuidOf(into, value)
	case date, timestamp, timestamptz:
		return moment(f.kind, into, string(value))
	}
	return nil, ErrUnsure
}

// characters: what is longer than its type may lose spaces at its end.
func (f *field) characters(into, value []byte) ([]byte, error) {
	if !utf8.Valid(value) || strings.IndexByte(string(value), 0) >= 0 || f.most > 0 && utf8.RuneCount(value) > f.most {
		return nil, ErrUnsure
	}
	return append(into, value...), nil
}

func (f *field) integer(into, value []byte) ([]byte, error) {
	s := strings.Trim(string(value), " ")
	bits := sizes[f.kind] * 8
	n, err := strconv.ParseInt(s, 10, bits)
	if err != nil {
		return nil, ErrUnsure
	}
	switch f.kind {
	case int2:
		return binary.BigEndian.AppendUint16(into, uint16(n)), nil
	case int4:
		return binary.BigEndian.AppendUint32(into, uint32(n)), nil
	default:
		return binary.BigEndian.AppendUint64(into, uint64(n)), nil
	}
}

// uuidOf reads the form that the server writes, in letters of either case, also
// without its hyphens.
func uuidOf(into, value []byte) ([]byte, error) {
	s := string(value)
	if len(s) == 36 && s[8] == '-' && s[13] == '-' && s[18] == '-' && s[23] == '-' {
		s = s[:8] + s[9:13] + s[14:18] + s[19:23] + s[24:]
	}
	if len(s) != 32 {
		return nil, ErrUnsure
	}
	out, err := hex.AppendDecode(into, []byte(s))
	if err != nil {
		return nil, ErrUnsure
	}
	return out, nil
}
