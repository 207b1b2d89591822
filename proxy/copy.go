package proxy

import (
	"io"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/crossfade-db/crossfade/proxy/engine"
	"github.com/crossfade-db/crossfade/proxy/writes"
	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/shadow"
	"github.com/crossfade-db/crossfade/wire"
)

// A COPY FROM STDIN of a mapped table is relayed as it comes, and of its data
// nothing is kept but the keys of the rows. Its CopyDone waits until these are in
// the journal: the source commits nothing before it (ENGINE §6.8).
//
//	client ── Query ─ CopyData … CopyData ─│─ CopyDone ──► source
//	                  └── keys ── journal ─┘

// copyOf is what the batch at hand copies; nil: it is nothing but a COPY that
// ends with its data.
func (s *session) copyOf(b *engine.Batch) *copyStream {
	use := &s.mirror.use
	st := use.relay.Statement
	if use.relay.Class != writes.Copy || st == nil || st.Copy == nil || !st.Copy.Stdin || len(b.Control) > 0 {
		return nil
	}
	d := &copyStream{pairs: use.pairs, extended: b.Boundary != 'Q'}
	binds, executes := 0, 0
	in := s.client.unread()[:b.Size]
	for at := 0; at < len(in); {
		h := wire.Parse(in[at:])
		if h.State != wire.Whole {
			return nil
		}
		at += h.Size
		switch h.Type {
		case 'B':
			binds++
		case 'Q', 'E':
			executes++
			d.skip = at
		case 'F':
			return nil
		}
	}
	if executes != 1 || binds > 1 || s.mirror.open {
		return nil
	}
	if form := use.relay.Form; form != nil && len(use.pairs) == 1 {
		d.reader = form.Read(d.keep)
	} else {
		d.whole = shadow.CauseUncaptured
	}
	return d
}

// copyStream is a COPY of which the data is under way.
type copyStream struct {
	pairs    []*rewrite.Pair // that it may write
	extended bool            // its transaction ends with a Sync
	reader   io.WriteCloser  // of keys; nil: they are not read
	keys     shadow.Keys
	whole    shadow.Cause // why the tables are dirty as a whole; empty: they are not

	skip   int  // bytes of the client that are before its data
	rest   int  // bytes of its message at hand that are still to come
	kind   byte // of that
	done   bool // the data has come to its end, which waits here
	freed  bool // it does not wait any more
	ended  bool // the end has gone to the source, or what takes its place
	synced bool // so has the Sync behind it
}

func (d *copyStream) keep(key rewrite.RowKey) {
	if d.whole == "" && !d.keys.Add(key) {
		d.whole = shadow.CauseBulk
	}
}

// upTo is how much of what the client has sent may go to the source now.
func (d *copyStream) upTo(in []byte) int {
	at := min(d.skip+d.rest, len(in))
	for at < len(in) {
		h := wire.Parse(in[at:])
		if h.State == wire.Short || !d.passes(h.Type) {
			return at
		}
		at = min(at+h.Size, len(in))
		if h.Type == 'c' || h.Type == 'f' || h.Type == 'S' {
			return at // what may follow hangs on it
		}
	}
	return at
}

// passes says that a message may go on. What the protocol does not allow within a
// COPY is the engine's to judge.
func (d *copyStream) passes(kind byte) bool {
	switch {
	case !d.ended:
		return kind != 'c' || d.freed
	case kind == 'd', kind == 'c', kind == 'f', kind == 'H', kind == 'S':
		return d.extended && !d.synced
	default:
		return false
	}
}

// passed takes what has gone to the source.
func (d *copyStream) passed(in []byte) {
	n := min(d.skip, len(in))
	d.skip -= n
	for in = in[n:]; len(in) > 0; {
		if d.rest == 0 {
			h := wire.Parse(in)
			d.kind, d.rest = h.Type, h.Size
			d.began()
			n = min(wire.HeaderSize, len(in))
			d.rest -= n
			in = in[n:]
		}
		n = min(d.rest, len(in))
		d.read(in[:n])
		d.rest -= n
		in = in[n:]
	}
}

// began notes a message that goes to the source.
func (d *copyStream) began() {
	switch d.kind {
	case 'c', 'f':
		d.ended = true
	case 'S':
		d.synced = d.ended
	}
}

// read takes a part of the data.
func (d *copyStream) read(data []byte) {
	if d.kind != 'd' || d.reader == nil || d.ended {
		return
	}
	if _, err := d.reader.Write(data); err != nil || d.whole != "" {
		d.unread()
	}
}

// unread gives the keys up.
func (d *copyStream) unread() {
	if d.whole == "" {
		d.whole = shadow.CauseUncaptured
	}
	d.reader, d.keys = nil, shadow.Keys{}
}

// note remembers in the transaction what the data has changed.
func (d *copyStream) note(tx *shadow.Tx) {
	if d.reader != nil && d.reader.Close() != nil {
		d.unread()
	}
	for _, pair := range d.pairs {
		if d.whole != "" {
			tx.Whole(pair.Name(), d.whole)
		} else {
			tx.Missing(pair.Name(), &d.keys)
		}
	}
}

// relayCopy relays a COPY FROM STDIN.
func (s *session) relayCopy(b *engine.Batch, d *copyStream) error {
	use := &s.mirror.use
	c := &conversation{s: s, m: s.mirror, l: s.legs[router.Source], relayed: b}
	if c.refuses(use.relay) {
		return s.reply(b, c.refusal)
	}
	c.relayed, c.giveUp = nil, s.failCopy
	s.server.uncaptured(use.relay.Why)
	s.data = d
	s.ran.Store(false)
	s.erred.Store(false)
	s.pumping.Store(true)
	defer func() {
		s.pumping.Store(false)
		s.data = nil
	}()
	block := s.eng.Tx() != 'I'
	if err := s.forward(b); err != nil {
		return err
	}
	err := s.copyUntil(func() bool { return d.done || s.eng.Quiet() })
	switch {
	case err != nil:
		return err
	case !d.done:
		return s.withoutData(d)
	case block:
		return s.copyInBlock(d)
	}
	d.note(s.mirrorTx())
	return c.commit(true, func() (shadow.Ending, error) { return s.endCopy(d) })
}

// withoutData is the end of a COPY before that of its data: it has failed, or has
// not begun yet.
func (s *session) withoutData(d *copyStream) error {
	if s.erred.Load() || s.eng.Settled() {
		return nil
	}
	d.unread()
	d.note(s.mirrorTx())
	s.mirror.open = s.eng.Tx() == 'I' // what comes next is of its transaction
	return nil
}

// copyInBlock ends a COPY within a transaction of the client.
func (s *session) copyInBlock(d *copyStream) error {
	d.freed = true
	err := s.copyUntil(s.eng.Quiet)
	if err == nil && !s.erred.Load() {
		d.note(s.mirrorTx())
	}
	return err
}

// endCopy ends a COPY and the transaction that it is.
func (s *session) endCopy(d *copyStream) (shadow.Ending, error) {
	d.freed = true
	err := s.copyUntil(func() bool { return s.eng.Settled() || s.eng.Quiet() && s.erred.Load() })
	fatal := s.guarded(s.eng.Goodbye) // it may have committed before that
	switch {
	case s.erred.Load() && !fatal:
		return shadow.RolledBack, err
	case err != nil, fatal:
		return shadow.Unknown, err
	case !s.ran.Load():
		return shadow.RolledBack, nil
	}
	return shadow.Committed, nil
}

// failCopy ends a COPY whose transaction may not be committed. The client has our
// words from the server, which makes them a part of its own.
func (s *session) failCopy(words *wire.Error) error {
	s.server.opt.Log.Warn("a transaction was refused", "session", s.id, "error", words.Cause)
	fail, err := (&pgproto3.CopyFail{Message: words.Message}).Encode(nil)
	if err != nil {
		return err
	}
	s.client.use(wire.HeaderSize) // the CopyDone
	s.guarded(func() bool {
		_, _ = s.eng.Client(fail, nil) // as if the client had sent it
		return true
	})
	l := s.legs[s.eng.Side()]
	if _, err := l.Write(fail); err != nil {
		return s.legRefused(l, err)
	}
	s.data.ended = true
	return s.copyUntil(s.eng.Quiet)
}

// guarded asks the engine, which the second reader may be stepping.
func (s *session) guarded(ask func() bool) bool {
	if s.both != nil {
		s.both.Lock()
		defer s.both.Unlock()
	}
	return ask()
}

// copyUntil relays a COPY until something holds.
func (s *session) copyUntil(over func() bool) error {
	for !s.guarded(over) {
		if err := s.stepWith((*session).copyFromClient); err != nil {
			return err
		}
	}
	if s.quiet() {
		s.quieten()
	}
	return nil
}

// copyFromClient takes of the client's messages what may go on.
func (s *session) copyFromClient() error {
	in := s.client.unread()
	if n := s.data.upTo(in); n > 0 {
		if s.guarded(func() bool { return s.eng.Pinned() == router.PinProtocol }) {
			return lostTrack
		}
		if used, err := s.feedUpTo(n); used > 0 || err != nil {
			return err
		}
		return s.fillClient()
	}
	return s.copyWaits(in)
}

// copyWaits: nothing of what the client has sent may go on.
func (s *session) copyWaits(in []byte) error {
	d := s.data
	h := wire.Parse(in)
	switch {
	case h.State == wire.Short:
		return s.fillClient()
	case !d.ended:
		d.done = true
		return nil
	case d.extended && !d.synced:
		return lostTrack
	case !s.bothRun():
		return s.fromLeg(s.legs[s.eng.Side()])
	}
	s.both.Lock()
	defer s.both.Unlock()
	for s.both.running && !s.eng.Quiet() {
		s.both.progress.Wait()
	}
	return nil
}
