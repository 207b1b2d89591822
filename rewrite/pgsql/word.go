package pgsql

import "bytes"

// word takes note of the words that decide about their statement or about
// later words.
func (c *classifier) word(t Token) {
	single := c.name.parts == 1
	if single && c.clauses&begun == 0 {
		c.clauses |= begun
		c.verb(t)
		return
	}
	if single && c.nesting.withs&1 != 0 && endsWith(c.fold(t)) {
		c.nesting.withs &^= 1
	}
	if !notable(c.text(t)) {
		return
	}
	word := c.fold(t)
	if bytes.HasPrefix(word, []byte("pg_")) {
		c.internal(word)
		return
	}
	known := notes[string(word)]
	c.effects |= known.means
	c.named(known.name)
	if single {
		c.role(known.word)
	}
}

// quoted takes note of a quoted name. Those of settings mean the same in any
// case; every other known name is in lower case.
func (c *classifier) quoted(t Token) {
	name := c.identifier(t)
	if !notable(name) {
		return
	}
	folded := c.folder.fold(name)
	known := notes[string(folded)]
	switch {
	case !bytes.Equal(folded, name):
		c.effects |= known.means & ReadWrite
		if known.name == nameOfSeed {
			c.named(known.name)
		}
	case bytes.HasPrefix(name, []byte("pg_")):
		c.internal(name)
	default:
		c.effects |= known.means
		c.named(known.name)
	}
	if known.word == wordBinary && c.clauses&copies != 0 {
		c.effects |= Catalog
	}
	if known.word == wordExplain && c.clauses&explains != 0 {
		c.effects |= Writes
	}
}

// disguised takes note of a name with escapes, which may be any.
func (c *classifier) disguised() {
	c.effects |= SetsState | Temporary | Catalog | ServerBound | ReadWrite
	c.facts |= unknown
	if c.clauses&explains != 0 {
		c.effects |= Writes
	}
}

func (c *classifier) named(role nameRole) {
	switch role {
	case plainName:
	case nameOfSetConfig:
		c.configures()
	case nameOfType:
		if c.mayBeType() {
			c.effects |= Catalog
		}
	case nameOfSeed:
		if c.clauses&sets != 0 {
			c.effects |= Seeds
		}
	}
}

// role judges an unquoted, unqualified word by what stands before it.
func (c *classifier) role(role wordRole) {
	switch role {
	case plainWord:
	case wordWith:
		c.clauses |= joins
		if c.beginsQuery() {
			c.nesting.withs |= 1
		}
	case wordSelect:
		c.nesting.fresh &^= 1
	case wordInto:
		c.into()
	case wordIndex:
		if c.prevIs("create") || c.prevIs("unique") {
			c.clauses |= indexes
		}
	case wordTransaction:
		if c.prevIs("prepare") {
			c.effects |= Transaction
		}
	case wordExtension:
		if c.prevIs("create") || c.prevIs("alter") {
			c.effects |= Opaque
			c.facts |= unknown
		}
	case wordAtomic:
		if c.prevIs("begin") {
			c.effects |= Opaque
			c.facts |= unknown
		}
	case wordWrite:
		if c.prevIs("read") {
			c.effects |= ReadWrite
		}
	case wordSnapshot:
		if c.prevIs("transaction") {
			c.effects |= ServerBound
		}
	case wordPrepared:
		if c.prevIs("commit") || c.prevIs("rollback") {
			c.effects |= ServerBound
		}
	case wordTemporary, wordHold:
		c.leaves(role)
	case wordBinary:
		if c.clauses&(copies|declares) != 0 {
			c.effects |= Catalog
		}
	case wordOf:
		if c.prevIs("current") {
			c.effects |= Executes
		}
	case wordExecute:
		if c.clauses&explains != 0 {
			c.effects |= Executes | Writes
		} else if c.prevIs("as") {
			c.effects |= Executes
		}
	case wordChanges, wordUpdate, wordLocks, wordExplain:
		c.changes(role)
	}
}

// into tells SELECT INTO, which may make a temporary table, from INSERT INTO and
// MERGE INTO, before which no SELECT stands in the same parentheses; behind one
// insert is the name of a column.
func (c *classifier) into() {
	inserting, merging := c.prevIs("insert"), c.prevIs("merge")
	switch {
	case inserting:
		c.clauses |= inserts
	case merging:
		c.clauses |= merges
	}
	if !inserting && !merging || c.nesting.fresh&1 == 0 {
		c.effects |= Temporary | Writes
	}
}

// leaves judges the words for what outlives its transaction.
func (c *classifier) leaves(role wordRole) {
	switch {
	case role == wordHold:
		if c.prevIs("with") {
			c.effects |= Holds
		}
	case c.prevIs("create"), c.prevIs("replace"), c.prevIs("local"), c.prevIs("global"):
		c.effects |= Temporary
	}
}

// changes judges the words that make a query more than a plain read.
func (c *classifier) changes(role wordRole) {
	inside := clause(explains)
	if role == wordChanges || role == wordUpdate {
		inside |= joins
	}
	if role != wordLocks && c.clauses&inside != 0 {
		c.effects |= Writes
	}
	if (role == wordLocks || role == wordUpdate) && c.prevIs("for") {
		c.effects |= Writes
	}
}

// mayBeType reports whether the name that was just met may be that of a type
// here, and not that of a column.
func (c *classifier) mayBeType() bool {
	switch {
	case c.clauses&queries == 0:
		return true
	case c.name.parts > 1:
		return string(c.identifier(c.name.schema)) == "pg_catalog"
	}
	switch c.prev.Kind {
	case KindTypecast, KindQuotedIdent, KindUnicodeIdent:
		return true
	case KindWord:
		if c.mayPrecedeType() {
			return true
		}
	default:
	}
	switch c.next().Kind {
	case KindString, KindDollarString, KindParam, KindLeftParen:
		return true
	default:
		return false
	}
}

// mayPrecedeType reports whether the word before is AS, or one behind which no
// expression begins: in a list of columns with types, their name.
func (c *classifier) mayPrecedeType() bool {
	word := c.fold(c.prev)
	switch string(word) {
	case "as":
		return true
	case "returning":
		return c.nesting.depth > 0
	case "set", "by", "between", "like", "ilike", "escape", "is", "distinct":
		return false
	}
	return words[string(word)]&reserved == 0
}
