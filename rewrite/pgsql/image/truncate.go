package image

import (
	"slices"
	"strings"

	"github.com/crossfade-db/crossfade/rewrite"
)

// Truncate empties the targets of pairs in one statement. It is not possible
// where a table outside of them refers to one (0A000), or there is no target.
func Truncate(pairs []*rewrite.Pair) (string, bool) {
	var names []string
	for _, p := range pairs {
		for _, t := range p.Targets {
			if name := t.Table.Name.SQL(); !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	for _, p := range pairs {
		for _, t := range p.Targets {
			for i := range t.Table.Referenced {
				if !slices.Contains(names, t.Table.Referenced[i].From.SQL()) {
					return "", false
				}
			}
		}
	}
	if len(names) == 0 {
		return "", false
	}
	return "TRUNCATE TABLE " + strings.Join(names, ", "), true
}
