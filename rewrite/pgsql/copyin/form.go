package copyin

import (
	"errors"
	"slices"
	"strings"

	"github.com/crossfade-db/crossfade/rewrite"
)

// ErrUnsure says that the rows of the data have other keys than were read, or
// may have.
var ErrUnsure = errors.New("the keys of a COPY cannot be read from its data")

// Form is how keys are read from the data of one statement. It is immutable.
type Form struct {
	copy   rewrite.Copy
	fields []field // of a row, in order
	keys   int
	marks  [256]bool // bytes that mean more than themselves, outside of quotes
}

// field is one value of a row of the data.
type field struct {
	key     int // its place in the key; noKey: it is not of it
	kind    kind
	most    int // characters of a varchar; 0: any number
	notNull bool
	null    bool
}

const noKey = -1

// FormOf is the form of a statement's data, whose rows have those columns; key
// names the ones that are the row's key, in its order. It is not ok where the
// data does not hold the key, or the option or type is not understood.
func FormOf(c *rewrite.Copy, columns []*rewrite.Column, key []string) (*Form, bool) {
	if c == nil || !c.Stdin || c.Strange || c.AllForced || !inUTF8(c.Encoding) || !distinct(c) {
		return nil, false
	}
	f := &Form{copy: *c, keys: len(key)}
	for _, mark := range marks(c) {
		f.marks[mark] = true
	}
	found := 0
	for _, column := range columns {
		at := slices.Index(key, column.Name)
		if at < 0 {
			f.fields = append(f.fields, field{key: noKey})
			continue
		}
		k, known := kindOf(column)
		if !known {
			return nil, false
		}
		found++
		f.fields = append(f.fields, field{
			key: at, kind: k, most: mostCharacters(column),
			notNull: slices.Contains(c.NotNull, column.Name), null: slices.Contains(c.ForceNull, column.Name),
		})
	}
	if found == 0 || found != len(key) {
		return nil, false
	}
	return f, true
}

// marks are the bytes that mean more than themselves in the lines of a format.
func marks(c *rewrite.Copy) []byte {
	marks := []byte{'\n', '\r', c.Delimiter}
	switch c.Format {
	case rewrite.CopyBinary:
		return nil
	case rewrite.CopyText:
		return append(marks, '\\')
	case rewrite.CopyCSV:
		marks = append(marks, c.Quote)
		if c.Escape != c.Quote {
			marks = append(marks, c.Escape)
		}
	}
	return marks
}

// distinct says that no two of a line's marks are one.
func distinct(c *rewrite.Copy) bool {
	all := marks(c)
	slices.Sort(all)
	return len(slices.Compact(slices.Clone(all))) == len(all)
}

// plain is how many bytes p begins with that mean themselves.
func (f *Form) plain(p []byte) int {
	for i, b := range p {
		if f.marks[b] {
			return i
		}
	}
	return len(p)
}

// inUTF8 says that an ENCODING names UTF-8, or nothing.
func inUTF8(name string) bool {
	letters := strings.ToLower(strings.NewReplacer("-", "", "_", "", " ", "").Replace(name))
	return letters == "" || letters == "utf8" || letters == "unicode"
}

// Columns is how many values a row of the data has.
func (f *Form) Columns() int { return len(f.fields) }

// Read begins to read data; keep is given the key of each row.
func (f *Form) Read(keep func(rewrite.RowKey)) *Reader {
	r := &Reader{row: row{form: f, keep: keep, cells: make([][]byte, f.keys)}}
	switch f.copy.Format {
	case rewrite.CopyText:
		r.data = &textLines{lines: lines{row: &r.row, header: f.copy.Header}}
	case rewrite.CopyCSV:
		r.data = &csvLines{lines: lines{row: &r.row, header: f.copy.Header}}
	case rewrite.CopyBinary:
		r.data = newTuples(&r.row)
	}
	return r
}

// format reads data of one format. An error is ErrUnsure.
type format interface {
	take(data []byte) error
	end() error
}

// Reader reads the data of one COPY. It is not for several goroutines.
type Reader struct {
	row
	data format
	err  error
}

// Write takes the next part of the data. After an error the rest is of no matter.
func (r *Reader) Write(p []byte) (int, error) {
	if r.err == nil {
		r.err = r.data.take(p)
	}
	return len(p), r.err
}

// Close says that there is no more.
func (r *Reader) Close() error {
	if r.err == nil {
		r.err = r.data.end()
	}
	return r.err
}

// Rows is how many rows the data has had so far.
func (r *Reader) Rows() int64 { return r.rows }

// row is the row at hand.
type row struct {
	form  *Form
	keep  func(rewrite.RowKey)
	cells [][]byte
	field int
	rows  int64
}

// at is the field at hand; false: the row has more than it may.
func (r *row) at() (*field, bool) {
	if r.field >= len(r.form.fields) {
		return nil, false
	}
	return &r.form.fields[r.field], true
}

// wanted says that the field at hand is of the key.
func (r *row) wanted() bool {
	f, ok := r.at()
	return ok && f.key != noKey
}

// done ends the row.
func (r *row) done() error {
	if r.field != len(r.form.fields) {
		return ErrUnsure
	}
	r.keep(rewrite.KeyFrom(r.cells))
	r.rows++
	r.field = 0
	return nil
}

// keyMost bounds a value of a key that is held, in bytes; the server's indexes
// take much less.
const keyMost = 256 << 10
