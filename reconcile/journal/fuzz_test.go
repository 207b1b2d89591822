package journal

import (
	"encoding/binary"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/shadow"
)

// FuzzRecord reads bodies: whatever they say, the reader ends, takes no more
// memory than some times their length, and what it accepts it would write so
// that it reads the same.
func FuzzRecord(f *testing.F) {
	f.Add(appendIntent(nil, 1, intent(2, keysOf("public.users", "\x00\x00\x00\x04abcd", ""), shadow.TableKeys{Table: "t", Whole: true})))
	f.Add(appendIntent(nil, 1<<64-1, &shadow.Intent{}))
	f.Add(appendSettle(nil, []uint64{1, 300, 1 << 40}))
	f.Add(appendDrop(nil, 7))
	f.Add([]byte{byte(kindSettle), 0xff, 0xff, 0xff, 0xff, 0x0f, closing})
	f.Add([]byte{9, 1, closing})
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := parse(body)
		if err != nil {
			return
		}
		again, err := parse(r.encode())
		if err != nil || !reflect.DeepEqual(r, again) {
			t.Errorf("%+v is read again as %+v, %v", r, again, err)
		}
	})
}

func (r *record) encode() []byte {
	switch r.kind {
	case kindIntent:
		return appendIntent(nil, r.id, &r.intent)
	case kindSettle:
		return appendSettle(nil, r.settled)
	case kindDrop:
		return appendDrop(nil, r.dropped)
	default:
		return nil
	}
}

// FuzzSegment reads files: a sealed record at the front, then anything.
func FuzzSegment(f *testing.F) {
	whole := written(f)
	for _, name := range sortedKeys(whole.names) {
		f.Add(whole.names[name].data[headSize:])
	}
	f.Add([]byte{mark})
	f.Add(make([]byte, 600))
	h := head{number: 1, nonce: nonce{1, 2, 3, 4, 5, 6, 7, 8}}
	first := appendRecord(nil, func(b []byte) []byte { return appendDrop(b, 1) })
	seal(first, h.nonce, headSize, h.sum())
	f.Fuzz(func(t *testing.T, rest []byte) {
		data := append(append(h.encode(), first...), rest...)
		s := newScan(&h, data)
		records := 0
		for {
			r, flaw := s.next()
			if flaw != nil {
				s.rest(func(*record) {})
				if flaw.offset != s.at {
					t.Errorf("the flaw is at %d, the scan at %d", flaw.offset, s.at)
				}
				break
			}
			if r == nil {
				break
			}
			records++
		}
		if records != 1 { // nobody can know the sums of a second one
			t.Errorf("%d records were read", records)
		}
	})
}

func FuzzHead(f *testing.F) {
	h := head{number: 1, prev: 2, end: 3, chain: 4}
	f.Add(h.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, ok := decodeHead(b); ok && string(h.encode()) != string(b[:headSize]) {
			t.Errorf("%+v is not what was read", h)
		}
	})
}

func TestIntentsAreReadAsTheyWereWritten(t *testing.T) {
	text := rapid.Custom(func(t *rapid.T) string { return string(rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "text")) })
	table := rapid.Custom(func(t *rapid.T) shadow.TableKeys {
		k := shadow.TableKeys{Table: text.Draw(t, "table"), Whole: rapid.Bool().Draw(t, "whole")}
		if !k.Whole {
			for _, s := range rapid.SliceOfN(text, 0, 5).Draw(t, "keys") {
				k.Keys = append(k.Keys, rewrite.RowKey(s))
			}
		}
		return k
	})
	rapid.Check(t, func(t *rapid.T) {
		in := shadow.Intent{
			Epoch: shadow.Epoch(rapid.Uint64().Draw(t, "epoch")), TxID: shadow.TxID(rapid.Uint64().Draw(t, "txid")),
			Incarnation: shadow.Incarnation(text.Draw(t, "incarnation")),
		}
		for _, k := range rapid.SliceOfN(table, 0, 4).Draw(t, "tables") {
			in.Tables = append(in.Tables, k)
		}
		body := appendIntent(nil, 5, &in)
		if len(body) > intentSize(&in) {
			t.Fatalf("%d bytes, said to be at most %d", len(body), intentSize(&in))
		}
		r, err := parse(body)
		if err != nil || r.id != 5 || !reflect.DeepEqual(r.intent, in) {
			t.Fatalf("got %+v, %v, want %+v", r, err, in)
		}
		for n := range body {
			if _, err := parse(body[:n]); err == nil {
				t.Fatalf("the first %d of %d bytes are accepted", n, len(body))
			}
		}
	})
}

// A key that holds a whole record of ours is not one: no client knows the nonce.
func TestAKeyThatLooksLikeARecordIsNone(t *testing.T) {
	d := newFakeDisk()
	j, _ := open(t, Options{FS: d})
	put(t, j, intent(1))
	own := d.names[j.path(1)].data[headSize:]
	put(t, j, intent(2, keysOf("t", string(own), strings.Repeat(string(own), 20))))
	after := d.copy()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	data := after.names[j.path(1)].data
	last := headSize + len(own)
	after.names[j.path(1)].data = data[:len(data)-1] // torn: what is behind the prefix is looked at for records
	again, found := open(t, Options{FS: after})
	defer again.Close()
	if len(found) != 1 || again.Stats().Cut != int64(len(data)-1-last) {
		t.Errorf("found %+v, cut %d", found, again.Stats().Cut)
	}
	if n := binary.LittleEndian.Uint32(own[1:]); int(n) != len(own)-prefixSize {
		t.Errorf("a record says it has %d bytes, and has %d", n, len(own)-prefixSize)
	}
}
