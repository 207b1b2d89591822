package image

import (
	"slices"

	"github.com/crossfade-db/crossfade/rewrite"
)

// Types of the server, by number (catalog/pg_type.dat).
const (
	textType  = 25
	textArray = 1009
	int2      = 21
	int4      = 23
	int8      = 20
	numeric   = 1700
	varchar   = 1043
)

// integers are the limits of the whole numbers.
var integers = map[uint32][2]string{
	int2: {"-32768", "32767"},
	int4: {"-2147483648", "2147483647"},
	int8: {"-9223372036854775808", "9223372036854775807"},
}

var widths = []uint32{int2, int4, int8}

func wider(a, b uint32) bool { return slices.Index(widths, a) > slices.Index(widths, b) }

// selfOrdered are the types whose order hangs on nothing but the value: "char",
// oid, inet, cidr, macaddr, floats, bool, bytea, times, bits, uuid.
var selfOrdered = []uint32{18, 26, 650, 869, 829, 700, 701, 16, 17, 1082, 1083, 1114, 1184, 1186, 1266, 1560, 1562, 2950}

// ordered says that the target sorts the key as the source does. That two
// servers of one collation's name sort alike is not believed, but for "C".
func (m *mapper) ordered() bool {
	fields, ok := m.keyByCell()
	if !ok {
		return false
	}
	for i := range fields {
		source := m.pair.Source.Column(m.pair.Cells[m.pair.Key[i]].Column)
		if source == nil || !sameOrder(source, fields[i].column) {
			return false
		}
	}
	return true
}

func sameOrder(a, b *rewrite.Column) bool {
	both := func(types ...uint32) bool { return slices.Contains(types, a.Type) && slices.Contains(types, b.Type) }
	switch {
	case both(int2, int4, int8, numeric):
		return true
	case both(textType, varchar):
		return byteOrdered(a) && byteOrdered(b)
	}
	return a.Type == b.Type && slices.Contains(selfOrdered, a.Type)
}

func byteOrdered(c *rewrite.Column) bool {
	return c.Collation.Schema == "pg_catalog" && (c.Collation.Name == "C" || c.Collation.Name == "POSIX")
}
