package proxy

import (
	"bytes"
	"errors"
	"strings"

	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/wire/pgwire"
)

// leave takes a transaction from the target to the source: its control texts
// run there again, in order, and the target's, which has only read, is rolled
// back. That is seen by nobody in READ COMMITTED, where each statement has a
// snapshot of its own (DESIGN P5), and is done in no other isolation.
func (s *session) leave() (left bool, err error) {
	texts, ok := s.eng.Script()
	if !ok {
		return s.cannotLeave("it has more than its control texts", "")
	}
	if s.hung[router.Source].Load() {
		s.dropLeg(router.Source)
	}
	anew := s.legs[router.Source] == nil
	if anew {
		if err := s.dialLate(router.Source); err != nil {
			return false, s.legEnded(&leg{side: router.Source}, err)
		}
	}
	source := s.legs[router.Source]
	if s.share.versions[router.Source] != s.eng.Mobile().Version {
		if anew { // what the session had set there has ended with the connection, as a direct one's
			return false, s.legEnded(source, errLegLost)
		}
		return s.cannotLeave("the source has not the session's settings", "")
	}
	var f pgwire.Flight
	for text := range bytes.SplitSeq(bytes.TrimSuffix(texts, []byte{0}), []byte{0}) {
		f.Run(string(text))
	}
	f.Run("SHOW transaction_isolation") // which takes no snapshot
	out, err := f.Sync()
	landing, err := s.fly(source, out, err)
	if err != nil {
		return false, s.legEnded(source, err)
	}
	n := len(landing.Rows)
	same := landing.Failed == nil && landing.Tx == 'T' && n > 0 && len(landing.Rows[n-1]) == 1 &&
		string(landing.Rows[n-1][0]) == "read committed"
	if !same && (source.ended() || landing.Failed != nil && strings.HasPrefix(landing.Failed.Code, "57P")) {
		return false, s.legEnded(source, landing.Failed)
	}
	if !same {
		if err := s.say(source, "ROLLBACK"); err != nil {
			return false, s.legEnded(source, err)
		}
		code := ""
		if landing.Failed != nil {
			code = landing.Failed.Code
		}
		return s.cannotLeave("it does not begin in READ COMMITTED there", code)
	}
	if err := s.say(s.legs[router.Target], "ROLLBACK"); err != nil {
		s.dropLeg(router.Target)
	}
	s.turnTo(router.Source)
	s.noteSavepoints(texts)
	return true, nil
}

// cannotLeave notes why a transaction cannot leave the target.
func (s *session) cannotLeave(why, sqlstate string) (left bool, err error) {
	s.server.opt.Log.Info("a transaction cannot be taken to the source", "session", s.id, "why", why, "sqlstate", sqlstate)
	return false, nil
}

var errLegLost = errors.New("the connection has ended while the target answered")
