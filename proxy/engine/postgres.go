package engine

import (
	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/wire"
)

// Postgres is the protocol tracker of one PostgreSQL session (protocol 3.0
// and 3.2; manual, chapter 54). Its zero value is a session that has just
// logged in: ready, idle, answered by the source.
//
// It follows the server's own main loop (postgres.c, PostgresMain and
// SocketBackend; copyfromparse.c, CopyGetData): an error in the extended
// protocol makes the server skip to the next Sync, a COPY takes Sync and Flush
// for nothing until the client has ended it, and copy messages outside of a
// COPY are ignored.
type Postgres struct {
	owed        owed
	must        int   // how many entries the server answers without hearing more
	outstanding int   // bytes forwarded since nothing was owed
	clientRest  int   // bytes of a client's message that are still to come
	serverRest  int   // bytes of a leg's message that are still to come
	sending     byte  // type of the client's message of clientRest
	copying     phase // COPY of the entry at the front
	tx          byte  // of the last ReadyForQuery; 0 before the first one counts as I
	flags       flags
	busy        router.Side // that answers
	counts      Counts
	encoding    string  // client_encoding as reported
	mobile      *Mobile // nil: the session cannot move
}

// phase is the state of a COPY of the statement at the front.
type phase uint8

const (
	noCopy   phase = iota
	copyIn         // the client sends
	copyEnds       // the client has ended it, the server has not answered yet
	copyOut        // the server sends
	copyBoth       // replication: both send
)

type flags uint16

const (
	// skipping: the server ignores everything until a Sync.
	skipping flags = 1 << iota
	// syncEaten: a Sync has been taken for nothing by the COPY at the front,
	// unless that fails first.
	syncEaten
	// unsure: what the server still owes cannot be known (copyStarts). The
	// session relays in both directions at once and is never idle. Sticky.
	unsure
	// listens: notifications may come while idle. Sticky.
	listens
	// streamHeld: the driver cannot hold the message at hand whole.
	streamHeld
	// backslashes: the server said standard_conforming_strings = off.
	backslashes
	// goodbye: the server has said in its own words why it ends the session.
	goodbye
	// terminating: the client has said Terminate.
	terminating
	// unsynced: messages of an extended batch were sent after the last Sync.
	unsynced
	// legHeld: a message of the leg cannot be held whole.
	legHeld
)

// unansweredMost is how many bytes may be unanswered before the session
// relays in both directions at once: no more than a server's socket takes in
// while the server itself waits to write (ENGINE §4).
const unansweredMost = 64 << 10

// Wants says whose bytes to wait for.
func (e *Postgres) Wants() Turn {
	switch {
	case e.flags&terminating != 0, e.owed.full():
		return LegTurn
	case e.flags&(unsure|listens) != 0, e.copying == copyIn, e.copying == copyBoth:
		return Both
	case e.outstanding > unansweredMost:
		return Both
	case e.clientRest > 0 && e.owed.n == 0:
		return ClientTurn
	case e.clientRest > 0:
		return Both
	case e.must > 0:
		return LegTurn
	case e.owed.n > 0:
		return Both
	default:
		return ClientTurn
	}
}

// Quiet says that nothing is owed to the client and nothing is half sent.
func (e *Postgres) Quiet() bool {
	return e.owed.n == 0 && e.copying == noCopy && e.clientRest == 0 && e.serverRest == 0 &&
		e.flags&(unsure|terminating) == 0
}

// Idle says that the session is quiet, outside a transaction and at a message
// boundary of the protocol: it may be closed or moved here (ENGINE §6.12).
func (e *Postgres) Idle() bool {
	return e.Quiet() && e.flags&skipping == 0 && (e.tx == 'I' || e.tx == 0)
}

// Full says that the client has pipelined as much as is kept track of: its
// next messages wait until the leg has answered some.
func (e *Postgres) Full() bool { return e.owed.full() }

// Goodbye says that the server has announced the end of the session with a
// FATAL error of its own.
func (e *Postgres) Goodbye() bool { return e.flags&goodbye != 0 }

// Terminated says that the client has said Terminate.
func (e *Postgres) Terminated() bool { return e.flags&terminating != 0 }

// MidMessage says that a message to the client has been forwarded in part, so
// that no message of ours can follow it.
func (e *Postgres) MidMessage() bool { return e.serverRest > 0 }

// StreamHeld tells the engine that the message at hand cannot be held whole:
// it passes unread, and the session counts as one that may be listening.
func (e *Postgres) StreamHeld() { e.flags |= streamHeld }

// Unfinished says how many bytes of in belong to what is under way: the rest of
// a message, and the stream of a COPY up to its end.
func (e *Postgres) Unfinished(in []byte) int {
	at := min(e.clientRest, len(in))
	copying := e.copying == copyIn || e.copying == copyBoth
	for copying && at < len(in) {
		h := wire.Parse(in[at:])
		switch {
		case h.State == wire.Short:
			return at
		case h.Type == 'd', h.Type == 'H', h.Type == 'S':
		case h.Type == 'c', h.Type == 'f':
			copying = e.copying == copyBoth
		default:
			return len(in) // not allowed here: that is judged where it is read
		}
		at = min(at+h.Size, len(in))
	}
	ends := e.copying == copyIn || e.copying == copyEnds // which a Sync or a Flush may have to follow
	for ends && at < len(in) && (in[at] == 'S' || in[at] == 'H') && wire.Parse(in[at:]).State == wire.Whole {
		at += wire.Parse(in[at:]).Size
	}
	return at
}

// Skips says that the server skips what comes before the next Sync, after an
// error.
func (e *Postgres) Skips() bool { return e.flags&skipping != 0 }

// Copies says that a COPY is under way.
func (e *Postgres) Copies() bool { return e.copying != noCopy }

// TakesData says that a COPY takes data of the client.
func (e *Postgres) TakesData() bool { return e.copying == copyIn || e.copying == copyBoth }

// TakeCounts returns the statements answered since the last call.
func (e *Postgres) TakeCounts() Counts {
	c := e.counts
	e.counts = Counts{}
	return c
}

// LegHeld tells the engine that the leg's message at hand cannot be held whole.
func (e *Postgres) LegHeld() { e.flags |= legHeld }

// Pinned says why the tracker itself keeps the session where it is.
func (e *Postgres) Pinned() router.Reason {
	switch {
	case e.flags&unsure != 0:
		return router.PinProtocol
	case hidesASCII[e.encoding]:
		return router.PinEncoding
	default:
		return router.None
	}
}

// Listens says that notifications may come while the session is idle.
func (e *Postgres) Listens() bool { return e.flags&listens != 0 }

// HeardNot takes that back: the server has been asked.
func (e *Postgres) HeardNot() { e.flags &^= listens }

// Tx is the byte of the last ReadyForQuery: I, T or E.
func (e *Postgres) Tx() byte {
	if e.tx == 0 {
		return 'I'
	}
	return e.tx
}

// leg is the busy side's end.
func (e *Postgres) leg() End { return EndOf(e.busy) }

// front is the type of the message whose answer the server is sending; 0 when
// nothing is owed.
func (e *Postgres) front() byte {
	if e.owed.n == 0 {
		return 0
	}
	return e.owed.at(0)
}

// push notes a message that will be answered. It is owed without hearing more
// if the server answers at once (settles); else at the next Sync or Flush.
func (e *Postgres) push(kind byte, settles bool) {
	e.owed.push(kind)
	if settles {
		e.must = e.owed.n
	}
}

// pop removes k answered entries, and ends of a COPY that come to the front,
// as no answer comes to them.
func (e *Postgres) pop(k int) {
	e.dropTracked(k)
	for k < e.owed.n && e.owed.at(k) == copyEnd {
		k++
	}
	e.owed.drop(k)
	e.must = max(0, e.must-k)
	if e.owed.n == 0 && e.clientRest == 0 {
		e.outstanding = 0
	}
}

// dropTracked follows the removal of the first k entries, none of which was
// answered but as an error.
func (e *Postgres) dropTracked(k int) {
	if e.mobile == nil || len(e.mobile.queue) == 0 {
		return
	}
	n := 0
	for i := range k {
		switch e.owed.at(i) {
		case trackedParse, trackedClose, trackedDescribe:
			n++
		}
	}
	if n > 0 {
		e.mobile.undo(n, e.front() == trackedParse)
	}
}

// copyEnd is the entry of a CopyDone or CopyFail that was sent before its
// COPY was known to have begun.
const copyEnd = 'c'
