package schema

import (
	"encoding/json"
	"errors"
	"strconv"

	"github.com/crossfade-db/crossfade/rewrite"
)

// fields reads the values of one row from left to right, and keeps the first
// error. NULL is the zero value.
type fields struct {
	rest []*string
	err  error
}

var errShort = errors.New("a row ends early")

func (f *fields) text() string {
	if len(f.rest) == 0 {
		f.keep(errShort)
		return ""
	}
	value := f.rest[0]
	f.rest = f.rest[1:]
	if value == nil {
		return ""
	}
	return *value
}

// name reads a schema and a name.
func (f *fields) name() rewrite.Name {
	schema := f.text()
	return rewrite.Name{Schema: schema, Name: f.text()}
}

func (f *fields) flag() bool { return f.text() == "t" }

// letter reads a "char".
func (f *fields) letter() byte {
	if text := f.text(); text != "" {
		return text[0]
	}
	return 0
}

func (f *fields) oid() uint32 {
	text := f.text()
	if text == "" {
		return 0
	}
	n, err := strconv.ParseUint(text, 10, 32)
	f.keep(err)
	return uint32(n)
}

func (f *fields) number() int {
	text := f.text()
	if text == "" {
		return 0
	}
	n, err := strconv.Atoi(text)
	f.keep(err)
	return n
}

// json reads a list that the query made JSON of.
func (f *fields) json(list any) {
	if text := f.text(); text != "" {
		f.keep(json.Unmarshal([]byte(text), list))
	}
}

func (f *fields) keep(err error) {
	if f.err == nil {
		f.err = err
	}
}
