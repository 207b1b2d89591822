package configs

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Change is one key that differs between two configurations. Items of a list
// go by their name, as in users[app].auth. Before is empty for what was added
// and After for what was removed; a secret that differs shows *** in both.
type Change struct {
	Path          string
	Before, After string
	Reloadable    bool // a running proxy takes it; else it needs a restart
}

// Diff lists what differs, in the order of the configuration types; a default
// counts as written. Reloadable are users, the files of a listener's tls, the
// limits but clients and memory, canary, mirror and the log's level.
//
// A certificate or secret file whose path stays and whose content changes is
// not a change of the configuration: a secret is compared by its value, but
// whoever reloads compares certificates itself.
func Diff(before, after *Config) []Change {
	var d diff
	d.value(reflect.ValueOf(before).Elem(), reflect.ValueOf(after).Elem(), "", false)
	return d.changes
}

type diff struct{ changes []Change }

func (d *diff) value(a, b reflect.Value, path string, reload bool) {
	if isBlock(a.Type()) {
		for _, f := range fieldsOf(a.Type()) {
			d.value(a.Field(f.index), b.Field(f.index), join(path, f.name), f.reloads(reload))
		}
		return
	}
	switch {
	case a.Kind() == reflect.Pointer && !a.IsNil() && !b.IsNil():
		d.value(a.Elem(), b.Elem(), path, reload)
	case a.Kind() == reflect.Slice && isBlock(a.Type().Elem()):
		d.named(byName(a), byName(b), path+"[", "]", reload)
	case a.Kind() == reflect.Map:
		d.named(byKey(a), byKey(b), path+".", "", reload)
	case !equal(a, b):
		d.changes = append(d.changes, Change{path, render(a), render(b), reload})
	}
}

// named compares items that have names, first those of before and then the new
// ones. The path of an item is its name between left and right.
func (d *diff) named(a, b items, left, right string, reload bool) {
	for _, name := range a.names {
		at := left + name + right
		if other, ok := b.values[name]; ok {
			d.value(a.values[name], other, at, reload)
			continue
		}
		d.changes = append(d.changes, Change{at, render(a.values[name]), "", reload})
	}
	for _, name := range b.names {
		if _, ok := a.values[name]; !ok {
			d.changes = append(d.changes, Change{left + name + right, "", render(b.values[name]), reload})
		}
	}
}

// items are the items of a list or map in order, with their names.
type items struct {
	names  []string
	values map[string]reflect.Value
}

func byName(list reflect.Value) items {
	it := items{values: map[string]reflect.Value{}}
	for i := range list.Len() {
		name := list.Index(i).FieldByName("Name").String()
		it.names = append(it.names, name)
		it.values[name] = list.Index(i)
	}
	return it
}

func byKey(m reflect.Value) items {
	it := items{values: map[string]reflect.Value{}}
	for key, value := range m.Seq2() {
		it.values[key.String()] = value
	}
	it.names = slices.Sorted(maps.Keys(it.values))
	return it
}

// isBlock reports whether a type is a mapping of the configuration, rather than
// a scalar that happens to be a struct.
func isBlock(t reflect.Type) bool {
	switch t {
	case reflect.TypeFor[Secret](), reflect.TypeFor[Reserved](), reflect.TypeFor[Tables]():
		return false
	}
	return t.Kind() == reflect.Struct
}

func equal(a, b reflect.Value) bool {
	if s, ok := a.Interface().(Secret); ok {
		return s.Equal(b.Interface().(Secret))
	}
	if t, ok := a.Interface().(Tables); ok {
		return reflect.DeepEqual(t.withoutPlaces(), b.Interface().(Tables).withoutPlaces())
	}
	return reflect.DeepEqual(a.Interface(), b.Interface())
}

// render is a value as one line of YAML, with *** for a secret; nothing for
// what is absent.
func render(v reflect.Value) string {
	switch {
	case v.IsZero() && v.Type() == reflect.TypeFor[Secret](), v.Kind() == reflect.Pointer && v.IsNil():
		return ""
	case v.Kind() == reflect.Pointer:
		return render(v.Elem())
	case isBlock(v.Type()):
		return renderBlock(v)
	case v.Kind() == reflect.Slice || v.Kind() == reflect.Array:
		var parts []string
		for i := range v.Len() {
			parts = append(parts, render(v.Index(i)))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return fmt.Sprint(v.Interface())
}

func renderBlock(v reflect.Value) string {
	var parts []string
	for _, f := range fieldsOf(v.Type()) {
		if value := render(v.Field(f.index)); value != "" {
			parts = append(parts, f.name+": "+value)
		}
	}
	return "{" + strings.Join(parts, ", ") + "}"
}
