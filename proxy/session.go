package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"

	"github.com/crossfade-db/crossfade/proxy/engine"
	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/wire"
	"github.com/crossfade-db/crossfade/wire/pgwire"
)

// session is one client connection and all that it owns. Its goroutine waits
// on the socket of whoever's turn it is; while both may send, a second one
// reads the leg (both).
type session struct {
	server  *Server
	id      uint64
	pid     uint32 // of the backend that the client was told, for life
	client  *conn
	legs    [router.Sides]*leg
	eng     engine.Postgres
	slot    *cancelSlot
	share   *sharing    // nil: there is no target
	mirror  *mirroring  // nil: its writes are not mirrored
	later   *later      // has the target's leg; nil: nobody does
	defines atomic.Bool // its transaction has changed what the catalogs say
	doubts  atomic.Bool // and what writes do
	ran     atomic.Bool // a statement has ended well while pumping
	erred   atomic.Bool // a statement has failed while pumping
	pumping atomic.Bool // whoever relays for it waits for the end of a statement
	data    *copyStream // of a COPY of a mapped table that is under way; nil: there is none
	both    *both       // nil until the session first needed a second reader
	order   atomic.Uint32
	hung    [router.Sides]atomic.Bool // the server has ended its side of the leg
	timing  timing
	parking parking
}

// Orders that a session gets from outside; it obeys at its next turn.
const (
	orderNone uint32 = iota
	orderPark
	orderDrain
	orderKill
)

// ending is why a session ends and what the client is told.
type ending struct {
	why   EndReason
	words *wire.Error // nil: nothing, or the server has said it
	cause error
}

func (e *ending) Error() string { return string(e.why) }

// errParked ends a session's goroutine and not the session.
var errParked = errors.New("parked")

// run relays until the session ends, and ends it. It owns everything of the
// session: when it returns, both connections are closed and the second reader
// is gone; or the session is parked, and whoever wakes it runs it again.
func (s *session) run() {
	err := s.relay()
	if errors.Is(err, errParked) {
		return
	}
	end := s.judge(err)
	s.haveTarget()
	s.endMirror()
	s.defined() // nobody knows how its transaction has ended
	if end.why == EndKilled {
		s.cancelOwn()
	}
	for _, l := range s.legs {
		if l != nil {
			_ = l.Close()
		}
	}
	if s.both != nil && s.both.wait(s.client, farewellTime) {
		end.words = nil // a message to the client may have been cut
	}
	s.hangUp(end)
	for _, l := range s.legs {
		if l != nil {
			l.release()
		}
	}
	s.client.release()
	s.server.ended(s, end)
}

// cancelOwn asks the server to give up a statement that nobody waits for any
// more: hanging up alone would let it run to its end.
func (s *session) cancelOwn() {
	if s.slot.generation.Load()&1 == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), farewellTime)
	defer cancel()
	_ = s.server.sendCancel(ctx, s.slot, s.slot.generation.Load(), s.legs[s.eng.Side()]) // best effort
}

func (s *session) hangUp(end *ending) {
	var words []byte
	if end.words != nil && !s.eng.MidMessage() && !s.eng.Goodbye() {
		words = pgwire.AppendError(nil, end.words)
	}
	farewell(s.client.Conn, under(s.client.Conn), words)
}

// under is the socket below TLS.
func under(c net.Conn) net.Conn {
	for {
		t, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			return c
		}
		c = t.NetConn()
	}
}

// relay waits for whoever's turn it is. A panic is the end of this session
// and of no other.
func (s *session) relay() (err error) {
	defer func() {
		if p := recover(); p != nil {
			s.server.logPanic(p)
			err = &ending{why: EndPanic, words: &wire.Error{Code: pgwire.CodeInternal, Message: "internal error"}}
		}
	}()
	for {
		if err := s.step(); err != nil {
			return err
		}
	}
}

// step waits for whoever's turn it is, once.
func (s *session) step() error { return s.stepWith((*session).fromClient) }

// stepWith is a step where the client's messages go another way.
func (s *session) stepWith(fromClient func(*session) error) error {
	if err := s.obey(); err != nil {
		return err
	}
	switch s.turn() {
	case engine.LegTurn:
		return s.fromLeg(s.legs[s.eng.Side()])
	case engine.Both:
		s.startBoth()
	case engine.ClientTurn:
	}
	return fromClient(s)
}

// turn is the engine's wish; while a second reader reads the leg, the client
// is what is left to wait for, unless it has pipelined too far or is done.
func (s *session) turn() engine.Turn {
	if s.both == nil {
		return s.eng.Wants()
	}
	s.both.Lock()
	defer s.both.Unlock()
	for s.both.running && (s.eng.Full() || s.eng.Terminated()) {
		s.both.progress.Wait()
	}
	if s.both.running {
		return engine.ClientTurn
	}
	return s.eng.Wants()
}

// idle says that the session may be closed where it stands.
func (s *session) idle() bool {
	if s.both != nil {
		s.both.Lock()
		defer s.both.Unlock()
	}
	return s.eng.Idle()
}

// obey carries out what was asked of the session from outside. Whoever asks
// leaves the order first and calls (a read deadline in the past) then; whoever
// is called takes the deadline back first and looks for orders then.
func (s *session) obey() error {
	if err := s.obeyLegs(); err != nil {
		return err
	}
	switch s.order.Load() {
	case orderKill:
		return &ending{why: EndKilled, words: shutdown}
	case orderPark: // it is not waiting any more, and will be asked again
		s.order.CompareAndSwap(orderPark, orderNone)
	case orderDrain:
		if s.idle() {
			return &ending{why: EndDrained, words: shutdown}
		}
	}
	return nil
}

var shutdown = &wire.Error{
	Fault: wire.ByProxy, Code: pgwire.CodeShutdown,
	Message: "terminating connection due to administrator command",
}

// fromClient passes on what the client sends. The engine leaves messages
// unused that are not whole; more is read behind them.
func (s *session) fromClient() error {
	if !s.attends() || len(s.client.unread()) == 0 {
		return s.relayClient()
	}
	if s.bothRun() {
		if !s.quiet() {
			return s.relayClient()
		}
		s.quieten()
	}
	return s.attend()
}

// relayClient is fromClient for a session that is not attended. One that waits
// for its client may be by the time that it sends something.
func (s *session) relayClient() error {
	if n := len(s.client.unread()); n > 0 {
		if s.mirror != nil {
			if n = s.unfinished(); n == 0 && s.guarded(s.eng.Copies) && wire.Parse(s.client.unread()).State == wire.Short {
				s.startBoth()
				return s.fillClient() // the server may answer the end of a COPY with the Sync that is on its way
			}
			if n == 0 {
				return s.awaitQuiet()
			}
		}
		used, err := s.feedUpTo(n)
		if used > 0 || err != nil {
			return err
		}
	}
	if err := s.client.fill(); err != nil {
		return s.clientFailed(err)
	}
	if s.attends() {
		return nil
	}
	_, err := s.feedUpTo(len(s.client.unread()))
	return err
}

// fillClient waits for more of the client.
func (s *session) fillClient() error {
	if err := s.client.fill(); err != nil {
		return s.clientFailed(err)
	}
	return nil
}

// feedUpTo gives the engine at most n bytes of what the client has sent.
func (s *session) feedUpTo(n int) (int, error) {
	var space [4]engine.Action
	if s.data != nil {
		n = s.data.upTo(s.client.unread()[:n])
	}
	s.timing.asked(s.both == nil)
	used, in, actions := s.stepClient(n, space[:0])
	l := s.legs[s.eng.Side()]
	switch done, err := s.perform(actions, in, l); {
	case err != nil:
		return used, s.legRefused(l, err)
	case done.why != engine.None:
		return used, s.broken(done.why)
	}
	if s.data != nil {
		s.data.passed(in[:used])
	}
	s.client.use(used)
	s.timing.sent()
	return used, nil
}

// fromLeg passes on what a leg sends.
func (s *session) fromLeg(l *leg) error {
	if l.stuck() {
		s.eng.LegHeld()
	} else if err := l.fill(); err != nil {
		return s.legFailed(l, err)
	}
	return s.feedLeg(l)
}

func (s *session) feedLeg(l *leg) error {
	var space [4]engine.Action
	s.timing.heard()
	in := l.unread()
	step := s.stepLeg(l.side, in, space[:0])
	switch done, err := s.perform(step.actions, in, s.client); {
	case err != nil:
		return &ending{why: EndClientGone, cause: err}
	case done.escalates && s.bothRun(): // this is the second reader
		return s.legEnded(l, errors.New(done.why.String()))
	case done.escalates:
		l.use(step.used)
		return s.escalated(done.why)
	case done.why != engine.None:
		return s.broken(done.why)
	}
	l.use(step.used)
	if step.counts != (engine.Counts{}) {
		if s.pumping.Load() {
			s.ran.Store(s.ran.Load() || step.counts.OK > 0)
			s.erred.Store(s.erred.Load() || step.counts.Failed > 0)
		}
		s.server.opt.Observer.answered(s.id, l.side, step.counts)
	}
	if step.quiet {
		s.timing.answered(&s.server.opt.Observer, l.side)
	}
	return nil
}

// broken ends the session over a message that the protocol does not have.
func (s *session) broken(why engine.Reason) error {
	if why.ByClient() {
		return &ending{why: EndViolation, words: &wire.Error{
			Fault: wire.ByClient, Code: pgwire.CodeProtocolViolation, Message: why.String(),
		}}
	}
	return &ending{why: EndServerBad, cause: errors.New(why.String()), words: &wire.Error{
		Fault: faultOf(s.eng.Side()), Code: pgwire.CodeConnectionFailure,
		Message: fmt.Sprintf("the %s database broke the protocol; the connection is closed", s.eng.Side()),
	}}
}

// clientFailed tells a call to wake up, which is a read deadline in the past,
// from the end of the connection.
func (s *session) clientFailed(err error) error {
	if s.both != nil {
		if end := s.both.result(); end != nil {
			return end
		}
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return &ending{why: EndClientGone, cause: err}
	}
	if s.order.CompareAndSwap(orderPark, orderNone) && s.data == nil && s.park() {
		return errParked
	}
	if err := s.client.SetReadDeadline(noDeadline); err != nil {
		return &ending{why: EndClientGone, cause: err}
	}
	return nil // obeyed at the next turn
}
