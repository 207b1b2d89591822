package proxy

import (
	"github.com/crossfade-db/crossfade/proxy/engine"
	"github.com/crossfade-db/crossfade/router"
)

// The engine is stepped under the lock of both, while there is a second
// reader; what it decided is carried out outside of it.

// stepClient gives the engine what the client has sent. A message that fills
// the largest buffer to be had and is still not whole passes unread.
func (s *session) stepClient(n int, space []engine.Action) (used int, in []byte, actions []engine.Action) {
	if s.both != nil {
		s.both.Lock()
		defer s.both.Unlock()
	}
	in = s.client.unread()[:n]
	used, actions = s.eng.Client(in, space)
	if used == 0 && len(actions) == 0 && s.client.stuck() {
		s.eng.StreamHeld()
		in = s.client.unread()[:n]
		used, actions = s.eng.Client(in, space)
	}
	s.beganOrEnded()
	return used, in, actions
}

// legStep is what the engine made of bytes from a leg.
type legStep struct {
	used    int
	actions []engine.Action
	counts  engine.Counts
	quiet   bool
}

// stepLeg gives the engine what a leg has sent.
func (s *session) stepLeg(side router.Side, in []byte, space []engine.Action) (step legStep) {
	if s.both != nil {
		s.both.Lock()
		defer s.both.Unlock()
	}
	step.used, step.actions = s.eng.Server(side, in, space)
	step.counts = s.eng.TakeCounts()
	step.quiet = s.eng.Quiet()
	s.beganOrEnded()
	return step
}

// beganOrEnded keeps the cancel slot in step with the engine, and tells that
// definitions have changed once the transaction that did it is over.
func (s *session) beganOrEnded() {
	if s.defines.Load() && s.eng.Settled() {
		s.defined()
	}
	if s.share != nil {
		s.share.inside.Store(!s.eng.Settled())
	}
	if s.eng.Quiet() {
		s.slot.ended()
		return
	}
	s.slot.began()
}
