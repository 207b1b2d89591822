package proxy

import (
	"strings"

	"github.com/crossfade-db/crossfade/proxy/engine"
	"github.com/crossfade-db/crossfade/rewrite/pgsql"
	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/wire"
	"github.com/crossfade-db/crossfade/wire/pgwire"
)

// A session of the canary is attended: each batch of its client is looked at
// whole before it is forwarded, the side is decided, and the leg brought to the
// session's state. The engine relays it then as it does every other.

// attend takes the client's next batch.
func (s *session) attend() error {
	if s.mirrors() && s.eng.Pinned() == router.PinProtocol {
		return lostTrack
	}
	if !s.eng.Quiet() {
		return s.relayClient() // in the middle of something that is under way
	}
	b := &s.share.batch
	if s.client.part != nil {
		b.Size = 0
		return s.longBatch(b)
	}
	in := s.client.unread()
	if len(in) == 0 {
		return s.fillClient()
	}
	s.eng.Examine(in, b)
	if b.Boundary == 0 {
		if s.mirrors() && (len(in) >= s.server.retryKeep() || s.client.stuck()) {
			return s.longBatch(b)
		}
		if len(in) < s.server.retryKeep() && !s.client.stuck() {
			return s.fillClient()
		}
		b.Against, b.Size, b.Retry = router.TooLarge, len(in), false
	}
	if s.mirrors() && b.Boundary != 'X' && s.share.lost == nil {
		if err := s.inspect(in[:b.Size], b); err != nil {
			return err
		}
		s.keepWrites(b)
		s.forgetPrepared(b)
	}
	switch {
	case b.Boundary == 'X':
		_, err := s.feedUpTo(b.Size)
		return err
	case s.share.lost != nil:
		return s.tellLost(b)
	case s.eng.Settled():
		return s.decide(b)
	case s.eng.Side() == router.Target:
		return s.goOn(b)
	default:
		return s.atSource(b)
	}
}

// keepWrites keeps from the target what writes, or reads what is not there yet.
// What asks for a transaction that writes is not refused where writes are
// mirrored: the source has it.
func (s *session) keepWrites(b *engine.Batch) {
	if b.Against != router.None || !s.share.in && s.eng.Side() != router.Target {
		return
	}
	if b.Against = s.against(); b.Against == router.None && b.Refused {
		b.Against = router.Writing
	}
	b.Refused = false
}

// atSource sends a batch to the source, with the statements that were made at
// the target.
func (s *session) atSource(b *engine.Batch) error {
	if s.ensure(b) == otherwise {
		return s.reply(b, changed)
	}
	s.findStrays()
	switch {
	case s.mirror == nil || !s.mirror.use.slow && !s.mirror.use.own:
	case s.mirror.use.relay != nil:
		return s.relayMarked(b)
	default:
		return s.mirrorBatch(b)
	}
	return s.forward(b)
}

// retryKeep is how much of a request is kept for a retry, in bytes.
func (s *Server) retryKeep() int { return min(s.live.Load().Limits.RetryKeep, largeBuffer) }

// decide sends a batch that may change the side to the one that answers it.
func (s *session) decide(b *engine.Batch) error {
	sh := s.share
	policy := sh.seen.Load()
	if s.eng.Side() == router.Target && sh.versions[router.Source] != s.eng.Mobile().Version {
		if _, err := s.move(router.Source); err != nil { // the source keeps the newest state
			return err
		}
	}
	against := s.pinnedBy(policy)
	side, why := policy.Decide(sh.place, against)
	if side == router.Target && b.Refused && b.Boundary != 0 {
		return s.refuse(b)
	}
	if b.Against != router.None {
		side, why = policy.Decide(sh.place, b.Against)
	}
	if side != s.eng.Side() {
		found, err := s.move(side)
		if err != nil {
			return err
		}
		if found != router.None {
			why = found
		}
	}
	if s.eng.Side() == router.Target {
		against := b.Against
		s.eng.Examine(s.client.unread(), b) // what a probe has told may count
		if b.Against == router.None {
			b.Against = against
		}
		if b.Against == router.None && s.ensure(b) == there {
			return s.forward(b)
		}
		if why = b.Against; why == router.None {
			why = router.Unknown
		}
		if _, err := s.move(router.Source); err != nil {
			return err
		}
	}
	if sh.in {
		s.server.opt.Observer.fellBack(why)
	}
	return s.atSource(b)
}

// findStrays looks whether a session that is back at the source has still to be
// attended: it may use statements that were made at the target.
func (s *session) findStrays() {
	sh := s.share
	if sh.in || !sh.strays {
		return // attended anyway, or there were none
	}
	sh.strays = false
	for _, st := range s.eng.Mobile().Statements {
		sh.strays = sh.strays || !st.On[router.Source]
	}
	s.eng.HoldUnnamed(sh.strays)
}

// pinnedBy is why the session stays at the source as far as is known without
// asking it.
func (s *session) pinnedBy(policy *router.Snapshot) router.Reason {
	if why := s.eng.Pinned(); why != router.None {
		return why
	}
	if p := &s.share.pin; p.holds(s.eng.Mobile().Version, policy) {
		return p.why
	}
	return router.None
}

// goOn takes a batch in the middle of a transaction at the target. What the
// source must answer takes the transaction there, where that can be done
// without anybody seeing it.
func (s *session) goOn(b *engine.Batch) error {
	if s.eng.Tx() == 'E' {
		if s.mirror != nil && s.mirror.use.slow && b.Effects&pgsql.Transaction != 0 {
			return s.failedToSource(b) // it may end the transaction, and write then
		}
		return s.forward(b) // it says what is right, and runs nothing
	}
	if b.Refused {
		return s.refuse(b)
	}
	if b.Against == router.None && s.ensure(b) == there {
		return s.forward(b)
	}
	left, err := s.leave()
	if err != nil {
		return err
	}
	if left {
		s.server.opt.Observer.fellBack(b.Against)
		return s.atSource(b)
	}
	if b.Effects&pgsql.ReadWrite != 0 {
		return s.refuse(b)
	}
	if b.Against == router.Mixed || b.Against == router.None {
		return s.forward(b) // the server says what is wrong
	}
	return s.reply(b, &wire.Error{
		Fault: wire.ByProxy, Code: pgwire.CodeNotSupported,
		Message: "this statement must be answered by the source, and its transaction is at the target (" + b.Against.String() + ")",
		Hint:    "run it outside of the transaction, or run the transaction in isolation READ COMMITTED",
	})
}

// failedToSource takes a failed transaction of the target, which has only read,
// to the source, where it fails as well.
func (s *session) failedToSource(b *engine.Batch) error {
	if err := s.say(s.legs[router.Target], "ROLLBACK"); err != nil {
		s.dropLeg(router.Target)
	}
	if err := s.haveSource(); err != nil {
		return err
	}
	source := s.legs[router.Source]
	err := s.say(source, "BEGIN")
	if err == nil {
		err = s.failLeg(source, true)
	}
	if err != nil {
		return s.legEnded(source, err)
	}
	s.eng.Abandon(router.Source, 'E')
	s.answeredBy(router.Source)
	return s.atSource(b)
}

// forward relays one batch to the side that answers.
func (s *session) forward(b *engine.Batch) error {
	if err := s.closeBoth(s.client.unread()[:b.Size]); err != nil {
		return err
	}
	if s.eng.Side() == router.Target {
		sh := s.share
		sh.keep = append(sh.keep[:0], s.client.unread()[:b.Size]...)
		s.eng.Began(b)
		s.eng.HoldAnswers(b.Retry && b.Boundary != 0)
	}
	_, err := s.feedUpTo(b.Size)
	return err
}

// closeBoth closes on the leg that answers what the client has closed meanwhile,
// and notes what a batch closes that the other leg has as well: names are one
// space to the client.
func (s *session) closeBoth(in []byte) error {
	sh, side := s.share, s.eng.Side()
	if names := sh.closes[side]; len(names) > 0 && (s.eng.Settled() || s.eng.Tx() == 'T') {
		sh.closes[side] = nil
		var f pgwire.Flight
		for _, name := range names {
			if st := s.eng.Mobile().Statements[name]; st == nil || !st.On[side] { // not made there anew
				f.Close(name)
			}
		}
		out, err := f.Sync()
		if _, err := s.fly(s.legs[side], out, err); err != nil {
			return s.legFailed(s.legs[side], err)
		}
	}
	for len(in) > 0 {
		h := wire.Parse(in)
		if h.State != wire.Whole {
			return nil
		}
		if h.Type == 'C' {
			s.noteClose(in[wire.HeaderSize:h.Size])
		}
		in = in[h.Size:]
	}
	return nil
}

func (s *session) noteClose(body []byte) {
	name, ok := strings.CutPrefix(string(body), "S")
	name = strings.TrimSuffix(name, "\x00")
	st := s.eng.Mobile().Statements[name]
	if other := 1 - s.eng.Side(); ok && name != "" && st != nil && st.On[other] && len(s.share.closes[other]) < closesMost {
		s.share.closes[other] = append(s.share.closes[other], name)
	}
}

// closesMost bounds what is kept to be closed.
const closesMost = 1000

// refuse answers a batch that asks for a read-write transaction where the
// target answers for reading only.
func (s *session) refuse(b *engine.Batch) error {
	return s.reply(b, &wire.Error{
		Fault: wire.ByProxy, Code: pgwire.CodeReadOnly,
		Message: "cannot begin a read-write transaction: this session is answered by the target for reading only",
		Hint:    "canary.writes is refuse",
	})
}

// reply answers a batch with an error of ours, and leaves the leg in the state
// that the client is told.
func (s *session) reply(b *engine.Batch, words *wire.Error) error {
	if b.Boundary == 0 { // where it ends is not known, so nothing can follow
		return &ending{why: EndViolation, words: words}
	}
	s.client.use(b.Size)
	return s.fail(failure{words: words, begun: s.eng.Tx() != 'I', sync: b.Boundary != 'H'})
}
