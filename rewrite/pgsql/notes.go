package pgsql

import "strings"

// note is what is known of a word that a text has seldom.
type note struct {
	// means holds for the name wherever it stands, quoted or not.
	means Effects
	name  nameRole
	word  wordRole
}

// nameRole is what to look at when a name is met, quoted or not.
type nameRole uint8

const (
	plainName nameRole = iota
	nameOfSetConfig
	nameOfType // flagged only where a type may stand
	nameOfSeed // flagged only in SET
)

// wordRole is what an unquoted, unqualified word may begin or end.
type wordRole uint8

const (
	plainWord wordRole = iota
	wordWith
	wordSelect
	wordInto
	wordIndex
	wordTransaction
	wordExtension
	wordAtomic
	wordWrite
	wordTemporary
	wordChanges // INSERT, DELETE, MERGE
	wordUpdate
	wordLocks   // what follows FOR in a row lock
	wordExplain // what makes EXPLAIN more than a plan of a read
	wordExecute
	wordHold
	wordOf
	wordPrepared
	wordSnapshot
	wordBinary
)

var wordRoles = map[string]wordRole{
	"with":        wordWith,
	"select":      wordSelect,
	"into":        wordInto,
	"index":       wordIndex,
	"transaction": wordTransaction,
	"extension":   wordExtension,
	"atomic":      wordAtomic,
	"write":       wordWrite,
	"temp":        wordTemporary,
	"temporary":   wordTemporary,
	"insert":      wordChanges,
	"delete":      wordChanges,
	"merge":       wordChanges,
	"update":      wordUpdate,
	"share":       wordLocks,
	"no":          wordLocks,
	"key":         wordLocks,
	"analyze":     wordExplain,
	"analyse":     wordExplain,
	"create":      wordExplain,
	"declare":     wordExplain,
	"refresh":     wordExplain,
	"execute":     wordExecute,
	"hold":        wordHold,
	"of":          wordOf,
	"prepared":    wordPrepared,
	"snapshot":    wordSnapshot,
	"binary":      wordBinary,
}

// typeNames are types whose values are numbers of one server, which no column
// is likely to be called by; the array of each is the name with _ before it.
const typeNames = `oid oidvector xid8 regclass regcollation regconfig regdatabase regdictionary
	regnamespace regoper regoperator regproc regprocedure regrole regtype`

// shortTypeNames are such types whose names columns bear too (pgbench's tid).
const shortTypeNames = `xid cid tid`

// catalogNames are system columns, schemas and functions that show numbers of
// one server.
const catalogNames = `information_schema tableoid ctid xmin xmax cmin cmax aclexplode format_type
	oidvectortypes currtid currtid2 txid_snapshot to_regclass to_regcollation to_regnamespace
	to_regoper to_regoperator to_regproc to_regprocedure to_regrole to_regtype to_regtypemod`

// serverNames are functions that only one server answers rightly. Those whose
// names begin with txid_ and lo_ are taken from the list of functions.
const serverNames = `nextval currval lastval setval loread lowrite brin_summarize_new_values
	brin_summarize_range brin_desummarize_range gin_clean_pending_list`

// notes holds every word with a meaning but those that begin with pg_.
var notes = noteWords()

func noteWords() map[string]note {
	m := map[string]note{
		"set_config":                    {means: SetsState | Names, name: nameOfSetConfig},
		"setseed":                       {means: SetsState | Seeds},
		"seed":                          {name: nameOfSeed},
		"transaction_read_only":         {means: ReadWrite},
		"default_transaction_read_only": {means: ReadWrite},
	}
	for word, role := range wordRoles {
		m[word] = note{word: role}
	}
	for word := range strings.FieldsSeq(typeNames) {
		m[word] = note{means: Catalog}
		m["_"+word] = note{means: Catalog}
	}
	for word := range strings.FieldsSeq(shortTypeNames) {
		m[word] = note{name: nameOfType}
		m["_"+word] = note{means: Catalog}
	}
	for word := range strings.FieldsSeq(catalogNames) {
		m[word] = note{means: Catalog}
	}
	for word := range strings.FieldsSeq(serverNames) {
		m[word] = note{means: ServerBound}
	}
	for word := range words {
		if strings.HasPrefix(word, "txid_") || strings.HasPrefix(word, "lo_") {
			m[word] = note{means: ServerBound}
		}
	}
	return m
}

// sieve has, for the first two letters of a word, a bit for each length of a
// word that notes or the prefix pg_ may know. It lets most words of ordinary
// statements go with one look.
var sieve = newSieve()

func newSieve() (s [32][32]uint64) {
	for word := range notes {
		s[word[0]&31][word[1]&31] |= 1 << len(word)
	}
	s['p'&31]['g'&31] = ^uint64(0)
	return s
}

// notable reports whether a word, in any case, may be a known one.
func notable(word []byte) bool {
	return len(word) > 1 && sieve[word[0]&31][word[1]&31]>>len(word)&1 != 0
}
