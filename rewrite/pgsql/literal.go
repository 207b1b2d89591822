package pgsql

import "bytes"

// prefixed consumes a literal that begins with a letter: E'…', B'…', X'…',
// N'…', U&'…' or U&"…". It returns KindNone, and consumes nothing, if there is
// none.
func (s *Scanner) prefixed(c, next byte) Kind {
	if next == '&' {
		return s.unicode(c)
	}
	switch c {
	case 'e', 'E':
		return s.quoted(2, true)
	case 'n', 'N':
		return s.quoted(2, s.mode&BackslashStrings != 0)
	case 'b', 'B', 'x', 'X':
		return s.bits()
	}
	return KindNone
}

func (s *Scanner) unicode(c byte) Kind {
	if c != 'u' && c != 'U' {
		return KindNone
	}
	switch s.at(s.pos + 2) {
	case '\'':
		return s.quoted(3, false)
	case '"':
		return s.identifier(3, KindUnicodeIdent)
	}
	return KindNone
}

// quoted consumes a string whose body begins open bytes ahead. Two quotes are
// one; with escapes a backslash takes the next byte with it.
func (s *Scanner) quoted(open int, escapes bool) Kind {
	for s.pos += open; s.pos < len(s.text); s.pos++ {
		switch c := s.text[s.pos]; {
		case c == '\\' && escapes:
			s.pos++
		case c != '\'':
		case s.at(s.pos+1) == '\'':
			s.pos++
		case !s.continues():
			return KindString
		}
	}
	return s.fail(UnterminatedString)
}

// bits consumes B'…' or X'…'. Here two quotes are an end and a new string, as in
// scan.l.
func (s *Scanner) bits() Kind {
	for s.pos += 2; s.pos < len(s.text); s.pos++ {
		if s.text[s.pos] == '\'' && !s.continues() {
			return KindString
		}
	}
	return s.fail(UnterminatedString)
}

// continues is called on a closing quote. If the constant goes on behind a
// newline (manual §4.1.2.1; comments may lie between) it moves to the quote
// that reopens it, otherwise past the closing one.
func (s *Scanner) continues() bool {
	s.pos++
	newline := false
	for i := s.pos; i < len(s.text); {
		switch c := s.text[i]; {
		case chars[c]&charSpace != 0:
			newline = newline || chars[c]&charNewline != 0
			i++
		case c == '-' && s.at(i+1) == '-':
			i = s.lineEnd(i)
		case c == '\'' && newline:
			s.pos = i
			s.joined = true
			return true
		default:
			return false
		}
	}
	return false
}

// identifier consumes a quoted identifier whose body begins open bytes ahead.
func (s *Scanner) identifier(open int, kind Kind) Kind {
	for s.pos += open; s.pos < len(s.text); s.pos++ {
		if s.text[s.pos] != '"' {
			continue
		}
		if s.at(s.pos+1) != '"' {
			s.pos++
			return kind
		}
		s.pos++
	}
	return s.fail(UnterminatedIdentifier)
}

// dollar consumes $1, $tag$ … $tag$, or a lone $.
func (s *Scanner) dollar() Kind {
	start := s.pos
	s.pos++
	if s.is(s.pos, charDigit) {
		for ; s.is(s.pos, charDigit); s.pos++ {
		}
		return KindParam
	}
	end := s.tagEnd()
	if end == 0 {
		return KindOther
	}
	tag := s.text[start:end]
	body := bytes.Index(s.text[end:], tag)
	if body < 0 {
		return s.fail(UnterminatedDollarString)
	}
	s.pos = end + body + len(tag)
	return KindDollarString
}

// tagEnd returns the place behind the $ that closes the tag whose first $ was
// just consumed, and 0 if this is no tag.
func (s *Scanner) tagEnd() int {
	i := s.pos
	if s.is(i, charIdentStart) {
		for i++; s.is(i, charIdent) && s.text[i] != '$'; i++ {
		}
	}
	if s.at(i) != '$' {
		return 0
	}
	return i + 1
}

// fail stops the scan: what is left belongs to no token.
func (s *Scanner) fail(f Fault) Kind {
	s.pos = len(s.text)
	s.fault = f
	return KindNone
}
