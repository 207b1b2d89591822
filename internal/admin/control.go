package admin

import (
	"context"
	"time"
)

// Control is what the door opens to. What it refuses it says with a *Refusal;
// any other error is a fault, of which the caller learns only that it is in the
// log.
type Control interface {
	Reader
	Changer
	Chain
	Mirror
	Worker
	Differences
	Explainer
}

// Reader tells how the migration stands.
type Reader interface {
	Status(ctx context.Context) (Status, error)
	Share(ctx context.Context) (Share, error)
	// Explain takes KEY=VALUE, or a bare value of the first configured key.
	Explain(ctx context.Context, key string) (Explanation, error)
	Version(ctx context.Context) (Version, error)
}

// Changer changes how it stands. A change is in the chain of acts before it
// takes effect, but for an abort, which takes effect whatever happens.
type Changer interface {
	SetPhase(ctx context.Context, c Change, phase string) (Status, error)
	SetShare(ctx context.Context, c Change, percent string) (Share, error)
	Abort(ctx context.Context, c Change) (Status, error)
	Reload(ctx context.Context, c Change) (Reloaded, error)
	Drain(ctx context.Context, c Change) (Status, error)
}

// Chain is the chain of acts.
type Chain interface {
	Records(ctx context.Context, q Query) ([]Record, error)
	Verify(ctx context.Context) (Verdict, error)
	// Note adds an act that changed nothing: a failed login, a reading of the
	// chain.
	Note(ctx context.Context, n Note) error
}

// Change is who changes something, and why.
type Change struct {
	Actor     string  // the name of the token
	Door      string  // DoorHTTP, …
	Address   string  // of the client, without port
	Reason    string  // one line
	IfVersion *uint64 // the version that is to be changed; nil: any
}

// The doors through which an act can come.
const (
	DoorCLI    = "cli" // a command on the files of a proxy that does not run
	DoorHTTP   = "http"
	DoorSignal = "signal"
	DoorAuto   = "auto" // nobody asked: a breaker, a start
)

// Note is an act that changed nothing.
type Note struct {
	Change
	Act    string
	Object string
	Result string // ResultDone, ResultRefused
}

// Results of acts.
const (
	ResultDone    = "done"
	ResultRefused = "refused"
	ResultFailed  = "failed"
)

// Query says which records are wanted; its zero value is the first page of all.
type Query struct {
	After uint64
	Limit int // 0: PageMost
	Act   string
	Actor string
}

// Status is how the migration stands. Its JSON keys are a promise.
type Status struct {
	Phase     string  `json:"phase" doc:"observe, mirror or canary"`
	Authority string  `json:"authority" doc:"the side whose rows are the truth"`
	Epoch     uint64  `json:"epoch" doc:"counts the changes of the authority"`
	Share     float64 `json:"share" doc:"percent of sessions that the target answers"`
	Version   uint64  `json:"version" doc:"of phase and share; each change raises it"`
	// Applied is the version that statements are routed by. It is below Version
	// for a moment, and above it after an abort that could not be written.
	Applied  uint64   `json:"applied_version" doc:"the version that statements are routed by"`
	Sessions Sessions `json:"sessions"`
	Backends Sides    `json:"backends"`
	// Pins counts sessions that cannot move, by reason.
	Pins        map[string]int `json:"pins" doc:"sessions that cannot move now, by reason"`
	Target      Target         `json:"target"`
	Writes      string         `json:"writes" doc:"what becomes of writes of canary sessions: refuse, target, or empty while unset"`
	Dirty       int            `json:"dirty" doc:"keys whose two sides may differ"`
	Divergences Divergences    `json:"divergences"`
	Mirror      *Mirroring     `json:"mirror,omitempty" doc:"of writes; not there without mapped tables"`
	Draining    bool           `json:"draining" doc:"the proxy is ending"`
	// Warning says what an operator must know beside the figures.
	Warning string `json:"warning,omitempty" doc:"what an operator must know beside the figures"`
	Before  *Point `json:"before,omitempty" doc:"what a change found"`
}

// Sessions counts sessions by the side that answers them.
type Sessions struct {
	Source  int `json:"source"`
	Target  int `json:"target"`
	Pending int `json:"pending" doc:"still to move to the side that the policy gives them"`
}

// Sides counts something on each side.
type Sides struct {
	Source int `json:"source"`
	Target int `json:"target"`
}

// Target is what is known of the target.
type Target struct {
	State  string     `json:"state" doc:"none, open or broken"`
	Reason string     `json:"reason" doc:"why it answers nobody"`
	Since  *time.Time `json:"since" doc:"when the state began"`
}

// Divergences counts divergences by state.
type Divergences struct {
	Suspected int `json:"suspected"`
	Confirmed int `json:"confirmed"`
	Repaired  int `json:"repaired"`
	Verified  int `json:"verified"`
	Waived    int `json:"waived"`
}

// Add counts n more in a state.
func (d *Divergences) Add(state string, n int) {
	switch state {
	case Suspected:
		d.Suspected += n
	case Confirmed:
		d.Confirmed += n
	case Repaired:
		d.Repaired += n
	case Verified:
		d.Verified += n
	case Waived:
		d.Waived += n
	}
}

// Point is what changes have in common: phase and share at a version.
type Point struct {
	Phase   string  `json:"phase"`
	Share   float64 `json:"share"`
	Version uint64  `json:"version"`
}

// Share is the size of the canary.
type Share struct {
	Share   float64 `json:"share" doc:"percent of sessions that the target answers"`
	Version uint64  `json:"version" doc:"of phase and share; each change raises it"`
	Before  *Point  `json:"before,omitempty" doc:"what a change found"`
}

// Explanation says where a key stands.
type Explanation struct {
	Key    string  `json:"key" doc:"KEY=VALUE that was looked at"`
	Hashed string  `json:"hashed" doc:"the key of the configuration that placed it; empty: none does"`
	Bucket uint16  `json:"bucket" doc:"0 to 9999; in when below share times 100"`
	In     bool    `json:"in" doc:"whether the policy gives it to the target"`
	Share  float64 `json:"share" doc:"percent of sessions that the target answers"`
	Forced string  `json:"forced" doc:"in or out when a forced list decides; else empty"`
	Why    string  `json:"why" doc:"the reason, as in metrics"`
}

// Version is what the running binary is.
type Version struct {
	Version  string `json:"version"`
	Revision string `json:"revision"`
	Go       string `json:"go"`
}

// Reloaded is what a reload changed. It has keys and no values.
type Reloaded struct {
	Before  string   `json:"before" doc:"hash of the configuration that was in force"`
	After   string   `json:"after" doc:"hash of the one that is"`
	Changed []string `json:"changed" doc:"keys that are in force now"`
	Restart []string `json:"restart" doc:"keys that differ in the file and take a restart"`
}
