package engine

import "github.com/crossfade-db/crossfade/router"

// Numbers tells the client of a session the type and table numbers of its
// shape's side (SHAPES A.5). The messages are whole, header included; what can
// be translated is, in place.
type Numbers interface {
	// RowDescription translates one of the target; false: it cannot be.
	RowDescription(message []byte) bool
	// ParameterDescription likewise.
	ParameterDescription(message []byte) bool
	// Parse says whether the numbers of a client's Parse mean the same there.
	Parse(message []byte) bool
}

// Verdict is what is known of a text: whether the target may show its results.
type Verdict uint8

// Verdicts of texts.
const (
	Untried Verdict = iota
	Same            // its results have the same types on both sides
	Differs         // they do not
)

// Verdicts remembers texts by TextKey.
type Verdicts interface {
	Of(key uint64) Verdict
}

// held is what the tracker knows of answers that wait for the first one that
// counts: until then the request can be answered by the other side instead, and
// the client has seen nothing (ENGINE §5, SESSIONSTATE M3).
type held struct {
	on        bool
	retry     bool // the request may run again at the other side
	bytes     int
	described int // descriptions that were seen and are right
}

// heldMost bounds what is held back, in bytes.
const heldMost = 64 << 10

// HoldAnswers holds back what the target says to the request that is sent
// next, until the first message that counts. retry says that the request may
// run a second time.
func (e *Postgres) HoldAnswers(retry bool) { e.mobile.held = held{on: true, retry: retry} }

// Holding says that nothing of the answer has gone to the client yet.
func (e *Postgres) Holding() bool { return e.mobile != nil && e.mobile.held.on }

// MayRetry says that the request may be answered by the other side.
func (e *Postgres) MayRetry() bool { return e.Holding() && e.mobile.held.retry }

// Described is how many descriptions of the last request were right.
func (e *Postgres) Described() int { return e.mobile.held.described }

// hold says what to do with a whole message of the target that was followed.
func (e *Postgres) hold(kind byte, size int, out []Action, from, upto int) []Action {
	h := &e.mobile.held
	switch kind {
	case 'A':
		return forward(out, Client, from, upto)
	case '1', '2', '3', 't', 'T', 'n', 'N':
		h.bytes += size
		out = append(out, Action{Op: Hold, To: Client, From: from, Upto: upto})
		if h.bytes > heldMost || e.owed.n == 0 { // nothing more comes without the client
			h.on = false
			out = append(out, Action{Op: Release, To: Client, From: upto, Upto: upto})
		}
		return out
	default:
		h.on = false
		return append(out, Action{Op: Release, To: Client, From: from, Upto: from},
			Action{Op: Forward, To: Client, From: from, Upto: upto})
	}
}

// away says that the session is answered by the target, whose messages are
// looked into.
func (e *Postgres) away() bool { return e.mobile != nil && e.busy == router.Target }

// foreign looks into a message of the target before it is followed; a reason
// other than None says that it must not reach the client.
func (e *Postgres) foreign(kind byte, whole bool, message []byte) Reason {
	numbers := e.mobile.Numbers
	right := true
	switch kind {
	case 'E':
		return e.foreignError(message)
	case 'T':
		right = whole && numbers != nil && numbers.RowDescription(message)
		e.mobile.held.described++
	case 't':
		right = whole && numbers != nil && numbers.ParameterDescription(message)
	case 'n':
		e.mobile.held.described++
	case 's':
		e.mobile.scripted = false // a portal is left open
	}
	switch {
	case right:
		return None
	case e.MayRetry():
		return RetryNumbers
	default:
		return WrongNumbers
	}
}

// foreignError says what becomes of an error of the target: the end of its
// connection is not the end of the session, and what can be answered by the
// source is, unless the error is the answer (ENGINE §5).
func (e *Postgres) foreignError(message []byte) Reason {
	fields := message[5:]
	if fatal(fields) {
		return LegLost
	}
	if !e.MayRetry() || e.Tx() != 'I' { // it has failed the transaction already
		return None
	}
	switch sqlstate(fields) {
	case "57014": // cancelled
		return None
	case "25006": // a write that is refused
		if e.mobile.Mirrored {
			return RetryError
		}
		return None
	default:
		return RetryError
	}
}

// Abandon forgets what the target still owes: its leg is gone, or its answer
// is not wanted. It says whether a ReadyForQuery was owed, and leaves the
// tracker at the other side in the state tx ('I' or 'E').
func (e *Postgres) Abandon(to router.Side, tx byte) (sync bool) {
	for i := range e.owed.n {
		switch e.owed.at(i) {
		case 'Q', 'S', 'F':
			sync = true
		}
	}
	e.forget()
	e.busy, e.tx = to, tx
	return sync
}

func (e *Postgres) forget() {
	if m := e.mobile; m != nil {
		m.undo(len(m.queue), false)
		m.held = held{}
		m.script, m.scripted = nil, false
	}
	e.owed.drop(e.owed.n)
	e.must, e.outstanding, e.serverRest, e.copying = 0, 0, 0, noCopy
	e.flags &^= skipping | syncEaten | unsynced | goodbye
}

// SkipToSync makes the tracker ignore, as the server does, what the client
// sends before its next Sync.
func (e *Postgres) SkipToSync() { e.flags |= skipping | unsynced }

// MoveTo makes side the one that answers. The session is Settled, or both legs
// are in the same state of a transaction.
func (e *Postgres) MoveTo(side router.Side) {
	e.busy = side
	if m := e.mobile; m != nil {
		m.held = held{}
		m.script, m.scripted = nil, false
	}
}

// Side is the side that answers.
func (e *Postgres) Side() router.Side { return e.busy }

// Unanswered forgets the request that the target was answering, whose answer is
// not wanted; its transaction goes on.
func (e *Postgres) Unanswered() {
	m := e.mobile
	script, scripted := m.script, m.scripted
	e.forget()
	m.script, m.scripted = script, scripted
}
