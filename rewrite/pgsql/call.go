package pgsql

// mayCall reports whether a name with a parenthesis behind it may be a call in
// the place where it stands.
func (c *classifier) mayCall() bool {
	if c.clauses&inert != 0 || c.nesting.withs&1 != 0 {
		return false
	}
	if c.name.operand {
		return false // in no place of the grammar does a call directly follow an operand
	}
	before := c.name.before
	switch before.Kind {
	case KindNone, KindTypecast:
		return false // no statement begins with a call; a cast goes to a type
	case KindWord:
		return !c.introduces(before) && !c.paired(before)
	default:
		return true
	}
}

// introduces reports whether no call can follow the word: it is an identifier,
// hence an operand, or a keyword behind which only a name is grammatical.
func (c *classifier) introduces(before Token) bool {
	word := c.fold(before)
	switch string(word) {
	case "into", "table", "view", "exists", "only", "references", "copy", "update",
		"function", "procedure", "routine", "aggregate", "execute", "prepare", "explain":
		return true // INTO t (a), IF NOT EXISTS t (a), FUNCTION f (int)
	case "as", "ordinality":
		return true // AS alias (a), AS IDENTITY (…), WITH ORDINALITY alias (a)
	case "primary", "foreign", "order", "group", "partition", "grouping":
		return true // PRIMARY KEY (a), ORDER BY (a), GROUPING SETS (…)
	case "left", "right", "inner", "outer", "cross", "full", "natural":
		return true // LEFT JOIN (…)
	case "type", "character", "char", "nchar", "bit", "time":
		return true // TYPE t (3), CHARACTER VARYING (3), AT TIME ZONE (…)
	case "on", "using":
		return c.clauses&indexes != 0 // ON t (a), USING gin (a)
	}
	return words[string(word)]&keyword == 0
}

// paired reports whether name and word before are a pair that this statement's
// grammar has a place for. A function of one's own with such a keyword for its
// name, called in such a statement right behind that word, is missed.
func (c *classifier) paired(before Token) bool {
	switch {
	case c.clauses&inserts != 0 && c.nameIs("conflict"):
		return string(c.fold(before)) == "on"
	case c.clauses&merges != 0 && c.nameIs("insert"):
		return string(c.fold(before)) == "then"
	case c.clauses&copies == 0 || c.nesting.depth != 0:
		return false
	case c.nameIs("stdin"):
		return string(c.fold(before)) == "from"
	case c.nameIs("stdout"):
		return string(c.fold(before)) == "to"
	}
	return false
}

// nameIs reports whether the name is the unquoted, unqualified word.
func (c *classifier) nameIs(word string) bool {
	return c.name.parts == 1 && c.name.last.Kind == KindWord &&
		string(c.fold(c.name.last)) == word
}

// harmless reports whether the name, called, is grammar or a harmless built-in
// function: unqualified or in pg_catalog.
func (c *classifier) harmless() bool {
	last := c.traits(c.name.last)
	switch c.name.parts {
	case 1:
		return last&(harmless|notFunction) != 0 // a quoted name has no notFunction
	case 2:
		return last&harmless != 0 && string(c.identifier(c.name.schema)) == "pg_catalog"
	}
	return false
}

// understood reports whether the name is one of the functions that are not
// harmless but whose effects are known, and flagged, by their names.
func (c *classifier) understood() bool {
	if c.name.parts > 2 ||
		c.name.parts == 2 && string(c.identifier(c.name.schema)) != "pg_catalog" {
		return false
	}
	switch string(c.identifier(c.name.last)) {
	case "set_config", "setseed", "pg_advisory_lock", "pg_advisory_lock_shared",
		"pg_try_advisory_lock", "pg_try_advisory_lock_shared":
		return true
	}
	return false
}

func (c *classifier) traits(t Token) trait {
	known := words[string(c.identifier(t))]
	if t.Kind != KindWord {
		known &= harmless
	}
	return known
}

// identifier returns the name that a token means. A quoted one that holds
// quotes, and one with escapes, comes back as it is written, which is the name
// of nothing built in.
func (c *classifier) identifier(t Token) []byte {
	switch text := c.text(t); t.Kind {
	case KindWord:
		return c.folder.fold(text)
	case KindQuotedIdent:
		return text[1 : len(text)-1]
	default:
		return text
	}
}
