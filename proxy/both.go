package proxy

import (
	"sync"
	"time"

	"github.com/crossfade-db/crossfade/proxy/engine"
	"github.com/crossfade-db/crossfade/wire"
	"github.com/crossfade-db/crossfade/wire/pgwire"
)

// both is what a session shares with its second reader, which reads the leg
// while the session's own goroutine stays with the client. It runs while
// either end may send, ends by itself at the next point where only the client
// may, and guards the engine meanwhile. Only the session starts it.
type both struct {
	sync.Mutex
	progress *sync.Cond
	running  bool
	called   bool  // the second reader is to end, as nothing is under way
	end      error // why the second reader failed
	done     chan struct{}
}

// startBoth makes sure that the second reader runs.
func (s *session) startBoth() {
	if s.both == nil {
		s.both = &both{}
		s.both.progress = sync.NewCond(&s.both.Mutex)
	}
	s.both.Lock()
	defer s.both.Unlock()
	if s.both.running || s.both.end != nil {
		return
	}
	s.timing.stop()
	s.both.running = true
	s.both.done = make(chan struct{})
	go s.readLeg(s.legs[s.eng.Side()])
}

// readLeg is the second reader.
func (s *session) readLeg(l *leg) {
	defer close(s.both.done)
	for {
		err := s.guardedFromLeg(l)
		if s.pumping.Load() && s.quiet() {
			_ = s.client.SetReadDeadline(past) // whoever relays waits for this
		}
		if s.both.mayEnd(&s.eng, err) {
			break
		}
	}
	if s.both.result() != nil || s.pumping.Load() {
		_ = s.client.SetReadDeadline(past) // wakes the session
	}
}

// guardedFromLeg turns a panic into the end of the session.
func (s *session) guardedFromLeg(l *leg) (err error) {
	defer func() {
		if p := recover(); p != nil {
			s.server.logPanic(p)
			err = &ending{why: EndPanic, words: &wire.Error{Code: pgwire.CodeInternal, Message: "internal error"}}
		}
	}()
	return s.fromLeg(l)
}

// mayEnd notes how a round went and says whether it was the last one.
func (b *both) mayEnd(eng *engine.Postgres, err error) bool {
	b.Lock()
	defer b.Unlock()
	b.progress.Broadcast()
	if b.called { // off: nothing is under way, so nothing was read in part
		b.running = false
		return true
	}
	if err == nil && eng.Wants() != engine.ClientTurn {
		return false
	}
	b.end = err
	b.running = false
	return true
}

func (b *both) isRunning() bool {
	b.Lock()
	defer b.Unlock()
	return b.running
}

// bothRun says that there is a second reader now.
func (s *session) bothRun() bool { return s.both != nil && s.both.isRunning() }

// result is why the second reader failed; nil while it has not.
func (b *both) result() error {
	b.Lock()
	defer b.Unlock()
	return b.end
}

// wait waits until the second reader has ended, and interrupts its writing to
// the client when that takes longer than grace. It says whether it had to.
func (b *both) wait(client *conn, grace time.Duration) (interrupted bool) {
	if b.done == nil {
		return false
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-b.done:
		return false
	case <-timer.C:
		_ = client.SetWriteDeadline(past)
		<-b.done
		return true
	}
}

// past is a deadline that is over.
var past = time.Unix(1, 0)
