package schema

import (
	"regexp"
	"slices"
	"strings"
)

// setting is an assignment to a column of the new row in PL/pgSQL, or what may be
// one; wholly is one to all of it, or in a way that does not tell which.
var (
	setting = regexp.MustCompile(`(?i)\bnew\s*\.\s*"?([a-z0-9_$\x80-\xff]+)"?\s*:?=`)
	wholly  = regexp.MustCompile(`(?is)\bnew\s*:?=|\binto\b[^;]*\bnew\b|\bfor\s+new\b|\bnew\s*\.\s*"[^"]*[^"a-z0-9_$][^"]*"\s*:?=`)
)

// filling is an INTO that names a table.
var filling = regexp.MustCompile(`(?i)\b(insert|merge)\s+into\b`)

// quiet are functions of extensions that set no key.
var quiet = []string{"moddatetime", "insert_username"}

// sets are the columns that a trigger's function may set.
func sets(function, language, source string) []string {
	switch {
	case language == "internal", language == "c" && slices.Contains(quiet, function):
		return nil
	}
	source = filling.ReplaceAllString(source, "")
	switch {
	case language != "plpgsql", wholly.MatchString(source):
		return []string{"*"}
	}
	var columns []string
	for _, found := range setting.FindAllStringSubmatch(source, -1) {
		if column := strings.ToLower(found[1]); !slices.Contains(columns, column) {
			columns = append(columns, column)
		}
	}
	return columns
}
