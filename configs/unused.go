package configs

import (
	"reflect"
	"strconv"
)

// Notice is something in a file that is no fault, but that its author should
// know.
type Notice Fault

// String is the notice as one line, as a Fault prints.
func (n Notice) String() string { return Fault(n).String() }

// Unused lists the keys that the file sets to something but that this version
// reads and does not use yet, in the order of the configuration types. Keys set
// to "", [] or {} say nothing and are not listed.
func Unused(c *Config) []Notice {
	u := &unused{places: c.places}
	u.block(reflect.ValueOf(c).Elem(), "")
	return u.notices
}

type unused struct {
	places
	notices []Notice
}

func (u *unused) block(v reflect.Value, path string) {
	for _, f := range fieldsOf(v.Type()) {
		at := join(path, f.name)
		if f.later == "" {
			u.value(v.Field(f.index), at)
			continue
		}
		if p, set := u.at[at]; set && !p.empty {
			u.notices = append(u.notices, Notice{
				File: u.file, Line: p.line, Column: p.column, Path: at,
				Message: "accepted, not used by this version (it is for " + f.later + ")",
			})
		}
	}
}

func (u *unused) value(v reflect.Value, path string) {
	switch v.Kind() {
	case reflect.Struct:
		u.block(v, path)
	case reflect.Slice:
		for i := range v.Len() {
			u.value(v.Index(i), path+"["+strconv.Itoa(i)+"]")
		}
	}
}
