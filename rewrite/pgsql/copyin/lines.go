package copyin

// ending is how the lines of the data end; all do alike.
type ending uint8

const (
	anyEnding ending = iota
	newline
	returnNewline
)

// lines is what text and CSV have in common.
type lines struct {
	*row
	header bool // the line at hand is no row
	began  bool // there is something in the line at hand
	first  byte // a backslash that the line at hand begins with, while there is nothing behind it
	ending ending
	cr     bool // a carriage return came last, that may end the line
	raw    []byte
}

// lineEnd takes what may end a line, outside of quotes and escapes; ends says
// that it has. A carriage return alone ends lines as well: such data is left to
// the server.
func (l *lines) lineEnd(c byte) (is, ends bool, err error) {
	switch {
	case l.cr:
		l.cr = false
		if c != '\n' {
			return true, false, ErrUnsure
		}
		l.ending = returnNewline
		return true, true, nil
	case c == '\r':
		if l.ending == newline {
			return true, false, ErrUnsure
		}
		l.cr, l.began = true, true
		return true, false, nil
	case c == '\n':
		if l.ending == returnNewline {
			return true, false, ErrUnsure
		}
		l.ending = newline
		return true, true, nil
	}
	return false, false, nil
}

// holds keeps bytes of a field that is of the key.
func (l *lines) holds(p []byte) error {
	l.began = true
	if l.header || !l.wanted() {
		return nil
	}
	if len(l.raw)+len(p) > keyMost {
		return ErrUnsure
	}
	l.raw = append(l.raw, p...)
	return nil
}

// decoder makes a value of what a field holds; f is nil for one that is not of
// the key.
type decoder func(f *field, raw []byte) ([]byte, error)

// next ends the field at hand.
func (l *lines) next(decoded decoder) error {
	f, ok := l.at()
	if l.header || ok && f.key == noKey {
		f = nil
	} else if !ok {
		return ErrUnsure
	}
	value, err := decoded(f, l.raw)
	if err != nil || l.header {
		return err
	}
	if f != nil {
		if l.cells[f.key], err = f.fromText(l.cells[f.key][:0], value); err != nil {
			return err
		}
	}
	l.field++
	l.raw = l.raw[:0]
	return nil
}

// finish ends the line at hand, and its last field.
func (l *lines) finish(decoded decoder) error {
	if err := l.next(decoded); err != nil {
		return err
	}
	l.began, l.first = false, 0
	if l.header {
		l.header = false
		return nil
	}
	return l.done()
}

// stands says that a value stands for NULL or a default, as it is written in the
// data.
func (l *lines) stands(raw []byte) (null, other bool) {
	c := &l.form.copy
	return string(raw) == c.Null, c.Default != "" && string(raw) == c.Default
}
