package main

import (
	"fmt"
	"strings"

	"github.com/crossfade-db/crossfade/internal/admin"
)

// explainedRows are the text as a whole, then each of its statements.
func explainedRows(e admin.Explained) [][2]string {
	rows := understoodRows(e.Understood)
	rows = append(rows, [2]string{"user", fmt.Sprintf("%s, search_path %s", e.User, or(strings.Join(e.SearchPath, ", "), "not known"))})
	for i, s := range e.Statements {
		rows = append(rows, [2]string{fmt.Sprintf("statement %d", i+1), ""})
		for _, row := range understoodRows(s) {
			rows = append(rows, [2]string{"  " + row[0], row[1]})
		}
	}
	return rows
}

func understoodRows(u admin.Understood) [][2]string {
	class := u.Class
	if u.Uncaptured != "" {
		class += " (" + u.Uncaptured + ")"
	}
	rows := [][2]string{
		{"kind", u.Kind},
		{"tables", or(strings.Join(u.Tables, ", "), "none that is mapped")},
		{"digest", u.Digest},
		{"side", u.Side},
		{"reason", u.Reason},
		{"class", class},
		{"how", u.How},
		{"mirrored", yes(u.Mirrored)},
		{"compared", yes(u.Compared)},
		{"dirty after", or(strings.Join(u.Dirty, ", "), "none for certain")},
	}
	rows = appendLines(rows, "source", u.Text.Source)
	rows = appendLines(rows, "target", u.Text.Target)
	return appendLines(rows, "advice", strings.Join(u.Advice, "\n"))
}

// appendLines adds a row for each line, the first with the name.
func appendLines(rows [][2]string, name, text string) [][2]string {
	if text == "" {
		return rows
	}
	for line := range strings.Lines(text) {
		rows = append(rows, [2]string{name, strings.TrimRight(line, "\r\n")})
		name = ""
	}
	return rows
}
