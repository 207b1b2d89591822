package proxy

import (
	"errors"

	"github.com/crossfade-db/crossfade/proxy/engine"
	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/wire"
	"github.com/crossfade-db/crossfade/wire/pgwire"
)

// A mirrored session sends nothing on that has not been looked at whole: a write
// that slipped by would be on one side only.

// lostTrack is the end of a session whose client has sent something behind a
// COPY that cannot be followed.
var lostTrack = &ending{why: EndViolation, words: &wire.Error{
	Fault: wire.ByClient, Code: pgwire.CodeNotSupported,
	Message: "what was sent behind a COPY cannot be mirrored",
	Hint:    "wait for the end of a COPY before the next statement",
}}

// unfinished is how much of what the client has sent belongs to what is under
// way.
func (s *session) unfinished() int {
	if s.both != nil {
		s.both.Lock()
		defer s.both.Unlock()
	}
	return s.eng.Unfinished(s.client.unread())
}

// awaitQuiet waits until the source has answered what it owes, or asks for more
// of a COPY.
func (s *session) awaitQuiet() error {
	if !s.bothRun() {
		return s.fromLeg(s.legs[s.eng.Side()])
	}
	s.both.Lock()
	defer s.both.Unlock()
	for s.both.running && !s.eng.Quiet() && !s.eng.TakesData() {
		s.both.progress.Wait()
	}
	return nil
}

// longBatch takes as much of a batch as there is: the messages that are whole, or
// one that is larger than every buffer. What it holds of one is bounded by
// limits.frame.
func (s *session) longBatch(b *engine.Batch) error {
	in := append([]byte(nil), s.client.unread()[:b.Size]...)
	s.client.use(b.Size)
	if len(in) == 0 {
		message, err := s.client.message(s.server.opt.Mirror.Frame)
		if err != nil {
			return s.longFailed(err)
		}
		in = message
	}
	s.eng.Examine(in, b)
	if err := s.inspect(in, b); err != nil {
		return err
	}
	if s.eng.Side() == router.Target {
		if err := s.longToSource(); err != nil {
			return err
		}
	}
	s.mirror.use.relay = nil // COPY and texts that commit in the middle are asked afterwards
	return s.converse(in, b.Boundary)
}

// longFailed tells a call to wake up from the end, and a message that is too long.
func (s *session) longFailed(err error) error {
	if errors.Is(err, errTalk) {
		return &ending{why: EndViolation, words: &wire.Error{
			Fault: wire.ByClient, Code: pgwire.CodeTooLarge, Message: "the message is longer than limits.frame",
		}}
	}
	if !isTimeout(err) {
		return &ending{why: EndClientGone, cause: err}
	}
	s.order.CompareAndSwap(orderPark, orderNone) // it is in the middle of a message
	if err := s.client.SetReadDeadline(noDeadline); err != nil {
		return &ending{why: EndClientGone, cause: err}
	}
	return nil // obeyed at the next turn
}

// longToSource brings the session to the source, where long batches are answered.
func (s *session) longToSource() error {
	if s.eng.Settled() {
		_, err := s.move(router.Source)
		return err
	}
	left, err := s.leave()
	if err == nil && !left {
		err = &ending{why: EndViolation, words: &wire.Error{
			Fault: wire.ByProxy, Code: pgwire.CodeNotSupported, Message: "a batch of more than limits.retry_keep must begin outside of this transaction",
		}}
	}
	return err
}
