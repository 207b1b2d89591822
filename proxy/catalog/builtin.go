package catalog

// firstAssigned is the first number that a server hands out itself: those below
// are given by hand in its source, once and for all versions
// (access/transam.h, FirstGenbkiObjectId). Types from here to 16383 are those of
// the system's own tables and of information_schema: not yet the user's, but
// with other numbers in each version.
const firstAssigned = 10_000

// plain are the built-in types whose values mean the same wherever they come
// from. Not among them: what names a thing of one server (oid and all reg
// types, transaction ids, row places, WAL positions, snapshots, portals,
// privileges with their roles), what carries type numbers inside (record), and
// what no result can plainly have.
var plain = setOf(
	16, 17, 18, 19, 20, 21, 22, 23, 25, // bool bytea char name int8 int2 int2vector int4 text
	114, 142, 3802, 4072, // json xml jsonb jsonpath
	600, 601, 602, 603, 604, 628, 718, // point lseg path box polygon line circle
	700, 701, 790, 1700, // float4 float8 money numeric
	650, 869, 774, 829, // cidr inet macaddr8 macaddr
	1042, 1043, 1560, 1562, 2950, // bpchar varchar bit varbit uuid
	1082, 1083, 1114, 1184, 1186, 1266, // date time timestamp timestamptz interval timetz
	3614, 3615, // tsvector tsquery
	3904, 3906, 3908, 3910, 3912, 3926, // int4range numrange tsrange tstzrange daterange int8range
	4451, 4532, 4533, 4534, 4535, 4536, // the multiranges of the same, from 14 on
	705, 2275, 2278, // unknown cstring void

	1000, 1001, 1002, 1003, 1016, 1005, 1006, 1007, 1009, // the arrays, in the same order
	199, 143, 3807, 4073,
	1017, 1018, 1019, 1020, 1027, 629, 719,
	1021, 1022, 791, 1231,
	651, 1041, 775, 1040,
	1014, 1015, 1561, 1563, 2951,
	1182, 1183, 1115, 1185, 1187, 1270,
	3643, 3645,
	3905, 3907, 3909, 3911, 3913, 3927,
	6150, 6151, 6152, 6153, 6155, 6157,
	1263,
)

// set is a set of numbers below firstAssigned.
type set [(firstAssigned + 63) / 64]uint64

func setOf(oids ...uint32) set {
	var s set
	for _, oid := range oids {
		s.add(oid)
	}
	return s
}

func (s *set) add(oid uint32)      { s[oid/64] |= 1 << (oid % 64) }
func (s *set) has(oid uint32) bool { return s[oid/64]&(1<<(oid%64)) != 0 }
