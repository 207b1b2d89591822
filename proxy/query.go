package proxy

import (
	"bytes"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/crossfade-db/crossfade/proxy/engine"
	"github.com/crossfade-db/crossfade/proxy/writes"
	"github.com/crossfade-db/crossfade/rewrite/pgsql"
	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/shadow"
	"github.com/crossfade-db/crossfade/wire"
)

// query answers a simple query. What can be mirrored travels in the extended
// protocol: a simple query destroys the unnamed statement and portal anyway, so
// nothing is lost (ENGINE §6.1). Its tag waits for the commit.
func (c *conversation) query(message, text []byte) error {
	plan := c.s.planned(text, engine.TextKey(text))
	if plan.Class == writes.Control {
		return c.controlQuery(message, text)
	}
	c.simple = true
	parts := plan.Parts
	if len(parts) == 0 {
		parts = []writes.Part{{Plan: plan, Text: text}}
	}
	for i, part := range parts {
		c.last = i == len(parts)-1 && c.within()
		if part.Text == nil {
			at := part.Statement.At
			part.Text = text[at.From:at.Upto]
			c.ahead = utf8.RuneCount(text[:at.From])
		}
		if err := c.part(part); err != nil {
			return err
		}
		if c.failed || c.refusal != nil {
			break
		}
	}
	return c.endQuery()
}

// part runs one statement of a simple query.
func (c *conversation) part(part writes.Part) error {
	plan := part.Plan
	if err := c.tellAll(c.tag); err != nil { // only the last tag waits for the commit
		return err
	}
	c.tag = nil
	made := &madeStatement{plan: plan, text: part.Text}
	if c.refuses(plan) {
		return nil
	}
	if plan.Class == writes.Capture {
		if err := c.partCaptured(made); err != nil {
			return err
		}
		return c.settlePart()
	}
	run := func(pass bool) sourceOwed {
		_ = c.add(&pgproto3.Execute{})
		return sourceOwed{kind: 'E', pass: pass}
	}
	if plan.Class != writes.Pass && plan.Class != writes.Truncate && plan.Class != writes.Body {
		c.watch(nil)
	}
	_ = c.add(&pgproto3.Parse{Query: string(part.Text)})
	_ = c.add(&pgproto3.Bind{})
	_ = c.add(&pgproto3.Describe{ObjectType: 'P'})
	c.owed = append(c.owed, sourceOwed{kind: 'P'}, sourceOwed{kind: 'B'}, sourceOwed{kind: 'D', pass: true, rowsOnly: true, late: plan.Why == writes.WhyCTE || plan.Class != writes.Pass && plan.Statement != nil && plan.Statement.Returning})
	switch plan.Class {
	case writes.Pass:
		c.owed = append(c.owed, run(true))
	case writes.Truncate:
		c.owed = append(c.owed, c.truncates(plan, run(true)))
	default:
		c.probe(plan, run)
	}
	return c.settlePart()
}

// settlePart hears the answers of a part, but for the last, which go with the Sync.
func (c *conversation) settlePart() error {
	if c.last {
		return nil
	}
	return c.settle()
}

// partCaptured runs a captured statement of a simple query. Its text is seen
// once as often as not, so it is prepared under no name.
func (c *conversation) partCaptured(made *madeStatement) error {
	var st *capturedStatement
	err := c.around(made.plan, func() (err error) { st, err = c.captureOf(made); return err })
	if err != nil || c.failed {
		return err
	}
	p := &portal{made: made, stmt: st}
	g, err := c.runCaptured(p)
	if err != nil {
		return err
	}
	_ = c.add(&pgproto3.Bind{PreparedStatement: st.name, ResultFormatCodes: st.formats(nil, made.plan)})
	c.owed = append(c.owed, sourceOwed{kind: 'B'})
	if made.plan.Shows() {
		_ = c.add(&pgproto3.Describe{ObjectType: 'P'})
		c.owed = append(c.owed, sourceOwed{kind: 'D', pass: true, grown: &growth{plan: made.plan, own: st.own, header: st.header}})
	}
	_ = c.add(&pgproto3.Execute{})
	c.owed = append(c.owed, sourceOwed{kind: 'E', pass: true, grown: g})
	c.afterCaptured(p, g)
	return nil
}

// endQuery is the end of a simple query, and the commit point of one that is
// not in a transaction.
func (c *conversation) endQuery() error {
	if c.refusal != nil {
		return c.refuse(refusing{words: c.refusal, sync: true})
	}
	if c.last {
		return c.syncWithin()
	}
	tag := c.tag
	c.tag = nil
	if c.failed || c.s.eng.Tx() != 'I' || c.m.tx == nil {
		return c.ready(tag)
	}
	return c.commit(true, func() (shadow.Ending, error) { return c.syncs(tag) })
}

// controlQuery is a simple query of transaction control.
func (c *conversation) controlQuery(message, text []byte) error {
	c.simple = true
	return c.control(controlOf(text), func() (shadow.Ending, error) {
		c.out = append(c.out, message...)
		return c.queried()
	})
}

// queried hears the source up to ReadyForQuery.
func (c *conversation) queried() (shadow.Ending, error) {
	if err := c.write(); err != nil {
		return shadow.Unknown, err
	}
	ending := shadow.RolledBack
	for {
		message, err := c.hear()
		if err != nil {
			return shadow.Unknown, err
		}
		if err := c.tell(message); err != nil {
			return ending, err
		}
		switch message[0] {
		case 'C':
			ending = endingOf(message[wire.HeaderSize:])
		case 'E':
			ending = shadow.RolledBack
		case 'Z':
			return ending, nil
		}
	}
}

// controlled hears the source up to the end of one Execute.
func (c *conversation) controlled() (shadow.Ending, error) {
	ending := shadow.Unknown
	c.owed[len(c.owed)-1].done = func(tag []byte) { ending = endingOf(tag) }
	if err := c.settle(); err != nil {
		return shadow.Unknown, err
	}
	if c.failed {
		return shadow.RolledBack, nil
	}
	return ending, nil
}

// endingOf is what a tag says of the transaction.
func endingOf(tag []byte) shadow.Ending {
	switch {
	case bytes.HasPrefix(tag, []byte("ROLLBACK")):
		return shadow.RolledBack
	case bytes.HasPrefix(tag, []byte("PREPARE TRANSACTION")):
		return shadow.Unknown
	default:
		return shadow.Committed
	}
}

// control runs a statement of transaction control, and follows it.
func (c *conversation) control(what control, run func() (shadow.Ending, error)) error {
	c.ruled = true
	if err := c.settle(); err != nil || c.failed {
		return err
	}
	if (what.op == commitOp || what.op == prepareOp) && c.m.tx != nil {
		if !c.m.block && c.s.server.opt.Mirror.OneServer {
			c.m.tx.Abandon(shadow.CauseUncaptured) // there can be no savepoint before it
		}
		c.m.block = false
		err := c.commit(false, run)
		c.m.spoiled = false
		c.m.block = c.m.block || what.chain && !c.failed
		return err
	}
	ending, err := run()
	if err != nil || c.failed {
		return err
	}
	c.followed(what, ending)
	return nil
}

// followed notes what the source has done.
func (c *conversation) followed(what control, ending shadow.Ending) {
	done := ending == shadow.Committed || what.op == rollbackToOp
	switch what.op {
	case beginOp:
		c.m.block = c.m.block || done
	case rollbackOp:
		c.m.block, c.m.spoiled = what.chain, false
		c.s.endMirror()
	case savepointOp:
		if done {
			c.s.mirrorTx().Savepoint(what.name)
		}
	case releaseOp:
		if done && c.m.tx != nil {
			c.m.tx.Release(what.name)
		}
	case rollbackToOp:
		c.m.spoiled = c.m.spoiled && c.failed
		if c.m.tx != nil && !c.failed {
			c.m.tx.RollbackTo(what.name)
		}
	case commitOp, prepareOp:
		c.m.block, c.m.spoiled = what.chain, false
	case otherControl:
	}
}

// functionCall runs a function by its number, which may write anything: it is
// relayed as it is, with every mapped table dirty before it.
func (c *conversation) functionCall(message []byte) error {
	c.s.server.uncaptured(writes.WhyFastPath)
	if err := c.settle(); err != nil {
		return err
	}
	tx := c.s.mirrorTx()
	for _, pair := range c.m.mapped.Plan.Pairs {
		tx.Whole(pair.Name(), shadow.CauseUncaptured)
	}
	run := func() (shadow.Ending, error) {
		c.out = append(c.out, message...)
		if _, err := c.queried(); err != nil {
			return shadow.Unknown, err
		}
		return shadow.Committed, nil
	}
	if c.s.eng.Tx() != 'I' {
		_, err := run()
		return err
	}
	return c.commit(true, run)
}

// relayMarked relays a batch on the fast lane, with the tables that it may
// change dirty before it: COPY, definitions, and texts that commit in the middle.
func (s *session) relayMarked(b *engine.Batch) error {
	use := &s.mirror.use
	if d := s.copyOf(b); d != nil {
		return s.relayCopy(b, d)
	}
	c := &conversation{s: s, m: s.mirror, l: s.legs[router.Source], relayed: b}
	if c.refuses(use.relay) {
		return s.reply(b, c.refusal)
	}
	s.server.uncaptured(use.relay.Why)
	ends := use.relay.Class == writes.Verbatim || b.Effects&pgsql.Transaction != 0
	tx := s.markPairs(ends)
	switch {
	case tx.Empty():
		s.endMirror()
		return s.forward(b)
	case s.eng.Tx() != 'I' && !ends:
		return s.forward(b)
	}
	err := c.commit(true, func() (shadow.Ending, error) {
		s.ran.Store(false)
		s.pumping.Store(true)
		defer s.pumping.Store(false)
		if err := s.forward(b); err != nil {
			return shadow.Unknown, err
		}
		err := s.pump()
		if err != nil || s.ran.Load() {
			return shadow.Committed, err
		}
		return shadow.RolledBack, nil // nothing of it has run
	})
	if err == nil && s.mirror != nil && s.eng.Tx() == 'T' && len(s.mirror.use.pairs) > 0 {
		s.markPairs(true) // what it has changed is not committed yet
	}
	return err
}

// markPairs makes what the batch at hand may change dirty with its transaction;
// gone says that nothing of that is mirrored any more.
func (s *session) markPairs(gone bool) *shadow.Tx {
	tx := s.mirrorTx()
	if gone {
		tx.Abandon(shadow.CauseUncaptured)
	}
	for _, pair := range s.mirror.use.pairs {
		tx.Whole(pair.Name(), shadow.CauseUncaptured)
	}
	return tx
}

// pump relays until the session is settled.
func (s *session) pump() error {
	for !s.quiet() {
		if err := s.step(); err != nil {
			return err
		}
	}
	s.quieten()
	return nil
}
