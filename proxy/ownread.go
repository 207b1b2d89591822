package proxy

import (
	"bytes"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/wire"
	"github.com/crossfade-db/crossfade/wire/pgwire"
)

// A session of the canary that has written in its transaction reads its own
// writes at the target: on the leg that has its images, within the mirrored
// transaction, behind a savepoint. What goes wrong there is taken back, and the
// source answers (DESIGN §5, WRITEPATH §8).

// nameRead is the statement and the savepoint of such a read.
const nameRead = pgwire.Reserved + "_read"

// ownMost bounds the answer to such a read, in bytes: it is held whole, so that
// the source can still answer.
const ownMost = 256 * kib

// againstOwn is why the target cannot answer a read behind own writes.
func (s *session) againstOwn() router.Reason {
	m := s.mirror
	l := s.legs[router.Target]
	switch {
	case s.eng.Side() != router.Source || !m.tx.Open() || m.tx.Lacks() || m.other == nil || m.other.l != l:
		return router.OwnWrites
	case s.eng.Tx() != 'T' || m.open || l == nil || l.bare || s.share.versions[router.Target] != s.eng.Mobile().Version:
		return router.OwnWrites
	}
	m.use.own = true
	return router.OwnWrites
}

// ownReadable says that the batch is one that can be answered behind the
// transaction's own writes.
func (s *session) ownReadable(boundary byte) bool {
	m := s.mirror
	if boundary != 'Q' && boundary != 'S' || m.stale || m.within {
		return false
	}
	for _, pair := range m.use.reads {
		if !s.server.opt.Mirror.Ready(pair.Name()) {
			return false
		}
	}
	for _, n := range s.share.batch.Needs {
		if !n.On[router.Target] {
			return false
		}
	}
	return s.server.pending.wait(m.use.reads, s.server.opt.Mirror.Wait)
}

// readOwn answers a batch of reads at the target; false: nothing of it has been
// answered, and the source is to.
func (c *conversation) readOwn(in []byte, boundary byte) (bool, error) {
	o := c.m.other
	if !c.s.ownReadable(boundary) {
		return false, nil
	}
	if strict, err := c.strictly(); err != nil || strict {
		return false, err
	}
	budget := c.s.server.opt.Mirror.Budget
	if err := o.Await(budget); err != nil {
		return false, nil // said at the commit
	}
	o.say(nameRead+"_begin", "SAVEPOINT "+nameRead, 'X', nil, nil, nil)
	o.say(nameRead+"_as", restoreText, 'X', nil, nil, o.settings)
	if err := o.flush(time.Now().Add(budget)); err != nil {
		return false, nil
	}
	replies, ok := o.ask(in, boundary)
	if !o.takeBack(budget) || !ok {
		return false, nil
	}
	c.s.server.opt.Observer.answeredOwn()
	if err := c.follow(in); err != nil {
		return true, err
	}
	c.s.parsedAtTarget(in)
	if err := c.tellAll(replies); err != nil {
		return true, err
	}
	return true, c.tell(pgwire.AppendReady(nil, 'T'))
}

// parsedAtTarget notes where the statements of a batch are.
func (s *session) parsedAtTarget(in []byte) {
	for len(in) > 0 {
		h := wire.Parse(in)
		if h.Type == 'P' {
			name, _, _ := bytes.Cut(in[wire.HeaderSize:h.Size], []byte{0})
			if st := s.eng.Mobile().Statements[string(name)]; st != nil {
				st.On = [router.Sides]bool{router.Target: true}
			}
		}
		in = in[h.Size:]
	}
}

// restoreText gives a read the session's own settings.
var restoreText = func() string {
	text := "SELECT "
	for i, s := range applySettings {
		if i > 0 {
			text += ", "
		}
		text += "pg_catalog.set_config('" + s.name + "', coalesce($" + itoa(i+1) + ", ''), true)"
	}
	return text
}()

// strictly asks the source, once per transaction, whether that has one snapshot:
// then the target, which has others, cannot answer in it.
func (c *conversation) strictly() (bool, error) {
	if c.m.asked {
		return c.m.strictly, nil
	}
	var f pgwire.Flight
	f.Run("SHOW transaction_isolation")
	out, err := f.Flush()
	if err != nil {
		return true, err
	}
	c.out = append(c.out, out...)
	c.owed = append(c.owed, sourceOwed{kind: 'C'}, sourceOwed{kind: 'P'}, sourceOwed{kind: 'B'}, sourceOwed{kind: 'E', ask: func(row [][]byte) error {
		c.m.asked, c.m.strictly = true, len(row) != 1 || string(row[0]) != "read committed"
		return nil
	}})
	if err := c.settle(); err != nil || c.failed {
		return true, err
	}
	return c.m.strictly, nil
}

// ask sends the client's reads and holds their answers.
func (o *otherLeg) ask(in []byte, boundary byte) (replies []byte, ok bool) {
	if boundary == 'Q' {
		text := string(in[wire.HeaderSize : len(in)-1])
		o.add(&pgproto3.Close{ObjectType: 'S', Name: nameRead})
		o.add(&pgproto3.Parse{Name: nameRead, Query: text})
		o.add(&pgproto3.Bind{PreparedStatement: nameRead})
		o.add(&pgproto3.Describe{ObjectType: 'P'})
		o.add(&pgproto3.Execute{})
	} else {
		o.buf = append(o.buf, in[:len(in)-len(synced)]...) // without its Sync
	}
	o.add(&pgproto3.Sync{})
	if err := o.write(o.s.server.opt.Mirror.Budget); err != nil {
		return nil, false
	}
	if err := o.l.SetReadDeadline(noDeadline); err != nil { // a read takes as long as it takes
		_ = o.broke(err)
		return nil, false
	}
	return o.hearReads(boundary == 'Q')
}

// hearReads holds the answers of reads up to ReadyForQuery. ok is false when they
// cannot be told to the client.
func (o *otherLeg) hearReads(simple bool) (replies []byte, ok bool) {
	ok = true
	for {
		message, err := o.l.message()
		if err != nil {
			_ = o.broke(err)
			return nil, false
		}
		switch message[0] {
		case 'Z':
			return replies, ok && message[wire.HeaderSize] == 'T'
		case 'E':
			ok = false
		case 'T', 't':
			ok = ok && o.s.translated(message)
		case '1', '2', '3', 'n':
			if simple {
				continue
			}
		}
		if len(replies)+len(message) > ownMost {
			ok, replies = false, nil
		}
		if ok && message[0] != 'S' {
			replies = append(replies, message...)
		}
	}
}

// takeBack ends the savepoint of a read, and with it the session's settings.
func (o *otherLeg) takeBack(budget time.Duration) bool {
	if o.failed != nil {
		return false
	}
	o.say(nameRead+"_back", "ROLLBACK TO SAVEPOINT "+nameRead, 'X', nil, nil, nil)
	o.say(nameRead+"_end", "RELEASE SAVEPOINT "+nameRead, 'X', nil, nil, nil)
	if err := o.flush(time.Now().Add(budget)); err != nil {
		o.failed = err
		return false
	}
	return true
}
