package configs

import (
	"fmt"
	"strings"
)

// suggest is `; did you mean "x"?` for the nearest of the words, or nothing if
// none is near: at most a third of its letters differ.
func suggest(got string, words []string) string {
	best, nearest := "", len(got)
	for _, w := range words {
		if n := distance(strings.ToLower(got), w); n < nearest && n <= (len(w)+2)/3 {
			best, nearest = w, n
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}

// distance is the Levenshtein distance of two strings in bytes. Texts too long
// to be a misspelling are far from everything.
func distance(a, b string) int {
	const longest = 64
	if len(a) > longest {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range a {
		diagonal := row[0]
		row[0] = i + 1
		for j := range b {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// quote shows a short piece of a value in a fault.
func quote(s string) string {
	const shown = 40
	if runes := []rune(s); len(runes) > shown {
		s = string(runes[:shown]) + "…"
	}
	return fmt.Sprintf("%q", s)
}
