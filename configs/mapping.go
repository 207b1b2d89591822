package configs

import (
	"slices"
	"strings"

	"github.com/crossfade-db/crossfade/rewrite"
)

// Tables is the mapping of tables. The zero value has none: nothing is mirrored.
type Tables struct{ mapping *rewrite.Mapping }

// Mapping is the declared mapping; nil: nothing is mirrored. One without tables
// maps every table to that of its name. Nobody may change it.
func (c *Config) Mapping() *rewrite.Mapping { return c.Migration.Tables.mapping }

// String names the tables of the source, in the order of the file.
func (t Tables) String() string {
	if t.mapping == nil {
		return "[]"
	}
	names := []string{`"*"`}
	for i := range t.mapping.Tables {
		names = append(names, t.mapping.Tables[i].Source.String())
	}
	return "[" + strings.Join(names, ", ") + "]"
}

// MarshalJSON is for the default of the JSON Schema, which is none.
func (t Tables) MarshalJSON() ([]byte, error) { return []byte("[]"), nil }

// withoutPlaces is a mapping that does not say where it stands in its file.
func (t Tables) withoutPlaces() *rewrite.Mapping {
	if t.mapping == nil {
		return nil
	}
	m := &rewrite.Mapping{Tables: slices.Clone(t.mapping.Tables)}
	for i := range m.Tables {
		table := &m.Tables[i]
		table.At = rewrite.At{}
		table.Targets, table.Columns = slices.Clone(table.Targets), slices.Clone(table.Columns)
		for j := range table.Targets {
			table.Targets[j].At = rewrite.At{}
		}
		for j := range table.Columns {
			table.Columns[j].At = rewrite.At{}
		}
	}
	return m
}
