package proxy

import (
	"bytes"
	"encoding/binary"
	"strconv"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/crossfade-db/crossfade/proxy/engine"
	"github.com/crossfade-db/crossfade/proxy/writes"
	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/rewrite/pgsql"
	"github.com/crossfade-db/crossfade/shadow"
	"github.com/crossfade-db/crossfade/wire"
	"github.com/crossfade-db/crossfade/wire/pgwire"
)

// bind binds a captured statement in place of the client's; the client's own
// name of the portal stays.
func (c *conversation) bind(message, body []byte) error {
	var b pgproto3.Bind
	if err := b.Decode(append([]byte(nil), body...)); err != nil {
		return c.s.broken(engine.UnexpectedClientMessage)
	}
	made := c.statement(b.PreparedStatement)
	if made == nil || made.plan == nil || made.plan.Class == writes.Pass {
		delete(c.m.portals, b.DestinationPortal)
		c.drops = c.drops || made != nil && pgsql.Classify(made.text, 0)&pgsql.Prepares != 0
		c.forward(message, 'B')
		return nil
	}
	p := &portal{made: made, bind: b}
	if c.m.portals == nil {
		c.m.portals = map[string]*portal{}
	}
	c.m.portals[b.DestinationPortal] = p
	if made.plan.Class != writes.Capture {
		return c.around(made.plan, func() error { c.forward(message, 'B'); return nil })
	}
	if c.s.eng.Tx() == 'E' && !c.ruled {
		delete(c.m.portals, b.DestinationPortal) // the server says what it says in a failed transaction
		c.forward(message, 'B')
		return nil
	}
	var st *capturedStatement
	err := c.around(made.plan, func() (err error) { st, err = c.captureOf(made); return err })
	if err != nil || c.failed {
		return err
	}
	p.stmt = st
	if c.names == nil {
		c.names = map[string]string{}
	}
	c.names[st.name] = b.PreparedStatement
	if n := len(b.ResultFormatCodes); n > 1 && n != st.own && made.plan.Shows() {
		delete(c.m.portals, b.DestinationPortal) // the server says what is wrong with it
		c.forward(message, 'B')
		return nil
	}
	own := b
	own.PreparedStatement = st.name
	own.ResultFormatCodes = st.formats(b.ResultFormatCodes, made.plan)
	return c.around(made.plan, func() error {
		c.owed = append(c.owed, sourceOwed{kind: 'B', pass: true, named: func() { c.names[st.name] = b.PreparedStatement }})
		return c.add(&own)
	})
}

// describe passes a Describe on; that of a captured portal is cut back.
func (c *conversation) describe(message, body []byte) error {
	if len(body) < 2 || body[0] != 'P' {
		c.forward(message, 'D')
		return nil
	}
	name, _, _ := bytes.Cut(body[1:], []byte{0})
	p := c.m.portals[string(name)]
	switch {
	case p == nil || p.stmt == nil:
		c.forward(message, 'D')
	case !p.made.plan.Shows():
		c.owed = append(c.owed, sourceOwed{say: []byte{'n', 0, 0, 0, 4}})
	default:
		c.out = append(c.out, message...)
		c.owed = append(c.owed, sourceOwed{kind: 'D', pass: true, grown: &growth{plan: p.made.plan, own: p.stmt.own, header: p.stmt.header}})
	}
	return nil
}

// dropped forgets our statements: a text that has run may have dropped them.
func (c *conversation) dropped() error {
	err := c.settle()
	c.l.captured, c.l.prepared = nil, nil
	return err
}

// described cuts our columns off a description.
func (c *conversation) described(front sourceOwed, message []byte) error {
	if !front.pass {
		return nil
	}
	body := message[wire.HeaderSize:]
	at := 2
	for range front.grown.own {
		end := bytes.IndexByte(body[min(at, len(body)):], 0)
		if end < 0 || at+end+19 > len(body) {
			return c.s.legEnded(c.l, errRow)
		}
		at += end + 19 // the name's NUL and 18 bytes of numbers
	}
	out := append([]byte(nil), message[:wire.HeaderSize+at]...)
	if header := front.grown.header; header != nil {
		out = formatted(header, out)
	}
	binary.BigEndian.PutUint32(out[1:], uint32(len(out)-1))
	binary.BigEndian.PutUint16(out[wire.HeaderSize:], uint16(front.grown.own))
	if c.simple {
		c.header = out
		return nil
	}
	return c.tell(out)
}

// formatted is a description with the formats of another one of as many columns.
func formatted(header, by []byte) []byte {
	out := append([]byte(nil), header...)
	for at, from := wire.HeaderSize+2, wire.HeaderSize+2; at < len(out) && from < len(by); {
		at += bytes.IndexByte(out[at:], 0) + 19
		from += bytes.IndexByte(by[from:], 0) + 19
		copy(out[at-2:at], by[from-2:from])
	}
	return out
}

// execute runs a portal.
func (c *conversation) execute(message, body []byte) error {
	name, _, _ := bytes.Cut(body, []byte{0})
	p := c.m.portals[string(name)]
	if p == nil {
		c.forward(message, 'E')
		if c.drops {
			c.drops = false
			return c.dropped()
		}
		return nil
	}
	run := func(pass bool) sourceOwed {
		c.out = append(c.out, message...)
		return sourceOwed{kind: 'E', pass: pass}
	}
	switch plan := p.made.plan; plan.Class {
	case writes.Capture:
		return c.executeCaptured(p, string(name), body)
	case writes.Control:
		return c.control(controlOf(p.made.text), func() (shadow.Ending, error) {
			c.owed = append(c.owed, run(true))
			return c.controlled()
		})
	case writes.Truncate:
		c.owed = append(c.owed, c.truncates(plan, run(true)))
		return nil
	default:
		if c.refuses(plan) {
			return nil
		}
		c.probe(plan, run)
		return nil
	}
}

// executeCaptured runs a captured portal: without a limit of rows, which would
// leave it open where the client's statement has no rows (WRITEPATH §2).
func (c *conversation) executeCaptured(p *portal, name string, body []byte) error {
	limit := limitOf(body)
	if len(p.rest) > 0 {
		return c.goOn(p, limit)
	}
	if p.ran && !p.made.plan.Shows() {
		if err := c.settle(); err != nil || c.failed {
			return err
		}
		return c.fails(refusing{words: &wire.Error{Code: codeState, Message: `portal "` + name + `" cannot be run`}})
	}
	if p.ran && p.made.plan.With != nil { // it is said again what was done
		if err := c.settle(); err != nil || c.failed {
			return err
		}
		return c.tell(p.done.tag([]byte{'C'}))
	}
	p.ran = true
	g, err := c.runCaptured(p)
	if err != nil {
		return err
	}
	p.done = g
	if err := c.add(&pgproto3.Execute{Portal: name}); err != nil {
		return err
	}
	c.owed = append(c.owed, sourceOwed{kind: 'E', pass: true, grown: g})
	c.afterCaptured(p, g)
	if limit == 0 || !p.made.plan.Shows() {
		return nil
	}
	for i := range c.owed {
		if c.owed[i].grown == g {
			c.owed[i].keep = &p.rest
		}
	}
	if err := c.settle(); err != nil || c.failed {
		return err
	}
	return c.goOn(p, limit)
}

const codeState = "55000" // object_not_in_prerequisite_state

// limitOf is the limit of rows of an Execute; 0: none.
func limitOf(body []byte) int {
	if len(body) < 4 {
		return 0
	}
	return int(binary.BigEndian.Uint32(body[len(body)-4:]))
}

// goOn gives the client the next rows of a portal, and its tag with the last. A
// server that has met its limit says that the portal is suspended, also when
// there are no more rows.
func (c *conversation) goOn(p *portal, limit int) error {
	if err := c.settle(); err != nil || c.failed {
		return err
	}
	for n := 0; len(p.rest) > 0; n++ {
		message := p.rest[0]
		if limit > 0 && n == limit {
			return c.tell([]byte{'s', 0, 0, 0, 4})
		}
		p.rest = p.rest[1:]
		if message[0] == 'C' && c.m.mapped.Plan.Source.Version >= versionOfRowsLeft {
			message = counting(message, n)
		}
		if err := c.tell(message); err != nil {
			return err
		}
	}
	return nil
}

// versionOfRowsLeft is the first server that is seen to say with the last rows of
// a portal how many these were; 15 says how many there were in all.
const versionOfRowsLeft = 180000

// counting is a command's completion with another number of rows.
func counting(message []byte, rows int) []byte {
	at := bytes.LastIndexByte(message, ' ')
	if at < 0 {
		return message
	}
	out := strconv.AppendInt(append([]byte(nil), message[:at+1]...), int64(rows), 10)
	out = append(out, 0)
	binary.BigEndian.PutUint32(out[1:], uint32(len(out)-1))
	return out
}

// afterCaptured asks what else the statement has changed, and looks whether its
// old keys are all known.
func (c *conversation) afterCaptured(p *portal, g *growth) {
	if g.plan.Watch {
		c.watch(g)
	}
	c.owed[len(c.owed)-1].done = chain(c.owed[len(c.owed)-1].done, func([]byte) {
		if g.plan.Old && g.rows > 0 {
			c.oldKeys(p, g)
		}
	})
}

// oldKeys looks whether it is known which keys are gone. Others may have committed
// since they were read: rows that have not changed after all are locked, and
// dirty; one that was not read may have had any key.
func (c *conversation) oldKeys(p *portal, g *growth) {
	switch {
	case p.stmt.old == "" || len(g.old) < g.rows:
		c.uncaptured(writes.WhyKey, g.plan.Pair)
	case len(g.old) > g.rows:
		var keys shadow.Keys
		for _, key := range g.old {
			keys.Add(key)
		}
		c.s.mirrorTx().Missing(g.plan.Pair.Name(), &keys)
	}
}

func chain(a, b func([]byte)) func([]byte) {
	if a == nil {
		return b
	}
	return func(tag []byte) { a(tag); b(tag) }
}

// truncates notes that tables are empty once the statement is done.
func (c *conversation) truncates(plan *writes.Plan, owed sourceOwed) sourceOwed {
	owed.done = func([]byte) {
		c.s.mirrorTx().Captured(&shadow.Change{Kind: shadow.Truncated, Pairs: plan.Pairs, Pair: plan.Pairs[0]})
	}
	return owed
}

// refuses ends the batch where the configuration refuses what cannot be
// captured or changes a definition. The source is told nothing of it.
func (c *conversation) refuses(plan *writes.Plan) bool {
	var words *wire.Error
	switch {
	case plan.Class == writes.Definition && c.s.server.opt.Mirror.Definitions == RefuseDefinition:
		words = &wire.Error{
			Fault: wire.ByProxy, Code: pgwire.CodeNotSupported,
			Message: "the definition of a table that is being migrated cannot be changed: " + plan.Pairs[0].Name(),
			Hint:    "migration.on_ddl is refuse",
		}
	case plan.Class != writes.Definition && plan.Pair != nil && c.s.server.opt.Mirror.Uncaptured == RefuseUncaptured:
		words = uncapturedWords(plan.Pair, plan.Why)
	default:
		return false
	}
	c.refusal = words
	return true
}

func uncapturedWords(pair *rewrite.Pair, why writes.Why) *wire.Error {
	return &wire.Error{
		Fault: wire.ByProxy, Code: pgwire.CodeNotSupported,
		Message: "a write of " + pair.Name() + " cannot be mirrored (" + string(why) + ")",
		Hint:    "migration.on_uncaptured is refuse",
	}
}

// probe runs a statement whose writes cannot be seen between two questions.
func (c *conversation) probe(plan *writes.Plan, run func(bool) sourceOwed) {
	c.s.server.uncaptured(plan.Why)
	if plan.Class == writes.Body {
		c.bodyMarks(plan)
	} else if !c.simple { // else it was asked before the text was read
		c.watch(nil)
	}
	for _, pair := range plan.Pairs {
		c.s.mirrorTx().Whole(pair.Name(), shadow.CauseUncaptured)
	}
	c.owed = append(c.owed, run(true))
	c.watch(&growth{plan: plan})
}
