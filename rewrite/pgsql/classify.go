package pgsql

// classifier walks over the tokens of a text and decides at every opening
// parenthesis whether the name before it is the name of a called function. It
// knows that by what stands before the name:
//
//	INSERT INTO t (a)         after INTO comes a table
//	FROM unnest($1) x (a)     after an operand comes no call: an alias
//	SELECT f(a)               after SELECT comes an expression: a call
//
// In doubt it is a call.
type classifier struct {
	scanner Scanner
	effects Effects
	folder  folder

	clauses clause
	prev    Token // the token before this one
	name    name  // the name that prev ends, if it ends one
	nesting nesting
}

// name is a possibly qualified name, as a.b.c.
type name struct {
	parts   int   // 0: none
	schema  Token // the first part
	last    Token
	before  Token // what stands before the name, zero at a statement's start
	operand bool  // whether that ends an operand, as far as its kind tells
}

// clause holds facts about the statement that the scan is in.
type clause uint8

const (
	// begun: its first word was seen.
	begun clause = 1 << iota
	// inert: it has no expressions.
	inert
	// inserts: INSERT INTO was seen, so ON CONFLICT may come.
	inserts
	// merges: MERGE INTO was seen, so THEN INSERT may come.
	merges
	// copies: it is COPY, so STDIN and STDOUT may come outside parentheses.
	copies
	// indexes: it is CREATE INDEX, so ON and USING come before names.
	indexes
)

// nesting has one bit for each open parenthesis, the innermost lowest. Beyond
// 64 the outer ones are forgotten and come back as 0, the careful answer.
type nesting struct {
	depth    int
	operands uint64 // what closes here ends an operand
	withs    uint64 // the list of WITH is being read: only names before (
	closed   bool   // the last that closed ended an operand
}

func (n *nesting) open(operand bool) {
	n.depth++
	n.operands <<= 1
	n.withs <<= 1
	if operand {
		n.operands |= 1
	}
}

func (n *nesting) close() {
	n.depth--
	n.closed = n.operands&1 != 0
	n.operands >>= 1
	n.withs >>= 1
}

func (c *classifier) step(t Token) {
	switch t.Kind {
	case KindWord:
		c.extend(t)
		if c.name.parts == 1 {
			c.word(t)
		}
	case KindQuotedIdent, KindUnicodeIdent:
		c.extend(t)
	case KindDot:
	case KindLeftParen:
		c.open()
	case KindRightParen:
		c.name.parts = 0
		c.nesting.close()
	case KindSemicolon:
		c.clauses, c.prev, c.name, c.nesting = 0, Token{}, name{}, nesting{}
		return
	case KindOther:
		c.effects |= Opaque
	default:
		c.name.parts = 0
	}
	c.prev = t
}

// extend adds a part to the name, or begins a new one.
func (c *classifier) extend(t Token) {
	switch {
	case c.prev.Kind != KindDot:
		c.name = name{parts: 1, schema: t, last: t, before: c.prev, operand: c.endsOperand()}
	case c.name.parts == 0:
		c.name = name{parts: 3, last: t, before: c.prev} // (row).column, a[1].b
	default:
		c.name.parts++
		c.name.last = t
	}
}

// endsOperand reports whether the token before ends an operand. A single word
// may be a keyword and is judged only when it matters.
func (c *classifier) endsOperand() bool {
	switch c.prev.Kind {
	case KindQuotedIdent, KindUnicodeIdent, KindString, KindDollarString, KindParam, KindNumber,
		KindRightBracket:
		return true
	case KindWord:
		return c.name.parts > 1
	case KindRightParen:
		return c.nesting.closed
	case KindNone, KindOperator, KindSemicolon, KindComma, KindLeftParen, KindLeftBracket, KindDot,
		KindColon, KindTypecast, KindAssign, KindDotDot, KindArrow, KindOther:
	}
	return false
}

// word takes note of the words that decide about later ones.
func (c *classifier) word(t Token) {
	if c.clauses&begun == 0 {
		c.clauses |= begun
		c.verb(t)
		return
	}
	word := c.fold(t)
	if c.nesting.withs&1 != 0 && endsWith(word) {
		c.nesting.withs &^= 1
	}
	switch string(word) {
	case "with":
		if c.beginsQuery() {
			c.nesting.withs |= 1
		}
	case "into":
		switch {
		case c.prevIs("insert"):
			c.clauses |= inserts
		case c.prevIs("merge"):
			c.clauses |= merges
		}
	case "index":
		if c.prevIs("create") || c.prevIs("unique") {
			c.clauses |= indexes
		}
	case "transaction":
		if c.prevIs("prepare") {
			c.effects |= Transaction
		}
	case "extension":
		if c.prevIs("create") || c.prevIs("alter") {
			c.effects |= Opaque
		}
	case "atomic":
		if c.prevIs("begin") {
			c.effects |= Opaque
		}
	}
}

// verb takes note of a statement's first word.
func (c *classifier) verb(t Token) {
	switch string(c.fold(t)) {
	case "listen":
		c.effects |= Listens
	case "unlisten", "discard":
		c.effects |= Unlistens
	case "begin", "start", "commit", "end", "rollback", "abort", "savepoint", "release":
		c.effects |= Transaction
	case "analyse", "analyze", "comment", "drop", "grant", "revoke", "security", "vacuum":
		c.clauses |= inert
	case "copy":
		c.clauses |= copies
	case "with":
		c.nesting.withs |= 1
	case "alter", "checkpoint", "close", "cluster", "create", "deallocate", "declare", "delete",
		"execute", "explain", "fetch", "insert", "lock", "merge", "move", "notify", "prepare",
		"reassign", "refresh", "reindex", "reset", "select", "set", "show", "table", "truncate",
		"update", "values":
	default:
		c.effects |= Opaque
	}
}

// beginsQuery reports whether WITH, here, surely begins a query: elsewhere it
// is part of a type's name, an option, or a column label (SELECT 1 AS with).
func (c *classifier) beginsQuery() bool {
	if c.prev.Kind == KindLeftParen {
		return true
	}
	return c.prevIs("for") || c.prevIs("explain") || c.prevIs("analyze") || c.prevIs("verbose")
}

// endsWith reports whether the word, at the level of a WITH list, ends it.
func endsWith(word []byte) bool {
	switch string(word) {
	case "as", "not":
		return false
	case "delete", "insert", "merge", "update", "values":
		return true
	}
	return words[string(word)]&reserved != 0
}

// open judges the name before a parenthesis and goes inside.
func (c *classifier) open() {
	if c.name.parts > 0 && c.mayCall() && !c.harmless() {
		c.effects |= Opaque
	}
	c.name.parts = 0
	// Behind these three, and only these, an expression may follow the closing
	// parenthesis: DISTINCT ON (…) f(), OPERATOR(…) f(), RETURNING WITH (…) f().
	c.nesting.open(!c.prevIs("on") && !c.prevIs("operator") && !c.prevIs("with"))
}

// prevIs reports whether the token before is the unquoted word.
func (c *classifier) prevIs(word string) bool {
	return c.prev.Kind == KindWord && string(c.fold(c.prev)) == word
}

// text returns the bytes of a token.
func (c *classifier) text(t Token) []byte { return c.scanner.text[t.Start:t.End] }

func (c *classifier) fold(t Token) []byte { return c.folder.fold(c.text(t)) }
