package admin

import (
	"encoding/json"
	"net/http"
	"path"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// object is a JSON object of the description.
type object = map[string]any

// openAPIVersion is the version of the specification that the description
// follows; its schemas are JSON Schema 2020-12.
const openAPIVersion = "3.1.0"

// OpenAPI describes the verbs. It is made of the table and of the types of the
// answers, so it cannot say anything else than they do.
func OpenAPI() map[string]any {
	paths := object{}
	for _, v := range Verbs() {
		path, ok := paths[Root+v.Path].(object)
		if !ok {
			path = object{}
			paths[Root+v.Path] = path
		}
		path[strings.ToLower(v.Method)] = operation(v)
	}
	return object{
		"openapi": openAPIVersion,
		"info": object{
			"title": "Crossfade", "version": "1",
			"description": "What operators, auditors and their tools ask of a running proxy. The same verbs as the crossfade command.",
		},
		"security": []any{object{"token": []any{}}},
		"paths":    paths,
		"components": object{
			"securitySchemes": object{"token": object{"type": "http", "scheme": "bearer"}},
			"schemas":         schemas(),
			"responses": object{"Refusal": object{
				"description": "The request was not carried out.",
				"content":     object{"application/problem+json": object{"schema": reference(Refusal{})}},
			}},
		},
	}
}

// operation is a verb; x-role is the least role that may.
func operation(v Verb) object {
	ok := object{
		"description": "done", "content": object{"application/json": object{"schema": reference(v.Reply)}},
	}
	if _, versioned := versionOf(v.Reply); versioned {
		ok["headers"] = object{"ETag": object{
			"description": "the version, for If-Match", "schema": object{"type": "string"},
		}}
	}
	op := object{
		"operationId": v.ID(), "summary": v.Short, "x-role": v.Role.String(),
		"responses": object{strconv.Itoa(http.StatusOK): ok, "default": object{"$ref": "#/components/responses/Refusal"}},
	}
	if parameters := parameters(v); len(parameters) > 0 {
		op["parameters"] = parameters
	}
	if v.Changes {
		op["requestBody"] = object{
			"required": v.DefaultReason() == "",
			"content":  object{"application/json": object{"schema": body(v)}},
		}
	}
	return op
}

// ID is the name of a verb as one word: canarySet.
func (v Verb) ID() string {
	words := strings.Fields(v.Name)
	for i, w := range words[1:] {
		words[i+1] = strings.ToUpper(w[:1]) + w[1:]
	}
	return strings.Join(words, "")
}

func parameters(v Verb) []any {
	var list []any
	if v.Version != Unversioned {
		list = append(list, object{
			"name": "If-Match", "in": "header", "required": v.Version == VersionRequired, "schema": object{"type": "string"},
			"description": `the version that is to be changed, as "7"; * for any`,
		})
	}
	if v.Changes {
		return list
	}
	for _, a := range v.Args {
		list = append(list, object{
			"name": a.Name, "in": "query", "required": a.Required, "description": a.Short, "schema": argSchema(a),
		})
	}
	return list
}

func body(v Verb) object {
	properties := object{reasonName: object{"type": "string", "description": "why; one line", "maxLength": reasonBytes}}
	needed := []any{}
	if v.DefaultReason() == "" {
		needed = append(needed, reasonName)
	}
	for _, a := range v.Args {
		s := argSchema(a)
		s["description"] = a.Short
		properties[a.Name] = s
		if a.Required {
			needed = append(needed, a.Name)
		}
	}
	return object{"type": "object", "properties": properties, "required": needed, "additionalProperties": false}
}

func argSchema(a Arg) object {
	switch a.Kind {
	case Number:
		return object{"type": "number", "minimum": 0}
	case Count:
		return object{"type": "integer", "minimum": 0}
	case Names:
		return object{"type": "array", "items": object{"type": "string"}}
	case Text:
	}
	s := object{"type": "string", "maxLength": textBytes}
	if len(a.Words) > 0 {
		s["enum"] = a.Words
	}
	return s
}

func reference(zero any) object {
	return object{"$ref": "#/components/schemas/" + schemaName(reflect.TypeOf(zero))}
}

// schemaName is the name of a type; of one of another package with its name.
func schemaName(t reflect.Type) string {
	if t.PkgPath() == reflect.TypeFor[Verb]().PkgPath() {
		return t.Name()
	}
	return path.Base(t.PkgPath()) + "." + t.Name()
}

// schemas are those of every type that is answered, by its name.
func schemas() object {
	all := object{}
	addSchema(all, reflect.TypeFor[Refusal]())
	for _, v := range Verbs() {
		addSchema(all, reflect.TypeOf(v.Reply))
	}
	return all
}

func addSchema(all object, t reflect.Type) {
	name := schemaName(t)
	if _, there := all[name]; there {
		return
	}
	properties, needed := object{}, []any{}
	all[name] = object{"type": "object", "properties": properties}
	for f := range fields(t) {
		member, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		s := typeSchema(all, f.Type)
		if doc := f.Tag.Get("doc"); doc != "" {
			s["description"] = doc
		}
		properties[member] = s
		if !slices.Contains(strings.Split(options, ","), "omitempty") {
			needed = append(needed, member)
		}
	}
	all[name].(object)["required"] = needed
}

// fields are those that JSON has: of an embedded type its own.
func fields(t reflect.Type) func(func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for _, f := range reflect.VisibleFields(t) {
			if !f.Anonymous && !yield(f) {
				return
			}
		}
	}
}

func typeSchema(all object, t reflect.Type) object {
	switch t {
	case reflect.TypeFor[time.Time]():
		return object{"type": "string", "format": "date-time"}
	case reflect.TypeFor[*time.Time]():
		return object{"type": []any{"string", "null"}, "format": "date-time"}
	case reflect.TypeFor[json.RawMessage]():
		return object{} // whatever the act was about
	}
	switch t.Kind() {
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.String:
		return object{"type": "string"}
	case reflect.Float64:
		return object{"type": "number"}
	case reflect.Int, reflect.Uint16, reflect.Uint64:
		return object{"type": "integer"}
	case reflect.Slice:
		return object{"type": "array", "items": typeSchema(all, t.Elem())}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": typeSchema(all, t.Elem())}
	case reflect.Pointer:
		return typeSchema(all, t.Elem())
	case reflect.Struct:
		addSchema(all, t)
		return object{"$ref": "#/components/schemas/" + schemaName(t)}
	default:
		panic("admin: an answer has a member of type " + t.String() + ", which the description does not know")
	}
}
