package proxy

import (
	"time"

	"github.com/crossfade-db/crossfade/proxy/engine"
	"github.com/crossfade-db/crossfade/router"
)

// Observer is told what happens; a nil func is silence. The funcs are called
// on the sessions' goroutines and must neither block nor keep what they get.
type Observer struct {
	// Answered counts statements answered; shard spreads the counters.
	Answered func(shard uint64, side router.Side, counts engine.Counts)
	// Sampled times one statement in SampleEvery: until its last answer, and
	// how much of that was ours.
	Sampled func(side router.Side, total, overhead time.Duration)
	// Login tells how a login ended.
	Login func(outcome LoginOutcome)
	// Cancel tells what became of a cancel request.
	Cancel func(outcome CancelOutcome)
	// SessionEnd tells why a session ended.
	SessionEnd func(why EndReason)
	// Session tells where a session stands: when it begins, and whenever that
	// changes. SessionGone tells that it has ended. Only sessions that have two
	// sides are told of.
	Session     func(SessionInfo)
	SessionGone func(session uint64)
	// Moved tells that a session is answered by another side from now on.
	Moved func(session uint64, side router.Side)
	// FellBack tells that a statement of the canary is answered by the source.
	FellBack func(why router.Reason)
	// Pinned tells that a session cannot move.
	Pinned func(why router.Reason)
	// OwnRead tells that a read behind a transaction's own writes was answered by
	// the target.
	OwnRead func()
	// Dialled tells of a connection to a side; nil error when it is logged in.
	Dialled func(side router.Side, err error)
}

// SampleEvery is how many statements of a session go by per timed one.
const SampleEvery = 64

// SessionInfo is what is told of a session.
type SessionInfo struct {
	ID    uint64
	User  string
	Place router.Place
	Side  router.Side
	Pin   router.Reason // why it cannot move; None when it can
}

// LoginOutcome says how a login ended.
type LoginOutcome string

// Outcomes of a login.
const (
	LoginOK       LoginOutcome = "ok"
	LoginDenied   LoginOutcome = "denied"   // wrong password, unknown user, no TLS
	LoginProtocol LoginOutcome = "protocol" // the client broke the protocol
	LoginBackend  LoginOutcome = "backend"  // the side refused or was not there
	LoginLimit    LoginOutcome = "limit"    // too many clients or logins
	LoginGone     LoginOutcome = "gone"     // the client left, or took too long
)

// CancelOutcome says what became of a cancel request.
type CancelOutcome string

// Outcomes of a cancel request.
const (
	CancelSent    CancelOutcome = "sent"
	CancelLate    CancelOutcome = "late"    // the statement had ended
	CancelUnknown CancelOutcome = "unknown" // no session has this key
	CancelLimited CancelOutcome = "limited" // too many from this address
	CancelFailed  CancelOutcome = "failed"  // the side could not be reached
)

// EndReason says why a session ended.
type EndReason string

// Reasons for the end of a session.
const (
	EndTerminated EndReason = "terminated"  // the client said goodbye
	EndClientGone EndReason = "client_gone" // its connection ended
	EndServerGone EndReason = "server_gone" // the side's connection ended
	EndViolation  EndReason = "client_violation"
	EndServerBad  EndReason = "server_violation"
	EndDrained    EndReason = "drained"
	EndKilled     EndReason = "drain_deadline"
	EndPanic      EndReason = "panic"
	EndRecalled   EndReason = "recalled" // from the target, by an abort
)

func (o *Observer) answered(shard uint64, side router.Side, c engine.Counts) {
	if o.Answered != nil {
		o.Answered(shard, side, c)
	}
}

func (o *Observer) login(outcome LoginOutcome) {
	if o.Login != nil {
		o.Login(outcome)
	}
}

func (o *Observer) cancel(outcome CancelOutcome) {
	if o.Cancel != nil {
		o.Cancel(outcome)
	}
}

func (o *Observer) sessionEnd(why EndReason) {
	if o.SessionEnd != nil {
		o.SessionEnd(why)
	}
}

func (o *Observer) session(info SessionInfo) {
	if o.Session != nil {
		o.Session(info)
	}
}

func (o *Observer) sessionGone(session uint64) {
	if o.SessionGone != nil {
		o.SessionGone(session)
	}
}

func (o *Observer) moved(session uint64, side router.Side) {
	if o.Moved != nil {
		o.Moved(session, side)
	}
}

func (o *Observer) fellBack(why router.Reason) {
	if o.FellBack != nil {
		o.FellBack(why)
	}
}

func (o *Observer) answeredOwn() {
	if o.OwnRead != nil {
		o.OwnRead()
	}
}

func (o *Observer) pinned(why router.Reason) {
	if o.Pinned != nil {
		o.Pinned(why)
	}
}

func (o *Observer) dialled(side router.Side, err error) {
	if o.Dialled != nil {
		o.Dialled(side, err)
	}
}
