package proxy

import (
	"time"

	"github.com/crossfade-db/crossfade/router"
)

// later is a mirrored commit whose client has been answered (mirror.answer:
// authority), and that is still to be heard of by the target. A goroutine of its
// own waits for that, so that the client's next statement runs at the source
// meanwhile; until it has ended the target's leg is its own.
type later struct {
	done chan struct{}
	gone bool // the leg is of no more use; read when done is closed
}

// endLater starts what is left of a commit on o.
func (s *session) endLater(o *otherLeg, rest func()) {
	l := &later{done: make(chan struct{})}
	o.later, s.later = l, l
	go func() {
		defer close(l.done)
		defer func() {
			if p := recover(); p != nil {
				s.server.logPanic(p)
				l.gone = true
			}
		}()
		rest()
	}()
}

// hasTarget says that nobody else uses the target's leg, or will soon.
func (s *session) hasTarget(most time.Duration) bool {
	l := s.later
	if l == nil {
		return true
	}
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-l.done:
		return true
	case <-timer.C:
		return false
	}
}

// haveTarget waits until nobody else uses the target's leg.
func (s *session) haveTarget() {
	l := s.later
	if l == nil {
		return
	}
	s.later = nil
	<-l.done
	if l.gone {
		s.dropLeg(router.Target)
	}
}
