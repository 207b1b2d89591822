package proxy

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/crossfade-db/crossfade/proxy/engine"
	"github.com/crossfade-db/crossfade/proxy/writes"
	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/rewrite/pgsql"
	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/shadow"
	"github.com/crossfade-db/crossfade/wire"
)

// mirroring is what a session has whose writes are mirrored.
type mirroring struct {
	mapped   *Mapped
	names    *names // what names mean in the session; nil: it was not asked yet
	state    uint32 // version of the session's state that names are of
	stale    bool   // they may mean something else since, whatever the version
	within   bool   // the source was asked within the open transaction, whose end or savepoints may take that back
	doubtful bool   // the catalogs may be older than a definition
	moving   moving // what becomes of names in the middle of the batch at hand

	other    *otherLeg // of tx, while that is open
	same     *sameLeg  // of tx, where both shapes are in one database
	implicit bool      // tx is committed by a Sync; set at the commit point
	begun    bool      // it has been made an explicit one there
	lost     error     // the client's transaction is not what it was
	spoiled  bool      // the client's transaction has failed, and nothing has ended that since
	tell     func([]byte) error
	strictly bool       // the transaction is stricter than READ COMMITTED, as the source has said
	asked    bool       // it has been asked
	tx       *shadow.Tx // of the client's transaction; nil: nothing was captured or noted in it
	strict   bool       // the transaction has changed a strict table
	captured map[uint64]*capturedStatement
	portals  map[string]*portal
	normal   []byte   // scratch
	anew     [][]byte // scratch of sum
	encoded  bool     // client_encoding is not UTF8
	use      use      // of the batch at hand
	open     bool     // a batch without its Sync was begun in the conversation
	block    bool     // within an explicit transaction, as far as the conversation has come
}

// use is what a batch needs of the slow lane.
type use struct {
	slow  bool            // it is for the slow lane
	own   bool            // it reads behind the transaction's own writes at the target
	relay *writes.Plan    // it is relayed, with tables that are dirty before it
	pairs []*rewrite.Pair // that it writes, where it is relayed
	body  bool            // it may commit inside
	copy  *writes.Plan    // it has a COPY FROM of a table that is not mapped
	apart router.Reason   // why the target cannot answer it
	reads []*rewrite.Pair // what it reads
}

// mirrors says that the session's writes are mirrored, and follows changes of
// that: only between transactions, so that each is mirrored whole or not at all.
func (s *session) mirrors() bool {
	if s.server.opt.Mirror == nil || s.share == nil || s.share.stays {
		return false
	}
	policy := s.share.seen.Load()
	var now *Mapped
	if policy.Mirrors() {
		now = s.server.mapped()
	}
	if s.mirror != nil && s.mirror.mapped == now {
		return true
	}
	if s.mirror == nil && now == nil || !s.eng.Settled() {
		return s.mirror != nil
	}
	if l := s.legs[router.Source]; l != nil {
		l.captured = nil // they return what another mapping needs
	}
	if now == nil {
		s.mirror = nil
	} else {
		s.mirror = &mirroring{mapped: now}
	}
	s.share.mirrored.Store(now)
	s.eng.Mobile().Mirrored = now != nil
	s.eng.HoldUnnamed(s.holdsUnnamed())
	return s.mirror != nil
}

// inspect says what a batch does to mapped tables. The environment that names
// are read in is asked of the source where it is not known.
func (s *session) inspect(in []byte, b *engine.Batch) error {
	m := s.mirror
	m.moving, m.doubtful = s.movesNames(in, b), s.doubtful()
	if m.moving == namesMove || s.namesAreStale() {
		m.guessNames()
	}
	if m.moving != namesMove && m.stale && s.saysNames(in, b) {
		if err := s.learnNames(); err != nil {
			return err
		}
	}
	m.stale = m.stale || b.Effects&pgsql.Names != 0 || m.within && b.Effects&pgsql.Transaction != 0
	s.sum(in, b)
	return nil
}

// sum adds up what the statements of a batch do.
func (s *session) sum(in []byte, b *engine.Batch) {
	m := s.mirror
	m.use = use{reads: m.use.reads[:0], pairs: m.use.pairs[:0]}
	made := map[string]planned(nil)
	anew := m.anew[:0] // portals that the batch binds: what they were before is of no matter
	for len(in) > 0 {
		h := wire.Parse(in)
		if h.State != wire.Whole {
			break
		}
		message := in[:h.Size]
		in = in[h.Size:]
		body := message[wire.HeaderSize:]
		switch h.Type {
		case 'Q':
			anew = append(anew, nil)
			s.countsQuery(body, b)
		case 'P':
			name, rest, _ := bytes.Cut(body, []byte{0})
			text, _, _ := bytes.Cut(rest, []byte{0})
			if made == nil {
				made = map[string]planned{}
			}
			plan := s.planned(text, engine.TextKey(text))
			made[string(name)] = planned{plan, text}
			s.keepsAway(plan)
			m.use.slow = m.use.slow || m.mapped.Plan.Source.TypesAct && inputs(plan)
		case 'B':
			name := engine.BoundName(body)
			portal, _, _ := bytes.Cut(body, []byte{0})
			anew = append(anew, portal)
			p, known := made[string(name)]
			if !known {
				p = s.plannedStatement(name)
			}
			s.counts(p.plan, p.text)
			if p.plan.Class == writes.Control && b.Boundary != 'S' {
				m.use.slow = true // what follows has to know
			}
		case 'E':
			m.use.slow = m.use.slow || s.bound(body, anew)
			if b.Boundary == 'H' && m.use.apart == router.None {
				m.use.apart = router.Mixed // what comes behind the Flush may write, and the transaction has begun
			}
		case 'D':
			if name, ok := bytes.CutPrefix(body, []byte("S")); ok {
				name = bytes.TrimSuffix(name, []byte{0})
				if _, known := made[string(name)]; !known {
					s.keepsAway(s.plannedStatement(name).plan)
				}
			}
			m.use.slow = m.use.slow || len(body) > 0 && body[0] == 'P' && s.bound(body[1:], anew)
		case 'F':
			if len(body) >= 4 && binary.BigEndian.Uint32(body) < rewrite.FirstUserOID {
				continue // one of the server's own functions
			}
			m.use.slow = true
			m.use.apart = router.Writing
		}
	}
	if !m.use.slow {
		for _, portal := range anew {
			delete(m.portals, string(portal))
		}
	}
	clear(anew)
	m.anew = anew
	m.use.slow = m.use.slow || m.open // it goes on until its Sync
	if m.use.slow && m.use.copy != nil && m.use.relay == nil {
		m.use.relay = m.use.copy // its data comes from the client
	}
}

// countsQuery takes a simple query into account.
func (s *session) countsQuery(body []byte, b *engine.Batch) {
	m := s.mirror
	text, _, _ := bytes.Cut(body, []byte{0})
	plan := s.planned(text, engine.TextKey(text))
	s.counts(plan, text)
	if plan.Statement == nil && b.Effects&pgsql.Several != 0 {
		m.use.relay = &writes.Plan{Class: writes.Verbatim, Why: writes.WhyUnread}
		m.use.pairs = append(m.use.pairs, m.mapped.Plan.Pairs...)
	}
}

// keepsAway says that a statement is not for the target, also where it is only
// made or described: its tables may have other names there.
func (s *session) keepsAway(p *writes.Plan) {
	u := &s.mirror.use
	switch {
	case u.apart != router.None:
	case p.Class != writes.Pass && p.Class != writes.Control:
		u.apart = router.Writing
	default:
		u.apart = apartness[p.Apart]
	}
}

// bound says that a portal was bound by the conversation, so that its answers
// have to be cut back there.
func (s *session) bound(body []byte, anew [][]byte) bool {
	name, _, _ := bytes.Cut(body, []byte{0})
	return s.mirror.portals[string(name)] != nil && !slices.ContainsFunc(anew, func(portal []byte) bool { return bytes.Equal(portal, name) })
}

// planned is a text with what becomes of it.
type planned struct {
	plan *writes.Plan
	text []byte
}

// plannedStatement is what becomes of a prepared statement; its text is left out
// where nobody needs it. One that is not known, as there were too many, may do
// anything.
func (s *session) plannedStatement(name []byte) planned {
	m := s.mirror
	st := s.eng.Mobile().Statements[string(name)]
	if st == nil {
		return planned{plan: writes.Decide(nil, m.names.env)}
	}
	if !m.doubtful && m.moving == namesStay && !s.readsOddly() {
		if plan := m.mapped.plans.known(exactKey{st.Key, m.names.key}); plan != nil && plan.Class == writes.Pass && !copies(plan) {
			return planned{plan: plan}
		}
	}
	text := st.Text()
	return planned{s.planned(text, st.Key), text}
}

// counts takes one statement into account.
func (s *session) counts(p *writes.Plan, text []byte) {
	u := &s.mirror.use
	tally(p)
	if p.Reloads && s.server.opt.Mirror.Observer.Defined != nil {
		s.definesNow(p)
	}
	switch p.Class {
	case writes.Pass:
		if copies(p) && s.mirror.moving != namesStay {
			u.relay, u.slow = &writes.Plan{Statement: p.Statement, Class: writes.Copy, Why: writes.WhyUnknown}, true
			u.pairs = append(u.pairs, s.mirror.mapped.Plan.Pairs...)
		} else if copies(p) {
			u.copy = p
		}
	case writes.Control:
		u.slow = u.slow || s.mirror.tx != nil || controlOf(text).op == savepointOp && s.eng.Side() == router.Source
		return
	case writes.Copy, writes.Verbatim, writes.Definition:
		doubt := s.mirror.moving != namesStay && slices.ContainsFunc(p.Parts, func(part writes.Part) bool { return copies(part.Plan) })
		if p.Harmless() && s.mirror.tx == nil && !doubt {
			break
		}
		u.slow = true
		if u.relay == nil {
			u.relay = p
		}
		for _, part := range p.Parts { // nobody asks behind them what they have changed
			if doubt || part.Watch || part.Class == writes.Probe || part.Class == writes.Body {
				u.pairs = append(u.pairs, s.mirror.mapped.Plan.Pairs...)
				break
			}
		}
	case writes.Body:
		u.slow, u.body = true, true
	default:
		u.slow = true
	}
	if p.Pair != nil {
		u.pairs = append(u.pairs, p.Pair)
	} else {
		for _, one := range p.Captured() {
			u.pairs = append(u.pairs, one.Pair)
		}
	}
	u.pairs = append(u.pairs, p.Pairs...)
	u.reads = append(u.reads, p.Reads...)
	if why := apartness[p.Apart]; u.apart == router.None {
		u.apart = why
	}
}

// tally counts an execution; what is captured is counted when it is.
func tally(p *writes.Plan) {
	if p.Tally == nil {
		return
	}
	p.Tally.Seen()
	switch p.Class {
	case writes.Capture, writes.Truncate, writes.Control:
	case writes.Pass:
		p.Tally.Skipped(passed(p)) // nothing to mirror, and not compared
	default:
		p.Tally.Skipped(string(p.Why))
	}
}

// passed is why a statement that passes is not mirrored.
func passed(p *writes.Plan) string {
	switch p.Statement.Kind {
	case rewrite.Insert, rewrite.Update, rewrite.Delete, rewrite.Merge, rewrite.Truncate, rewrite.CopyIn:
		return "not_mapped"
	case rewrite.Unknown, rewrite.Read, rewrite.CopyOut, rewrite.Control, rewrite.Session, rewrite.Definition, rewrite.Body:
		return "read"
	}
	return "read"
}

var apartness = [...]router.Reason{
	writes.Together: router.None, writes.Unmapped: router.NotMapped, writes.Shape: router.Shape,
	writes.Kept: router.NotReady, writes.Locks: router.Locking, writes.WritesIt: router.Writing,
}

// against is why the target cannot answer the batch at hand for what it reads
// and writes.
func (s *session) against() router.Reason {
	m := s.mirror
	switch {
	case m.use.slow:
		return router.Writing
	case s.server.opt.Mirror.OneServer:
		return router.Shape // until reads are rewritten
	case m.use.apart != router.None:
		return m.use.apart
	case m.tx != nil && !m.tx.Empty():
		return s.againstOwn()
	}
	for _, pair := range m.use.reads {
		if !s.server.opt.Mirror.Ready(pair.Name()) {
			return router.NotReady
		}
	}
	if !s.hasTarget(s.server.opt.Mirror.Wait) || !s.server.pending.wait(m.use.reads, s.server.opt.Mirror.Wait) {
		return router.Recent
	}
	return router.None
}

const (
	otherControl controlOp = iota
	beginOp
	commitOp
	rollbackOp
	savepointOp
	releaseOp
	rollbackToOp
	prepareOp
)

// forget drops what belongs to a transaction that has ended.
func (m *mirroring) forget() {
	m.tx, m.other, m.strict, m.asked, m.strictly = nil, nil, false, false, false
	m.same, m.begun, m.lost = nil, false, nil
}

// mirrorTx is the mirror of the client's transaction, begun now if need be.
func (s *session) mirrorTx() *shadow.Tx {
	m := s.mirror
	if m.tx == nil {
		o := s.server.opt.Mirror
		m.tx = shadow.Begin(shadow.Options{
			Open: s.openOther, Journal: o.Journal, Epoch: o.Epoch(), Incarnation: o.Incarnation(),
			Budget: shadow.Budget{Wait: o.Budget, Rows: o.Rows, Bytes: o.Bytes}, Others: s.server.pending.waitAll,
			Atomic: o.OneServer,
		})
	}
	return m.tx
}

// endMirror takes back what the session has not committed: it ends, or its
// transaction has.
func (s *session) endMirror() {
	if s.mirror != nil && s.mirror.tx != nil {
		s.mirror.tx.Rolled()
		s.mirror.forget()
	}
}
