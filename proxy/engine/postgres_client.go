package engine

import (
	"bytes"

	"github.com/crossfade-db/crossfade/rewrite/pgsql"
	"github.com/crossfade-db/crossfade/wire"
)

// Client takes bytes read from the client and returns how many of them were
// used and what to do with them. What is left over is the beginning of a
// message that must be whole to be understood: it comes again, with more
// behind it, in the next call. Nothing is used while Full.
func (e *Postgres) Client(in []byte, out []Action) (int, []Action) {
	at := e.clientGoesOn(len(in))
	if at > 0 {
		out = forward(out, e.leg(), 0, at)
	}
	for at < len(in) && !e.owed.full() && e.flags&terminating == 0 {
		h := wire.Parse(in[at:])
		if h.State == wire.Short || (h.State == wire.Partial && e.mustBeWhole(h.Type, in[at:])) {
			return at, out
		}
		if why := e.judgeClient(h); why != None {
			return at, append(out, Action{Op: Close, To: Client, From: at, Upto: at, Why: why})
		}
		upto := min(at+h.Size, len(in))
		e.sending, e.clientRest = e.read(h, in[at+wire.HeaderSize:upto]), h.Size-(upto-at)
		e.outstanding += upto - at
		if e.clientRest == 0 {
			e.sent(e.sending)
		}
		out = forward(out, e.leg(), at, upto)
		at = upto
	}
	return at, out
}

// clientGoesOn takes up to n bytes of a message that began in an earlier read.
func (e *Postgres) clientGoesOn(n int) int {
	if e.clientRest == 0 {
		return 0
	}
	n = min(n, e.clientRest)
	e.clientRest -= n
	e.outstanding += n
	if e.clientRest == 0 {
		e.sent(e.sending)
	}
	return n
}

// mustBeWhole says that a message is read and so cannot pass in parts.
func (e *Postgres) mustBeWhole(kind byte, so []byte) bool {
	switch kind {
	case 'Q', 'P':
		return e.flags&streamHeld == 0 && (e.flags&listens == 0 || e.mobile != nil)
	case 'C', 'D':
		return e.flags&streamHeld == 0 && e.mobile != nil
	case 'B': // portal and statement are enough
		return e.flags&streamHeld == 0 && e.mobile != nil && e.mobile.stateful > 0 &&
			bytes.Count(so[wire.HeaderSize:], []byte{0}) < 2
	default:
		return false
	}
}

// Messages that a client may send once it is logged in, by state (manual,
// 54.2). The table is closed: what is not in it ends the session.
var (
	clientKnown  = setOf("QPBDECHSFXdcfp")
	clientAlways = setOf("QPBDECHSFXdcf") // copy messages are ignored outside of a COPY
	clientCopyIn = setOf("dcfHSX")
	clientStream = setOf("dcfX") // COPY BOTH
)

func (e *Postgres) judgeClient(h wire.Header) Reason {
	legal := &clientAlways
	switch e.copying {
	case copyIn:
		legal = &clientCopyIn
	case copyBoth:
		legal = &clientStream
	case noCopy, copyEnds, copyOut:
	}
	switch {
	case !clientKnown.has(h.Type):
		return UnknownClientMessage
	case h.State == wire.Bad:
		return BadClientLength
	case !legal.has(h.Type) && e.flags&unsure == 0:
		return UnexpectedClientMessage
	case h.Type == 'p':
		return UnexpectedClientMessage
	default:
		return None
	}
}

// read looks into the messages whose text can change what the session has to
// wait for or what it carries, and says as what the message is owed. A function
// called by number, and a text that is not whole, may do anything.
func (e *Postgres) read(h wire.Header, body []byte) (kind byte) {
	if e.flags&(skipping|unsure) != 0 || (e.flags&listens != 0 && e.mobile == nil) {
		return h.Type
	}
	var effects pgsql.Effects
	switch h.Type {
	case 'F':
		e.flags |= listens
	case 'Q':
		effects = e.classify(h, body)
	case 'P':
		text := body
		if name := bytes.IndexByte(body, 0); name >= 0 {
			text = body[name+1:]
		}
		effects = e.classify(h, text)
	}
	e.flags &^= streamHeld
	if e.mobile == nil {
		return h.Type
	}
	return e.track(h, body, effects)
}

func (e *Postgres) classify(h wire.Header, text []byte) pgsql.Effects {
	end := bytes.IndexByte(text, 0)
	if h.State != wire.Whole || end < 0 {
		e.flags |= listens
		return pgsql.Opaque | pgsql.SetsState
	}
	effects := pgsql.Classify(text[:end], e.textMode())
	if effects&(pgsql.Listens|pgsql.Opaque) != 0 && (e.mobile == nil || !e.refused()) {
		e.flags |= listens
	}
	return effects
}

// sent notes a message that has gone to the leg whole.
func (e *Postgres) sent(kind byte) {
	if e.flags&unsure != 0 {
		e.sentUnsure(kind)
		return
	}
	switch kind {
	case 'S':
		e.sentSync()
	case 'c', 'f':
		e.sentCopyEnd()
	case 'X':
		e.flags |= terminating
	case 'd':
	case 'H':
		if e.copying != copyIn {
			e.must = e.owed.n
		}
	default:
		if kind != 'Q' && kind != 'F' {
			e.flags |= unsynced
		}
		if e.flags&skipping == 0 {
			e.push(kind, kind == 'Q' || kind == 'F')
		}
	}
	if e.owed.n == 0 {
		e.outstanding = 0 // the server ignores it, so nothing will answer it
	}
}

func (e *Postgres) sentUnsure(kind byte) {
	if kind == 'X' {
		e.flags |= terminating
	}
}

func (e *Postgres) sentSync() {
	if e.copying == copyIn {
		e.flags |= syncEaten
		return
	}
	e.flags &^= skipping | unsynced
	e.push('S', true)
}

// sentCopyEnd notes CopyDone or CopyFail. In the extended protocol the answer
// may wait in the server for the Sync that follows.
func (e *Postgres) sentCopyEnd() {
	switch e.copying {
	case copyIn:
		e.copying = copyEnds
		e.must = 0
		if e.front() == 'Q' {
			e.must = 1
		}
	case noCopy, copyEnds, copyOut:
		if e.owed.n > 0 && e.flags&skipping == 0 {
			e.push(copyEnd, false)
		}
	case copyBoth:
	}
}
