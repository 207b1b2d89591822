package parse

import (
	"bytes"
	"errors"
	"unicode/utf8"

	"github.com/crossfade-db/crossfade/rewrite/pgsql"
)

const kib = 1 << 10

// Limits bound what is given to the grammar. The zero value has the defaults.
type Limits struct {
	Bytes     int // of a text; zero: 64 KiB
	Operators int // of whatever makes a syntax tree deep, and of nesting; zero: 1000
	Mode      Mode
}

// Mode is how the session's server reads a text.
type Mode uint8

// The modes of a session. Texts of all but the first are not parsed, since the
// grammar would cut them elsewhere than the server does.
const (
	Standard         Mode = iota // standard_conforming_strings is on, and the encoding is UTF-8 or hides no ASCII
	BackslashStrings             // standard_conforming_strings is off
	UnsafeEncoding               // client_encoding is one of SJIS, BIG5, GBK, UHC, GB18030, JOHAB, SHIFT_JIS_2004
)

// Faults of a text. Both mean that it is to go to the authority as it is.
var (
	// ErrLimits is of a text that is too long or too deep to be parsed.
	ErrLimits = errors.New("statement is too long or too deep to be analysed")
	// ErrSyntax is of a text that this grammar does not know: it is wrong, or of
	// a newer version, or has bytes that are not UTF-8.
	ErrSyntax = errors.New("statement has a syntax that is not known")
)

const (
	defaultBytes     = 64 * kib
	defaultOperators = 1000
)

func (l Limits) orDefaults() Limits {
	if l.Bytes == 0 {
		l.Bytes = defaultBytes
	}
	if l.Operators == 0 {
		l.Operators = defaultOperators
	}
	return l
}

// deepening are the words of which each may make the tree one level deeper
// without a parenthesis.
var deepening = [...]string{
	"and", "at", "between", "case", "collate", "escape", "except", "ilike", "in", "intersect", "is",
	"isnull", "join", "like", "not", "notnull", "or", "overlaps", "similar", "union",
}

// guard refuses what might end the process in the grammar's C code. It returns
// the text with blanks for comments: pg_query, other than the server, refuses
// them in pairs of words that are one to its grammar, as in NOT /* */ IN.
func (l Limits) guard(text []byte) (blanked []byte, err error) {
	if len(text) > l.Bytes {
		return nil, ErrLimits
	}
	if !utf8.Valid(text) || bytes.IndexByte(text, 0) >= 0 {
		return nil, ErrSyntax
	}
	blanked = bytes.Repeat([]byte{' '}, len(text))
	c := begin(text)
	for count := 0; c.next(); {
		if c.deepens() {
			count++
		}
		if count > l.Operators || c.depth > l.Operators {
			return nil, ErrLimits
		}
		copy(blanked[c.token.Start:], text[c.token.Start:c.token.End])
	}
	if c.scanner.Err() != nil {
		return nil, ErrSyntax
	}
	return blanked, nil
}

func (c *cursor) deepens() bool {
	switch c.token.Kind {
	case pgsql.KindOperator, pgsql.KindTypecast:
		return true
	case pgsql.KindWord:
		return c.oneOf(deepening[:])
	default:
		return false
	}
}
