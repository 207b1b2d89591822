package parse

import "github.com/crossfade-db/crossfade/rewrite/pgsql"

// cursor walks over the tokens of a text and knows how deep they are nested.
type cursor struct {
	scanner pgsql.Scanner
	text    []byte
	token   pgsql.Token // this one
	prev    pgsql.Token // the one before, zero at the start
	depth   int         // open parentheses and brackets around the token, both ends of a pair outside of it
}

func begin(text []byte) cursor {
	c := cursor{text: text}
	c.scanner.Reset(text, 0)
	return c
}

// next goes to the next token.
func (c *cursor) next() bool {
	c.prev = c.token
	switch c.prev.Kind {
	case pgsql.KindLeftParen, pgsql.KindLeftBracket:
		c.depth++
	default:
	}
	if !c.scanner.Next() {
		c.token = pgsql.Token{}
		return false
	}
	c.token = c.scanner.Token()
	switch c.token.Kind {
	case pgsql.KindRightParen, pgsql.KindRightBracket:
		c.depth--
	default:
	}
	return true
}

// is reports whether the token is that unquoted word, given in lower case.
func (c *cursor) is(word string) bool { return isWord(c.text, c.token, word) }

// was reports whether the token before is that unquoted word.
func (c *cursor) was(word string) bool { return isWord(c.text, c.prev, word) }

func (c *cursor) oneOf(words []string) bool { return isOneOf(c.text, c.token, words) }

func (c *cursor) wasOneOf(words []string) bool { return isOneOf(c.text, c.prev, words) }

func isOneOf(text []byte, t pgsql.Token, words []string) bool {
	for _, word := range words {
		if isWord(text, t, word) {
			return true
		}
	}
	return false
}

func isWord(text []byte, t pgsql.Token, word string) bool {
	if t.Kind != pgsql.KindWord || t.End-t.Start != len(word) {
		return false
	}
	for i := range len(word) {
		if lower(text[t.Start+i]) != word[i] {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
