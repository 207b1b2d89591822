package engine

import (
	"bytes"

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
	Numbers    Numbers // how type and table numbers of the target are told to the client
	Verdicts   Verdicts
	Reported   map[string]struct{} // names of settings that the client was told at login; shared

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

// ran follows a text that is about to be forwarded. What SET LOCAL changes in a
// transaction is gone with it.
func (e *Postgres) ran(text []byte, effects pgsql.Effects) {
	m := e.mobile
	if effects&pgsql.Prepares != 0 {
		m.executes |= effects
	}
	if effects&pgsql.Executes != 0 && m.executes&pgsql.Opaque != 0 {
		effects |= m.executes
	}
	if effects&(pgsql.SetsState|pgsql.Opaque) == 0 || (e.Tx() == 'T' && localOnly(text, effects)) {
		return
	}
	m.Version++
	m.Effects |= effects
	if complete := pgsql.SettingNames(text, e.textMode(), m.add); complete && effects&pgsql.Names != 0 {
		return // set_config and its like: nothing else is opaque in it
	}
	if effects&pgsql.Opaque != 0 {
		m.AllUnknown = true
		m.Hides = m.Hides || hides(text)
	}
}

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

// hiders are words of a text that may set what no probe shows (SESSIONSTATE
// M10 and §2): custom settings under a computed name, the seed, modules.
var hiders = [][]byte{[]byte("set_config"), []byte("setseed"), []byte("load"), []byte("_shared"), []byte("gd[")}

func hides(text []byte) bool {
	lower := bytes.ToLower(text)
	for _, word := range hiders {
		if bytes.Contains(lower, word) {
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
