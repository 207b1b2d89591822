package proxy

import (
	"bytes"
	"errors"
	"time"

	"github.com/crossfade-db/crossfade/internal/failpoint"
	"github.com/crossfade-db/crossfade/proxy/engine"
	"github.com/crossfade-db/crossfade/shadow"
	"github.com/crossfade-db/crossfade/wire"
	"github.com/crossfade-db/crossfade/wire/pgwire"
)

// sync is the end of an extended batch, and the commit point of what was not in
// a transaction of its own.
func (c *conversation) sync() error {
	if c.within() {
		return c.syncWithin()
	}
	if err := c.settle(); err != nil {
		return err
	}
	if c.refusal != nil {
		return c.refuse(refusing{words: c.refusal, sync: true})
	}
	if c.failed || c.m.block || c.m.tx == nil {
		return c.ready(nil)
	}
	return c.commit(true, func() (shadow.Ending, error) { return c.syncs(nil) })
}

// within says that the Sync ends nothing but the batch, whatever is said to it.
func (c *conversation) within() bool {
	return c.m.block && c.refusal == nil && c.s.server.opt.Mirror.Uncaptured != RefuseUncaptured
}

// syncWithin sends the Sync with what it ends, in one flight: within a transaction
// it commits nothing.
func (c *conversation) syncWithin() error {
	c.out = append(c.out, synced...)
	if err := c.hearAll(); err != nil {
		return err
	}
	tag := c.tag
	c.tag = nil
	_, err := c.hearReady(0, tag)
	if err == nil && c.s.eng.Tx() == 'I' {
		c.s.endMirror()
	}
	c.failed = false
	return err
}

// ready sends the Sync and passes what comes on.
func (c *conversation) ready(before []byte) error {
	_, err := c.syncs(before)
	if err == nil && c.s.eng.Tx() == 'I' {
		c.s.endMirror()
	}
	c.failed = false
	return err
}

// syncs sends a Sync, and hears the source up to ReadyForQuery. before is what
// the client is told first, if nothing goes wrong.
func (c *conversation) syncs(before []byte) (shadow.Ending, error) {
	ours := c.commitsOurs()
	c.out = append(c.out, synced...)
	if err := c.write(); err != nil {
		return shadow.Unknown, err
	}
	failpoint.Hit(failpoint.AuthoritySent)
	return c.hearReady(ours, before)
}

// hearReady hears the source up to ReadyForQuery; the first of its messages are
// answers to ours.
func (c *conversation) hearReady(ours int, before []byte) (shadow.Ending, error) {
	ending := shadow.Committed
	for {
		message, err := c.hear()
		if err != nil {
			return shadow.Unknown, err
		}
		if ours > 0 && bytes.IndexByte([]byte("123C"), message[0]) >= 0 {
			ours--
			continue
		}
		switch message[0] {
		case 'E':
			ending, before = shadow.RolledBack, nil
		case 'A', 'Z': // it is committed
			if err := c.tellAll(before); err != nil {
				return ending, err
			}
			before = nil
		}
		if err := c.tell(message); err != nil {
			return ending, err
		}
		if message[0] == 'Z' {
			c.m.block = c.s.eng.Tx() != 'I'
			return ending, nil
		}
	}
}

func (c *conversation) tellAll(messages []byte) error {
	for len(messages) > 0 {
		h := wire.Parse(messages)
		if h.State != wire.Whole {
			return c.s.broken(engine.UnexpectedServerMessage)
		}
		if err := c.tell(messages[:h.Size]); err != nil {
			return err
		}
		messages = messages[h.Size:]
	}
	return nil
}

// commit ends the mirrored transaction on both sides; authority commits on the
// source, and what it tells the client waits until all is done. sync says that
// its answer ends with ReadyForQuery.
func (c *conversation) commit(sync bool, authority func() (shadow.Ending, error)) error {
	s := c.s
	tx := c.m.tx
	tables := tx.Tables()
	began := time.Now()
	var failed error
	var under *commit
	if c.m.spoiled && c.m.same != nil {
		tx.Abandon(shadow.CauseFailed) // nothing can be applied in it, and it will roll back
	}
	how := shadow.Commit{Strict: c.m.strict && !c.m.spoiled, Authority: func() shadow.Ending {
		under = s.server.pending.begin(tx, tables)
		if err := c.m.restore(); err != nil {
			failed = s.legEnded(c.l, err)
			return shadow.Unknown
		}
		ending, err := authority()
		failed = err
		return ending
	}}
	ended := func(outcome shadow.Outcome, effects []rowOf) {
		if under != nil {
			s.server.pending.end(under, tables)
		}
		s.server.committed(tables, outcome, tx.Cause(), time.Since(began))
		if outcome == shadow.Both {
			s.server.differed(effects, tx.ID())
		}
	}
	later := false
	if s.server.opt.Mirror.Early {
		how.Later = func(rest func() shadow.Outcome) {
			later = true
			_ = c.flushReply()
			effects := c.m.effects()
			s.endLater(c.m.other, under, func() { ended(rest(), effects) })
		}
	}
	c.held = true
	c.m.implicit, c.m.tell = sync, c.tell
	outcome, err := tx.Commit(how)
	c.held = false
	if !later {
		ended(outcome, c.m.effects())
	}
	begun := c.m.begun
	c.m.forget()
	if err != nil && c.giveUp != nil {
		return c.giveUp(wordsOfCommit(err))
	}
	if err != nil && c.relayed != nil {
		return c.s.reply(c.relayed, wordsOfCommit(err))
	}
	if err != nil {
		return c.refuse(refusing{words: wordsOfCommit(err), ends: true, begun: begun, sync: sync || c.simple})
	}
	failpoint.Hit(failpoint.Answered)
	return failed
}

// wordsOfCommit are what a client is told whose transaction may not be committed.
func wordsOfCommit(err error) *wire.Error {
	var strict *shadow.ErrStrict
	if errors.As(err, &strict) {
		return &wire.Error{
			Fault: wire.ByTarget, Code: pgwire.CodeSerialization, Cause: err,
			Message: "the transaction could not be brought to the target, and one of its tables is strict",
			Hint:    "run the transaction again; the proxy's log has the cause",
		}
	}
	return &wire.Error{
		Fault: wire.ByProxy, Code: pgwire.CodeIO, Cause: err,
		Message: "the transaction was rolled back: what it changes could not be written to the proxy's journal",
		Hint:    "the proxy's log has the cause",
	}
}

// refusing says how a batch is refused.
type refusing struct {
	words *wire.Error
	ends  bool // the transaction is over with it
	begun bool // it was made an explicit one by us
	sync  bool // the client's Sync has been reached, or there is none
}

// refuse answers with an error of ours, which an operator may want to know of.
func (c *conversation) refuse(r refusing) error {
	c.s.server.opt.Log.Warn("a transaction was refused", "session", c.s.id, "error", r.words.Cause)
	return c.fails(r)
}

// fails makes the source's transaction fail with words of ours.
func (c *conversation) fails(r refusing) error {
	var f pgwire.Flight
	if r.begun || r.ends && c.s.eng.Tx() != 'I' {
		f.Run("ROLLBACK")
	} else {
		f.Fail()
	}
	out, err := f.Sync()
	if err != nil {
		return err
	}
	c.out, c.owed, c.tag, c.refusal, c.failed = append(c.out[:0], out...), c.owed[:0], nil, nil, true
	if err := c.write(); err != nil {
		return err
	}
	var aside []byte // what the client would hear as well: settings that are taken back
	for {
		message, err := c.hear()
		if err != nil {
			return err
		}
		if message[0] == 'S' || message[0] == 'A' {
			aside = append(aside, message...)
		}
		if message[0] != 'Z' {
			continue
		}
		message = append([]byte(nil), message...)
		if err := c.tell(pgwire.AppendFailure(nil, r.words)); err != nil {
			return err
		}
		if err := c.tellAll(aside); err != nil || !r.sync {
			return err
		}
		c.failed = false
		c.m.block = message[wire.HeaderSize] != 'I'
		return c.tell(message)
	}
}

// committed tells how a mirrored transaction ended.
func (s *Server) committed(tables []string, outcome shadow.Outcome, cause shadow.Cause, took time.Duration) {
	o := &s.opt.Mirror.Observer
	if o.Mirrored != nil {
		for _, t := range tables {
			o.Mirrored(t, outcome, cause)
		}
	}
	if o.Step != nil {
		o.Step("commit", took)
	}
}
