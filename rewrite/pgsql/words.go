package pgsql

import (
	_ "embed"
	"strings"
)

// trait is what is known of a word, from any version 12 to 18.
type trait uint8

const (
	// keyword is set for every keyword of manual appendix C.
	keyword trait = 1 << iota
	// notFunction is set for the keywords of the categories R and C: unquoted
	// and unqualified they name no function, so a parenthesis behind one is
	// grammar.
	notFunction
	// reserved is set for category R.
	reserved
	// harmless is set for the built-in functions that run no SQL text they are
	// given and change nothing of the session that outlives its transaction,
	// except sequence values. The list and its exceptions: gen.
	harmless
)

// The lists, a word and its letters on each line: R reserved, C column name,
// T type or function name, U unreserved (the categories of pg_get_keywords),
// f a harmless function.
var (
	//go:embed words.txt
	wordList string
	//go:embed newer.txt
	newerList string

	words = parseWords(wordList + newerList)
)

func parseWords(list string) map[string]trait {
	m := make(map[string]trait, strings.Count(list, "\n"))
	for line := range strings.Lines(list) {
		word, letters, _ := strings.Cut(strings.TrimSpace(line), " ")
		if word == "" || word == "#" {
			continue
		}
		for _, letter := range letters {
			m[word] |= traitOf(letter)
		}
	}
	return m
}

func traitOf(letter rune) trait {
	switch letter {
	case 'R':
		return keyword | notFunction | reserved
	case 'C':
		return keyword | notFunction
	case 'T', 'U':
		return keyword
	case 'f':
		return harmless
	}
	panic("pgsql: word list: unknown letter")
}

// maxName is the length at which the server cuts identifiers (NAMEDATALEN - 1),
// longer than every keyword and built-in function.
const maxName = 63

// folder folds words to lower case in place of its own.
type folder [maxName]byte

// fold returns the word in ASCII lower case, as the server compares keywords,
// valid until the next call; nothing for a word too long to be known.
func (f *folder) fold(word []byte) []byte {
	if len(word) > maxName {
		return nil
	}
	for i, c := range word {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		f[i] = c
	}
	return f[:len(word)]
}
