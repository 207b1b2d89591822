package pgsql

// Scanner cuts a text into tokens. Whitespace and comments lie between tokens
// and are skipped; comments nest as in the server. Every Next consumes at least
// one byte, nothing recurses and nothing is allocated.
//
// The zero value scans the empty text. A Scanner keeps the text it was given,
// without a copy, until the next Reset.
type Scanner struct {
	text  []byte
	pos   int
	tok   Token
	mode  Mode
	fault Fault
	// joined says that a string went on behind a newline.
	joined bool
}

// Reset starts at the beginning of a text.
func (s *Scanner) Reset(text []byte, mode Mode) {
	*s = Scanner{text: text, mode: mode}
}

// Next goes to the next token and reports whether there is one.
func (s *Scanner) Next() bool {
	s.tok = Token{}
	s.skipSpace()
	if s.fault != 0 || s.pos >= len(s.text) {
		return false
	}
	start := s.pos
	kind := s.scan(s.text[start])
	if s.fault != 0 {
		return false
	}
	s.tok = Token{Kind: kind, Start: start, End: s.pos}
	return true
}

// Token returns the token that Next found, the zero Token if it found none.
func (s *Scanner) Token() Token { return s.tok }

// Err returns nil while the text is sound, and the Fault that stopped Next
// before the end of the text otherwise.
func (s *Scanner) Err() error {
	if s.fault == 0 {
		return nil
	}
	return s.fault
}

// skipSpace goes past whitespace and comments.
func (s *Scanner) skipSpace() {
	for s.pos < len(s.text) {
		switch c := s.text[s.pos]; {
		case chars[c]&charSpace != 0:
			s.pos++
		case c == '-' && s.at(s.pos+1) == '-':
			s.pos = s.lineEnd(s.pos)
		case c == '/' && s.at(s.pos+1) == '*':
			if !s.skipComment() {
				return
			}
		default:
			return
		}
	}
}

// lineEnd returns the place of the next newline, or of the text's end.
func (s *Scanner) lineEnd(i int) int {
	for i < len(s.text) && chars[s.text[i]]&charNewline == 0 {
		i++
	}
	return i
}

// skipComment goes past a comment and those inside it.
func (s *Scanner) skipComment() bool {
	depth := 0
	for s.pos+1 < len(s.text) {
		switch {
		case s.text[s.pos] == '/' && s.text[s.pos+1] == '*':
			depth++
			s.pos += 2
		case s.text[s.pos] == '*' && s.text[s.pos+1] == '/':
			depth--
			s.pos += 2
			if depth == 0 {
				return true
			}
		default:
			s.pos++
		}
	}
	s.fault = UnterminatedComment
	return false
}

// scan consumes one token that begins with c.
func (s *Scanner) scan(c byte) Kind {
	switch class := chars[c]; {
	case class&charIdentStart != 0:
		return s.word(c)
	case class&charDigit != 0:
		return s.number()
	case class&charOperator != 0:
		return s.operator()
	}
	switch c {
	case '\'':
		return s.quoted(1, s.mode&BackslashStrings != 0)
	case '"':
		return s.identifier(1, KindQuotedIdent)
	case '$':
		return s.dollar()
	case '.':
		return s.dot()
	case ':':
		return s.colon()
	}
	s.pos++
	return punctuation(c)
}

func punctuation(c byte) Kind {
	switch c {
	case ';':
		return KindSemicolon
	case ',':
		return KindComma
	case '(':
		return KindLeftParen
	case ')':
		return KindRightParen
	case '[':
		return KindLeftBracket
	case ']':
		return KindRightBracket
	}
	return KindOther
}

func (s *Scanner) dot() Kind {
	switch {
	case s.is(s.pos+1, charDigit):
		return s.number()
	case s.at(s.pos+1) == '.':
		s.pos += 2
		return KindDotDot
	}
	s.pos++
	return KindDot
}

func (s *Scanner) colon() Kind {
	switch s.at(s.pos + 1) {
	case ':':
		s.pos += 2
		return KindTypecast
	case '=':
		s.pos += 2
		return KindAssign
	}
	s.pos++
	return KindColon
}

// word consumes an identifier, a keyword, or a literal whose prefix looks like
// one.
func (s *Scanner) word(c byte) Kind {
	next := s.at(s.pos + 1)
	if next == '\'' || next == '&' {
		if kind := s.prefixed(c, next); kind != KindNone {
			return kind
		}
	}
	for s.pos++; s.is(s.pos, charIdent); s.pos++ {
	}
	return KindWord
}

// operator consumes an operator: as many operator characters as follow, without
// the start of a comment, and without trailing + and - unless one of the
// characters before is outside of standard SQL (manual §4.1.3), so that `=-1`
// is `=` and `-1`.
func (s *Scanner) operator() Kind {
	start, extended := s.pos, false
	for ; s.is(s.pos, charOperator); s.pos++ {
		if s.pos > start && s.commentAt(s.pos) {
			break
		}
		extended = extended || s.is(s.pos, charExtended)
	}
	for !extended && s.pos > start+1 && (s.text[s.pos-1] == '+' || s.text[s.pos-1] == '-') {
		s.pos--
	}
	if s.pos == start+2 && s.text[start] == '=' && s.text[start+1] == '>' {
		return KindArrow
	}
	return KindOperator
}

func (s *Scanner) commentAt(i int) bool {
	next := s.at(i + 1)
	return s.text[i] == '-' && next == '-' || s.text[i] == '/' && next == '*'
}
