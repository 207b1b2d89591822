package pgsql

// Effects is what running a text may do to its session that a relay must know
// which does not parse: a set of flags, none of which is a promise that it
// happens.
type Effects uint8

const (
	// Opaque says that the text may do anything, LISTEN included: DO, CALL,
	// LOAD, extensions, a call of a function that is not on the list of harmless
	// built-in ones, an unknown statement, or a text that cannot be scanned to
	// its end.
	//
	// It speaks of the text alone. EXECUTE and FETCH run what an earlier PREPARE
	// or DECLARE held: their Opaque lasts as long as the session has that
	// statement or cursor. No text shows what hangs on the database's own
	// objects: triggers, views, rules, policies, defaults, domains, casts,
	// operators, event triggers, attribute notation for a function (row.f), and
	// functions that bear the name and take the place of a built-in one.
	Opaque Effects = 1 << iota
	// Listens is LISTEN as a statement.
	Listens
	// Unlistens is UNLISTEN or DISCARD.
	Unlistens
	// Transaction is a statement that begins, ends or subdivides a transaction:
	// BEGIN, START, COMMIT, END, ROLLBACK, ABORT, SAVEPOINT, RELEASE, PREPARE
	// TRANSACTION. The END of a BEGIN ATOMIC body is taken for one.
	Transaction
)

// Has reports whether all flags of the set are there.
func (e Effects) Has(set Effects) bool { return e&set == set }

// Classify returns the effects of a text of any number of statements. It
// allocates nothing and takes time linear in the length of the text.
func Classify(text []byte, mode Mode) Effects {
	c := classifier{}
	c.scanner.Reset(text, mode)
	for c.scanner.Next() {
		c.step(c.scanner.Token())
	}
	if c.scanner.fault != 0 {
		c.effects |= Opaque
	}
	return c.effects
}
