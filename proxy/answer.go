package proxy

import (
	"encoding/binary"

	"github.com/crossfade-db/crossfade/internal/failpoint"
	"github.com/crossfade-db/crossfade/proxy/engine"
	"github.com/crossfade-db/crossfade/proxy/writes"
	"github.com/crossfade-db/crossfade/shadow"
	"github.com/crossfade-db/crossfade/wire"
	"github.com/crossfade-db/crossfade/wire/pgwire"
)

// answered takes one message of the source.
func (c *conversation) answered(message []byte) error {
	front := &c.owed[0]
	switch message[0] {
	case 'N', 'A', 'S':
		return c.tell(message)
	case 'E':
		c.failed = true
		locks := front.locks
		if front.named != nil {
			front.named()
		}
		for _, o := range c.owed {
			if o.undo != nil {
				o.undo()
			}
		}
		c.owed, c.header = c.owed[:0], nil
		return c.tell(c.reworded(message, locks))
	case 'D':
		return c.row(front, message)
	case 'H', 'd', 'c': // COPY TO
		return c.passed(front, message)
	case 'T', 't', 'n', '1', '2', '3', 'C', 'I', 's':
	default:
		return c.s.broken(engine.UnexpectedServerMessage)
	}
	if front.told != nil {
		front.told(message)
	}
	if message[0] == 't' && front.kind == 'D' {
		return c.passed(front, message)
	}
	return c.ended(*front, message)
}

// passed gives the client what is its own.
func (c *conversation) passed(front *sourceOwed, message []byte) error {
	if !front.pass {
		return nil
	}
	return c.tell(message)
}

// ended takes the message that ends an answer.
func (c *conversation) ended(front sourceOwed, message []byte) error {
	c.owed = c.owed[1:]
	switch message[0] {
	case 'T':
		if front.grown != nil {
			return c.described(front, message)
		}
		if front.late {
			c.header = message
			return nil
		}
	case 'n':
		if front.told != nil || front.rowsOnly {
			return nil
		}
	case 'C', 'I', 's':
		if front.grown != nil {
			c.captured(front.grown)
			message = front.grown.tag(message)
		}
		if err := c.tellHeader(); err != nil {
			return err
		}
		if front.done != nil {
			front.done(message[wire.HeaderSize:])
		}
		if front.keep != nil {
			*front.keep = append(*front.keep, message)
			return nil
		}
		if front.pass && c.simple {
			c.tag = append(c.tag, message...) // until it is committed
			return nil
		}
	}
	return c.passed(&front, message)
}

// row takes a DataRow.
func (c *conversation) row(front *sourceOwed, message []byte) error {
	switch {
	case front.grown != nil:
		own, err := front.grown.take(message)
		if err != nil {
			return c.s.legEnded(c.l, err)
		}
		if own == nil {
			return nil
		}
		if front.keep != nil {
			*front.keep = append(*front.keep, own)
			return nil
		}
		if err := c.tellHeader(); err != nil {
			return err
		}
		return c.tell(own)
	case front.ask != nil:
		row, err := pgwire.DataRow(message[wire.HeaderSize:])
		if err != nil {
			return c.s.legEnded(c.l, err)
		}
		return front.ask(row)
	default:
		if err := c.tellHeader(); err != nil {
			return err
		}
		return c.passed(front, message)
	}
}

// tellHeader gives the client the description of its rows: a server runs what
// writes to its end before it describes the result of a simple query.
func (c *conversation) tellHeader() error {
	if c.header == nil {
		return nil
	}
	header := c.header
	c.header = nil
	return c.tell(header)
}

// captured takes the images of a statement over.
func (c *conversation) captured(g *growth) {
	tx := c.s.mirrorTx()
	tx.Identify(g.txid)
	failpoint.Hit(failpoint.Capture)
	c.uncaptured(writes.WhyUnknown, g.others...)
	for _, part := range g.parts {
		if part != nil {
			c.captured(part)
		}
	}
	if g.parts != nil {
		c.tally(g.plan)
		return
	}
	change := g.change()
	if change == nil {
		return
	}
	c.uncaptured(writes.WhyForeign, g.plan.Loses...)
	if len(g.plan.Moves) > 0 && len(change.Gone) > len(g.keys) {
		c.uncaptured(writes.WhyKey, g.plan.Moves...)
		return
	}
	c.m.strict = c.m.strict || g.plan.Pair.Strict
	if g.bulk {
		tx.Abandon(shadow.CauseBulk)
	}
	for _, child := range g.plan.Same {
		tx.Whole(child.Name(), shadow.CauseFailed)
	}
	tx.Captured(change)
	c.tally(g.plan)
}

// tally counts a captured statement.
func (c *conversation) tally(plan *writes.Plan) {
	switch t, tx := plan.Tally, c.s.mirrorTx(); {
	case t == nil:
	case tx.Open():
		t.Mirrored()
	default:
		t.Skipped(string(tx.Cause()))
	}
}

// number16 is a 16-bit number of the protocol.
func number16(b []byte) int { return int(binary.BigEndian.Uint16(b)) }
