package reconcile

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgtype"
)

// KeyColumn is a column of a key, and how its values are kept.
type KeyColumn struct {
	Name   string
	Type   uint32 // OID at the source
	Binary bool   // values are in the binary form of the type; else they are text
}

// types knows the binary forms of PostgreSQL's own types.
var types = pgtype.NewMap()

// shownAs is a value as people write it: numbers, times, UUIDs and the like as
// they are, text in quotes, and what is in a binary form that is not known as
// hexadecimal digits.
func (c KeyColumn) shownAs(value []byte) string {
	if !c.Binary {
		return shown(value)
	}
	switch c.Type {
	case pgtype.TextOID, pgtype.VarcharOID, pgtype.BPCharOID, pgtype.NameOID:
		return shown(value)
	case pgtype.BoolOID, pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID, pgtype.OIDOID, pgtype.Float4OID, pgtype.Float8OID,
		pgtype.NumericOID, pgtype.UUIDOID, pgtype.DateOID, pgtype.TimeOID, pgtype.TimestampOID, pgtype.TimestamptzOID,
		pgtype.IntervalOID, pgtype.InetOID, pgtype.CIDROID, pgtype.MacaddrOID:
		if text, ok := decoded(c.Type, value); ok {
			return text
		}
	}
	return hexadecimal(value)
}

// decoded is the text of a value in the binary form of a type; false: it is none.
func decoded(oid uint32, value []byte) (string, bool) {
	t, known := types.TypeForOID(oid)
	if !known {
		return "", false
	}
	v, err := t.Codec.DecodeDatabaseSQLValue(types, oid, pgtype.BinaryFormatCode, value)
	if err != nil {
		return "", false
	}
	switch v := v.(type) {
	case time.Time:
		return moment(oid, v), true
	case float64:
		bits := 64
		if oid == pgtype.Float4OID {
			bits = 32
		}
		return strconv.FormatFloat(v, 'g', -1, bits), true
	default:
		return fmt.Sprint(v), true
	}
}

func moment(oid uint32, at time.Time) string {
	switch oid {
	case pgtype.DateOID:
		return at.Format(time.DateOnly)
	case pgtype.TimestampOID:
		return at.Format("2006-01-02T15:04:05.999999")
	default:
		return at.UTC().Format(time.RFC3339Nano)
	}
}

// shown is text in quotes, and what is not text as hexadecimal digits.
func shown(value []byte) string {
	if utf8.Valid(value) {
		return strconv.Quote(string(value))
	}
	return hexadecimal(value)
}

func hexadecimal(value []byte) string { return `\x` + hex.EncodeToString(value) }
