package image

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"testing"

	"github.com/crossfade-db/crossfade/rewrite"
)

// Types of the two schemas: at the target each number is ten thousand higher,
// but for the server's own.
const (
	moodType = 20000 + iota
	moodsType
	pairType
	pairsType
	pairDomain
	spanType
	spansType
	hstoreType
	loopType
	apart = 10000
)

func typeTree(shift uint32) *rewrite.Schema {
	s := &rewrite.Schema{Types: map[uint32]*rewrite.Type{
		textType: {OID: textType, Kind: rewrite.BaseType}, int4: {OID: int4, Kind: rewrite.BaseType},
		textArray: {OID: textArray, Kind: rewrite.ArrayType, Element: textType},
	}}
	add := func(t rewrite.Type) {
		t.OID += shift
		t.Name = rewrite.Name{Schema: "public", Name: "t"}
		s.Types[t.OID] = &t
	}
	add(rewrite.Type{OID: moodType, Kind: rewrite.EnumType, Array: moodsType + shift})
	add(rewrite.Type{OID: moodsType, Kind: rewrite.ArrayType, Element: moodType + shift})
	add(rewrite.Type{OID: pairType, Kind: rewrite.CompositeType, Fields: []uint32{int4, moodType + shift, moodsType + shift}})
	add(rewrite.Type{OID: pairsType, Kind: rewrite.ArrayType, Element: pairType + shift})
	add(rewrite.Type{OID: pairDomain, Kind: rewrite.DomainType, Base: pairType + shift})
	add(rewrite.Type{OID: spanType, Kind: rewrite.RangeType, Element: pairDomain + shift})
	add(rewrite.Type{OID: spansType, Kind: rewrite.MultirangeType, Element: spanType + shift})
	add(rewrite.Type{OID: hstoreType, Kind: rewrite.BaseType})
	add(rewrite.Type{OID: loopType, Kind: rewrite.CompositeType, Fields: []uint32{loopType + shift}})
	return s
}

func field32(b []byte, values ...uint32) []byte {
	for _, v := range values {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	return b
}

// pairValue is (5, 'ok', '{sad,NULL}') with the numbers of a side.
func pairValue(shift uint32) []byte {
	b := field32(nil, 3, int4, 4, 5, moodType+shift, 2)
	b = append(b, "ok"...)
	moods := Array(moodType+shift, [][]byte{[]byte("sad"), nil})
	b = field32(b, moodsType+shift, uint32(len(moods)))
	return append(b, moods...)
}

func sized(b []byte) []byte { return append(field32(nil, uint32(len(b))), b...) }

func TestTypeNumbersOfBothSides(t *testing.T) {
	tests := []struct {
		name  string
		typ   uint32
		value func(shift uint32) []byte
	}{
		{"an enum", moodType, func(uint32) []byte { return []byte("ok") }},
		{"an array of enums", moodsType, func(s uint32) []byte { return Array(moodType+s, [][]byte{[]byte("ok"), nil, {}}) }},
		{"an empty array", moodsType, func(s uint32) []byte { return Array(moodType+s, nil) }},
		{"an array of no rows", moodsType, func(s uint32) []byte { return field32(nil, 2, 0, moodType+s, 0, 1, 3, 1) }},
		{"a composite", pairType, pairValue},
		{"an array of composites", pairsType, func(s uint32) []byte { return Array(pairType+s, [][]byte{nil, pairValue(s)}) }},
		{"a domain", pairDomain, pairValue},
		{"a range", spanType, func(s uint32) []byte {
			return append(append([]byte{2}, sized(pairValue(s))...), sized(pairValue(s))...)
		}},
		{"a range without an upper end", spanType, func(s uint32) []byte { return append([]byte{0x12}, sized(pairValue(s))...) }},
		{"an empty range", spanType, func(uint32) []byte { return []byte{1} }},
		{"a range of everything", spanType, func(uint32) []byte { return []byte{0x18} }},
		{"a multirange", spansType, func(s uint32) []byte {
			return append(field32(nil, 2), append(sized([]byte{1}), sized(append([]byte{0x0A}, sized(pairValue(s))...))...)...)
		}},
		{"bytes of a type that is not known inside", hstoreType, func(uint32) []byte { return []byte{0, 1, 2} }},
	}
	source, target := typeTree(0), typeTree(apart)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			from, to := source.Types[test.typ], target.Types[test.typ+apart]
			value := test.value(0)
			before := bytes.Clone(value)
			got, err := Translate(value, from, to, source, target)
			if err != nil || !bytes.Equal(got, test.value(apart)) {
				t.Errorf("%x, %v", got, err)
			}
			if !bytes.Equal(value, before) {
				t.Error("the value itself has changed")
			}
			if cut := value[:len(value)-1]; test.typ != moodType && test.typ != hstoreType {
				if _, err := Translate(cut, from, to, source, target); !errors.Is(err, ErrValue) {
					t.Errorf("cut by a byte: %v", err)
				}
				if _, err := Translate(append(value, 0), from, to, source, target); !errors.Is(err, ErrValue) {
					t.Errorf("with a byte more: %v", err)
				}
			}
		})
	}
}

func TestAnArrayOfAnEnumThatTheTargetLacks(t *testing.T) {
	source, target := typeTree(0), typeTree(apart)
	got, err := Translate(Array(moodType, [][]byte{[]byte("ok")}), source.Types[moodsType], target.Types[textArray], source, target)
	if err != nil || !bytes.Equal(got, Array(textType, [][]byte{[]byte("ok")})) {
		t.Errorf("%x, %v", got, err)
	}
}

func TestWhatCannotBeTranslated(t *testing.T) {
	source, target := typeTree(0), typeTree(apart)
	shorter := typeTree(apart)
	shorter.Types[pairType+apart].Fields = shorter.Types[pairType+apart].Fields[:2]
	tests := []struct {
		name     string
		value    []byte
		from, to uint32
		target   *rewrite.Schema
	}{
		{"another number in the array", Array(moodType+1, nil), moodsType, moodsType + apart, target},
		{"another number in the composite", pairValue(1), pairType, pairType + apart, target},
		{"fewer fields at the target", pairValue(0), pairType, pairType + apart, shorter},
		{"built in another way", pairValue(0), pairType, moodsType + apart, target},
		{"no type at the target", pairValue(0), pairType, 1, target},
		{"seven dimensions", field32(nil, 7, 0, moodType, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1), moodsType, moodsType + apart, target},
		{"a huge array", field32(nil, 2, 0, moodType, 0xFFFFFFFF, 1, 0xFFFFFFFF, 1), moodsType, moodsType + apart, target},
		{"flags that are none", field32(nil, 1, 2, moodType, 0, 1), moodsType, moodsType + apart, target},
		{"flags of a range that are none", []byte{0x20}, spanType, spanType + apart, target},
		{"types without end", bytes.Repeat(field32(nil, 1, loopType, 0x7FFFFFFF), 50), loopType, loopType + apart, target},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got, err := Translate(test.value, source.Types[test.from], test.target.Types[test.to], source, test.target); !errors.Is(err, ErrValue) {
				t.Errorf("%x, %v", got, err)
			}
		})
	}
}

// nested is a value of loopType within itself.
func nested(depth int) []byte {
	b := field32(nil, 1, loopType, null)
	for range depth {
		b = append(field32(nil, 1, loopType, uint32(len(b))), b...)
	}
	return b
}

func TestTheDepthOfTypesIsBounded(t *testing.T) {
	source, target := typeTree(0), typeTree(apart)
	for depth, want := range map[int]bool{maxDepth: true, maxDepth + 1: false} {
		if _, err := Translate(nested(depth), source.Types[loopType], target.Types[loopType+apart], source, target); (err == nil) != want {
			t.Errorf("depth %d: %v", depth, err)
		}
	}
}

func FuzzTranslate(f *testing.F) {
	source, target := typeTree(0), typeTree(apart)
	kinds := []uint32{moodsType, pairType, pairsType, pairDomain, spanType, spansType, loopType}
	f.Add(uint8(0), Array(moodType, [][]byte{[]byte("ok"), nil}))
	f.Add(uint8(1), pairValue(0))
	f.Add(uint8(2), Array(pairType, [][]byte{nil, pairValue(0)}))
	f.Add(uint8(4), append([]byte{2}, append(sized(pairValue(0)), sized(pairValue(0))...)...))
	f.Add(uint8(5), append(field32(nil, 1), sized([]byte{1})...))
	f.Add(uint8(6), nested(5))
	f.Fuzz(func(t *testing.T, kind uint8, value []byte) {
		typ := kinds[int(kind)%len(kinds)]
		from, to := source.Types[typ], target.Types[typ+apart]
		before := bytes.Clone(value)
		out, err := Translate(value, from, to, source, target)
		if !bytes.Equal(value, before) {
			t.Fatal("the value itself has changed")
		}
		if err != nil {
			if !errors.Is(err, ErrValue) {
				t.Fatal(err)
			}
			return
		}
		if len(out) != len(value) {
			t.Fatalf("%d bytes, were %d", len(out), len(value))
		}
		if back, err := Translate(out, to, from, target, source); err != nil || !bytes.Equal(back, value) {
			t.Fatalf("there and back is another value: %v\n%s", err, hex.Dump(out))
		}
	})
}
