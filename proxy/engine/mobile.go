package engine

import (
	"bytes"
	"regexp"

	"github.com/crossfade-db/crossfade/rewrite/pgsql"
)

// Mobile is what the tracker keeps of a session that may move between the
// sides, beside the protocol: its prepared statements, which settings its texts
// have changed, and a version of its state. A session that cannot move has none.
//
// The version is raised before a text that may change state is forwarded, so a
// leg that has the version of the session has its state (ENGINE §6.9).
type Mobile struct {
	Version    uint32
	Effects    pgsql.Effects       // of all texts so far that may have changed state
	Names      map[string]struct{} // settings that texts have changed, as they name them
	AllUnknown bool                // further settings may have changed
	Hides      bool                // a text may have hidden state from every probe
	Statements map[string]*Statement
	Mirrored   bool    // writes are the source's and are mirrored
	Strict     bool    // transactions are stricter than READ COMMITTED by default
	Numbers    Numbers // how type and table numbers of the target are told to the client
	Verdicts   Verdicts
	Reported   map[string]struct{} // names of settings that the client was told at login; shared

	// Rereported are settings that the target has reported to the client in the
	// open transaction: if that is lost, they are not what the client was told.
	Rereported []string

	ending      bool     // what ends a failed transaction may be on its way
	dropping    []string // statements that texts on their way drop
	droppingAll bool
	executes    pgsql.Effects // of the texts of SQL PREPARE: what EXECUTE may do
	stateful    int           // statements whose execution may change state
	queue       []tracked     // what owed has of tracked messages, in order
	holdUnnamed bool
	script      []byte // control texts of the transaction at the target, each ends in NUL
	scripted    bool   // the script is all that the transaction consists of but for reads
	held        held
}

// Bounds of what one session can make us keep.
const (
	namesMost      = 200
	statementsMost = 5000
)

// Enroll makes the session one that may move. It is called once, before the
// client's first message.
func (e *Postgres) Enroll(m *Mobile) { e.mobile = m }

// Mobile is nil when the session cannot move.
func (e *Postgres) Mobile() *Mobile { return e.mobile }

// HoldUnnamed says whether unnamed statements are kept as well, which costs
// something for each. Sessions of the canary need it; others have theirs
// answered where they were parsed.
func (e *Postgres) HoldUnnamed(hold bool) {
	if m := e.mobile; m != nil && m.holdUnnamed != hold {
		m.holdUnnamed = hold
		delete(m.Statements, "")
	}
}

// Settled says that the session may change its side here: idle, and nothing of
// an extended batch was sent that its Sync has not ended.
func (e *Postgres) Settled() bool { return e.Idle() && e.flags&unsynced == 0 }

// Synced says that nothing of an extended batch was sent that its Sync has not
// ended, so that a Sync of ours ends nothing of the client's.
func (e *Postgres) Synced() bool { return e.flags&unsynced == 0 }

// ran follows a text that is about to be forwarded. What SET LOCAL changes in a
// transaction is gone with it.
func (e *Postgres) ran(text []byte, effects pgsql.Effects) {
	m := e.mobile
	if effects&pgsql.Transaction != 0 {
		m.ending = true
	}
	if e.refused() {
		return
	}
	if effects&pgsql.Prepares != 0 {
		m.executes |= effects
		m.deallocate(text, e.textMode())
	}
	if effects&pgsql.Executes != 0 && m.executes&pgsql.Opaque != 0 {
		effects |= m.executes
	}
	if effects&(pgsql.SetsState|pgsql.Opaque) == 0 {
		if effects&pgsql.Writes != 0 && firstWord(text) == "drop" {
			m.Version++ // what pinned the session may be gone
		}
		return
	}
	if e.Tx() == 'T' && localOnly(text, effects) {
		return
	}
	m.Version++
	if pgsql.AllReset(text, e.textMode()) {
		m.Hides = false // custom settings are empty after it
	}
	if complete := pgsql.SettingNames(text, e.textMode(), m.add); complete && effects&pgsql.Names != 0 {
		m.Effects |= effects &^ pgsql.Opaque // set_config and its like: nothing else is opaque in it
		return
	}
	m.Effects |= effects
	if effects&pgsql.Opaque != 0 {
		m.AllUnknown = true
		m.Hides = m.Hides || hides(text, effects)
	}
}

// deallocate notes the statements that a text drops, if the server says so.
func (m *Mobile) deallocate(text []byte, reading pgsql.Mode) {
	names, all := pgsql.Deallocates(text, reading)
	m.dropping = append(m.dropping, names...)
	m.droppingAll = m.droppingAll || all
}

// completed follows the tag of a statement that may have dropped some.
func (m *Mobile) completed(tag []byte) {
	switch {
	case bytes.HasPrefix(tag, []byte("DEALLOCATE ALL")), bytes.HasPrefix(tag, []byte("DISCARD ALL")):
		m.Statements = nil
		for i := range m.queue {
			if m.queue[i].name != "" {
				m.queue[i].before = nil // what it had replaced is gone, too
			}
		}
	case bytes.HasPrefix(tag, []byte("DEALLOCATE")) && len(m.dropping) > 0:
		delete(m.Statements, m.dropping[0])
		m.dropping = m.dropping[1:]
	}
}

// drops says that a tag is waited for.
func (m *Mobile) drops() bool { return m.droppingAll || len(m.dropping) > 0 }

// refused says that the transaction has failed, so that the server refuses
// what does not end it.
func (e *Postgres) refused() bool { return e.Tx() == 'E' && !e.mobile.ending }

// unreadable: anything may have happened.
func (m *Mobile) unreadable() {
	m.Version++
	m.Effects |= pgsql.Opaque | pgsql.SetsState
	m.AllUnknown, m.Hides = true, true
}

// Know notes a setting that the session has changed, found otherwise.
func (m *Mobile) Know(name string) { m.add(name) }

func (m *Mobile) add(name string) bool {
	if len(m.Names) >= namesMost {
		m.AllUnknown, m.Hides = true, true
		return false
	}
	if m.Names == nil {
		m.Names = map[string]struct{}{}
	}
	m.Names[name] = struct{}{}
	return true
}

// Words of a text that is a body of code and may set what no probe shows
// (SESSIONSTATE M10 and §2): custom settings, the seed, modules, and what other
// languages share within a session. Custom settings have a dotted name, but so
// much is not read of such a body.
var (
	codeHiders  = [][]byte{[]byte("set"), []byte("load")}
	otherHiders = [][]byte{[]byte("_SHARED"), []byte("GD[")}
	joined      = regexp.MustCompile(`'\s*\|\|\s*'`)
	constants   = regexp.MustCompile(`execute\s+'[^']*'\s*;`)
)

// hides says whether an opaque text may hide state from every probe.
func hides(text []byte, effects pgsql.Effects) bool {
	lower := bytes.ToLower(text)
	if effects&pgsql.Several == 0 && firstWord(text) != "do" {
		return bytes.Contains(lower, []byte("set_config"))
	}
	lower = constants.ReplaceAllFunc(joined.ReplaceAll(lower, nil), func(b []byte) []byte { return b[len("execute"):] })
	return anyIn(lower, codeHiders) || anyIn(text, otherHiders) || bytes.Contains(lower, []byte("execute"))
}

func anyIn(text []byte, words [][]byte) bool {
	for _, word := range words {
		if bytes.Contains(text, word) {
			return true
		}
	}
	return false
}

// textMode is how the server reads string constants now.
func (e *Postgres) textMode() pgsql.Mode {
	if e.flags&backslashes != 0 {
		return pgsql.BackslashStrings
	}
	return 0
}
