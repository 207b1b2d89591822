package pgsql

import "strings"

// Effects is what running a text may do to its session that a relay must know
// which does not parse: a set of flags, none of which is a promise that it
// happens. Where the package is in doubt, it sets the flag.
//
// They speak of the text alone. No text shows what hangs on the database's own
// objects: triggers, views, rules, policies, defaults (nextval of a serial
// column), domains, casts, operators, event triggers, attribute notation for a
// function (row.f), and functions that bear the name and take the place of a
// built-in one. EXECUTE and FETCH (Executes) do what the text of an earlier
// PREPARE or DECLARE shows, so its flags last as long as the session has that
// statement or cursor.
type Effects uint32

const (
	// Opaque says that the text may do anything, LISTEN included: DO, CALL,
	// LOAD, extensions, a call of a function that is not on the list of harmless
	// built-in ones, an unknown statement, or a text that cannot be scanned to
	// its end. Of the flags below only SetsState comes with it by itself;
	// whoever asks for another must count Opaque as a yes.
	Opaque Effects = 1 << iota
	// Listens is LISTEN as a statement.
	Listens
	// Unlistens is UNLISTEN or DISCARD.
	Unlistens
	// Transaction is a statement that begins, ends or subdivides a transaction:
	// BEGIN, START, COMMIT, END, ROLLBACK, ABORT, SAVEPOINT, RELEASE, PREPARE
	// TRANSACTION. The END of a BEGIN ATOMIC body is taken for one.
	Transaction
	// SetsState says that the session may carry something else after it: SET
	// and SET LOCAL (not of TRANSACTION and CONSTRAINTS), RESET, DISCARD,
	// set_config, an UPDATE that names pg_settings, LISTEN, UNLISTEN, DECLARE,
	// CLOSE, PREPARE TRANSACTION, everything from Prepares to Loads, and
	// everything Opaque. The end of a transaction or savepoint, which takes back
	// what was set in it, shows as Transaction alone.
	SetsState
	// Names says that it may change settings by name: SettingNames lists them,
	// or says that it cannot.
	Names
	// Prepares is SQL PREPARE, DEALLOCATE, DISCARD PLANS or DISCARD ALL.
	Prepares
	// Temporary says that it may make temporary objects, or objects in the
	// temporary schema: CREATE TEMP, SELECT INTO, the name pg_temp anywhere.
	Temporary
	// Advisory is a function of session-level advisory locks, also of unlocking.
	Advisory
	// Holds is DECLARE … WITH HOLD.
	Holds
	// Seeds is setseed or SET SEED.
	Seeds
	// Loads is LOAD.
	Loads
	// Executes says that it needs, or drops, a statement or cursor that the
	// session already has: EXECUTE, EXPLAIN EXECUTE, FETCH, MOVE, CLOSE, WHERE
	// CURRENT OF.
	Executes
	// Catalog says that its answer may hold numbers or internals of one server:
	// system catalogs and information_schema, the types oid, xid, cid, tid,
	// pg_lsn, pg_snapshot and reg…, system columns, pg_typeof, binary COPY.
	// The names xid, cid and tid count where a type may stand, not as columns.
	Catalog
	// ServerBound says that only the server that the session works on can answer
	// rightly: sequences, process, lock, transaction and write-ahead log numbers,
	// statistics, every advisory lock, large objects, NOTIFY, snapshots that are
	// exported or imported, two-phase commands.
	ServerBound
	// ReadWrite says that it may ask for a transaction that writes, or make a
	// read-only one writable: READ WRITE, the names transaction_read_only and
	// default_transaction_read_only, also in a string constant, and settings
	// whose name is computed or written with escapes.
	ReadWrite
	// Writes says that it is not proven to be a plain read by its grammar.
	// Proven are SELECT, VALUES, TABLE and SHOW, with WITH and under EXPLAIN
	// without ANALYZE, that have no data-modifying part, INTO or row lock.
	// Transaction control, SET and RESET do not have the flag either. A function
	// that writes shows as Opaque or ServerBound.
	Writes
	// Several says that the text has more than one statement that is not empty.
	Several
)

// effectNames are the words for the flags, in their order.
var effectNames = [...]string{
	"opaque", "listens", "unlistens", "transaction", "setsstate", "names", "prepares",
	"temporary", "advisory", "holds", "seeds", "loads", "executes", "catalog", "serverbound",
	"readwrite", "writes", "several",
}

// unread are the flags of a text that cannot be read: all that say where it may
// run. What it may leave behind is for Opaque to say.
const unread = Opaque | SetsState | Catalog | ServerBound | ReadWrite | Writes

// Has reports whether all flags of the set are there.
func (e Effects) Has(set Effects) bool { return e&set == set }

// String returns the words for the flags, in lower case, joined by |; "none"
// for the empty set.
func (e Effects) String() string {
	var words []string
	for i, name := range effectNames {
		if e&(1<<i) != 0 {
			words = append(words, name)
		}
	}
	if len(words) == 0 {
		return "none"
	}
	return strings.Join(words, "|")
}

// Classify returns the effects of a text of any number of statements. It
// allocates nothing and takes time linear in the length of the text.
func Classify(text []byte, mode Mode) Effects {
	c := classifier{}
	c.run(text, mode)
	return c.effects
}
