package pgsql

// number consumes a numeric constant (manual §4.1.2.6): decimal with fraction
// and exponent, or 0x, 0o, 0b; underscores may stand between digits. Letters
// directly behind it are left as a word of their own, as up to version 14;
// later versions refuse such a text.
func (s *Scanner) number() Kind {
	newer := s.radix()
	if !newer {
		newer = s.decimal()
	}
	if newer && s.is(s.pos, charIdent) {
		return s.fail(AmbiguousNumber)
	}
	return KindNumber
}

// radix consumes 0x, 0o or 0b and at least one digit, and reports whether it
// did; otherwise it consumes nothing.
func (s *Scanner) radix() bool {
	if s.text[s.pos] != '0' {
		return false
	}
	var digit func(byte) bool
	switch s.at(s.pos + 1) {
	case 'x', 'X':
		digit = isHex
	case 'o', 'O':
		digit = isOctal
	case 'b', 'B':
		digit = isBinary
	default:
		return false
	}
	end := s.pos + 2
	for i := end; ; i = end {
		if s.at(i) == '_' {
			i++
		}
		if !digit(s.at(i)) {
			break
		}
		end = i + 1
	}
	if end == s.pos+2 {
		return false
	}
	s.pos = end
	return true
}

func isHex(c byte) bool {
	return chars[c]&charDigit != 0 || 'a' <= c|0x20 && c|0x20 <= 'f'
}

func isOctal(c byte) bool { return '0' <= c && c <= '7' }

func isBinary(c byte) bool { return c == '0' || c == '1' }

// decimal consumes digits, fraction and exponent, and reports whether an
// underscore was among them. Two dots are no fraction: `1..10` is a range.
func (s *Scanner) decimal() (underscore bool) {
	underscore = s.digits()
	if s.at(s.pos) == '.' && s.at(s.pos+1) != '.' {
		s.pos++
		underscore = s.digits() || underscore
	}
	if c := s.at(s.pos); c != 'e' && c != 'E' {
		return underscore
	}
	exponent := s.pos + 1
	if c := s.at(exponent); c == '+' || c == '-' {
		exponent++
	}
	if !s.is(exponent, charDigit) {
		return underscore
	}
	s.pos = exponent
	return s.digits() || underscore
}

// digits consumes digits, with single underscores between them, and reports
// whether there was one.
func (s *Scanner) digits() (underscore bool) {
	for s.is(s.pos, charDigit) {
		s.pos++
		if s.at(s.pos) == '_' && s.is(s.pos+1, charDigit) {
			s.pos++
			underscore = true
		}
	}
	return underscore
}
