package proxy

import (
	"bytes"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/crossfade-db/crossfade/proxy/engine"
	"github.com/crossfade-db/crossfade/proxy/writes"
	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/wire"
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
	ruled  bool   // it has had transaction control
	drops  bool   // what it has bound may drop statements
	held   bool   // nothing leaves for the client: a commit is under way
	tag    []byte // of a simple query, until it is committed
	last   bool   // the statement at hand ends the query, and with it nothing else

	relayed  *engine.Batch                 // what is relayed in place of a conversation
	giveUp   func(words *wire.Error) error // ends what is relayed and under way; nil: nothing is
	header   []byte                        // the description of a simple query's rows, until one comes
	ahead    int                           // characters of the text before the statement at hand
	names    map[string]string             // of the client's statements, by ours
	refusal  *wire.Error                   // why the transaction may not be committed
	baseline seenBy                        // what the source has counted before a statement
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
	named func()               // B: gives our statement the name that the client has used
	locks bool                 // E: it locks what the client's UPDATE behind it changes
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
		c.m.spoiled = s.eng.Tx() == 'E'
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
	err = c.flushReply()
	if c.m.other != nil {
		c.m.other.push()
	}
	return err
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
	return c.around(c.made[p.Name].plan, func() error { c.forward(message, 'P'); return nil })
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
		return &madeStatement{plan: writes.Decide(nil, c.m.names.env)}
	}
	text := st.Text()
	return &madeStatement{plan: c.s.planned(text, st.Key), text: text, oids: st.ParseTypes()}
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
	return c.hearAll()
}

// hearAll sends what is for the source, and hears all that it owes.
func (c *conversation) hearAll() error {
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
