package journal

import (
	"encoding/binary"
	"errors"

	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/shadow"
)

// kind says what the body of a record is.
type kind byte

const (
	kindIntent kind = 1 // id (8 bytes), epoch, txid, incarnation, tables
	kindSettle kind = 2 // ids
	kindDrop   kind = 3 // number: the segments up to it may be gone
)

// closing is the last byte of every body.
const closing = 0xa5

// record is a body that was read.
type record struct {
	kind    kind
	id      uint64 // of an intent
	intent  shadow.Intent
	settled []uint64
	dropped uint64
}

var errBody = errors.New("the record cannot be read, or is of a newer version")

// intentSize is what the body of an intent needs at most.
func intentSize(in *shadow.Intent) int {
	const number = binary.MaxVarintLen64
	n := 1 + 8 + 4*number + len(in.Incarnation) + 1
	for i := range in.Tables {
		n += 2*number + len(in.Tables[i].Table) + 1
		for _, k := range in.Tables[i].Keys {
			n += 4 + len(k) // a length below intentMax has four bytes at most
		}
	}
	return n
}

func appendIntent(b []byte, id uint64, in *shadow.Intent) []byte {
	b = append(b, byte(kindIntent))
	b = binary.LittleEndian.AppendUint64(b, id)
	b = binary.AppendUvarint(b, uint64(in.Epoch))
	b = binary.AppendUvarint(b, uint64(in.TxID))
	b = appendString(b, string(in.Incarnation))
	b = binary.AppendUvarint(b, uint64(len(in.Tables)))
	for i := range in.Tables {
		b = appendTable(b, &in.Tables[i])
	}
	return append(b, closing)
}

func appendTable(b []byte, t *shadow.TableKeys) []byte {
	b = appendString(b, t.Table)
	if t.Whole {
		return append(b, 1)
	}
	b = append(b, 0)
	b = binary.AppendUvarint(b, uint64(len(t.Keys)))
	for _, k := range t.Keys {
		b = appendString(b, string(k))
	}
	return b
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendSettle(b []byte, ids []uint64) []byte {
	b = append(b, byte(kindSettle))
	b = binary.AppendUvarint(b, uint64(len(ids)))
	for _, id := range ids {
		b = binary.AppendUvarint(b, id)
	}
	return append(b, closing)
}

func appendDrop(b []byte, number uint64) []byte {
	b = append(b, byte(kindDrop))
	return append(binary.AppendUvarint(b, number), closing)
}

// parse reads a body. What it returns shares nothing with it, and is never
// larger than some times its length, whatever it says.
func parse(body []byte) (record, error) {
	if len(body) < 2 || body[len(body)-1] != closing {
		return record{}, errBody
	}
	r := record{kind: kind(body[0])}
	c := cursor{b: body[1 : len(body)-1]}
	switch r.kind {
	case kindIntent:
		r.id, r.intent = c.fixed(), c.intent()
	case kindSettle:
		for range c.count() {
			r.settled = append(r.settled, c.number())
		}
	case kindDrop:
		r.dropped = c.number()
	default:
		return record{}, errBody
	}
	if c.bad || len(c.b) > 0 {
		return record{}, errBody
	}
	return r, nil
}

// cursor takes a body apart; once bad, all it gives is zero.
type cursor struct {
	b   []byte
	bad bool
}

func (c *cursor) intent() shadow.Intent {
	in := shadow.Intent{
		Epoch: shadow.Epoch(c.number()), TxID: shadow.TxID(c.number()), Incarnation: shadow.Incarnation(c.text()),
	}
	for range c.count() {
		in.Tables = append(in.Tables, c.table())
		if c.bad {
			break
		}
	}
	return in
}

func (c *cursor) table() shadow.TableKeys {
	t := shadow.TableKeys{Table: c.text()}
	switch whole := c.take(1); {
	case c.bad:
		return t
	case whole[0] == 1:
		t.Whole = true
		return t
	case whole[0] != 0:
		c.fail()
		return t
	}
	for range c.count() {
		t.Keys = append(t.Keys, rewrite.RowKey(c.text()))
	}
	return t
}

func (c *cursor) fail() { c.bad, c.b = true, nil }

func (c *cursor) number() uint64 {
	v, n := binary.Uvarint(c.b)
	if n <= 0 {
		c.fail()
		return 0
	}
	c.b = c.b[n:]
	return v
}

// count is a number of things that need a byte each at least.
func (c *cursor) count() int {
	n := c.number()
	if n > uint64(len(c.b)) {
		c.fail()
		return 0
	}
	return int(n)
}

func (c *cursor) take(n int) []byte {
	if c.bad || n > len(c.b) {
		c.fail()
		return nil
	}
	b := c.b[:n]
	c.b = c.b[n:]
	return b
}

func (c *cursor) text() string { return string(c.take(c.count())) }

func (c *cursor) fixed() uint64 {
	b := c.take(8)
	if c.bad {
		return 0
	}
	return binary.LittleEndian.Uint64(b)
}
