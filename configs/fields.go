package configs

import (
	"reflect"
	"strconv"
)

// field is one key of the configuration, as the tags of a struct say it.
type field struct {
	index    int
	name     string
	doc      string
	def      string // YAML; empty: none
	required bool
	min      int64
	literal  string
	reload   string // "yes", "no", or empty: as the block around it
	later    string
}

// fieldsOf are the keys of a block, in the order of its struct.
func fieldsOf(t reflect.Type) []field {
	var fields []field
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.IsExported() {
			continue
		}
		least, _ := strconv.ParseInt(f.Tag.Get("min"), 10, 64)
		fields = append(fields, field{
			index:    i,
			name:     f.Tag.Get("yaml"),
			doc:      f.Tag.Get("doc"),
			def:      f.Tag.Get("default"),
			required: f.Tag.Get("required") == "yes",
			min:      least,
			literal:  f.Tag.Get("literal"),
			reload:   f.Tag.Get("reload"),
			later:    f.Tag.Get("later"),
		})
	}
	return fields
}

// reloads says whether a change under this key reaches a running proxy, if
// around says it of the block that it stands in.
func (f field) reloads(around bool) bool {
	return f.reload == "yes" || f.reload != "no" && around
}
