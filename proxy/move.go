package proxy

import (
	"errors"

	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/wire/pgwire"
)

// move makes side the one that answers: its leg is dialled where it is not
// there, and brought to the session's state. The session is settled. A move
// that fails did not happen: the reason says why, and the session stays. Only
// the source must be reachable: without it the session ends.
func (s *session) move(side router.Side) (found router.Reason, err error) {
	from := s.eng.Side()
	if from == side {
		return router.None, nil
	}
	s.quieten()
	found, err = s.bring(from, side)
	var end *ending
	var at *legError
	var refused *pgwire.ServerError
	switch {
	case errors.As(err, &end):
		return router.None, end
	case errors.Is(err, errTargetClosed):
		s.dropLeg(router.Target)
		found = router.Broken
	case errors.As(err, &at) && at.side == router.Source && errors.As(err, &refused):
		found = router.PinState // it refuses to be asked
	case errors.As(err, &at) && at.side == router.Source:
		return router.None, s.legEnded(s.legs[router.Source], err)
	case err != nil && side == router.Target:
		found = s.moveFailed(err)
	case err != nil:
		return router.None, s.legEnded(&leg{side: router.Source}, err)
	}
	if found != router.None {
		s.keepAt(found)
		if side == router.Source { // what the target has and the source refuses
			return found, s.stranded(found)
		}
		return found, nil
	}
	s.turnTo(side)
	return router.None, nil
}

// turnTo makes side the one that answers from now on.
func (s *session) turnTo(side router.Side) {
	s.eng.MoveTo(side)
	s.answeredBy(side)
}

// answeredBy tells everybody else which side answers.
func (s *session) answeredBy(side router.Side) {
	s.slot.leg.Store(s.legs[side])
	if side == router.Source {
		s.share.strays = true // until it is found that there are none
	}
	if before := router.Side(s.share.side.Swap(uint32(side))); before != side {
		s.share.pinned.Store(uint32(router.None))
		s.server.opt.Observer.moved(s.id, side)
		s.tellWhere()
	}
}

// tellWhere tells where the session stands.
func (s *session) tellWhere() {
	sh := s.share
	s.server.opt.Observer.session(SessionInfo{
		ID: s.id, User: sh.session.User, Place: sh.place,
		Side: router.Side(sh.side.Load()), Pin: router.Reason(sh.pinned.Load()),
	})
}

// keepAt notes why the session stays at the source.
func (s *session) keepAt(found router.Reason) {
	sh := s.share
	sh.pin = pin{why: found, version: s.eng.Mobile().Version}
	if found == router.Broken || found == router.PinState {
		sh.pin.policy = sh.seen.Load() // tried again under the next policy
	}
	if sh.pinned.Swap(uint32(found)) != uint32(found) {
		s.server.opt.Observer.pinned(found)
		s.tellWhere()
	}
}

// bring makes the leg of side to fit to answer.
func (s *session) bring(from, side router.Side) (router.Reason, error) {
	s.haveTarget()
	sh, m := s.share, s.eng.Mobile()
	sh.versions[from] = m.Version // who answers has the newest state
	if l := s.legs[side]; s.hung[side].Load() || l != nil && (l.bare || l.ended()) {
		s.dropLeg(side)
	}
	if s.legs[side] == nil {
		if err := s.dialLate(side); err != nil {
			return router.None, err
		}
	}
	if err := s.learnNumbers(); err != nil {
		return router.None, err
	}
	if sh.versions[side] == m.Version {
		return s.recheck(side)
	}
	return s.carry(from, side)
}

// moveFailed names why the target could not be had.
func (s *session) moveFailed(err error) router.Reason {
	s.dropLeg(router.Target)
	return s.server.targetFailed(err)
}

// targetFailed tells what concerns one login from what concerns the target, of
// which the breaker is told.
func (s *Server) targetFailed(err error) router.Reason {
	var refused *pgwire.ServerError
	if errors.As(err, &refused) && !trouble(refused.Code) {
		s.opt.Log.Info("a session cannot be answered by the target", "sqlstate", refused.Code)
		return router.PinState
	}
	s.breaker.failed(err)
	return router.Broken
}

// trouble says that a refusal concerns the server and not this session:
// it is full, starting or stopping, or broken.
func trouble(sqlstate string) bool {
	switch sqlstate[:2] {
	case "53", "57", "58", "XX", "08":
		return true
	default:
		return false
	}
}

// setLeg puts a leg in its place, or nil. Others look at the legs too.
func (s *session) setLeg(side router.Side, l *leg) {
	s.server.sessions.mu.Lock()
	defer s.server.sessions.mu.Unlock()
	s.legs[side] = l
	s.hung[side].Store(false)
}

// dropLeg closes a leg that does not answer.
func (s *session) dropLeg(side router.Side) {
	if side == router.Target {
		s.haveTarget()
	}
	l := s.legs[side]
	if l == nil {
		return
	}
	s.setLeg(side, nil)
	_ = l.Close()
	l.release()
	if m := s.eng.Mobile(); m != nil {
		for _, st := range m.Statements {
			st.On[side] = false
		}
		s.share.versions[side] = m.Version - 1 // whatever it had
	}
}
