package proxy

import (
	"cmp"
	"errors"
	"sync/atomic"
	"time"

	"github.com/crossfade-db/crossfade/router"
)

// later is what is left of a mirrored commit whose client has been answered
// (mirror.answer: authority): to hear the target's COMMIT, and what follows it.
// The session comes to it when it next needs the target's leg, so that the
// client's next statement runs at the source meanwhile; others do when they wait
// for it, or a timer does. Who has taken it has the leg until it is done.
type later struct {
	taken atomic.Bool
	rest  func()
	timer *time.Timer
	done  chan struct{}
	panic func(any)
	gone  bool // the leg is of no more use; read when done is closed
}

var errPrior = errors.New("the commit before was not answered")

const lingerTime = 5 * time.Millisecond

// endLater leaves what is left of a commit on o.
func (s *session) endLater(o *otherLeg, under *commit, rest func()) {
	l := &later{rest: rest, done: make(chan struct{}), panic: s.server.logPanic}
	o.later, s.later = l, l
	l.timer = time.AfterFunc(cmp.Or(s.server.opt.Mirror.Linger, lingerTime), l.finish)
	if under.later.Store(l); under.waited.Load() {
		l.hurry()
	}
}

// take says that the caller is to do it.
func (l *later) take() bool { return l.taken.CompareAndSwap(false, true) }

// finish does it, if nobody else does.
func (l *later) finish() {
	if l.take() {
		l.do()
	}
}

func (l *later) do() {
	defer close(l.done)
	defer func() {
		if p := recover(); p != nil {
			l.panic(p)
			l.gone = true
		}
	}()
	l.rest()
}

// hurry has it done by somebody.
func (l *later) hurry() {
	if l != nil && !l.taken.Load() {
		go l.finish()
	}
}

// hasTarget says that nobody else uses the target's leg, or will soon.
func (s *session) hasTarget(most time.Duration) bool {
	l := s.later
	if l == nil {
		return true
	}
	l.hurry()
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-l.done:
		return true
	case <-timer.C:
		return false
	}
}

// behind takes what is left of the last commit over to a transaction that is about
// to commit itself: what that sends needs not wait, only what it hears.
func (s *session) behind() *later {
	l := s.later
	if l == nil || s.mirror.block || s.hung[router.Target].Load() || !l.take() {
		s.haveTarget()
		return nil
	}
	s.later = nil
	l.timer.Stop()
	return l
}

// hearPrior does what is left of the commit before.
func (o *otherLeg) hearPrior() {
	l := o.prior
	if l == nil {
		return
	}
	o.prior = nil
	if l.do(); l.gone {
		_ = o.broke(errPrior)
	}
	_ = o.l.SetDeadline(time.Now().Add(o.s.server.opt.Mirror.Budget)) // which it has taken away
}

// haveTarget waits until nobody else uses the target's leg.
func (s *session) haveTarget() {
	l := s.later
	if l == nil {
		return
	}
	s.later = nil
	l.timer.Stop()
	l.finish()
	<-l.done
	if l.gone {
		s.dropLeg(router.Target)
	}
}
