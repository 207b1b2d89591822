package main

import (
	"fmt"
	"maps"
	"slices"

	"github.com/crossfade-db/crossfade/proxy/catalog"
)

// compareDatabases reports what the target lacks or has otherwise.
func compareDatabases(source, target *database, clients int) []finding {
	d := catalog.Compare(source.catalog, target.catalog)
	found := compareExtensions(source.extensions, target.extensions)
	found = append(found, missingRelations(d.NoRelations)...)
	found = append(found, columnDifferences(d.Columns)...)
	found = append(found, typeFindings(d)...)
	if n := len(source.functions); n > 0 {
		found = append(found, finding{
			Severity: "warning", Check: "functions",
			Message: fmt.Sprintf("%s may change a session unseen; sessions that call one stay on the source: %s", plural(n, "function"), listed(source.functions)),
		})
	}
	if d.Sequences > 0 {
		found = append(found, finding{
			Severity: "info", Check: "sequences",
			Message: fmt.Sprintf("the source has %s; numbers are drawn from the side that does the writes, and not carried over", plural(d.Sequences, "sequence")),
		})
	}
	if target.clients < clients {
		found = append(found, finding{
			Severity: "warning", Check: "connections",
			Message: fmt.Sprintf("the target takes %s, and limits.clients is %d", plural(target.clients, "connection"), clients),
			Remedy:  "raise the target's max_connections, or lower limits.clients",
		})
	}
	return found
}

func compareExtensions(source, target map[string]string) []finding {
	var found []finding
	for _, name := range slices.Sorted(maps.Keys(source)) {
		version, there := target[name]
		switch {
		case !there:
			found = append(found, finding{
				Severity: "error", Check: "extensions", Message: fmt.Sprintf("extension %s is missing on the target", name),
				Remedy: "run CREATE EXTENSION at the target",
			})
		case version != source[name]:
			found = append(found, finding{
				Severity: "info", Check: "extensions",
				Message: fmt.Sprintf("extension %s is %s at the source and %s at the target", name, source[name], version),
			})
		}
	}
	return found
}

// missingRelations are one finding for each, and one for those beyond the first.
func missingRelations(missing []catalog.Relation) []finding {
	var found []finding
	for i, r := range missing {
		if i == namesShown {
			return append(found, finding{
				Severity: "error", Check: "tables",
				Message: fmt.Sprintf("%d more tables, views and sequences are missing on the target, %d in all", len(missing)-i, len(missing)),
			})
		}
		found = append(found, finding{
			Severity: "error", Check: "tables", Table: r.String(), Remedy: "create it at the target",
			Message: fmt.Sprintf("%s %s is missing on the target", r.Kind, r.Name),
		})
	}
	return found
}

func columnDifferences(differences []catalog.ColumnDifferences) []finding {
	var missing, other []finding
	for _, d := range differences {
		if n := len(d.Missing); n > 0 {
			missing = append(missing, columnFinding(d.Table, d.Missing, finding{
				Severity: "error", Check: "columns", Remedy: "create what is missing at the target",
				Message: fmt.Sprintf("%s of %s missing on the target: %s", plural(n, "column"), d.Table, listed(d.Missing)),
			}))
		}
		if n := len(d.OtherTypes); n > 0 {
			other = append(other, columnFinding(d.Table, d.OtherTypes, finding{
				Severity: "warning", Check: "columns",
				Message: fmt.Sprintf("%s of %s with another type or length on the target: %s", plural(n, "column"), d.Table, listed(d.OtherTypes)),
			}))
		}
	}
	return append(firstOf(missing), firstOf(other)...)
}

// columnFinding names the table, and the column if it is one.
func columnFinding(table catalog.Name, columns []string, f finding) finding {
	f.Table = table.String()
	if len(columns) == 1 {
		f.Column = columns[0]
	}
	return f
}

// firstOf are the first findings of one kind, each about a table, and one more
// for the rest.
func firstOf(found []finding) []finding {
	if len(found) <= namesShown {
		return found
	}
	rest := finding{Severity: found[0].Severity, Check: found[0].Check}
	rest.Message = fmt.Sprintf("the same in %d more tables, %d in all", len(found)-namesShown, len(found))
	return append(found[:namesShown:namesShown], rest)
}

func typeFindings(d catalog.Differences) []finding {
	var found []finding
	if n := len(d.NoTypes); n > 0 {
		found = append(found, finding{
			Severity: "warning", Check: "types", Remedy: "create what is missing at the target",
			Message: fmt.Sprintf("%s missing on the target; their statements are answered by the source: %s", plural(n, "type"), listed(texts(d.NoTypes))),
		})
	}
	if n := len(d.OtherNumbers); n > 0 {
		found = append(found, finding{
			Severity: "info", Check: "types",
			Message: fmt.Sprintf("%s with other numbers on the target; their statements are answered by the source: %s", plural(n, "type"), listed(texts(d.OtherNumbers))),
		})
	}
	return found
}

func texts(names []catalog.Name) []string {
	var out []string
	for _, n := range names {
		out = append(out, n.String())
	}
	return out
}

// plural is "1 table" or "2 tables".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
