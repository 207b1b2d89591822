package configs

// tables is the schema of the mapping language. It takes every file that the
// decoder takes, and leaves to it what keys need of each other.
func (s *schema) tables() map[string]any {
	s.defs["TableMap"] = closed(map[string]any{
		"source":  words("Table of the source: schema.table, in public without a schema, parts in double quotes where they need them."),
		"target":  words("Table of the target; default: the same name."),
		"targets": described(map[string]any{"type": "array", "minItems": 1, "items": ref("TargetMap")}, "Several tables of the target; the first is the root."),
		"key":     ref("KeyMap"),
		"when":    words("SQL over columns of the source: which rows have one at the target."),
		"columns": described(map[string]any{"type": "array", "items": map[string]any{"anyOf": []any{map[string]any{"type": "string"}, ref("ColumnMap")}}},
			"What columns become; those of equal name and compatible type need no entry. A bare name is the column of that name."),
		"strict": described(map[string]any{"type": "boolean"}, "Fail the client if the other side fails; default: mirror.strict."),
		"canary": described(map[string]any{"type": "boolean", "default": true}, "false: the source answers reads of it."),
		"skip":   described(map[string]any{"type": "boolean", "default": false}, "true: the table is left out."),
	}, "source")
	s.defs["TargetMap"] = closed(map[string]any{
		"target": words("Table of the target."),
		"key":    ref("KeyMap"),
		"when":   words("SQL over columns of the source: which rows have one in this table; default: all."),
	}, "target")
	s.defs["KeyMap"] = map[string]any{
		"type": "object", "minProperties": 1, "additionalProperties": map[string]any{"type": "string", "minLength": 1},
		"description": "What names a row: column of the target: column of the source; default: the primary key.",
	}
	s.defs["ColumnMap"] = closed(map[string]any{
		"source": words("Column of the source; without it up is an initial value or is made of several."),
		"target": words("Column of the target; table.column where there are several targets."),
		"up":     words("SQL over columns of the source that yields the target's column; default lets the database make an initial value."),
		"down":   words("SQL over columns of the target that yields the source's column."),
		"values": described(map[string]any{
			"type": "object", "minProperties": 1, "additionalProperties": map[string]any{"type": []string{"string", "number", "boolean", "null"}},
		}, "What each word becomes, in place of up; null is NULL."),
		"else":   map[string]any{"enum": []any{"error", "same", nil, "null"}, "default": "error", "description": "What becomes of a word that is not listed."},
		"lossy":  words("Why the way back loses something."),
		"stable": words("Why an expression counts as immutable that cannot be proven so."),
	})
	return map[string]any{"type": "array", "items": map[string]any{"anyOf": []any{map[string]any{"const": "*"}, ref("TableMap")}}}
}

func closed(properties map[string]any, required ...string) map[string]any {
	block := map[string]any{"type": "object", "additionalProperties": false, "properties": properties}
	if len(required) > 0 {
		block["required"] = required
	}
	return block
}

func words(doc string) map[string]any {
	return map[string]any{"type": "string", "minLength": 1, "description": doc}
}

func described(schema map[string]any, doc string) map[string]any {
	schema["description"] = doc
	return schema
}

func ref(name string) map[string]any { return map[string]any{"$ref": "#/$defs/" + name} }
