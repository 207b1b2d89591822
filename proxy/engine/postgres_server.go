package engine

import (
	"bytes"

	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/wire"
)

// serverHeld is the longest message of a server that is held until it is
// whole, in bytes: ReadyForQuery, ParameterStatus and errors.
const serverHeld = 4 << 10

// describedMost is the longest description that can be looked into, in bytes:
// it has to fit into a large buffer.
const describedMost = 60 << 10

// Server takes bytes read from the leg of side s, as Client does from the
// client. Rows are never looked into and pass in parts.
func (e *Postgres) Server(s router.Side, in []byte, out []Action) (int, []Action) {
	at := min(e.serverRest, len(in))
	if at > 0 {
		e.serverRest -= at
		out = forward(out, Client, 0, at)
	}
	for at < len(in) {
		h := wire.Parse(in[at:])
		if h.State == wire.Short || (h.State == wire.Partial && e.legMustBeWhole(h)) {
			return at, out
		}
		upto := min(at+h.Size, len(in))
		why, closes := e.heard(h, in[at:upto])
		switch {
		case closes:
			return at, append(out, Action{Op: Close, To: EndOf(s), From: at, Upto: at, Why: why})
		case why != None:
			return at, append(out, Action{Op: Escalate, To: EndOf(s), From: at, Upto: at, Why: why})
		}
		e.serverRest = h.Size - (upto - at)
		out = e.pass(h, in[at:upto], out, at)
		at = upto
	}
	return at, out
}

// heard looks into a message of the leg and follows it. closes says that why
// ends the session; otherwise it is for the slow lane, and the message has not
// been followed.
func (e *Postgres) heard(h wire.Header, message []byte) (why Reason, closes bool) {
	if why = e.judgeServer(h); why != None {
		return why, true
	}
	if e.away() {
		if why = e.foreign(h.Type, h.State == wire.Whole, message); why != None {
			return why, false
		}
	}
	why = e.answer(h, message)
	return why, why != None
}

// pass says where a message of the leg goes.
func (e *Postgres) pass(h wire.Header, message []byte, out []Action, at int) []Action {
	from, upto := at, at+len(message)
	switch {
	case !e.away():
		return forward(out, Client, from, upto)
	case h.Type == 'S' && !e.mobile.reports(message):
		return append(out, Action{Op: Swallow, To: Client, From: from, Upto: upto})
	case h.Type == 'S':
		name, _, _ := bytes.Cut(message[wire.HeaderSize:], []byte{0})
		e.mobile.Rereported = append(e.mobile.Rereported, string(name))
		return forward(out, Client, from, upto)
	case e.mobile.held.on:
		return e.hold(h.Type, h.Size, out, from, upto)
	default:
		return forward(out, Client, from, upto)
	}
}

// legMustBeWhole says that a message of the leg is looked into and so cannot
// pass in parts.
func (e *Postgres) legMustBeWhole(h wire.Header) bool {
	if h.Size <= serverHeld && serverRead.has(h.Type) {
		return true
	}
	if e.mobile == nil || e.flags&legHeld != 0 || h.Size > describedMost {
		return false
	}
	switch h.Type {
	case 'C':
		return e.busy == router.Target || e.mobile.drops()
	case 'T', 't':
		return e.busy == router.Target || e.front() == trackedDescribe
	default: // what is cut short at the target leaves nothing cut short at the client
		return e.busy == router.Target
	}
}

// Messages that a server may send after login, by the message that it is
// answering (manual, 54.2 and 54.7). The table is closed; in a COPY the
// stream's own messages come to it.
var (
	serverKnown  = setOf("123CDEGHINASTVWZcdnst")
	serverRead   = setOf("ZSE")
	serverAlways = setOf("NASE")
	serverStream = setOf("dcNASECZ")
	serverBoth   = setOf("dcNASECZTD") // a timeline ends with a result (55.4)
	serverTable  = [256]set{
		'Q': setOf("TDCIGHWZNASE"),
		'F': setOf("VZNASE"),
		'S': setOf("ZNASE"),
		'P': setOf("1NASE"),
		'B': setOf("2NASE"),
		'C': setOf("3NASE"),
		'D': setOf("tTnNASE"),
		'E': setOf("DCIsGHWNASE"),
		0:   serverAlways,

		trackedParse:    setOf("1NASE"),
		trackedClose:    setOf("3NASE"),
		trackedDescribe: setOf("tTnNASE"),
	}
)

func (e *Postgres) judgeServer(h wire.Header) Reason {
	legal := &serverTable[e.front()]
	switch e.copying {
	case copyOut:
		legal = &serverStream
	case copyBoth:
		legal = &serverBoth
	case noCopy, copyIn, copyEnds:
	}
	switch {
	case !serverKnown.has(h.Type):
		return UnknownServerMessage
	case h.State == wire.Bad, h.Type == 'Z' && h.Size != wire.HeaderSize+1:
		return BadServerLength
	case !legal.has(h.Type) && e.flags&unsure == 0:
		return UnexpectedServerMessage
	default:
		return None
	}
}

// answer follows one message of the server; it may be cut short unless it is
// one of serverRead and short.
func (e *Postgres) answer(h wire.Header, message []byte) Reason {
	switch h.Type {
	case 'D', 'd', 'N', 'A':
	case 't':
		e.noteDescription(h, message)
	case 'S':
		e.reported(message[wire.HeaderSize:])
	case 'E':
		e.failed(message[wire.HeaderSize:])
	case 'Z':
		return e.ready(message[wire.HeaderSize])
	case 'C', 'I', 's', 'V':
		if e.mobile != nil && e.mobile.drops() && h.Type == 'C' && h.State == wire.Whole {
			e.mobile.completed(message[wire.HeaderSize:])
		}
		e.completed()
	case '1', '2', '3', 'n', 'T':
		e.noteDescription(h, message)
		e.described(h.Type)
	case 'G':
		e.copyStarts()
	case 'H':
		e.copying = copyOut
	case 'W':
		e.copying = copyBoth
	case 'c':
		if e.copying == copyOut {
			e.copying = noCopy
		}
	}
	return None
}

// completed follows the end of a statement, which ends its COPY as well.
func (e *Postgres) completed() {
	e.counts.OK++
	e.copying = noCopy
	e.flags &^= syncEaten
	if e.flags&unsure == 0 && e.front() == 'E' {
		e.pop(1)
	}
}

// described follows the answers that end their message; a RowDescription in
// the answer to a simple query does not.
func (e *Postgres) described(kind byte) {
	front := e.front()
	if e.flags&unsure != 0 || (kind == 'T' && front != 'D' && front != trackedDescribe) {
		return
	}
	switch front {
	case trackedParse, trackedClose, trackedDescribe:
		e.mobile.answered()
		e.owed.set(0, 'S') // it is not in the queue any more
	}
	e.pop(1)
}

// noteDescription keeps what the client is told of a statement.
func (e *Postgres) noteDescription(h wire.Header, message []byte) {
	if e.front() != trackedDescribe {
		return
	}
	s := e.mobile.queue[0].at
	if h.State != wire.Whole {
		s.Fixed = true // too long to be compared
		return
	}
	s.described(message)
}

// ready follows ReadyForQuery.
func (e *Postgres) ready(tx byte) Reason {
	if tx != 'I' && tx != 'T' && tx != 'E' {
		return UnexpectedServerMessage
	}
	e.tx, e.copying = tx, noCopy
	e.flags &^= syncEaten | legHeld
	e.ended(tx)
	if e.flags&unsure != 0 {
		return None
	}
	switch e.front() {
	case 'Q', 'S', 'F':
		e.pop(1)
		return None
	default:
		return UnexpectedServerMessage
	}
}

// failed follows an ErrorResponse.
func (e *Postgres) failed(fields []byte) {
	if fatal(fields) {
		e.flags |= goodbye
	}
	if e.flags&unsure != 0 || e.owed.n == 0 {
		return
	}
	e.counts.Failed++
	inCopy := e.copying == copyIn || e.copying == copyEnds
	e.copying = noCopy
	if inCopy && e.flags&syncEaten != 0 {
		e.loseTrack()
		return
	}
	switch e.front() {
	case 'Q', 'S', 'F': // ReadyForQuery follows
	default:
		e.skipToSync()
	}
}

// skipToSync drops what the server will not answer after an error in the
// extended protocol: everything before the next Sync.
func (e *Postgres) skipToSync() {
	for i := range e.owed.n {
		if e.owed.at(i) == 'S' {
			e.pop(i)
			return
		}
	}
	e.flags |= skipping
	e.pop(e.owed.n)
}

// copyStarts follows CopyInResponse. What the client has already sent behind
// the statement is read by the COPY: Sync is taken for nothing, CopyDone or
// CopyFail ends it. If the COPY fails, it cannot be known whether it had read
// that Sync; and any other message makes it fail at a place that cannot be
// known either. Then the tracker is unsure for good.
func (e *Postgres) copyStarts() {
	if e.flags&unsure != 0 {
		return
	}
	e.copying = copyIn
	last, front := 0, e.front()
	for last+1 < e.owed.n && e.copying == copyIn {
		switch e.owed.at(last + 1) {
		case 'S':
			e.flags |= syncEaten
		case copyEnd:
			e.copying = copyEnds
		default:
			e.loseTrack()
			return
		}
		last++
	}
	e.owed.set(last, front)
	e.owed.drop(last)
	e.must = e.settled()
}

// settled counts the entries up to the last one that the server answers by
// itself. A Flush leaves no entry, so this may be too few, which is safe: the
// session then hears both ends.
func (e *Postgres) settled() int {
	for i := e.owed.n; i > 0; i-- {
		switch e.owed.at(i - 1) {
		case 'Q', 'S', 'F':
			return i
		}
	}
	return 0
}

func (e *Postgres) loseTrack() {
	e.flags |= unsure
	if m := e.mobile; m != nil {
		m.queue, m.Statements = nil, nil
	}
	e.copying = noCopy
	e.must = 0
	e.owed.drop(e.owed.n)
}

// fatal says whether the fields of an ErrorResponse carry a severity that
// ends the session. V is never translated, S is what servers before 9.6 have.
func fatal(fields []byte) bool {
	for len(fields) > 0 && fields[0] != 0 {
		end := bytes.IndexByte(fields, 0)
		if end < 0 {
			return false
		}
		value := string(fields[1:end])
		if k := fields[0]; (k == 'V' || k == 'S') && (value == "FATAL" || value == "PANIC") {
			return true
		}
		fields = fields[end+1:]
	}
	return false
}

// sqlstate is the code of an ErrorResponse.
func sqlstate(fields []byte) string {
	for len(fields) > 0 && fields[0] != 0 {
		end := bytes.IndexByte(fields, 0)
		if end < 0 {
			return ""
		}
		if fields[0] == 'C' {
			return string(fields[1:end])
		}
		fields = fields[end+1:]
	}
	return ""
}

// set is a set of message types.
type set [256]bool

func (s *set) has(kind byte) bool { return s[kind] }

func setOf(kinds string) set {
	var s set
	for _, k := range []byte(kinds) {
		s[k] = true
	}
	return s
}
