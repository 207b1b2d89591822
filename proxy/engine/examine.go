package engine

import (
	"bytes"
	"encoding/binary"

	"github.com/crossfade-db/crossfade/rewrite/pgsql"
	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/wire"
)

// Batch is what a client has sent up to the next boundary, looked at before it
// is forwarded. Its slices are used again by the next call of Examine.
type Batch struct {
	Size     int           // bytes of it
	Boundary byte          // Q, F, S, H, X; 0 when it is not whole yet
	Against  router.Reason // why the target cannot answer it
	Refused  bool          // it asks for a read-write transaction
	Retry    bool          // it may run a second time at the other side
	Effects  pgsql.Effects // of all its texts
	Texts    []uint64      // TextKey of each
	Needs    []Need        // statements that it uses and does not make
	Control  []byte        // its texts that control the transaction, each ends in NUL
	Undoes   bool          // it is nothing but ROLLBACK
	Ends     bool          // it is nothing but COMMIT

	unscripted bool // once it has run at the target, the transaction cannot be begun again from its texts

	executes int
	made     [][]byte // names of statements that it makes
}

// Need is a statement that a batch uses.
type Need struct {
	Name string
	*Statement
}

func (b *Batch) reset() {
	*b = Batch{
		Retry: true, Texts: b.Texts[:0], Needs: b.Needs[:0], Control: b.Control[:0], made: b.made[:0],
	}
}

// against keeps the first reason.
func (b *Batch) against(why router.Reason) {
	if b.Against == router.None {
		b.Against = why
	}
}

// Examine looks at the beginning of in, up to and with the first message that
// makes the server answer. in begins at a message. The session can move, and
// nothing is owed. What the protocol does not have is left to Client.
func (e *Postgres) Examine(in []byte, b *Batch) {
	b.reset()
	for b.Size < len(in) {
		h := wire.Parse(in[b.Size:])
		if h.State == wire.Bad {
			b.Size, b.Boundary = len(in), 'X'
			return
		}
		if h.State != wire.Whole {
			return
		}
		message := in[b.Size : b.Size+h.Size]
		b.Size += h.Size
		e.look(h.Type, message, b)
		switch h.Type {
		case 'Q', 'F', 'S', 'H', 'X':
			b.Boundary = h.Type
			e.conclude(b)
			return
		}
	}
}

// look takes one message into account.
func (e *Postgres) look(kind byte, message []byte, b *Batch) {
	body := message[wire.HeaderSize:]
	switch kind {
	case 'Q':
		text, _, _ := bytes.Cut(body, []byte{0})
		b.executes++
		effects := pgsql.Classify(text, e.textMode())
		e.text(text, effects, traitsOf(text, effects), TextKey(text), b)
	case 'P':
		e.lookParse(message, b)
	case 'B':
		e.uses(boundName(body), b)
		if portal, _, _ := bytes.Cut(body, []byte{0}); len(portal) > 0 {
			b.Retry = false // it may be left open
			if e.Tx() == 'T' {
				b.against(router.Portal)
			}
		}
	case 'D':
		if name, ok := statementName(body); ok {
			e.uses(name, b)
		}
	case 'E':
		b.executes++
		if n := len(body); n >= 4 && e.Tx() == 'T' && binary.BigEndian.Uint32(body[n-4:]) != 0 {
			b.against(router.Portal) // a limit of rows may leave it open
		}
	case 'F':
		b.against(router.Unknown)
	}
}

func (e *Postgres) lookParse(message []byte, b *Batch) {
	name, rest, ok := bytes.Cut(message[wire.HeaderSize:], []byte{0})
	text, _, whole := bytes.Cut(rest, []byte{0})
	if !ok || !whole {
		b.against(router.Unknown)
		return
	}
	if s := e.mobile.Statements[string(name)]; s != nil && len(name) > 0 {
		b.Needs = append(b.Needs, Need{Name: string(name), Statement: s}) // the name is taken, on both sides
	}
	b.made = append(b.made, name)
	if n := e.mobile.Numbers; n != nil && !n.Parse(message) {
		b.against(router.TypeOID)
	}
	effects := pgsql.Classify(text, e.textMode())
	e.text(text, effects, traitsOf(text, effects), TextKey(text), b)
}

// uses notes a statement that was made earlier.
func (e *Postgres) uses(name []byte, b *Batch) {
	for _, made := range b.made {
		if bytes.Equal(made, name) {
			return
		}
	}
	s := e.mobile.Statements[string(name)]
	if s == nil {
		b.against(router.Unknown)
		return
	}
	for _, n := range b.Needs {
		if n.Statement == s {
			return
		}
	}
	b.Needs = append(b.Needs, Need{Name: s.name(), Statement: s})
	var text []byte
	if s.traits&read != 0 {
		text = s.Text()
	}
	e.text(text, s.Effects, s.traits, s.Key, b)
}

// traits are what a text means for a batch beyond its effects. They are found
// once per statement.
type traits uint8

const (
	transactional traits = 1 << iota // it says SET TRANSACTION, or names a setting of transactions
	local                            // it is one SET LOCAL
	sourceOnly                       // it is for the source's server alone
	read                             // what it says has to be read again where it is used
)

func traitsOf(text []byte, effects pgsql.Effects) (is traits) {
	if setsTransaction(text, effects) {
		is |= transactional
	}
	if localOnly(text, effects) {
		is |= local
	}
	if asksVersion(text) || effects&pgsql.Writes != 0 && maintenance(text) {
		is |= sourceOnly
	}
	if is&(transactional|local) != 0 || effects&(pgsql.Transaction|pgsql.Prepares|pgsql.Opaque|pgsql.ReadWrite) != 0 {
		is |= read
	}
	return is
}

// text takes a text into account that the batch runs or makes; nil: it need not
// be read.
func (e *Postgres) text(text []byte, effects pgsql.Effects, is traits, key uint64, b *Batch) {
	b.Effects |= effects
	b.Texts = append(b.Texts, key)
	if effects&pgsql.Writes != 0 {
		b.Retry = false
	}
	switch {
	case effects&pgsql.Transaction != 0, is&transactional != 0:
		e.control(text, effects, b)
	case e.Tx() == 'T' && is&local != 0:
		b.Retry = false
		b.Control = append(append(b.Control, text...), 0)
	case effects&(pgsql.SetsState|pgsql.Opaque) != 0:
		b.against(router.SetsState)
	}
	if effects&(pgsql.Prepares|pgsql.Opaque) != 0 {
		e.drops(text, effects, b)
	}
	switch {
	case effects&pgsql.Catalog != 0:
		b.against(router.Catalog)
	case effects&pgsql.ServerBound != 0, is&sourceOnly != 0:
		b.against(router.ServerBound)
	case effects&pgsql.Executes != 0 && e.mobile.executes&(pgsql.Catalog|pgsql.ServerBound|pgsql.Opaque) != 0:
		b.against(router.Unknown)
	}
	if effects&pgsql.ReadWrite != 0 {
		e.asksToWrite(text, effects, b)
	}
	if v := e.mobile.Verdicts; v != nil && v.Of(key) == Differs {
		b.against(router.TypeOID)
	}
}

// maintenance says that a text is not surely refused by a read-only transaction
// though it changes something: commands that work on the server itself or on how
// it keeps its rows, locks, files.
func maintenance(text []byte) bool {
	first, second := words(text)
	switch first {
	case "alter":
		return second == "system"
	case "copy":
		lower := bytes.ToLower(text)
		return !bytes.Contains(lower, []byte("stdin")) && !bytes.Contains(lower, []byte("stdout"))
	default:
		return !refusedOrRead[first]
	}
}

var refusedOrRead = map[string]bool{
	"insert": true, "update": true, "delete": true, "merge": true, "select": true, "with": true, "values": true, "table": true,
	"create": true, "drop": true, "truncate": true, "grant": true, "revoke": true, "comment": true,
	"declare": true, "fetch": true, "move": true, "close": true, "execute": true, "explain": true, "prepare": true, "": true,
}

// asksVersion says that a text asks for the version of the server, of which the
// client was told that of the source.
func asksVersion(text []byte) bool {
	if !bytes.ContainsAny(text, "vV") {
		return false
	}
	lower := bytes.ToLower(text)
	return bytes.Contains(lower, []byte("server_version")) || bytes.Contains(lower, []byte("version("))
}

// drops notes the statements that a text may drop: the leg that it runs on has
// to have them. A body of code may drop any.
func (e *Postgres) drops(text []byte, effects pgsql.Effects, b *Batch) {
	names, _ := pgsql.Deallocates(text, e.textMode())
	for _, name := range names {
		e.needs(name, b)
	}
	if effects&pgsql.Opaque == 0 || firstWord(text) != "do" {
		return
	}
	for name := range e.mobile.Statements {
		e.needs(name, b)
	}
}

// needs notes a statement, if it is known.
func (e *Postgres) needs(name string, b *Batch) {
	if s := e.mobile.Statements[name]; s != nil && name != "" {
		b.Needs = append(b.Needs, Need{Name: name, Statement: s})
	}
}

// asksToWrite tells a statement that wants a read-write transaction from one
// that only names the setting.
func (e *Postgres) asksToWrite(text []byte, effects pgsql.Effects, b *Batch) {
	if effects&pgsql.Transaction != 0 || (firstWord(text) == "set" && effects&pgsql.SetsState == 0) {
		b.Refused = true
		return
	}
	b.against(router.ServerBound)
}

// setsTransaction says that a text is SET TRANSACTION, or names a setting of
// transactions.
func setsTransaction(text []byte, effects pgsql.Effects) bool {
	if effects&pgsql.Writes != 0 {
		return false
	}
	first, second := words(text)
	if first == "set" && second == "transaction" {
		return true
	}
	return effects&pgsql.SetsState != 0 && bytes.Contains(bytes.ToLower(text), []byte("transaction_isolation"))
}

// control takes a text with transaction control into account. A transaction of
// a stricter isolation than READ COMMITTED has one snapshot and could not leave
// the target when it has to.
func (e *Postgres) control(text []byte, effects pgsql.Effects, b *Batch) {
	lower := bytes.ToLower(text)
	_, byDefault := e.mobile.Names["default_transaction_isolation"]
	switch word := firstWord(text); {
	case bytes.Contains(lower, []byte("serializable")), bytes.Contains(lower, []byte("repeatable")), bytes.Contains(lower, []byte("transaction_isolation")):
		b.against(router.Isolation)
	case (byDefault || e.mobile.Strict) && (word == "begin" || word == "start"):
		b.against(router.Isolation)
	case effects&pgsql.Several != 0 && (effects&(pgsql.SetsState|pgsql.Opaque) != 0 || len(b.Texts) > 1):
		b.against(router.Mixed)
	case word == "rollback" || word == "abort":
		b.Undoes = len(b.Texts) == 1
	case word == "commit" || word == "end":
		b.Ends = len(b.Texts) == 1
	}
	begins := e.Tx() == 'I' && len(b.Texts) == 1 && effects&pgsql.Several == 0
	if word := firstWord(text); !begins || word != "begin" && word != "start" {
		b.Retry = false // a transaction that has just begun can begin elsewhere
	}
	b.unscripted = b.unscripted || effects&pgsql.Several != 0
	b.Control = append(append(b.Control, text...), 0)
}

// localOnly says that a text is one SET LOCAL: what it changes ends with the
// transaction.
func localOnly(text []byte, effects pgsql.Effects) bool {
	if effects&(pgsql.Opaque|pgsql.Several) != 0 || effects&pgsql.Names == 0 {
		return false
	}
	first, second := words(text)
	return first == "set" && second == "local"
}

func firstWord(text []byte) string {
	first, _ := words(text)
	return first
}

// words are the first two tokens of a text in lower case; "" for one that is
// not a word.
func words(text []byte) (first, second string) {
	var s pgsql.Scanner
	s.Reset(text, 0)
	next := func() string {
		if !s.Next() || s.Token().Kind != pgsql.KindWord {
			return ""
		}
		return string(bytes.ToLower(text[s.Token().Start:s.Token().End]))
	}
	first = next()
	return first, next()
}

// conclude judges the batch as a whole: where several statements run, the
// descriptions of all have to be known to be right, since answers of the first
// are with the client before the second is described.
func (e *Postgres) conclude(b *Batch) {
	several := b.executes > 1 || b.Effects&pgsql.Several != 0
	if b.Effects&pgsql.Several != 0 {
		b.against(router.Mixed)
	}
	if !several || b.Against != router.None || b.Effects&pgsql.Transaction != 0 && b.executes <= 1 {
		return
	}
	if e.mobile.Verdicts == nil {
		return
	}
	for _, key := range b.Texts {
		if e.mobile.Verdicts.Of(key) != Same {
			b.against(router.Mixed)
		}
	}
}

// scriptMost bounds the texts that a transaction at the target is begun again
// with at the source, in bytes.
const scriptMost = 4 << 10

// Began notes that a batch has been forwarded to the target.
func (e *Postgres) Began(b *Batch) {
	m := e.mobile
	if e.Tx() == 'I' {
		m.script, m.scripted = m.script[:0], b.Effects&pgsql.Several == 0
	}
	if b.unscripted || len(m.script)+len(b.Control) > scriptMost {
		m.scripted = false
		return
	}
	m.script = append(m.script, b.Control...)
}

// Script is what begins the session's transaction again at the other side: its
// control texts in order, each ending in NUL. ok is false when the transaction
// cannot be begun again.
func (e *Postgres) Script() (texts []byte, ok bool) {
	m := e.mobile
	return m.script, m.scripted && e.Tx() == 'T' && e.Quiet()
}

// ended follows the end of a transaction.
func (e *Postgres) ended(tx byte) {
	if e.mobile != nil {
		e.mobile.dropping, e.mobile.droppingAll, e.mobile.ending = nil, false, false
	}
	if e.mobile != nil && tx == 'I' {
		e.mobile.script, e.mobile.scripted, e.mobile.Rereported = nil, false, nil
	}
}
