package proxy

import (
	"slices"
	"strings"

	"github.com/crossfade-db/crossfade/proxy/engine"
	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/wire/pgwire"
)

// What a session carries is read from the leg that has it and set on the other
// (SESSIONSTATE): names come from the texts, values from the server. Both
// flights stand in a transaction of their own, under settings of their own, and
// every name in them is qualified, so that nothing of the client's can bend
// them and nothing of theirs stays.

// carried is the state of a session as its leg told it.
type carried struct {
	values   map[string]string // of settings that the session may have changed
	prepares []string          // texts of SQL PREPARE
	anew     bool              // a leg's prepared statements are not known to be right
}

// carryAttempts is how often a probe is tried: a cancel request that came late,
// or a statement timeout of the client's, can hit it (SESSIONSTATE M5).
const carryAttempts = 3

// carry brings the leg of side to the state that the one of from has.
func (s *session) carry(from, side router.Side) (router.Reason, error) {
	m := s.eng.Mobile()
	state, found, err := s.probe(s.legs[from])
	if err != nil || found != router.None {
		if from == router.Source && err != nil {
			err = s.legEnded(s.legs[from], err)
		}
		return found, err
	}
	found, err = s.replay(s.legs[side], state)
	if err == nil && found == router.PinState && s.prune(s.legs[from]) {
		if state, found, err = s.probe(s.legs[from]); err == nil && found == router.None {
			found, err = s.replay(s.legs[side], state)
		}
	}
	if err != nil || found != router.None {
		return found, err
	}
	s.share.versions[side] = m.Version
	s.share.versions[from] = m.Version // it may have told of a setting in what was asked since
	s.share.carried = state.digest()
	return router.None, nil
}

// recheck looks, on the way back to the source, whether the target has changed
// a setting that the session has named without any text saying so: a view or a
// trigger may have. What the target has counts: it has answered last.
func (s *session) recheck(side router.Side) (router.Reason, error) {
	m, policy := s.eng.Mobile(), s.share.seen.Load()
	l := s.legs[router.Target]
	if side != router.Source || len(m.Names) == 0 || l == nil || policy.Target != router.TargetOpen {
		return router.None, nil
	}
	state, found, err := s.probe(l)
	if err != nil {
		s.dropLeg(router.Target)
		return router.None, nil
	}
	if found != router.None || state.digest() == s.share.carried {
		return router.None, nil
	}
	m.Version++
	s.share.versions[router.Target] = m.Version
	s.share.carried = state.digest()
	if found, err = s.replay(s.legs[router.Source], state); err != nil {
		return router.None, err
	}
	if found != router.None { // a setting that only the target knows: the source has what counts
		s.share.versions[router.Target]--
	}
	s.share.versions[router.Source] = m.Version
	return router.None, nil
}

// digest tells states apart.
func (c *carried) digest() uint64 {
	var sum uint64
	for name, value := range c.values {
		if !notReplayed(name) {
			sum += engine.TextKey([]byte(name + "\x00" + value))
		}
	}
	return sum
}

// prune forgets settings that texts have named and that are as RESET leaves
// them: the other side need not know them. It says whether there were any.
func (s *session) prune(l *leg) (some bool) {
	if l == nil || s.legs[1-l.side] == nil {
		return false
	}
	m := s.eng.Mobile()
	rows, err := s.asking(l)(s.server.ctx, "SELECT name FROM pg_catalog.pg_settings WHERE source OPERATOR(pg_catalog.<>) 'session'")
	if err != nil {
		return false
	}
	for _, row := range rows {
		if _, named := m.Names[row[0]]; named && !slices.Contains(setLast, row[0]) {
			delete(m.Names, row[0])
			some = true
		}
	}
	return some
}

// say is a flight of one statement that does not fail.
func (s *session) say(l *leg, sql string) error {
	var f pgwire.Flight
	f.Run(sql)
	out, err := f.Sync()
	landing, err := s.fly(l, out, err)
	if err == nil && landing.Failed != nil {
		return landing.Failed
	}
	return err
}

// Kinds of rows in the answer to a probe: the first column.
const (
	rowSetting = "s"
	rowPin     = "p"
	rowPrepare = "q"
	rowName    = "n"
)

// ownTransaction begins a transaction that waits for nobody, and ownSettings
// make it independent of what the client has set.
const ownTransaction = "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY NOT DEFERRABLE"

const ownSettings = "SELECT pg_catalog.set_config('statement_timeout', '0', true), pg_catalog.set_config('client_encoding', 'UTF8', true)"

// setLast are settings that have their place at the end of a replay: the
// encoding of the others, the timeout, and who the session is.
var setLast = []string{"client_encoding", "statement_timeout", "session_authorization", "role"}

// notReplayed is a leg's own, or belongs to a transaction.
func notReplayed(name string) bool {
	return name == "default_transaction_read_only" || name == "is_superuser" || name == "seed" ||
		strings.HasPrefix(name, "transaction_") || slices.Contains(setLast, name)
}

// replay sets what a session carries on a leg (SESSIONSTATE M6 has the order).
// A leg that refuses any of it has been changed in nothing.
func (s *session) replay(l *leg, state *carried) (router.Reason, error) {
	var f pgwire.Flight
	s.replayFlight(&f, l.side, state)
	out, err := f.Sync()
	landing, err := s.fly(l, out, err)
	if err != nil {
		return router.None, err
	}
	if landing.Failed == nil {
		return router.None, nil
	}
	s.server.opt.Log.Info("the state of a session is refused", "session", s.id, "side", l.side.String(), "sqlstate", landing.Failed.Code)
	if landing.Tx == 'I' { // the settings went over, an SQL PREPARE did not: the leg is neither
		s.dropLeg(l.side)
		return router.PinState, nil
	}
	return router.PinState, s.say(l, "ROLLBACK")
}

func (s *session) replayFlight(f *pgwire.Flight, side router.Side, state *carried) {
	set := func(name string) {
		if v, ok := state.values[name]; ok {
			f.Run("SELECT pg_catalog.set_config($1, $2, false)", []byte(name), []byte(v))
		}
	}
	f.Run("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE NOT DEFERRABLE")
	f.Run(ownSettings)
	_, posed := state.values["session_authorization"]
	if posed {
		f.Run("SET SESSION AUTHORIZATION DEFAULT")
		f.Run("RESET ROLE")
	}
	f.Run("RESET ALL")
	f.Run(ownSettings)
	for name := range state.values {
		if !notReplayed(name) {
			set(name)
		}
	}
	if _, ok := state.values["default_transaction_read_only"]; ok && side == router.Source {
		set("default_transaction_read_only")
	}
	if who := state.values["session_authorization"]; posed && who != s.share.logins[router.Source] {
		set("session_authorization")
	}
	set("role")
	set("statement_timeout")
	set("client_encoding")
	f.Run("COMMIT")
	if state.anew {
		f.Run("DEALLOCATE ALL")
		for _, text := range state.prepares {
			f.Run(text)
		}
		s.forgetStatements(side)
	}
}

// forgetStatements: the leg has none of the protocol's statements any more.
func (s *session) forgetStatements(side router.Side) {
	for _, st := range s.eng.Mobile().Statements {
		st.On[side] = false
	}
	if l := s.legs[side]; l != nil {
		l.captured, l.prepared = nil, nil
	}
}
