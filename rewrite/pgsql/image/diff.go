package image

import (
	"strings"

	"github.com/crossfade-db/crossfade/rewrite"
)

// diff compares by text in the byte order of "C": two values of one type are the
// same value iff they are written alike under the settings of Pin, but for
// char(n), whose text has no trailing blanks: they are not part of its value.
func (m *mapper) diff(f form) string {
	wanted := "true"
	if m.target.When != "" {
		wanted = "COALESCE(" + m.when() + ", false)"
	}
	columns := []string{wanted + " AS wanted"}
	for i := range m.fields {
		up := m.fields[i].up
		if m.target.When != "" && !m.fields[i].key {
			up = "CASE WHEN " + m.when() + " THEN " + up + " END"
		}
		columns = append(columns, up+" AS "+m.fields[i].name)
	}
	ordinal, order := "1::bigint", ""
	if f == all {
		ordinal, order = "m.ord::bigint", " ORDER BY m.ord"
	}
	return "SELECT " + ordinal + " AS ord, t.found IS NOT NULL AS present, m.wanted AS wanted, " +
		m.differs() + " AS differs FROM " + m.mapped(m.everyCell(), f, columns, "") +
		" LEFT JOIN LATERAL (" + m.found() + ") AS t ON true" + order
}

// found is the target's row of an image. The lock stands in a sub-select since
// the nullable side of a join cannot be locked.
func (m *mapper) found() string {
	columns := []string{"true AS found"}
	for i := range m.fields {
		columns = append(columns, "k."+rewrite.Quote(m.fields[i].column.Name)+" AS "+m.fields[i].name)
	}
	return "SELECT " + strings.Join(columns, ", ") + " FROM " + m.target.Table.Name.SQL() + " AS k WHERE " +
		m.match("k") + " FOR NO KEY UPDATE"
}

func (m *mapper) differs() string {
	var names []string
	for i := range m.fields {
		f := &m.fields[i]
		names = append(names, "CASE WHEN "+text("t."+f.name)+" IS DISTINCT FROM "+mappedText("m."+f.name, f.column)+
			" THEN "+literal(f.column.Name)+" END")
	}
	return "CASE WHEN t.found AND m.wanted THEN pg_catalog.array_remove(ARRAY[" + strings.Join(names, ", ") +
		"]::pg_catalog.text[], NULL) ELSE ARRAY[]::pg_catalog.text[] END"
}

func text(value string) string { return `(` + value + `::pg_catalog.text COLLATE pg_catalog."C")` }

// mappedText is what a value would be in its column, as text. A value that is
// too long for the column stays long, and so differs: the column cannot hold it,
// which the next write finds out. (Within arrays and domains it is cut.)
func mappedText(value string, c *rewrite.Column) string {
	sqlType := c.SQLType
	length, limited := strings.CutPrefix(sqlType, "character varying(")
	switch {
	case isArray(sqlType), c.Type >= rewrite.FirstUserOID:
		return text("CAST(" + value + " AS " + sqlType + ")")
	case limited:
		plain := value + "::pg_catalog.text"
		return `(CASE WHEN pg_catalog.char_length(pg_catalog.rtrim(` + plain + `)) OPERATOR(pg_catalog.>) ` +
			strings.TrimSuffix(length, ")") + " THEN " + plain + " ELSE CAST(" + value + " AS " + sqlType +
			`)::pg_catalog.text END COLLATE pg_catalog."C")`
	case strings.HasPrefix(sqlType, "character") || strings.HasPrefix(sqlType, "bit"):
		return text(value)
	case withoutModifier(sqlType) != sqlType || strings.HasPrefix(sqlType, "interval "):
		return text("CAST(" + value + " AS " + sqlType + ")")
	}
	return text(value)
}
