package rewrite

import "strings"

// Name is a table, type or function as a catalog knows it.
type Name struct{ Schema, Name string }

// String is the name as users write it in the mapping: schema.table, each part
// in double quotes where it needs them.
func (n Name) String() string {
	if n.Schema == "" {
		return quoteIfNeeded(n.Name)
	}
	return quoteIfNeeded(n.Schema) + "." + quoteIfNeeded(n.Name)
}

// SQL is the name with every part quoted, as statements of ours write it.
func (n Name) SQL() string { return Quote(n.Schema) + "." + Quote(n.Name) }

// Quote is an identifier in double quotes.
func Quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func quoteIfNeeded(name string) string {
	for i, r := range name {
		switch {
		case r >= 'a' && r <= 'z', r == '_', i > 0 && r >= '0' && r <= '9', i > 0 && r == '$':
		default:
			return Quote(name)
		}
	}
	if name == "" {
		return Quote(name)
	}
	return name
}
