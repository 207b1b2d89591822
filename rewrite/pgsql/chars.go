package pgsql

// charClass says in which lexical roles a byte may stand; a byte may have
// several.
type charClass uint8

const (
	charSpace charClass = 1 << iota
	charNewline
	charIdentStart
	charIdent
	charDigit
	charOperator
	// charExtended marks the operator characters that standard SQL has not; only
	// with one of them may a longer operator end in + or -.
	charExtended
)

// chars is the byte table of scan.l. Its whitespace is that of version 16; up
// to 15 the server refuses \v outside of strings and comments.
var chars = charTable()

func charTable() (t [256]charClass) {
	mark := func(set string, class charClass) {
		for _, c := range []byte(set) {
			t[c] |= class
		}
	}
	mark(" \t\n\r\f\v", charSpace)
	mark("\n\r", charNewline)
	mark("abcdefghijklmnopqrstuvwxyz", charIdentStart|charIdent)
	mark("ABCDEFGHIJKLMNOPQRSTUVWXYZ_", charIdentStart|charIdent)
	mark("0123456789", charDigit|charIdent)
	mark("$", charIdent)
	mark("~!@#^&|`?+-*/%<>=", charOperator)
	mark("~!@#^&|`?%", charExtended)
	for c := 0x80; c <= 0xFF; c++ {
		t[c] = charIdentStart | charIdent
	}
	return t
}

// is reports whether the byte at place i of the text is in the class; there is
// no such byte past the end.
func (s *Scanner) is(i int, class charClass) bool {
	return i < len(s.text) && chars[s.text[i]]&class != 0
}

// at returns the byte at place i of the text, and 0 past the end.
func (s *Scanner) at(i int) byte {
	if i < len(s.text) {
		return s.text[i]
	}
	return 0
}
