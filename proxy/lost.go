package proxy

import (
	"errors"
	"fmt"

	"github.com/crossfade-db/crossfade/proxy/engine"
	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/wire"
	"github.com/crossfade-db/crossfade/wire/pgwire"
)

// What fails at the target ends no session: a read that nobody has seen
// anything of is answered by the source, a transaction is told once, and the
// session goes on at the source, which has its state.

// escalated does what the engine cannot: it has met a message of the target
// that the client must not see.
func (s *session) escalated(why engine.Reason) error {
	switch why {
	case engine.RetryError:
		return s.retry(router.TargetError)
	case engine.RetryNumbers:
		s.remember(engine.Differs)
		return s.retry(router.TypeOID)
	case engine.WrongNumbers:
		s.remember(engine.Differs)
		return s.wrongNumbers()
	case engine.LegLost:
		return s.targetLost(errors.New(why.String()))
	default:
		return s.broken(why)
	}
}

// remember keeps what was learnt of the texts of the batch.
func (s *session) remember(v engine.Verdict) {
	b := &s.share.batch
	if v == engine.Differs && len(b.Texts) > 1 {
		return // which of them it is cannot be said
	}
	for _, key := range b.Texts {
		s.share.numbers.verdicts.put(key, v)
	}
	if v == engine.Differs && s.share.numbers.pair.Load().Outdated(firstOf(s.legs[router.Target].unread())) {
		s.share.numbers.outdated()
	}
}

// firstOf is the whole message that in begins with; nil if there is none.
func firstOf(in []byte) []byte {
	if h := wire.Parse(in); h.State == wire.Whole {
		return in[:h.Size]
	}
	return nil
}

// retry answers the request that the target is answering by the source.
func (s *session) retry(why router.Reason) error {
	if tx := s.eng.Tx(); tx != 'I' {
		return s.retryInside(why)
	}
	if err := s.legs[router.Target].drain(s.share.batch.Boundary == 'H'); err != nil {
		s.dropLeg(router.Target)
	}
	return s.again(why)
}

// again sends the kept request to the source.
func (s *session) again(why router.Reason) error {
	sh := s.share
	sh.held = sh.held[:0]
	s.eng.Abandon(router.Source, 'I')
	if err := s.haveSource(); err != nil {
		return err
	}
	s.server.opt.Observer.fellBack(why)
	if s.ensure(&sh.batch) == otherwise {
		return s.fail(failure{words: changed, sync: sh.batch.Boundary != 'H'})
	}
	return s.resend()
}

// resend relays the kept request to the side that answers now.
func (s *session) resend() error {
	var space [4]engine.Action
	keep := s.share.keep
	used, actions := s.eng.Client(keep, space[:0])
	s.beganOrEnded()
	l := s.legs[s.eng.Side()]
	done, err := s.perform(actions, keep, l)
	switch {
	case err != nil:
		return s.legRefused(l, err)
	case done.why != engine.None:
		return s.broken(done.why)
	case used != len(keep):
		return s.broken(engine.UnexpectedClientMessage)
	}
	return nil
}

// retryInside answers a request of a transaction by the source, which the
// transaction goes to.
func (s *session) retryInside(why router.Reason) error {
	sh := s.share
	if err := s.legs[router.Target].drain(sh.batch.Boundary == 'H'); err != nil {
		return s.targetLost(err)
	}
	sh.held = sh.held[:0]
	s.eng.Unanswered()
	left, err := s.leave()
	if err != nil {
		return err
	}
	if !left {
		return s.fail(failure{words: numbersDiffer, begun: true, sync: s.share.batch.Boundary != 'H'})
	}
	s.server.opt.Observer.fellBack(why)
	if s.ensure(&sh.batch) == otherwise {
		return s.fail(failure{words: changed, begun: true, sync: sh.batch.Boundary != 'H'})
	}
	return s.resend()
}

var numbersDiffer = &wire.Error{
	Fault: wire.ByProxy, Code: pgwire.CodeNotSupported,
	Message: "the type numbers of this result differ between the two sides; it must be answered by the source",
	Hint:    "run the statement again",
}

// wrongNumbers ends a request whose first answers are with the client already.
func (s *session) wrongNumbers() error {
	inside := s.eng.Tx() != 'I'
	s.dropLeg(router.Target)
	return s.giveUp(numbersDiffer, inside)
}

// targetLost goes on without the leg at the target.
func (s *session) targetLost(cause error) error {
	sh := s.share
	if sh == nil || sh.stays || s.eng.Side() != router.Target || s.eng.Terminated() {
		return s.legEnded(s.legs[s.eng.Side()], cause)
	}
	if !sh.evicted.Load() {
		s.server.breaker.suspect()
	}
	words := s.lostWords()
	retry, tx, quiet := s.eng.MayRetry(), s.eng.Tx(), s.eng.Quiet()
	stale := sh.versions[router.Source] != s.eng.Mobile().Version
	if s.eng.MidMessage() || (tx == 'I' && stale) {
		return s.legEnded(s.legs[router.Target], cause)
	}
	if !quiet && sh.evicted.Load() {
		s.server.cancelLeg(s.legs[router.Target])
	}
	s.dropLeg(router.Target)
	switch {
	case retry && tx == 'I':
		return s.again(router.TargetError)
	case !quiet && s.eng.Holding() && tx == 'T' && (sh.batch.Ends || sh.batch.Undoes):
		return s.endAtSource()
	case !quiet:
		return s.giveUp(words, tx != 'I')
	case s.eng.Settled():
		s.eng.Abandon(router.Source, 'I')
		return s.haveSource()
	}
	sh.lost, sh.begun = words, tx != 'I'
	told := s.eng.Mobile().Rereported
	s.eng.Abandon(router.Source, 'I')
	if err := s.haveSource(); err != nil {
		return err
	}
	return s.rereport(told)
}

// rereport tells the client what settings are that a transaction has changed
// which is lost.
func (s *session) rereport(names []string) error {
	if s.eng.Mobile().Rereported = nil; len(names) == 0 {
		return nil
	}
	var f pgwire.Flight
	f.Run("SELECT n, pg_catalog.current_setting(n, true) FROM pg_catalog.unnest($1::pg_catalog.text[]) AS n", arrayOf(names))
	landing, err := s.insist(s.legs[router.Source], &f)
	if err != nil {
		return s.legEnded(s.legs[router.Source], err)
	}
	var out []byte
	for _, row := range landing.Rows {
		if len(row) == 2 {
			report := pgwire.AppendReport(nil, string(row[0]), string(row[1]))
			s.eng.Heard(report)
			out = append(out, report...)
		}
	}
	if _, err := s.client.Write(out); err != nil {
		return &ending{why: EndClientGone, cause: err}
	}
	return nil
}

// endAtSource ends a transaction that has only read, and whose end is on its
// way, with an empty one of the source: nothing of it is lost.
func (s *session) endAtSource() error {
	told := s.eng.Mobile().Rereported
	s.share.held = s.share.held[:0]
	s.eng.Abandon(router.Source, 'T')
	s.restore()
	if err := s.haveSource(); err != nil {
		return err
	}
	if err := s.rereport(told); err != nil {
		return err
	}
	if err := s.say(s.legs[router.Source], "BEGIN"); err != nil {
		return s.legEnded(s.legs[router.Source], err)
	}
	return s.resend()
}

// lostWords are what a client is told whose transaction was at the target.
func (s *session) lostWords() *wire.Error {
	if s.share.evicted.Load() && !s.server.breaker.isOpen() {
		return &wire.Error{
			Fault: wire.ByProxy, Code: pgwire.CodeShutdown,
			Message: "the transaction was ended by the operator; run it again",
		}
	}
	return &wire.Error{
		Fault: wire.ByTarget, Code: pgwire.CodeConnectionFailure,
		Message: "the target database closed the connection; run the transaction again",
	}
}

// giveUp tells the client that its request has failed, and goes on at the
// source, with a failed transaction if there was one.
func (s *session) giveUp(words *wire.Error, inside bool) error {
	s.share.held = s.share.held[:0]
	if s.eng.MidMessage() {
		return s.legEnded(&leg{side: router.Target}, errors.New("a row was cut short"))
	}
	inside = inside && !s.share.batch.Ends
	told := s.eng.Mobile().Rereported
	sync := s.eng.Abandon(router.Source, 'I')
	s.restore()
	if err := s.haveSource(); err != nil {
		return err
	}
	if err := s.rereport(told); err != nil {
		return err
	}
	return s.fail(failure{words: words, begin: inside, begun: inside, sync: sync})
}

// restore: what a failed transaction has changed is taken back with it.
func (s *session) restore() { s.share.versions[router.Source] = s.eng.Mobile().Version }

// tellLost answers the first batch after the leg of its transaction was lost.
func (s *session) tellLost(b *engine.Batch) error {
	sh := s.share
	words, begun := sh.lost, sh.begun
	sh.lost, sh.begun = nil, false
	s.restore()
	if b.Boundary == 0 {
		return s.legEnded(&leg{side: router.Target}, errors.New("the next request is too long to be answered"))
	}
	if begun && (b.Undoes || b.Ends) { // it has only read: nothing of it is lost
		if err := s.say(s.legs[router.Source], "BEGIN"); err != nil {
			return s.legEnded(s.legs[router.Source], err)
		}
		s.eng.Abandon(router.Source, 'T')
		return s.forward(b)
	}
	s.client.use(b.Size)
	return s.fail(failure{words: words, begin: begun, begun: begun, sync: b.Boundary != 'H'})
}

// haveSource makes sure that the source is there, without which nothing goes on.
func (s *session) haveSource() error {
	s.answeredBy(router.Source)
	s.beganOrEnded()
	if s.hung[router.Source].Load() {
		s.dropLeg(router.Source)
	}
	if s.legs[router.Source] == nil {
		if err := s.dialLate(router.Source); err != nil {
			return s.legEnded(&leg{side: router.Source}, err)
		}
	}
	s.answeredBy(router.Source)
	return nil
}

// failure is an error of ours that a batch is answered with.
type failure struct {
	words *wire.Error
	begin bool // the leg has no transaction yet, and the client has one
	begun bool // the client has a transaction, which fails
	sync  bool // the batch ends with its ReadyForQuery
}

// fail answers a batch with an error, and brings the leg into the state that
// the client is told: a transaction that has failed, or a batch that is skipped
// to its Sync.
func (s *session) fail(f failure) error {
	side := s.eng.Side()
	l := s.legs[side]
	if f.begin {
		if err := s.say(l, "BEGIN"); err != nil {
			return s.legEnded(l, err)
		}
	}
	if f.begun || !f.sync {
		if err := s.failLeg(l, f.sync); err != nil {
			return s.legEnded(l, err)
		}
	}
	tx := byte('I')
	if f.begun {
		tx = 'E'
	}
	s.eng.Abandon(side, tx)
	out := pgwire.AppendFailure(nil, f.words)
	if f.sync {
		out = pgwire.AppendReady(out, tx)
	} else {
		s.eng.SkipToSync()
	}
	s.beganOrEnded()
	if _, err := s.client.Write(out); err != nil {
		return &ending{why: EndClientGone, cause: err}
	}
	return nil
}

func (s *session) failLeg(l *leg, sync bool) error {
	var f pgwire.Flight
	f.Fail()
	end := f.Flush
	if sync {
		end = f.Sync
	}
	out, err := end()
	_, err = s.flyUntil(l, out, err, !sync)
	return err
}

// stranded is the end of a session whose state the source does not take: it
// can neither stay nor go.
func (s *session) stranded(why router.Reason) *ending {
	return &ending{why: EndServerGone, cause: fmt.Errorf("the session cannot go back to the source: %s", why), words: &wire.Error{
		Fault: wire.BySource, Code: pgwire.CodeShutdown,
		Message: "terminating connection: the session cannot go on at the source; connect again",
	}}
}
