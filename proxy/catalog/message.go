package catalog

import (
	"bytes"
	"encoding/binary"

	"github.com/crossfade-db/crossfade/wire"
)

// Message types (manual, 54.7).
const (
	rowDescription       = 'T'
	parameterDescription = 't'
	parse                = 'P'
)

// Offsets in what follows a field's name in a RowDescription (manual, 54.7).
const (
	fieldTable  = 0  // Int32
	fieldColumn = 4  // Int16
	fieldType   = 6  // Int32
	fieldTypmod = 12 // Int32, after Int16 of the type's size
	fieldSize   = 18 // with Int16 of the format
)

// RowDescription translates a whole message from the target, its header
// included, to the source's numbers, in place: table and column by their names
// (0 and 0 where the source has none of them), and for a column that the source
// has, its type modifier. The length stays.
//
// It returns false and leaves the message as it was when a type is not the same
// on both sides, or not the type that the source has for that column; when the
// target's catalog does not know a table or column, since then it is outdated;
// and when the message is malformed. With a nil Pair every table and column
// becomes 0.
func (p *Pair) RowDescription(message []byte) (known bool) {
	fields, ok := body(message, rowDescription)
	if !ok || !p.eachField(fields, (*Pair).knowsField) {
		return false
	}
	return p.eachField(fields, (*Pair).writeField)
}

// eachField calls do with each field of a RowDescription, without its name,
// until one gives false. It returns false also if the fields do not fill the
// body exactly.
func (p *Pair) eachField(body []byte, do func(*Pair, []byte) bool) bool {
	if len(body) < 2 {
		return false
	}
	count, rest := int(binary.BigEndian.Uint16(body)), body[2:]
	for range count {
		name := bytes.IndexByte(rest, 0)
		if name < 0 || len(rest)-name-1 < fieldSize {
			return false
		}
		field := rest[name+1 : name+1+fieldSize]
		rest = rest[name+1+fieldSize:]
		if !do(p, field) {
			return false
		}
	}
	return len(rest) == 0
}

func (p *Pair) knowsField(field []byte) bool {
	oid := binary.BigEndian.Uint32(field[fieldType:])
	if !p.SameType(oid) {
		return false
	}
	if p != nil && p.tables[binary.BigEndian.Uint32(field[fieldTable:])].serial {
		return false
	}
	_, at, ok := p.find(field)
	return ok && (at.number == 0 || at.typ == oid)
}

// writeField always goes on: it writes a field that knowsField has allowed.
func (p *Pair) writeField(field []byte) bool {
	source, at, _ := p.find(field)
	if at.number == 0 && binary.BigEndian.Uint16(field[fieldColumn:]) != 0 {
		source = 0
	}
	binary.BigEndian.PutUint32(field[fieldTable:], source)
	binary.BigEndian.PutUint16(field[fieldColumn:], at.number)
	if at.number != 0 {
		binary.BigEndian.PutUint32(field[fieldTypmod:], uint32(at.typmod))
	}
	return true
}

// find gives the source's table and column for those of a field. A whole row
// has a table and column 0. System columns have negative numbers, and types that
// are never the same; were one of another type, it would be from no table.
func (p *Pair) find(field []byte) (source uint32, at place, ok bool) {
	oid := binary.BigEndian.Uint32(field[fieldTable:])
	if p == nil || oid == 0 {
		return 0, place{}, true
	}
	t, ok := p.tables[oid]
	if !ok {
		return 0, place{}, false
	}
	number := int16(binary.BigEndian.Uint16(field[fieldColumn:]))
	if number == 0 {
		return t.source, place{}, true
	}
	if number < 0 { // every table has them
		return 0, place{}, true
	}
	at, ok = t.column(number)
	return t.source, at, ok
}

// ParameterDescription reports whether every type number in a whole message is
// one that both sides understand alike: given by hand (below 10000) or
// SameType.
func (p *Pair) ParameterDescription(message []byte) bool {
	types, ok := body(message, parameterDescription)
	return ok && p.sameNumbers(types)
}

// Parse is ParameterDescription for the types that a client states; 0, which
// leaves it to the server, is fine.
func (p *Pair) Parse(message []byte) bool {
	rest, ok := body(message, parse)
	if !ok {
		return false
	}
	for range 2 { // the statement's name, its text
		end := bytes.IndexByte(rest, 0)
		if end < 0 {
			return false
		}
		rest = rest[end+1:]
	}
	return p.sameNumbers(rest)
}

// Outdated reports whether a RowDescription or ParameterDescription from the
// target has a number that the target's catalog lacks: something was made since
// it was read, and reading it again may make the message known. Other reasons
// for a message not to be known stay until somebody changes a database.
func (p *Pair) Outdated(message []byte) bool {
	if p == nil {
		return false
	}
	if types, ok := body(message, parameterDescription); ok && len(types) >= 2 {
		for list := types[2:]; len(list) >= 4; list = list[4:] {
			if !p.hasType(binary.BigEndian.Uint32(list)) {
				return true
			}
		}
		return false
	}
	fields, ok := body(message, rowDescription)
	whole := func(*Pair, []byte) bool { return true }
	return ok && p.eachField(fields, whole) && !p.eachField(fields, (*Pair).hasField)
}

func (p *Pair) hasField(field []byte) bool {
	_, _, ok := p.find(field)
	return ok && p.hasType(binary.BigEndian.Uint32(field[fieldType:]))
}

func (p *Pair) hasType(oid uint32) bool { return oid < firstAssigned || p.types[oid] != nil }

// sameNumbers checks a list of types, the last of its message.
func (p *Pair) sameNumbers(list []byte) bool {
	if len(list) < 2 || len(list)-2 != 4*int(binary.BigEndian.Uint16(list)) {
		return false
	}
	for list = list[2:]; len(list) > 0; list = list[4:] {
		oid := binary.BigEndian.Uint32(list)
		if oid >= firstAssigned && !p.sameAssigned(oid) {
			return false
		}
	}
	return true
}

// body is what a message of this type holds, if it is one and whole.
func body(message []byte, kind byte) ([]byte, bool) {
	header := wire.Parse(message)
	if header.State != wire.Whole || header.Type != kind || header.Size != len(message) {
		return nil, false
	}
	return message[wire.HeaderSize:], true
}
