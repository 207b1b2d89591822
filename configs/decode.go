package configs

import (
	"encoding"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// world is everything outside the file that a configuration can refer to.
type world struct {
	env  func(name string) (string, bool)
	read func(path string) ([]byte, error)
}

// decoder fills the configuration types from a YAML tree. It goes on after a
// fault, so that all are found at once.
type decoder struct {
	*report
	world
}

// value decodes one node into v, whose key is f: the package's own scalar types
// first, then Go's kinds.
func (d *decoder) value(n ast.Node, v reflect.Value, f field, path string) {
	switch p := v.Addr().Interface().(type) {
	case *Secret:
		*p = d.secret(n, f, path)
	case *Path:
		text, _ := d.text(n, path)
		*p = Path(d.resolve(text))
	case *Reserved:
		if items, ok := d.items(n, path); ok && len(items) > 0 {
			d.add(path, "must be empty: not yet in this version")
		}
	case *Tables:
		*p = d.tables(n, path)
	case enum:
		v.SetString(d.word(n, p, path))
	case encoding.TextUnmarshaler:
		if d.unmarshal(n, p, path) {
			d.least(v, f, path)
		}
	default:
		d.kind(n, v, f, path)
	}
}

// kind decodes what is not one of the package's own scalar types.
func (d *decoder) kind(n ast.Node, v reflect.Value, f field, path string) {
	switch v.Kind() {
	case reflect.Struct:
		d.block(n, v, path)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.block(n, v.Elem(), path)
	case reflect.Slice, reflect.Array:
		d.list(n, v, f, path)
	case reflect.Map:
		d.table(n, v, path)
	case reflect.String:
		text, _ := d.text(n, path)
		v.SetString(text)
	case reflect.Int:
		d.integer(n, v, f, path)
	case reflect.Bool:
		b, ok := n.(*ast.BoolNode)
		if !ok {
			d.add(path, "expected true or false, got %s", kindOf(n))
			return
		}
		v.SetBool(b.Value)
	}
}

// block decodes a mapping with fixed keys, and fills the defaults of those that
// are absent. A nil node is an absent block, which requires nothing.
func (d *decoder) block(n ast.Node, v reflect.Value, path string) {
	fields := fieldsOf(v.Type())
	entries, written := d.entries(n, path)
	for _, f := range fields {
		at := join(path, f.name)
		if node, given := entries[f.name]; given {
			d.value(node, v.Field(f.index), f, at)
			delete(entries, f.name)
			continue
		}
		if f.required && written {
			d.add(at, "is missing (%s)", strings.TrimSuffix(f.doc, "."))
		}
		d.absent(v.Field(f.index), f, at)
	}
	for key := range entries {
		d.add(join(path, key), "unknown key%s", suggest(key, names(fields)))
	}
}

// absent gives a key that the file does not contain its default, or the
// defaults of the keys in it.
func (d *decoder) absent(v reflect.Value, f field, path string) {
	if f.def != "" {
		d.fill(v, f, path)
		return
	}
	switch v.Interface().(type) {
	case Secret, Reserved, Tables:
		return
	}
	if v.Kind() == reflect.Struct {
		d.block(nil, v, path)
	}
}

// fill decodes a default, which is YAML of this package's own.
func (d *decoder) fill(v reflect.Value, f field, path string) {
	n, fault := parseTree([]byte(f.def))
	if fault != nil {
		d.add(path, "the default is broken: %s", fault.Message)
		return
	}
	inner := &decoder{report: newReport(d.file), world: d.world}
	inner.value(n, v, f, path)
	d.faults = append(d.faults, inner.faults...)
}

// list decodes a sequence into a slice, or into an array of just its length.
func (d *decoder) list(n ast.Node, v reflect.Value, f field, path string) {
	items, ok := d.items(n, path)
	if !ok {
		return
	}
	if int64(len(items)) < f.min {
		d.add(path, "expected at least %d", f.min)
	}
	if v.Kind() == reflect.Slice {
		v.Set(reflect.MakeSlice(v.Type(), len(items), len(items)))
	}
	if len(items) != v.Len() {
		d.add(path, "expected %d values, got %d", v.Len(), len(items))
		return
	}
	for i, item := range items {
		at := path + "[" + strconv.Itoa(i) + "]"
		d.mark(at, item, item)
		d.value(item, v.Index(i), field{}, at)
	}
}

// table decodes a mapping whose keys are names of the user's.
func (d *decoder) table(n ast.Node, v reflect.Value, path string) {
	entries, _ := d.entries(n, path)
	v.Set(reflect.MakeMap(v.Type()))
	for key, node := range entries {
		element := reflect.New(v.Type().Elem()).Elem()
		d.value(node, element, field{}, join(path, key))
		v.SetMapIndex(reflect.ValueOf(key), element)
	}
}

func (d *decoder) integer(n ast.Node, v reflect.Value, f field, path string) {
	text := ""
	if number, ok := n.(*ast.IntegerNode); ok {
		text = number.GetToken().Value
	}
	i, err := strconv.Atoi(text)
	if err != nil || strconv.Itoa(i) != text {
		d.add(path, "expected a whole number, got %s", kindOf(n))
		return
	}
	v.SetInt(int64(i))
	d.least(v, f, path)
}

// least checks the min tag of a number or size.
func (d *decoder) least(v reflect.Value, f field, path string) {
	if v.CanInt() && v.Int() < f.min {
		d.add(path, "must be at least %d", f.min)
	}
}

// word decodes an enum; anything but one of its words is a fault.
func (d *decoder) word(n ast.Node, e enum, path string) string {
	text, ok := d.text(n, path)
	if !ok {
		return ""
	}
	now, later := e.words()
	if slices.Contains(now, text) {
		return text
	}
	allowed := strings.Join(now, ", ")
	if slices.Contains(later, text) {
		d.add(path, "%q is not in this version, which has %s", text, allowed)
		return ""
	}
	d.add(path, "%s is not one of %s%s", quote(text), allowed, suggest(text, now))
	return ""
}

func (d *decoder) unmarshal(n ast.Node, p encoding.TextUnmarshaler, path string) bool {
	text, ok := d.scalar(n, path)
	if !ok {
		return false
	}
	if err := p.UnmarshalText([]byte(text)); err != nil {
		d.add(path, "%v", err)
		return false
	}
	return true
}

// resolve makes a relative path relative to the file's directory.
func (d *decoder) resolve(path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(d.file), path)
}

func names(fields []field) []string {
	var all []string
	for _, f := range fields {
		all = append(all, f.name)
	}
	return all
}
