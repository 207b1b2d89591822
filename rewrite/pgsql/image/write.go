package image

import (
	"slices"
	"strings"

	"github.com/crossfade-db/crossfade/rewrite"
)

func (m *mapper) update(f form) string {
	var set []string
	for i := range m.fields {
		if m.fields[i].settable() {
			set = append(set, rewrite.Quote(m.fields[i].column.Name)+" = m."+m.fields[i].name)
		}
	}
	if len(set) == 0 {
		return ""
	}
	return "UPDATE " + m.target.Table.Name.SQL() + " AS t SET " + strings.Join(set, ", ") +
		" FROM " + m.mapped(m.everyCell(), f, values(m.fields), m.when()) + " WHERE " + m.match("t")
}

func (m *mapper) upsert(f form) string {
	fields := slices.Concat(m.fields, m.initial(len(m.fields)))
	text := m.insert(fields, m.mapped(m.everyCell(), f, values(fields), m.when()))
	if f == all {
		text += " ORDER BY m.ord"
	}
	var set []string
	for i := range m.fields {
		if m.fields[i].settable() {
			name := rewrite.Quote(m.fields[i].column.Name)
			set = append(set, name+" = excluded."+name)
		}
	}
	if len(set) == 0 {
		return text + m.conflict(m.lock())
	}
	return text + m.conflict(strings.Join(set, ", "))
}

func (m *mapper) insert(fields []field, from string) string {
	var names, picked []string
	for i := range fields {
		names = append(names, rewrite.Quote(fields[i].column.Name))
		picked = append(picked, "m."+fields[i].name)
	}
	return "INSERT INTO " + m.target.Table.Name.SQL() + " AS t (" + strings.Join(names, ", ") +
		") OVERRIDING SYSTEM VALUE SELECT " + strings.Join(picked, ", ") + " FROM " + from
}

// initial are the values that only an insert sets; DEFAULT is what the table
// gives to a column that is left out.
func (m *mapper) initial(taken int) []field {
	var fields []field
	for i := range m.target.Initial {
		a := &m.target.Initial[i]
		if a.Column.Generated || strings.EqualFold(strings.TrimSpace(a.Up), "default") {
			continue
		}
		taken++
		fields = append(fields, field{column: a.Column, up: value(a), name: number("c", taken)})
	}
	return fields
}

func (m *mapper) conflict(set string) string {
	var names []string
	for i := range m.keys {
		names = append(names, rewrite.Quote(m.keys[i].column.Name))
	}
	action := "DO NOTHING"
	if set != "" {
		action = "DO UPDATE SET " + set
	}
	return " ON CONFLICT (" + strings.Join(names, ", ") + ") " + action
}

// lock is a SET that changes nothing and takes the row's lock; "" if the table
// has no column that can be set.
func (m *mapper) lock() string {
	for i := range m.keys {
		if c := m.keys[i].column; c.Identity != 'a' {
			name := rewrite.Quote(c.Name)
			return name + " = excluded." + name
		}
	}
	for i := range m.target.Table.Columns {
		if c := &m.target.Table.Columns[i]; !c.Generated && c.Identity != 'a' {
			name := rewrite.Quote(c.Name)
			return name + " = t." + name
		}
	}
	return ""
}

func (m *mapper) unless(f form) string {
	if m.target.When == "" {
		return ""
	}
	return "DELETE FROM " + m.target.Table.Name.SQL() + " AS t USING " +
		m.mapped(m.everyCell(), f, values(m.keys), m.when()+" IS NOT TRUE") + " WHERE " + m.match("t")
}

func (m *mapper) remove(f form) string {
	if !m.keyCellsSuffice() {
		return ""
	}
	return "DELETE FROM " + m.target.Table.Name.SQL() + " AS t USING " +
		m.mapped(m.pair.Key, f, values(m.keys), "") + " WHERE " + m.match("t")
}

func (m *mapper) placeholder() string {
	if !m.keyCellsSuffice() {
		return ""
	}
	fields := slices.Concat(m.keys, m.initial(len(m.fields)))
	for i := range m.target.Table.Columns {
		c := &m.target.Table.Columns[i]
		given := slices.ContainsFunc(fields, func(f field) bool { return f.column.Name == c.Name })
		if c.NotNull && !given && c.Default == "" && c.Identity == 0 && !c.Generated {
			return ""
		}
	}
	return m.insert(fields, m.mapped(m.pair.Key, one, values(fields), "")) + m.conflict(m.lock())
}

// keyCellsSuffice says that the key of the pair has all cells of the target's.
func (m *mapper) keyCellsSuffice() bool {
	return !slices.ContainsFunc(m.target.Key, func(k rewrite.KeyPair) bool { return !slices.Contains(m.pair.Key, k.Cell) })
}
