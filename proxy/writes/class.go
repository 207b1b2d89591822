// Package writes decides how a statement is mirrored: what of it can be
// captured as row images, what has to be asked of the server afterwards, and
// what goes through unseen. It is pure; what the catalog of the source says is
// all that it knows (DESIGN §4.1, WRITEPATH §2).
//
//	text ── parse.Analyse ── rewrite.Statement ─┐
//	session: search_path, rights ─ Env ─────────┴─ Decide ── Plan
package writes

import (
	"slices"

	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/rewrite/pgsql/copyin"
	"github.com/crossfade-db/crossfade/shadow"
)

// Class is how a statement is treated.
type Class uint8

// Classes.
const (
	// Pass: it changes no mapped table.
	Pass Class = iota
	// Capture: its rows come back with RETURNING.
	Capture
	// Truncate empties mapped tables, on both sides.
	Truncate
	// Probe: it may change mapped tables in a way that is not seen; the server is
	// asked afterwards which, and these are dirty.
	Probe
	// Body: it may commit inside (CALL, DO), so that what it may change is dirty
	// before it starts.
	Body
	// Copy is COPY FROM into a mapped table.
	Copy
	// Definition changes the definition of a mapped table.
	Definition
	// Control begins, ends or subdivides a transaction.
	Control
	// Verbatim is a text of several statements that may commit in the middle.
	Verbatim
	// Sequence is a text of several statements that does not: Parts.
	Sequence
)

var classWords = [...]string{"pass", "capture", "truncate", "probe", "body", "copy", "definition", "control", "verbatim", "sequence"}

// String is the word of explain and metrics.
func (c Class) String() string { return classWords[c] }

// Why says why a statement that writes a mapped table is not captured. Its words
// are metric labels.
type Why string

// Reasons for not capturing.
const (
	Captured    Why = ""
	WhyUnread   Why = "unread"       // the text cannot be understood
	WhyFunction Why = "function"     // it calls a function that may write
	WhyView     Why = "view"         // the target is a view
	WhyRule     Why = "rule"         // the table has rewrite rules
	WhyRowLevel Why = "row_security" // RETURNING would filter rows
	WhyRight    Why = "right"        // the login may not SELECT every column
	WhyDeferred Why = "deferred_trigger"
	WhyInherits Why = "inheritance"
	WhyMerge    Why = "merge"
	WhyCTE      Why = "writing_cte"
	WhyKey      Why = "key_change" // the old keys cannot be known
	WhyRole     Why = "role"       // the session has changed its role
	WhyUnknown  Why = "unknown_table"
	WhyTrigger  Why = "trigger" // of a table that is not mapped
	WhyExecute  Why = "execute" // a statement of SQL PREPARE
	WhyRowLimit Why = "row_limit"
	WhyLong     Why = "long" // the text is too long to be analysed
	WhyBody     Why = "body"
	WhyCopy     Why = "copy"
	WhySeveral  Why = "several" // several statements with transaction control
	WhyFastPath Why = "function_call"
	WhyForeign  Why = "foreign_key"     // the target's own, which acts otherwise
	WhyEncoding Why = "client_encoding" // it is not UTF8
)

// Plan is what becomes of one text in one session. It is immutable.
type Plan struct {
	Statement *rewrite.Statement
	Class     Class
	Why       Why
	Kind      shadow.Kind
	Pair      *rewrite.Pair
	Pairs     []*rewrite.Pair // further ones that it changes as a whole
	Old       bool            // the old keys are selected first
	// Moves are the pairs whose rows follow a change of the key at one side and not
	// in the same way at the other, Pair included: with such a change they are dirty.
	Moves []*rewrite.Pair
	Loses []*rewrite.Pair // that a delete changes at the target alone
	// With are the plans of the CTEs that write, nil for those of tables that are not
	// mapped, and Main that of the statement itself, if its table is. Pair is nil then.
	With []*Plan
	Main *Plan
	// Watch says that the server is asked, after it, which tables it has changed
	// beside what was captured.
	Watch bool
	// Same are pairs that the target changes by itself as the source does: by the
	// same cascade.
	Same  []*rewrite.Pair
	Reads []*rewrite.Pair // that an answer of the target would show
	// Apart says that the target cannot answer it whatever is ready: it reads a
	// table that is not mapped, or whose shape differs.
	Apart Apart
	Parts []Part // of Sequence and Verbatim
	// Reloads says that it changes what the catalogs say.
	Reloads bool
	// Doubts says that it may change what other statements do.
	Doubts bool
	// Form is how the keys of a COPY's rows are read from its data; nil: they cannot
	// be, and the table is dirty as a whole.
	Form  *copyin.Form
	Tally Tally // counts its executions; nil: nobody does
}

// Shows says that the client of a captured statement is given rows.
func (p *Plan) Shows() bool { return p.Statement.Returning || p.Statement.Queries }

// Captured are the plans of what a captured statement writes, in the order in
// which it does, each with its pair.
func (p *Plan) Captured() (all []*Plan) {
	if p.Class != Capture {
		return nil
	}
	if p.With == nil {
		return []*Plan{p}
	}
	for _, one := range append(slices.Clip(p.With), p.Main) {
		if one != nil {
			all = append(all, one)
		}
	}
	return all
}

// Harmless says that a text which goes as it came writes nothing that is mapped:
// it matters to a transaction that has written before.
func (p *Plan) Harmless() bool {
	risky := func(part Part) bool { return part.Class != Pass && part.Class != Control }
	return p.Class == Verbatim && len(p.Pairs) == 0 && !slices.ContainsFunc(p.Parts, risky)
}

// Tables are the names of the mapped tables that the statement concerns.
func (p *Plan) Tables() []string {
	var names []string
	for _, pair := range append(slices.Clip(p.Reads), p.Pairs...) {
		if !slices.Contains(names, pair.Name()) {
			names = append(names, pair.Name())
		}
	}
	return names
}

// Tally counts what becomes of a statement.
type Tally interface {
	Seen()
	Mirrored()
	Skipped(reason string)
}

// Part is one statement of a text.
type Part struct {
	*Plan
	Text []byte
}

// Apart is why a read is the source's for its tables.
type Apart uint8

// Reasons.
const (
	Together Apart = iota
	Unmapped       // a table is not mapped, or not known
	Shape          // a table's shape differs
	Kept           // the mapping keeps a table's reads at the source
	Locks          // it locks rows
	WritesIt       // it writes
)

// Rights are what a login may do with a table of the source.
type Rights struct {
	Select      bool
	RowSecurity bool // policies apply to it
}

// Env is what a decision hangs on beside the text.
type Env struct {
	Plan *rewrite.Plan
	Path []string // current_schemas(true) of the session
	// Temporary are the names of the session's temporary tables.
	Temporary []string
	// Encoded: the session's texts, and so its images, are in another encoding than
	// keys are remembered in.
	Encoded bool
	// Rights of the session's login, by table of the source.
	Rights map[rewrite.Name]Rights
	Role   bool // the session has another role than its login
}
