package reconcile

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"

	"github.com/crossfade-db/crossfade/rewrite"
)

// Policy says what stands for a row's value in what is kept and reported. The
// zero value keeps nothing.
type Policy uint8

// Policies.
const (
	Drop Policy = iota // nothing
	Mask               // that there is one, and how long it is
	HMAC               // the same, and a keyed hash: equal values look equal
	Show               // the value
)

// ParsePolicy reads the word of a configuration.
func ParsePolicy(word string) (Policy, error) {
	switch word {
	case "drop":
		return Drop, nil
	case "mask":
		return Mask, nil
	case "hmac":
		return HMAC, nil
	case "show":
		return Show, nil
	}
	return Drop, fmt.Errorf("%q is not an evidence policy: show, mask, hmac or drop", word)
}

// Evidence turns values into what may be seen of them. The zero value shows
// nothing.
type Evidence struct {
	Policy  Policy
	Columns map[string]Policy // the same for single columns: schema.table.column
	Key     []byte            // of HMAC; without one, HMAC is Mask
}

// What stands for values.
const (
	nullText = "null"
	maskText = "masked"
	hmacText = "hmac"
)

// Of is what may be seen of a value of a column; nil is NULL, and the table is
// Pair.Name. Examples: "" (drop), null, masked:5, hmac:9f86d0…:5, "value".
func (e Evidence) Of(table, column string, value []byte) (masked string) {
	return e.of(table, KeyColumn{Name: column}, value)
}

func (e Evidence) of(table string, c KeyColumn, value []byte) (masked string) {
	column := c.Name
	policy, single := e.Columns[table+"."+column]
	if !single {
		policy = e.Policy
	}
	if policy == HMAC && len(e.Key) == 0 {
		policy = Mask
	}
	switch {
	case policy == Drop:
		return ""
	case value == nil:
		return nullText
	}
	switch policy {
	case HMAC:
		return hmacText + ":" + e.sum(table, column, value) + ":" + strconv.Itoa(len(value))
	case Show:
		return c.shownAs(value)
	case Drop, Mask:
	}
	return maskText + ":" + strconv.Itoa(len(value))
}

// sum is HMAC-SHA-256 over table, column and value, each with its length before
// it (64 bits, big-endian), in hexadecimal digits.
func (e Evidence) sum(table, column string, value []byte) string {
	h := hmac.New(sha256.New, e.Key)
	for _, part := range [][]byte{[]byte(table), []byte(column), value} {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(part)))
		h.Write(size[:])
		h.Write(part)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Field is what may be seen of one value of a row.
type Field struct {
	Column string `json:"column"`
	Type   string `json:"type"`
	Value  string `json:"value"`
	Length int    `json:"length"`
	Null   bool   `json:"null"`
}

// Field describes a value with its type; one that is dropped has a column only.
func (e Evidence) Field(table, column, typ string, value []byte) Field {
	text := e.Of(table, column, value)
	if text == "" {
		return Field{Column: column}
	}
	return Field{Column: column, Type: typ, Value: text, Length: len(value), Null: value == nil}
}

// OfKey is what may be seen of a key whose columns these are, in its order:
// parted by commas.
func (e Evidence) OfKey(table string, columns []KeyColumn, key rewrite.RowKey) string {
	cells, err := key.Cells()
	if err != nil || len(cells) != len(columns) {
		return maskText
	}
	text := ""
	for i, column := range columns {
		if i > 0 {
			text += ", "
		}
		text += e.of(table, column, cells[i])
	}
	return text
}
