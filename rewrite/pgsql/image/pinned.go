package image

import (
	"slices"
	"strings"

	"github.com/crossfade-db/crossfade/rewrite"
)

// Pinned is one SELECT that sets, until the transaction ends, what the texts and
// the values of cells that travel as text hang on: run it on both sides, first
// thing in the transaction. With row_security off a query that a policy would
// filter fails (42501): filtered silently, rows that exist would look deleted,
// and repair would delete them on the other side.
const Pinned = "SELECT " +
	"pg_catalog.set_config('search_path', 'pg_catalog', true), " + constants

const constants = "pg_catalog.set_config('row_security', 'off', true), " +
	"pg_catalog.set_config('DateStyle', 'ISO, YMD', true), " +
	"pg_catalog.set_config('IntervalStyle', 'postgres', true), " +
	"pg_catalog.set_config('TimeZone', 'UTC', true), " +
	"pg_catalog.set_config('extra_float_digits', '3', true), " +
	"pg_catalog.set_config('bytea_output', 'hex', true), " +
	"pg_catalog.set_config('lc_monetary', 'C', true), " +
	"pg_catalog.set_config('array_nulls', 'on', true), " +
	"pg_catalog.set_config('xmloption', 'content', true), " +
	"pg_catalog.set_config('quote_all_identifiers', 'off', true), " +
	"pg_catalog.set_config('transform_null_equals', 'off', true), " +
	"pg_catalog.set_config('standard_conforming_strings', 'on', true)"

// Pin is Pinned with the schemas of users' types in keys behind pg_catalog in
// search_path, which is where their operators are found (citext).
func Pin(pairs []*rewrite.Pair) string {
	schemas := []string{"pg_catalog"}
	add := func(c *rewrite.Column) {
		if c == nil || c.Type < rewrite.FirstUserOID {
			return
		}
		if s := schemaOf(c.SQLType); s != "" && !slices.Contains(schemas, s) {
			schemas = append(schemas, s)
		}
	}
	for _, p := range pairs {
		for _, i := range p.Key {
			add(p.Source.Column(p.Cells[i].Column))
		}
		for _, t := range p.Targets {
			for _, k := range t.Key {
				add(t.Table.Column(k.Column))
			}
		}
	}
	return "SELECT pg_catalog.set_config('search_path', " + literal(strings.Join(schemas, ", ")) + ", true), " + constants
}

// schemaOf is the schema of a qualified type, as it is written.
func schemaOf(sqlType string) string {
	quoted := false
	for i, r := range sqlType {
		switch {
		case r == '"':
			quoted = !quoted
		case r == '.' && !quoted:
			return sqlType[:i]
		}
	}
	return ""
}
