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

	facts   fact
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

// fact is what is known of the whole text.
type fact uint8

const (
	// some: a statement that is not empty has ended.
	some fact = 1 << iota
	// settings: it has SET or set_config.
	settings
	// copying: it has COPY.
	copying
	// escaped: a constant with escapes, or of several parts, may hide a word.
	escaped
	// viewed: it names the view pg_settings, which can be updated.
	viewed
	// unknown: it is Opaque for more than functions whose effects are known.
	unknown
)

// clause holds facts about the statement that the scan is in.
type clause uint16

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
	// joins: WITH was seen, so it may have data-modifying parts.
	joins
	// explains: it is EXPLAIN.
	explains
	// declares: it is DECLARE.
	declares
	// sets: it is SET or RESET.
	sets
	// queries: it reads or changes rows, so types are only named in expressions.
	queries
)

// nesting has one bit for each open parenthesis, the innermost lowest. Beyond
// 64 the outer ones are forgotten and come back as 0, the careful answer.
type nesting struct {
	depth    int
	operands uint64 // what closes here ends an operand
	withs    uint64 // the list of WITH is being read: only names before (
	fresh    uint64 // SELECT was not seen
	closed   bool   // the last that closed ended an operand
}

func (n *nesting) open(operand bool) {
	n.depth++
	n.operands <<= 1
	n.withs <<= 1
	n.fresh = n.fresh<<1 | 1
	if operand {
		n.operands |= 1
	}
}

func (n *nesting) close() {
	n.depth--
	n.closed = n.operands&1 != 0
	n.operands >>= 1
	n.withs >>= 1
	n.fresh >>= 1
}

// run walks over a text.
func (c *classifier) run(text []byte, mode Mode) {
	c.scanner.Reset(text, mode)
	c.nesting.fresh = 1
	for c.scanner.Next() {
		c.step(c.scanner.Token())
	}
	c.end()
	if c.scanner.fault != 0 {
		c.effects |= unread
		c.facts |= unknown
	}
	if c.scanner.joined {
		c.facts |= escaped
	}
	c.conclude()
}

// conclude adds what follows from several facts together.
func (c *classifier) conclude() {
	if c.facts&escaped != 0 {
		if c.facts&settings != 0 {
			c.effects |= ReadWrite | Temporary
		}
		if c.facts&copying != 0 {
			c.effects |= Catalog
		}
	}
	if c.facts&viewed != 0 && c.effects&Writes != 0 {
		c.effects |= Names | ReadWrite | Seeds | Temporary
		c.facts |= unknown
	}
	const carried = Opaque | Names | Prepares | Temporary | Advisory | Holds | Seeds | Loads
	if c.effects&carried != 0 {
		c.effects |= SetsState
	}
}

func (c *classifier) step(t Token) {
	switch t.Kind {
	case KindWord:
		c.extend(t)
		c.word(t)
	case KindQuotedIdent:
		c.extend(t)
		c.quoted(t)
	case KindUnicodeIdent:
		c.extend(t)
		c.disguised()
	case KindString, KindDollarString:
		c.name.parts = 0
		c.constant(t)
	case KindDot:
	case KindLeftParen:
		c.open()
	case KindRightParen:
		c.name.parts = 0
		c.nesting.close()
	case KindSemicolon:
		c.end()
		c.clauses, c.prev, c.name, c.nesting = 0, Token{}, name{}, nesting{fresh: 1}
		return
	case KindOther:
		c.effects |= unread
		c.facts |= unknown
	default:
		c.name.parts = 0
	}
	c.prev = t
}

// end counts the statement that ends here, unless it is empty.
func (c *classifier) end() {
	if c.prev.Kind == KindNone {
		return
	}
	if c.facts&some != 0 {
		c.effects |= Several
	}
	c.facts |= some
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
		if !c.understood() {
			c.facts |= unknown
		}
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
