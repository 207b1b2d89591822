package configs

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
)

// schemaID names the schema; editors find the file by the comment at the head
// of a configuration.
const schemaID = "https://github.com/crossfade-db/crossfade/configs/crossfade.schema.json"

// Schema is the JSON Schema (draft 2020-12) of the configuration file,
// generated from the types. It accepts every file that Parse accepts and
// leaves out what one key alone cannot say: what must be unique, what belongs
// together, and what files and variables contain.
func Schema() ([]byte, error) {
	s := schema{defs: map[string]any{}}
	root := s.block(reflect.TypeFor[Config]())
	if s.err != nil {
		return nil, s.err
	}
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["$id"] = schemaID
	root["title"] = "crossfade.yaml"
	root["$defs"] = s.defs
	out, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode schema: %w", err)
	}
	return append(out, '\n'), nil
}

type schema struct {
	defs map[string]any
	err  error
}

func (s *schema) block(t reflect.Type) map[string]any {
	properties, required := map[string]any{}, []string{}
	for _, f := range fieldsOf(t) {
		properties[f.name] = s.property(t.Field(f.index).Type, f)
		if f.required {
			required = append(required, f.name)
		}
	}
	block := map[string]any{"type": "object", "additionalProperties": false, "properties": properties}
	if len(required) > 0 {
		block["required"] = required
	}
	return block
}

// property is the schema of a key: that of its type, and what its tags add.
func (s *schema) property(t reflect.Type, f field) map[string]any {
	p := s.typed(t)
	p["description"] = f.doc
	if f.literal != "" {
		p = map[string]any{"type": "string", "pattern": "^(env:|file:|" + regexp.QuoteMeta(f.literal) + ")", "description": f.doc}
	}
	if f.def != "" {
		p["default"] = s.defaultOf(t, f)
	}
	switch {
	case f.min > 0 && t.Kind() == reflect.Slice:
		p["minItems"] = f.min
	case f.min > 0 && t.Kind() == reflect.Int:
		p["minimum"] = f.min
	}
	return p
}

// defaultOf decodes the default and encodes it as JSON, so that a default that
// does not decode cannot be published.
func (s *schema) defaultOf(t reflect.Type, f field) any {
	v := reflect.New(t).Elem()
	d := &decoder{report: newReport("")}
	d.fill(v, f, f.name)
	if err := d.result(); err != nil {
		s.err = err
	}
	return v.Interface()
}

// typed is the schema of a type, by reference where it has a name.
func (s *schema) typed(t reflect.Type) map[string]any {
	switch t.Kind() {
	case reflect.Pointer:
		return s.typed(t.Elem())
	case reflect.Slice:
		return map[string]any{"type": "array", "items": s.typed(t.Elem())}
	case reflect.Array:
		return map[string]any{"type": "array", "items": s.typed(t.Elem()), "minItems": t.Len(), "maxItems": t.Len()}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": s.typed(t.Elem())}
	}
	if t.PkgPath() == "" {
		return map[string]any{"type": map[reflect.Kind]string{
			reflect.String: "string", reflect.Int: "integer", reflect.Bool: "boolean",
		}[t.Kind()]}
	}
	if _, known := s.defs[t.Name()]; !known {
		s.defs[t.Name()] = nil // a type that contains itself would end here
		s.defs[t.Name()] = s.definition(t)
	}
	return map[string]any{"$ref": "#/$defs/" + t.Name()}
}

// definition is the schema of one of this package's types.
func (s *schema) definition(t reflect.Type) map[string]any {
	switch v := reflect.New(t).Elem().Interface().(type) {
	case Secret:
		return map[string]any{"type": "string", "pattern": "^(env:|file:)"}
	case Reserved:
		return map[string]any{"type": "array", "maxItems": 0}
	case Tables:
		return s.tables()
	case Path:
		return map[string]any{"type": "string"}
	case Address:
		return map[string]any{"type": "string", "pattern": addressForm}
	case Duration:
		return map[string]any{"type": "string", "pattern": durationForm}
	case Size:
		return map[string]any{"type": []string{"string", "integer"}, "pattern": sizeForm, "minimum": 0}
	case Percent:
		return map[string]any{"type": []string{"number", "string"}, "pattern": percentForm, "minimum": 0, "maximum": 100}
	case enum:
		now, _ := v.words()
		return map[string]any{"type": "string", "enum": now}
	}
	return s.block(t)
}
