package pgsql

import "bytes"

// constant takes note of names in a string constant: it may be the value or the
// name of a setting, or a text that is run.
func (c *classifier) constant(t Token) {
	text := c.text(t)
	if len(text) >= len("'pg_temp'") {
		c.effects |= mentions(text)
	}
	if c.clauses&copies != 0 && containsFold(text, "binary") {
		c.effects |= Catalog
	}
	if text[0] == '\'' && c.scanner.mode&BackslashStrings == 0 || t.Kind == KindDollarString {
		return
	}
	if text[0]|0x20 == 'u' || bytes.IndexByte(text, '\\') >= 0 {
		c.facts |= escaped
	}
}

// mentions finds names in a text, as pieces of it, in any case.
func mentions(text []byte) (e Effects) {
	for i := bytes.IndexByte(text, '_'); i >= 0; {
		switch {
		case foldsTo(text, i-len("pg"), "pg_temp"):
			e |= Temporary
		case foldsTo(text, i-len("transaction"), "transaction_read_only"):
			e |= ReadWrite
		}
		next := bytes.IndexByte(text[i+1:], '_')
		if next < 0 {
			break
		}
		i += 1 + next
	}
	return e
}

// foldsTo reports whether the text has the word, in any case, at a place.
func foldsTo(text []byte, at int, word string) bool {
	if at < 0 || len(text)-at < len(word) {
		return false
	}
	for i := range len(word) {
		c := text[at+i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != word[i] {
			return false
		}
	}
	return true
}

// containsFold reports whether the text has the word, in any case, anywhere.
func containsFold(text []byte, word string) bool {
	for i := range text {
		if foldsTo(text, i, word) {
			return true
		}
	}
	return false
}

// configures judges a call of set_config by its first arguments.
func (c *classifier) configures() {
	c.facts |= settings
	s := c.scanner
	name, ok := firstArgument(&s)
	switch {
	case !ok:
		c.effects |= ReadWrite | Seeds | Temporary
	case len(name) == len("seed") && foldsTo(name, 0, "seed"):
		c.effects |= Seeds
	case len(name) == len("search_path") && foldsTo(name, 0, "search_path"):
		s.Next()
		if _, plain := plainString(&s); !plain {
			c.effects |= Temporary
		}
	}
}

// firstArgument reads the opening parenthesis behind a function's name and the
// first of several arguments, if that is a plain string.
func firstArgument(s *Scanner) (value []byte, ok bool) {
	if s.Next(); s.Token().Kind != KindLeftParen {
		return nil, false
	}
	s.Next()
	value, ok = plainString(s)
	s.Next()
	return value, ok && s.Token().Kind == KindComma
}

// plainString returns what the string that the scanner stands on holds, if it
// is written without prefix, escape, quote or continuation.
func plainString(s *Scanner) (value []byte, ok bool) {
	t := s.Token()
	text := s.text[t.Start:t.End]
	switch {
	case t.Kind == KindDollarString:
		tag := bytes.IndexByte(text[1:], '$') + 2
		return text[tag : len(text)-tag], true
	case t.Kind != KindString || text[0] != '\'':
		return nil, false
	}
	value = text[1 : len(text)-1]
	return value, bytes.IndexByte(value, '\'') < 0 && bytes.IndexByte(value, '\\') < 0
}
