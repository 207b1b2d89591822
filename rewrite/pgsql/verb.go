package pgsql

// verb takes note of a statement's first word.
func (c *classifier) verb(t Token) {
	verb := c.fold(t)
	switch string(verb) {
	case "select":
		c.clauses |= queries
		c.nesting.fresh &^= 1
	case "values", "table":
		c.clauses |= queries
	case "show":
	case "with":
		c.clauses |= joins | queries
		c.nesting.withs |= 1
	case "insert", "update", "delete", "merge":
		c.clauses |= queries
		c.effects |= Writes
	case "explain":
		c.clauses |= explains | queries
	case "begin", "start", "commit", "end", "rollback", "abort", "savepoint", "release":
		c.effects |= Transaction
	case "set":
		c.sets()
	case "reset":
		c.resets()
	case "copy":
		c.clauses |= copies | queries
		c.facts |= copying
		c.effects |= Writes
	default:
		c.effects |= Writes
		c.rareVerb(verb)
	}
}

// rareVerb takes note of the statements that are never plain reads and seldom
// in an application's stream.
func (c *classifier) rareVerb(verb []byte) {
	switch string(verb) {
	case "listen":
		c.effects |= Listens | SetsState
	case "unlisten":
		c.effects |= Unlistens | SetsState
	case "discard":
		c.effects |= Unlistens | SetsState
		if c.nextIs("all") || c.nextIs("plans") {
			c.effects |= Prepares
		}
	case "prepare":
		c.prepares()
	case "deallocate":
		c.effects |= Prepares
	case "declare":
		c.clauses |= declares | queries
		c.effects |= SetsState
	case "close":
		c.effects |= SetsState | Executes
	case "execute", "fetch", "move":
		c.effects |= Executes
	case "notify":
		c.effects |= ServerBound
	case "analyse", "analyze", "comment", "drop", "grant", "revoke", "security", "vacuum":
		c.clauses |= inert
	case "alter", "checkpoint", "cluster", "create", "lock", "reassign", "refresh", "reindex",
		"truncate":
	case "load":
		c.effects |= Opaque | Loads
		c.facts |= unknown
	default:
		c.effects |= Opaque
		c.facts |= unknown
	}
}

// sets judges SET: of the transaction or of constraints it changes nothing that
// outlives the transaction. These words are also names of settings.
func (c *classifier) sets() {
	c.clauses |= sets
	c.facts |= settings
	s := c.scanner
	if s.Next(); c.wordAt(&s, "session") || c.wordAt(&s, "local") {
		if behind := s; !c.assigns(&behind) {
			s.Next()
		}
	}
	if c.wordAt(&s, "transaction") || c.wordAt(&s, "constraints") {
		if !c.assigns(&s) {
			return
		}
	}
	c.effects |= SetsState | Names
}

// assigns goes to the next token and reports whether it makes the word before
// it the name of a setting.
func (c *classifier) assigns(s *Scanner) bool {
	s.Next()
	switch t := s.Token(); t.Kind {
	case KindDot:
		return true
	case KindOperator:
		return string(s.text[t.Start:t.End]) == "="
	default:
		return c.wordAt(s, "to") || c.wordAt(s, "from")
	}
}

func (c *classifier) resets() {
	c.clauses |= sets
	c.facts |= settings
	c.effects |= SetsState
	if !c.nextIs("all") {
		c.effects |= Names
	}
}

// prepares tells PREPARE TRANSACTION 'id' from PREPARE name, which may bear the
// name transaction.
func (c *classifier) prepares() {
	s := c.scanner
	s.Next()
	if !c.wordAt(&s, "transaction") {
		c.effects |= Prepares
		return
	}
	c.effects |= Transaction | SetsState | ServerBound
	s.Next()
	if s.Token().Kind != KindString && s.Token().Kind != KindDollarString {
		c.effects |= Prepares
	}
}

// wordAt reports whether the scanner stands on the unquoted word.
func (c *classifier) wordAt(s *Scanner, word string) bool {
	t := s.Token()
	return t.Kind == KindWord && string(c.fold(t)) == word
}

// nextIs reports whether the token behind this one is the unquoted word.
func (c *classifier) nextIs(word string) bool {
	s := c.scanner
	s.Next()
	return c.wordAt(&s, word)
}

// next returns the token behind this one. It is scanned twice.
func (c *classifier) next() Token {
	s := c.scanner
	s.Next()
	return s.Token()
}
