package copyin

import "bytes"

// csvLines reads CSV: within quotes nothing ends a value or a line (CopyReadLine,
// CopyReadAttributesCSV).
type csvLines struct {
	lines
	place  place
	quotes bool // the value at hand has had some
}

// place is where a byte of CSV stands.
type place uint8

const (
	unquoted place = iota
	quoted
	escaped // within quotes, right behind an escape
)

func (v *csvLines) take(p []byte) error {
	for len(p) > 0 {
		n := v.plain(p)
		var err error
		if n > 0 {
			err = v.holds(p[:n])
		} else {
			n, err = 1, v.special(p[:1])
		}
		if err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}

// plain is how many bytes p begins with that mean themselves, once the line is
// known not to end the data.
func (v *csvLines) plain(p []byte) int {
	if v.place == escaped || v.cr || !v.began || v.first != 0 {
		return 0
	}
	if v.place == unquoted {
		return v.form.plain(p)
	}
	n := len(p)
	for _, mark := range []byte{v.form.copy.Quote, v.form.copy.Escape} {
		if i := bytes.IndexByte(p[:n], mark); i >= 0 {
			n = i
		}
	}
	return n
}

// special takes a byte that may mean more than itself.
func (v *csvLines) special(b []byte) error {
	switch v.place {
	case escaped:
		return v.behindEscape(b)
	case quoted:
		return v.withinQuotes(b)
	case unquoted:
	}
	c, first := b[0], v.first
	v.first = 0
	if first == '\\' && c == '.' {
		return ErrUnsure // it ends the data for some versions and not for others
	}
	is, ends, err := v.lineEnd(c)
	switch {
	case err != nil:
		return err
	case ends:
		return v.finish(v.decoded)
	case is:
		return nil
	case c == v.form.copy.Delimiter:
		v.began = true
		return v.next(v.decoded)
	case c == v.form.copy.Quote:
		v.began, v.place, v.quotes = true, quoted, true
		return nil
	}
	if !v.began && c == '\\' {
		v.first = c
	}
	return v.holds(b)
}

func (v *csvLines) withinQuotes(b []byte) error {
	switch b[0] {
	case v.form.copy.Escape:
		v.place = escaped
		return nil
	case v.form.copy.Quote:
		v.place = unquoted
		return nil
	default:
		return v.holds(b)
	}
}

// behindEscape takes the byte behind an escape, which stands for itself alone
// unless there is an escape or a quote behind it; where it is the quote as well,
// it ends the quotes then.
func (v *csvLines) behindEscape(b []byte) error {
	c := &v.form.copy
	v.place = quoted
	switch {
	case b[0] == c.Escape, b[0] == c.Quote:
		return v.holds(b)
	case c.Escape == c.Quote:
		v.place = unquoted
		return v.special(b)
	}
	if err := v.holds([]byte{c.Escape}); err != nil {
		return err
	}
	return v.special(b)
}

func (v *csvLines) end() error {
	if v.place == escaped && v.form.copy.Escape == v.form.copy.Quote {
		v.place = unquoted
	}
	switch {
	case v.cr, v.place != unquoted:
		return ErrUnsure
	case v.began:
		return v.finish(v.decoded)
	default:
		return nil
	}
}

// decoded is the value of a field, whose quotes and escapes are away already.
func (v *csvLines) decoded(f *field, raw []byte) ([]byte, error) {
	had := v.quotes
	v.quotes = false
	if f == nil {
		return nil, nil
	}
	null, other := v.stands(raw)
	switch {
	case had && null && f.null:
		return nil, ErrUnsure
	case had, null && f.notNull:
		return raw, nil
	case null, other:
		return nil, ErrUnsure
	}
	return raw, nil
}
