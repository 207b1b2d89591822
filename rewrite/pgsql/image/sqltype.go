package image

import "strings"

// bare is a type as format_type writes it, without its modifier, so that a cast
// to it cuts nothing off, and with the schema of the server's own types, so that
// search_path has no say.
func bare(name string) string {
	base, array := name, ""
	for strings.HasSuffix(base, "[]") {
		base, array = strings.TrimSuffix(base, "[]"), "[]"
	}
	base = withoutModifier(base)
	switch {
	case base == "character": // as a bare word it is one character
		base = "pg_catalog.bpchar"
	case base == "bit":
		base = `pg_catalog."bit"`
	case strings.HasPrefix(base, "interval "):
		base = "interval"
	case !strings.Contains(base, ".") && !keyword(base):
		base = "pg_catalog." + base
	}
	return base + array
}

// keyword says that the grammar itself takes the name for a type of pg_catalog.
func keyword(name string) bool {
	switch name {
	case "smallint", "integer", "bigint", "real", "boolean", "numeric", "interval":
		return true
	}
	return !strings.HasPrefix(name, `"`) && strings.Contains(name, " ")
}

func withoutModifier(name string) string {
	var b strings.Builder
	quoted, depth := false, 0
	for _, r := range name {
		switch {
		case r == '"':
			quoted = !quoted
		case r == '(' && !quoted:
			depth++
			continue
		case r == ')' && !quoted:
			depth--
			continue
		}
		if depth == 0 {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func isArray(name string) bool { return strings.HasSuffix(name, "[]") }

// cast turns a value into the column's type, but for its modifier.
func cast(value, sqlType string) string { return "CAST(" + value + " AS " + bare(sqlType) + ")" }

// literal is a string as a constant, whatever standard_conforming_strings says.
func literal(s string) string {
	s = strings.ReplaceAll(s, "'", "''")
	if strings.Contains(s, `\`) {
		return " E'" + strings.ReplaceAll(s, `\`, `\\`) + "'"
	}
	return "'" + s + "'"
}
