package proxy

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/crossfade-db/crossfade/proxy/engine"
	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/wire"
	"github.com/crossfade-db/crossfade/wire/pgwire"
)

// sharing is what a session has beside the relay when there is a target: where
// it stands, and what it takes to answer it there. Sessions of a proxy without
// a target have none.
type sharing struct {
	session *router.Session // what its client said at login
	place   router.Place
	seen    atomic.Pointer[router.Snapshot] // the policy that the session acts by
	in      bool                            // that policy may send it to the target
	strays  bool                            // it has statements that were made at the target only
	stays   bool                            // canary.writes: target; it keeps the side that it began on

	startup  wire.Startup         // as the client sent it
	keys     *pgwire.Keys         // that pass-through has learnt; else the configured password serves
	carried  uint64               // digest of the settings that went over last
	versions [router.Sides]uint32 // of the session's state that each leg has
	pin      pin
	batch    engine.Batch
	closes   [router.Sides][]string // statements that the client has closed, and that a leg still has
	keep     []byte                 // the request that the target is answering
	held     []byte                 // answers that wait
	lost     *wire.Error            // the leg of the open transaction is gone; to be told
	begun    bool                   // that was an explicit transaction

	side   atomic.Uint32 // for status: the side that answers
	pinned atomic.Uint32 // for status: router.Reason
	inside atomic.Bool   // for status: in a transaction, or in a batch without its Sync

	mirrored atomic.Pointer[Mapped] // for the worker: what its writes are mirrored by
	evicted  atomic.Bool            // the target may not answer it any more, wherever it stands

	recalled atomic.Bool          // a session that stays is to end at its next idle point
	logins   [router.Sides]string // user names
	numbers  *numbers
}

// pin is why a session stays at the source, and how long that is believed.
type pin struct {
	why     router.Reason
	version uint32           // of the state that it was found in
	policy  *router.Snapshot // that it was found under; nil: for every policy
}

// holds says whether the pin still stands.
func (p *pin) holds(version uint32, policy *router.Snapshot) bool {
	return p.why != router.None && p.version == version && (p.policy == nil || p.policy == policy)
}

// policy is the snapshot that decides now; nil without a target.
func (s *Server) policy() *router.Snapshot {
	if s.opt.Policy == nil {
		return nil
	}
	return s.opt.Policy.Load()
}

// attends says that what the client sends is looked at before it is forwarded:
// the session belongs to the canary, or is at the target. It costs one load of
// a pointer for all others.
func (s *session) attends() bool {
	sh := s.share
	if sh == nil || sh.stays {
		return false
	}
	if now := s.server.policy(); now != sh.seen.Load() {
		s.applyLocked(now)
	}
	return sh.in || sh.strays || s.eng.Side() == router.Target || sh.lost != nil || s.mirrors()
}

func (s *session) applyLocked(policy *router.Snapshot) {
	if s.both != nil {
		s.both.Lock()
		defer s.both.Unlock()
	}
	s.apply(policy)
}

// quiet is that of the engine, while there may be a second reader.
func (s *session) quiet() bool {
	if s.both != nil {
		s.both.Lock()
		defer s.both.Unlock()
	}
	return s.eng.Quiet()
}

// apply takes a new policy over. What it moves is moved at the next statement.
func (s *session) apply(policy *router.Snapshot) {
	sh := s.share
	sh.place = policy.Place(sh.session)
	in, _ := policy.Cohort(sh.place)
	sh.in = in && policy.Target != router.TargetNone
	sh.seen.Store(policy)
	s.eng.HoldUnnamed(s.holdsUnnamed())
}

// holdsUnnamed says that the session's unnamed statements are kept, too.
func (s *session) holdsUnnamed() bool {
	sh := s.share
	return sh.in || sh.strays || s.eng.Side() == router.Target || s.mirror != nil
}

// obeyLegs looks after what happened to the legs while the session waited.
func (s *session) obeyLegs() error {
	if s.bothRun() {
		return nil
	}
	busy := s.eng.Side()
	if sh := s.share; sh != nil {
		if err := s.obeyShare(busy); err != nil {
			return err
		}
		busy = s.eng.Side()
		if other := 1 - busy; s.hung[other].Load() {
			s.dropLeg(other)
		}
	}
	if s.hung[busy].Load() {
		return s.legRefused(s.legs[busy], io.EOF)
	}
	return nil
}

// obeyShare carries out what an operator or the breaker wants of the session.
func (s *session) obeyShare(busy router.Side) error {
	sh := s.share
	switch {
	case sh.stays && (sh.evicted.Load() || sh.recalled.Load() && s.idle()):
		return &ending{why: EndRecalled, words: &wire.Error{
			Fault: wire.ByProxy, Code: pgwire.CodeShutdown,
			Message: "terminating connection due to administrator command: the target answers nobody any more; connect again",
		}}
	case sh.evicted.Load():
		err := error(nil)
		if busy == router.Target {
			err = s.targetLost(errEvicted)
		}
		sh.evicted.Store(false)
		return err
	}
	return nil
}

var errEvicted = errors.New("the target is to answer nobody any more")

// quieten ends the second reader, which hears nothing at an idle point but
// notifications: what it has read has been passed on.
func (s *session) quieten() {
	if !s.bothRun() {
		return
	}
	l := s.legs[s.eng.Side()]
	s.both.Lock()
	s.both.called = true
	s.both.Unlock()
	_ = l.SetReadDeadline(past)
	<-s.both.done
	_ = l.SetReadDeadline(noDeadline)
	s.both.Lock()
	s.both.called = false
	s.both.Unlock()
}

// releaseHeld gives the client what was held back.
func (s *session) releaseHeld(to io.Writer) error {
	sh := s.share
	if s.eng.Described() >= len(sh.batch.Texts) {
		s.remember(engine.Same)
	}
	if len(sh.held) == 0 {
		return nil
	}
	_, err := to.Write(sh.held)
	if sh.held = sh.held[:0]; cap(sh.held) > smallBuffer {
		sh.held = nil
	}
	return err
}

// enroll makes the session one that either side can answer.
func (s *session) enroll(sh *sharing, greeting []byte) {
	live := s.server.live.Load()
	side := s.eng.Side()
	var databases [router.Sides]string
	for at := range databases {
		sh.logins[at] = userAt(live, router.Side(at), sh.startup)
		databases[at] = databaseAt(live, router.Side(at), sh.startup)
	}
	sh.stays = side == router.Target || sh.seen.Load().Writes == router.WritesTarget
	sh.side.Store(uint32(side))
	sh.numbers = s.server.numbers.get(databases)
	s.share = sh
	if sh.stays {
		return
	}
	s.eng.Enroll(&engine.Mobile{Numbers: sh.numbers, Verdicts: &sh.numbers.verdicts, Reported: s.server.reported.of(greeting)})
	s.apply(sh.seen.Load())
}

// lateSecret is what the session's user logs in with at a side.
func (s *session) lateSecret(side router.Side) pgwire.Secret {
	return secretFor(s.server.live.Load(), side, s.share.startup, s.share.keys)
}

// reported are the names of settings that servers report at login, kept once
// per kind of server.
type reported struct {
	mu  sync.Mutex
	all map[string]map[string]struct{}
}

func (r *reported) of(greeting []byte) map[string]struct{} {
	var names []string
	for len(greeting) > 0 {
		h := wire.Parse(greeting)
		if h.State != wire.Whole {
			break
		}
		if h.Type == 'S' {
			name, _, _ := bytes.Cut(greeting[wire.HeaderSize:h.Size], []byte{0})
			names = append(names, string(name))
		}
		greeting = greeting[h.Size:]
	}
	slices.Sort(names)
	key := strings.Join(names, " ")
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all == nil {
		r.all = map[string]map[string]struct{}{}
	}
	if r.all[key] == nil {
		r.all[key] = map[string]struct{}{}
		for _, n := range names {
			r.all[key][n] = struct{}{}
		}
	}
	return r.all[key]
}
