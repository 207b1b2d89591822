package copyin

// textLines reads the text format: a backslash takes away what the byte behind
// it means, and makes others (CopyReadLineText, CopyReadAttributesText).
type textLines struct {
	lines
	escaped bool // a backslash came last
	dot     bool // the line is the end of the data, if it ends here
	ended   bool // the data has said so itself
}

func (t *textLines) take(p []byte) error {
	for len(p) > 0 && !t.ended {
		if n := t.plain(p); n > 0 {
			if err := t.holds(p[:n]); err != nil {
				return err
			}
			t.first = 0
			p = p[n:]
			continue
		}
		if err := t.special(p[:1]); err != nil {
			return err
		}
		p = p[1:]
	}
	return nil
}

// plain is how many bytes p begins with that mean themselves.
func (t *textLines) plain(p []byte) int {
	if t.escaped || t.dot || t.cr {
		return 0
	}
	return t.form.plain(p)
}

// special takes a byte that may mean more than itself.
func (t *textLines) special(b []byte) error {
	c := b[0]
	switch {
	case t.dot:
		return t.over(c)
	case t.escaped:
		t.escaped = false
		if c == '.' {
			t.dot = t.first == '\\'
			if !t.dot {
				return ErrUnsure
			}
			return nil
		}
		t.first = 0
		return t.holds(b)
	}
	is, ends, err := t.lineEnd(c)
	switch {
	case err != nil:
		return err
	case ends:
		return t.finish(t.decoded)
	case is:
		return nil
	case c == t.form.copy.Delimiter:
		t.began, t.first = true, 0
		return t.next(t.decoded)
	}
	if !t.began {
		t.first = '\\'
	}
	t.escaped = true
	return t.holds(b)
}

// over ends the data behind \. in a line of its own.
func (t *textLines) over(c byte) error {
	switch {
	case c == '\n' && t.ending != returnNewline, c == '\r' && t.ending != newline:
		t.ended = true
		return nil
	default:
		return ErrUnsure
	}
}

func (t *textLines) end() error {
	switch {
	case t.ended:
		return nil
	case t.escaped, t.dot, t.cr:
		return ErrUnsure
	case t.began:
		return t.finish(t.decoded)
	default:
		return nil
	}
}

// decoded takes the escapes of a value away.
func (t *textLines) decoded(f *field, raw []byte) ([]byte, error) {
	if f == nil {
		return nil, nil
	}
	if null, other := t.stands(raw); null || other {
		return nil, ErrUnsure
	}
	out := raw[:0]
	for i := 0; i < len(raw); {
		c := raw[i]
		i++
		if c == '\\' && i < len(raw) {
			var n int
			c, n = unescaped(raw[i:])
			i += n
		}
		out = append(out, c)
	}
	return out, nil
}

// unescaped is what p means behind a backslash, and how much of it.
func unescaped(p []byte) (c byte, n int) {
	switch p[0] {
	case 'b':
		return '\b', 1
	case 'f':
		return '\f', 1
	case 'n':
		return '\n', 1
	case 'r':
		return '\r', 1
	case 't':
		return '\t', 1
	case 'v':
		return '\v', 1
	case 'x':
		if value, n := digits(p[1:], 16, 2); n > 0 {
			return value, n + 1
		}
	}
	if value, n := digits(p, 8, 3); n > 0 {
		return value, n
	}
	return p[0], 1
}

// digits reads up to most digits of a byte, whose higher bits are dropped.
func digits(p []byte, base, most int) (value byte, n int) {
	for n < len(p) && n < most {
		d := digit(p[n])
		if d < 0 || d >= base {
			break
		}
		value = byte(int(value)*base + d)
		n++
	}
	return value, n
}

func digit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	default:
		return -1
	}
}
