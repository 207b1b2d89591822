package catalog

import (
	"bytes"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5/pgproto3"
)

// Numbers in the catalogs of made.
const (
	sameMood  = 16390
	otherMood = 16391
	tableOld  = 16400 // at the source
	tableNew  = 16500 // at the target
	lonely    = 16501 // at the target only
)

// made is a pair that needs no server.
func made() *Pair {
	catalog := func(mood uint32, table *relation) *Catalog {
		c := &Catalog{types: map[uint32]*typ{
			23:       {name: Name{"pg_catalog", "int4"}, kind: "b"},
			1700:     {name: Name{"pg_catalog", "numeric"}, kind: "b"},
			sameMood: {name: Name{"public", "same"}, kind: "e"},
			mood:     {name: Name{"public", "mood"}, kind: "e"},
		}, typeNames: map[Name]uint32{}, relations: map[uint32]*relation{}, relNames: map[Name]*relation{}}
		c.relations[table.oid], c.relNames[table.name] = table, table
		return c
	}
	name := Name{"public", "orders"}
	source := catalog(otherMood+1, &relation{oid: tableOld, name: name, kind: "r", columns: []column{
		{"id", 2, 23, -1}, {"amount", 5, 1700, 786438},
	}})
	target := catalog(otherMood, &relation{oid: tableNew, name: name, kind: "r", columns: []column{
		{"amount", 1, 1700, -1}, {"id", 4, 23, -1}, {"new", 5, sameMood, -1},
	}})
	target.relations[lonely] = &relation{oid: lonely, name: Name{"public", "lonely"}, kind: "r"}
	return NewPair(source, target)
}

// someRow is a description that made knows.
var someRow = &pgproto3.RowDescription{Fields: []pgproto3.FieldDescription{
	{Name: []byte("id"), TableOID: tableNew, TableAttributeNumber: 4, DataTypeOID: 23, DataTypeSize: 4, TypeModifier: -1},
	{Name: []byte(""), DataTypeOID: sameMood, DataTypeSize: 4, TypeModifier: -1, Format: 1},
	{Name: []byte("amount"), TableOID: tableNew, TableAttributeNumber: 1, DataTypeOID: 1700, DataTypeSize: -1, TypeModifier: -1},
	{Name: []byte("new"), TableOID: tableNew, TableAttributeNumber: 5, DataTypeOID: sameMood, DataTypeSize: 4, TypeModifier: 9},
	{Name: []byte("orders"), TableOID: tableNew, DataTypeOID: sameMood, DataTypeSize: 4, TypeModifier: -1},
}}

func TestAMadeDescriptionBecomesTheSources(t *testing.T) {
	message := encode(t, someRow)
	if !made().RowDescription(message) {
		t.Fatal("not known")
	}
	want := slices.Clone(someRow.Fields)
	want[0].TableOID, want[0].TableAttributeNumber = tableOld, 2
	want[2].TableOID, want[2].TableAttributeNumber, want[2].TypeModifier = tableOld, 5, 786438
	want[3].TableOID, want[3].TableAttributeNumber = 0, 0
	want[4].TableOID = tableOld
	if diff := cmp.Diff(want, fields(t, message)); diff != "" {
		t.Error(diff)
	}
}

// Whatever a message says: nothing outside of it is written, a description that
// is not known stays as it was, and one that is known keeps all but its tables,
// columns and type modifiers.
func FuzzMessages(f *testing.F) {
	f.Add(encode(f, someRow))
	f.Add(encode(f, &pgproto3.RowDescription{}))
	f.Add(encode(f, &pgproto3.Parse{Name: "n", Query: "SELECT $1", ParameterOIDs: []uint32{0, 23, sameMood, otherMood}}))
	f.Add(encode(f, &pgproto3.ParameterDescription{ParameterOIDs: []uint32{sameMood}}))
	f.Add([]byte("T\x00\x00\x00\x06\xff\xff"))
	f.Add([]byte("T\xff\xff\xff\xff"))
	f.Add([]byte{'T'})
	pairs := []*Pair{nil, made(), NewPair(&Catalog{}, &Catalog{})}
	f.Fuzz(func(t *testing.T, in []byte) {
		guard := bytes.Repeat([]byte{0xa5}, 64)
		for _, pair := range pairs {
			around := slices.Concat(guard, in, guard)
			message := around[len(guard) : len(guard)+len(in)]
			pair.Parse(message)
			pair.ParameterDescription(message)
			outdated := pair.Outdated(message)
			if !bytes.Equal(message, in) {
				t.Fatal("a check has changed the message")
			}
			known := pair.RowDescription(message)
			if !bytes.HasPrefix(around, guard) || !bytes.HasSuffix(around, guard) {
				t.Fatal("it was written outside of the message")
			}
			if known && outdated {
				t.Fatal("a description is known by a catalog that lacks something of it")
			}
			if !known {
				if !bytes.Equal(message, in) {
					t.Fatal("a description that is not known has changed")
				}
				continue
			}
			diff := cmp.Diff(fields(t, in), fields(t, message), cmpopts.EquateEmpty(),
				cmpopts.IgnoreFields(pgproto3.FieldDescription{}, "TableOID", "TableAttributeNumber", "TypeModifier"))
			if diff != "" {
				t.Fatal(diff)
			}
		}
	})
}
