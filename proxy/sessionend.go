package proxy

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/wire"
	"github.com/crossfade-db/crossfade/wire/pgwire"
)

// legFailed is a leg that cannot be read any more: the end of the session,
// unless the source goes on with it.
func (s *session) legFailed(l *leg, cause error) error {
	if s.atTarget(l) && s.order.Load() != orderKill && !s.bothRun() {
		return s.targetLost(cause)
	}
	return s.legEnded(l, cause)
}

// atTarget says that l is a leg that the session can go on without.
func (s *session) atTarget(l *leg) bool {
	return s.share != nil && !s.share.stays && l != nil && l.side == router.Target
}

// legEnded is the end of a session whose leg can no longer be read.
func (s *session) legEnded(l *leg, cause error) *ending {
	if s.order.Load() == orderKill && errors.Is(cause, os.ErrDeadlineExceeded) {
		return &ending{why: EndKilled, words: shutdown}
	}
	return &ending{why: EndServerGone, cause: cause, words: &wire.Error{
		Fault: faultOf(l.side), Code: pgwire.CodeConnectionFailure,
		Message: fmt.Sprintf("the %s database closed the connection unexpectedly", l.side),
	}}
}

// lastWordsTime bounds how long a leg that takes no more bytes is heard.
const lastWordsTime = 2 * time.Second

// legRefused passes on what a server said before it hung up: a backend that
// was terminated while its session was idle has left its reason in the socket,
// and the client has it from the server and not from us.
func (s *session) legRefused(l *leg, cause error) error {
	if s.atTarget(l) {
		return s.targetLost(cause)
	}
	if s.order.Load() == orderKill {
		return s.legEnded(l, cause)
	}
	if err := l.SetReadDeadline(time.Now().Add(lastWordsTime)); err != nil {
		return s.legEnded(l, cause)
	}
	if s.both != nil && s.both.isRunning() {
		s.both.wait(s.client, lastWordsTime) // the second reader hears them
		return s.legEnded(l, cause)
	}
	for {
		if err := s.fromLeg(l); err != nil {
			return s.legEnded(l, cause)
		}
	}
}

// judge names the end of the session.
func (s *session) judge(err error) *ending {
	var end *ending
	if !errors.As(err, &end) {
		end = &ending{why: EndClientGone, cause: err}
	}
	if s.eng.Terminated() && end.why == EndServerGone {
		return &ending{why: EndTerminated}
	}
	return end
}
