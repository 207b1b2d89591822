package proxy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/crossfade-db/crossfade/internal/failpoint"
	"github.com/crossfade-db/crossfade/proxy/engine"
	"github.com/crossfade-db/crossfade/proxy/writes"
	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/shadow"
	"github.com/crossfade-db/crossfade/wire"
	"github.com/crossfade-db/crossfade/wire/pgwire"
)

// conversation is one batch of a mirrored session in the slow lane. It stands
// between the client and its source: what the client is told is what a direct
// connection would say, and the engine follows that and nothing else.
//
//	client ── batch ── conversation ── captured form ──► source
//	       ◄─ replies ─┘           └── images ── shadow.Tx ──► target
type conversation struct {
	s      *session
	m      *mirroring
	l      *leg
	out    []byte // for the source
	reply  []byte // for the client
	owed   []sourceOwed
	made   map[string]*madeStatement
	simple bool   // the client has sent a simple query
	fresh  bool   // nothing of a transaction was under way when it began
	failed bool   // the source skips to the Sync, or the query has ended
	drops  bool   // what it has bound may drop statements
	held   bool   // nothing leaves for the client: a commit is under way
	tag    []byte // of a simple query, until it is committed

	relayed  *engine.Batch     // what is relayed in place of a conversation
	header   []byte            // the description of a simple query's rows, until one comes
	ahead    int               // characters of the text before the statement at hand
	names    map[string]string // of the client's statements, by ours
	refusal  *wire.Error       // why the transaction may not be committed
	baseline []string          // what the source has counted before a statement
}

// madeStatement is a statement that the batch has parsed.
type madeStatement struct {
	plan *writes.Plan
	text []byte
	oids []uint32
}

// sourceOwed is one message that the source answers.
type sourceOwed struct {
	kind  byte // type of the message that was sent: P B D C E; 0: none was, say is the answer
	pass  bool // the answer is the client's
	say   []byte
	grown *growth // E: a captured statement; D: its description
	ask   func(row [][]byte) error
	told  func(message []byte) // D: its description
	done  func(tag []byte)     // E: after its tag
	keep  *[][]byte            // E: where its rows and tag are kept for the client
	undo  func()               // if the source never comes to it
	late  bool                 // D: the source describes it, and a direct one would only with the first row
	// rowsOnly: of a description, NoData is not the client's, as a simple query
	// has none.
	rowsOnly bool
}

// mirrorBatch answers the batch at hand in the slow lane.
func (s *session) mirrorBatch(b *engine.Batch) error {
	in := append([]byte(nil), s.client.unread()[:b.Size]...)
	if err := s.closeBoth(in); err != nil {
		return err
	}
	s.client.use(b.Size)
	return s.converse(in, b.Boundary)
}

// converse carries out whole messages of the client. A boundary of 0 says that
// more of the batch is to come.
func (s *session) converse(in []byte, boundary byte) error {
	c := &conversation{s: s, m: s.mirror, l: s.legs[router.Source]}
	c.fresh = s.eng.Settled()
	if !c.m.open { // else what the tracker was told last is not all that has run
		c.m.block = s.eng.Tx() != 'I'
	}
	c.failed = s.eng.Skips()
	err := c.begin()
	answered := false
	if err == nil && s.mirror.use.own {
		answered, err = c.readOwn(in, boundary)
	}
	if err == nil && !answered {
		err = c.run(in, boundary)
	}
	if err == nil && boundary == 0 {
		err = c.settle()
	}
	s.mirror.open = boundary == 0 || boundary == 'H'
	if s.eng.Settled() {
		s.mirror.portals = nil
	}
	if err != nil {
		_ = c.flushReply()
		return err
	}
	return c.flushReply()
}

// run carries out the batch.
func (c *conversation) run(in []byte, boundary byte) error {
	for boundary == 'Q' && in[0] != 'Q' { // what is left of a COPY that was refused, or of a batch
		h := wire.Parse(in)
		if err := c.message(h.Type, in[:h.Size]); err != nil {
			return err
		}
		in = in[h.Size:]
	}
	if boundary == 'Q' {
		if err := c.follow(in); err != nil {
			return err
		}
		text, _, _ := bytes.Cut(in[wire.HeaderSize:], []byte{0})
		return c.query(in, text)
	}
	for len(in) > 0 {
		h := wire.Parse(in)
		if err := c.message(h.Type, in[:h.Size]); err != nil {
			return err
		}
		in = in[h.Size:]
	}
	return nil
}

// follow lets the engine see a message of the client.
func (c *conversation) follow(message []byte) error {
	used, actions := c.s.eng.Client(message, nil)
	c.s.beganOrEnded()
	for _, a := range actions {
		if a.Op == engine.Close {
			return c.s.broken(a.Why)
		}
	}
	if used != len(message) {
		return c.s.broken(engine.UnexpectedClientMessage)
	}
	return nil
}

// message takes one message of an extended batch.
func (c *conversation) message(kind byte, message []byte) error {
	body := message[wire.HeaderSize:]
	if err := c.follow(message); err != nil {
		return err
	}
	if (c.failed || c.refusal != nil) && kind != 'S' {
		return nil // as the server does
	}
	switch kind {
	case 'P':
		return c.parse(message, body)
	case 'B':
		return c.bind(message, body)
	case 'D':
		return c.describe(message, body)
	case 'E':
		return c.execute(message, body)
	case 'C':
		c.closes(body)
		c.forward(message, 'C')
	case 'H':
		return c.settle()
	case 'S':
		return c.sync()
	case 'F':
		return c.functionCall(message)
	}
	return nil
}

// forward passes a message of the client on.
func (c *conversation) forward(message []byte, kind byte) {
	c.out = append(c.out, message...)
	c.owed = append(c.owed, sourceOwed{kind: kind, pass: true})
}

func (c *conversation) add(m pgproto3.FrontendMessage) error {
	var err error
	c.out, err = m.Encode(c.out)
	return err
}

// parse passes a Parse on, and notes what becomes of its text.
func (c *conversation) parse(message, body []byte) error {
	var p pgproto3.Parse
	if err := p.Decode(body); err != nil {
		return c.s.broken(engine.UnexpectedClientMessage)
	}
	text := []byte(p.Query)
	if c.made == nil {
		c.made = map[string]*madeStatement{}
	}
	c.made[p.Name] = &madeStatement{c.s.planned(text, engine.TextKey(text)), text, p.ParameterOIDs}
	c.forward(message, 'P')
	return nil
}

// closes notes that a statement is gone.
func (c *conversation) closes(body []byte) {
	if len(body) < 2 || body[0] != 'S' {
		return
	}
	name, _, _ := bytes.Cut(body[1:], []byte{0})
	if c.made == nil {
		c.made = map[string]*madeStatement{}
	}
	c.made[string(name)] = &madeStatement{}
}

// statement is what is known of a statement of the client.
func (c *conversation) statement(name string) *madeStatement {
	if made := c.made[name]; made != nil {
		return made
	}
	st := c.s.eng.Mobile().Statements[name]
	if st == nil {
		return &madeStatement{plan: writes.Decide(nil, c.m.env)}
	}
	p := c.s.plannedStatement(name)
	return &madeStatement{plan: p.plan, text: p.text, oids: st.ParseTypes()}
}

// tell gives the client one message, and lets the engine hear it.
func (c *conversation) tell(message []byte) error {
	used, actions := c.s.eng.Server(router.Source, message, nil)
	c.s.beganOrEnded()
	for _, a := range actions {
		if a.Op == engine.Close {
			return c.s.broken(a.Why)
		}
	}
	if used != len(message) {
		return c.s.broken(engine.UnexpectedServerMessage)
	}
	c.reply = append(c.reply, message...)
	if len(c.reply) > largeBuffer && !c.held {
		return c.flushReply()
	}
	return nil
}

func (c *conversation) flushReply() error {
	if len(c.reply) == 0 {
		return nil
	}
	if counts := c.s.eng.TakeCounts(); counts != (engine.Counts{}) {
		c.s.server.opt.Observer.answered(c.s.id, router.Source, counts)
	}
	_, err := c.s.client.Write(c.reply)
	c.reply = c.reply[:0]
	if err != nil {
		return &ending{why: EndClientGone, cause: err}
	}
	return nil
}

// write sends what is for the source.
func (c *conversation) write() error {
	if len(c.out) == 0 {
		return nil
	}
	_, err := c.l.Write(c.out)
	c.out = c.out[:0]
	if err != nil {
		return c.s.legRefused(c.l, err)
	}
	return nil
}

// flushed are the bytes of a Flush.
var flushed, synced = []byte{'H', 0, 0, 0, 4}, []byte{'S', 0, 0, 0, 4}

// settle sends what is for the source and hears all its answers.
func (c *conversation) settle() error {
	if len(c.owed) == 0 {
		return nil
	}
	if len(c.out) > 0 {
		c.out = append(c.out, flushed...)
	}
	if err := c.write(); err != nil {
		return err
	}
	for len(c.owed) > 0 {
		if say := c.owed[0].say; say != nil {
			c.owed = c.owed[1:]
			if err := c.tell(say); err != nil {
				return err
			}
			continue
		}
		message, err := c.hear()
		if err != nil {
			return err
		}
		if err := c.answered(message); err != nil {
			return err
		}
	}
	return nil
}

// hear reads the source's next message. It may take as long as it takes; who
// calls the session meanwhile is obeyed if that means its end.
func (c *conversation) hear() ([]byte, error) {
	for {
		message, err := c.l.conn.message(c.s.server.opt.Mirror.Frame)
		if err == nil {
			return message, nil
		}
		if !isTimeout(err) || c.s.order.Load() == orderKill {
			return nil, c.s.legEnded(c.l, err)
		}
		if err := c.l.SetReadDeadline(noDeadline); err != nil {
			return nil, c.s.legEnded(c.l, err)
		}
	}
}

// answered takes one message of the source.
func (c *conversation) answered(message []byte) error {
	front := &c.owed[0]
	switch message[0] {
	case 'N', 'A', 'S':
		return c.tell(message)
	case 'E':
		c.failed = true
		for _, o := range c.owed {
			if o.undo != nil {
				o.undo()
			}
		}
		c.owed, c.header = c.owed[:0], nil
		return c.tell(c.reworded(message))
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
	for _, pair := range g.others {
		c.uncaptured(pair, writes.WhyUnknown)
	}
	change := g.change()
	if change == nil {
		return
	}
	for _, pair := range g.plan.Loses {
		c.uncaptured(pair, writes.WhyForeign)
	}
	if len(g.plan.Moves) > 0 && len(change.Gone) > len(g.keys) {
		for _, pair := range g.plan.Moves {
			c.uncaptured(pair, writes.WhyKey)
		}
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
	switch t := g.plan.Tally; {
	case t == nil:
	case tx.Open():
		t.Mirrored()
	default:
		t.Skipped(string(tx.Cause()))
	}
}

// sync is the end of an extended batch, and the commit point of what was not in
// a transaction of its own.
func (c *conversation) sync() error {
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
	c.out = append(c.out, synced...)
	if err := c.write(); err != nil {
		return shadow.Unknown, err
	}
	failpoint.Hit(failpoint.AuthoritySent)
	ending := shadow.Committed
	for {
		message, err := c.hear()
		if err != nil {
			return shadow.Unknown, err
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
	how := shadow.Commit{Strict: c.m.strict, Authority: func() shadow.Ending {
		under = s.server.pending.begin(tables)
		ending, err := authority()
		failed = err
		return ending
	}}
	if s.server.opt.Mirror.Early {
		how.Early = func() { _ = c.flushReply() }
	}
	c.held = true
	outcome, err := tx.Commit(how)
	c.held = false
	if under != nil {
		s.server.pending.end(under, tables)
	}
	s.server.committed(tables, outcome, tx.Cause(), time.Since(began))
	c.m.forget()
	if err != nil && c.relayed != nil {
		return c.s.reply(c.relayed, wordsOfCommit(err))
	}
	if err != nil {
		return c.refuse(refusing{words: wordsOfCommit(err), ends: true, sync: sync || c.simple})
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
	sync  bool // the client's Sync has been reached, or there is none
}

// refuse answers with an error of ours: the source's transaction fails, too, and
// the client is told as a server would.
func (c *conversation) refuse(r refusing) error {
	c.s.server.opt.Log.Warn("a transaction was refused", "session", c.s.id, "error", r.words.Cause)
	var f pgwire.Flight
	if r.ends && c.s.eng.Tx() != 'I' {
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
	for {
		message, err := c.hear()
		if err != nil {
			return err
		}
		if message[0] != 'Z' {
			continue
		}
		if err := c.tell(pgwire.AppendFailure(nil, r.words)); err != nil || !r.sync {
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

// number16 is a 16-bit number of the protocol.
func number16(b []byte) int { return int(binary.BigEndian.Uint16(b)) }
