package parse

import (
	"bytes"

	"github.com/crossfade-db/crossfade/rewrite/pgsql"
)

// Key appends to into what a text has in common with all that differ from it in
// nothing but the values of literals, comments, white space and the case of
// unquoted words: its tokens, with ” for a string, 0 for a whole number, 0.0
// for another one, b” and n” for their like. A number that may be the position
// of a column, as in ORDER BY 1, is kept as '1'. Of equal keys one analysis is
// right for all, but that a text may be too long for the limits, or not be UTF-8.
//
// It is ok for one statement that begins with SELECT, INSERT, UPDATE, DELETE,
// MERGE, WITH or VALUES, and without what the server's version may cut
// differently. It allocates nothing while into has room. The text must be of
// Mode Standard.
func Key(text []byte, into []byte) (normalised []byte, ok bool) {
	k := keyer{cursor: begin(text), out: into, list: noList}
	for k.next() {
		if !k.sound() || k.ended {
			return into, false
		}
		k.add()
	}
	if k.scanner.Err() != nil || !k.begun {
		return into, false
	}
	return k.out, true
}

type keyer struct {
	cursor
	out          []byte
	begun, ended bool
	list         int  // the depth at which a list of positions is open
	distinct     bool // DISTINCT ON is right before
}

const noList = -1

// keyed are the words that a statement with a key begins with. Behind others,
// literals decide what the statement is.
var keyed = []string{"select", "insert", "update", "delete", "merge", "with", "values"}

// sound reports whether every version, and the grammar, cuts the text here and
// understands whatever the literal may hold.
func (k *keyer) sound() bool {
	switch k.token.Kind {
	case pgsql.KindOther, pgsql.KindUnicodeIdent:
		return false
	case pgsql.KindString:
		return plain(k.text[k.token.Start:k.token.End])
	case pgsql.KindWord:
		return !k.junk() && !k.is("uescape")
	case pgsql.KindNumber:
		return !k.junk()
	case pgsql.KindSemicolon:
		return k.begun
	default:
		return true
	}
}

// junk reports whether the token stands without a space behind a number or a
// parameter, as in 1a, which newer versions refuse.
func (k *keyer) junk() bool {
	behind := k.prev.Kind == pgsql.KindNumber || k.prev.Kind == pgsql.KindParam
	return behind && k.prev.End == k.token.Start
}

// plain reports whether a constant is sound whatever it holds: one of escapes is
// not, where they may name characters that there are not.
func plain(constant []byte) bool {
	switch constant[0] | 0x20 {
	case 'u':
		return false
	case 'e':
	default:
		return true
	}
	for {
		i := bytes.IndexByte(constant, '\\')
		if i < 0 || i+1 >= len(constant) {
			return true
		}
		switch c := constant[i+1]; {
		case c == 'u', c == 'U', c == 'x', '0' <= c && c <= '7':
			return false
		}
		constant = constant[i+2:]
	}
}

// add adds the token to the key.
func (k *keyer) add() {
	if k.token.Kind == pgsql.KindSemicolon {
		k.ended = true
		return
	}
	if !k.begun && !k.oneOf(keyed) {
		k.ended = true
		return
	}
	if k.begun {
		k.out = append(k.out, ' ')
	}
	k.begun = true
	k.position()
	text := k.text[k.token.Start:k.token.End]
	switch k.token.Kind {
	case pgsql.KindWord:
		k.word(text)
	case pgsql.KindString, pgsql.KindDollarString:
		k.out = append(k.out, stringClass(text)...)
	case pgsql.KindNumber:
		k.number(text)
	default:
		k.out = append(k.out, text...)
	}
}

func (k *keyer) word(text []byte) {
	from := len(k.out)
	k.out = append(k.out, text...)
	for i, c := range k.out[from:] {
		k.out[from+i] = lower(c)
	}
}

func stringClass(constant []byte) string {
	switch constant[0] | 0x20 {
	case 'b', 'x':
		return "b''"
	case 'n':
		return "n''"
	default:
		return "''"
	}
}

func (k *keyer) number(text []byte) {
	if k.list != noList && k.mayBePosition() {
		k.out = append(k.out, '\'')
		k.out = append(k.out, text...)
		k.out = append(k.out, '\'')
		return
	}
	for _, c := range text {
		if c < '0' || c > '9' {
			k.out = append(k.out, "0.0"...)
			return
		}
	}
	k.out = append(k.out, '0')
}

func (k *keyer) mayBePosition() bool {
	switch k.prev.Kind {
	case pgsql.KindComma, pgsql.KindLeftParen:
		return true
	default:
		return k.was("by")
	}
}

// behindList are words that end a list of ORDER BY or GROUP BY at its own depth.
var behindList = []string{
	"limit", "offset", "fetch", "for", "having", "window", "union", "intersect", "except", "returning",
	"rows", "range", "groups", "select", "from", "on", "insert", "update", "delete", "merge",
}

// position opens and closes lists in which a number is a position: behind BY,
// and in the parentheses of DISTINCT ON.
func (k *keyer) position() {
	switch {
	case k.list != noList && (k.depth < k.list || k.depth == k.list && k.oneOf(behindList)):
		k.list = noList
	case k.list != noList:
	case k.is("by"):
		k.list = k.depth
	case k.distinct && k.token.Kind == pgsql.KindLeftParen:
		k.list = k.depth + 1
	}
	k.distinct = k.is("on") && k.was("distinct")
}
