package admin

import (
	"context"
	"time"

	"github.com/crossfade-db/crossfade/reconcile/report"
)

// Mirror is the switch and the tables of what reaches both sides.
type Mirror interface {
	// SetMirror takes "on" or "off".
	SetMirror(ctx context.Context, c Change, to string) (Status, error)
	Tables(ctx context.Context) (Tables, error)
	// ReadyTable declares that a table was copied by other means.
	ReadyTable(ctx context.Context, c Change, table string) (Tables, error)
	Coverage(ctx context.Context) (Coverage, error)
}

// Worker is what makes both sides equal again, and its backlog.
type Worker interface {
	Reconcile(ctx context.Context) (Reconcile, error)
	// SetReconcile takes one of "pause", "resume", "run".
	SetReconcile(ctx context.Context, c Change, to string) (Reconcile, error)
	// Backfill walks tables again, all of them if none is named.
	Backfill(ctx context.Context, c Change, tables []string) (Backfill, error)
	Dirty(ctx context.Context, q DirtyQuery) (Dirty, error)
}

// Differences are what was found different, and the report on all of it.
type Differences interface {
	Divergences(ctx context.Context, q DivergenceQuery) ([]Divergence, error)
	Divergence(ctx context.Context, id uint64) (Divergence, error)
	Waive(ctx context.Context, c Change, id uint64, until time.Time) (Divergence, error)
	Report(ctx context.Context) (report.Report, error)
}

// Words of SetMirror and SetReconcile.
const (
	On     = "on"
	Off    = "off"
	Pause  = "pause"
	Resume = "resume"
	Run    = "run"
)

// Mirroring is how the mirror stands.
type Mirroring struct {
	State  string     `json:"state" doc:"idle while the phase mirrors nothing; on; off by hand; broken while the breaker holds it open"`
	Reason string     `json:"reason" doc:"why it is off or broken"`
	Since  *time.Time `json:"since" doc:"when the state began"`
	// Journal is what transactions in doubt and those of the last while take.
	Journal *Journal `json:"journal,omitempty" doc:"what is remembered of transactions"`
}

// Journal is what the journal holds. Its JSON keys are a promise.
type Journal struct {
	Open   int     `json:"open" doc:"transactions whose outcome is not known yet"`
	Bytes  uint64  `json:"bytes" doc:"size of its files"`
	Window float64 `json:"window_seconds" doc:"how far back commits are remembered that a restart of a server may lose"`
	TTL    float64 `json:"ttl_seconds" doc:"how far back they are to be: mirror.ttl; the window is shorter while the journal is full"`
}

// Overview is what status says of mirrored tables.
type Overview struct {
	Epoch       uint64
	Mirror      Mirroring
	Dirty       int // keys and ranges
	Divergences Divergences
}

// Tables are the mapped tables.
type Tables struct {
	Tables []Table `json:"tables"`
}

// Table is one mapped table. Its JSON keys are a promise.
type Table struct {
	Source   string `json:"source"`
	Target   string `json:"target" doc:"several are parted by a comma"`
	Ready    bool   `json:"ready" doc:"the target may answer reads of it"`
	Ranges   int    `json:"ranges" doc:"key ranges whose two sides may differ"`
	Dirty    int    `json:"dirty" doc:"single keys whose two sides may differ"`
	InFlight int    `json:"in_flight" doc:"keys of transactions that have not ended"`
	Reason   string `json:"reason" doc:"why it is not ready"`
	Strict   bool   `json:"strict" doc:"a write that the target refuses fails at the client"`
	// Declared is by whom and when it was declared ready, empty: by nobody.
	Declared string `json:"declared" doc:"who declared that it was copied by other means"`
}

// Reconcile is how the worker stands. Its JSON keys are a promise.
type Reconcile struct {
	State         string     `json:"state" doc:"running, idle, paused, throttled or blocked"`
	Reason        string     `json:"reason" doc:"why it is paused, throttled or blocked"`
	Dirty         int        `json:"dirty" doc:"keys and ranges whose two sides may differ"`
	Keys          int        `json:"keys" doc:"single keys of them"`
	Ranges        int        `json:"ranges" doc:"ranges of them"`
	InFlight      int        `json:"in_flight" doc:"keys of transactions that have not ended, which wait for it"`
	OldestSeconds float64    `json:"oldest_seconds" doc:"age of the oldest of them; 0: there is none"`
	Repaired      uint64     `json:"repaired" doc:"rows made equal since the start"`
	Flapping      int        `json:"flapping" doc:"keys that differ again and again: the mapping is wrong, or somebody else writes"`
	Tables        []Progress `json:"tables" doc:"tables with ranges to walk, and those walked since the start"`
}

// Progress is how far the walk of a table has come. Its JSON keys are a
// promise.
type Progress struct {
	Table  string `json:"table"`
	Copied uint64 `json:"copied" doc:"rows walked"`
	Total  uint64 `json:"total" doc:"rows of the table, estimated; 0: not known"`
	State  string `json:"state" doc:"waiting, running, throttled, blocked, paused or done"`
	Reason string `json:"reason" doc:"why it is throttled, blocked or paused"`
	Rate   uint64 `json:"rows_per_second"`
	Wrote  uint64 `json:"wrote" doc:"rows that differed and were written"`
	// ETA is from the fastest to the slowest of what has been seen.
	ETA *Span `json:"eta,omitempty" doc:"time that is left; not there while nobody can know"`
}

// Span is a time that is known within bounds.
type Span struct {
	Low  float64 `json:"low_seconds"`
	High float64 `json:"high_seconds"`
}

// Backfill are the tables whose walk has been asked for.
type Backfill struct {
	Tables []Progress `json:"tables"`
}

// DirtyQuery says which dirty items are wanted.
type DirtyQuery struct {
	Table string
	Limit int
}

// Dirty is the backlog with its oldest items. Its JSON keys are a promise.
type Dirty struct {
	Dirty         int         `json:"dirty" doc:"keys and ranges whose two sides may differ"`
	OldestSeconds float64     `json:"oldest_seconds"`
	Repaired      uint64      `json:"repaired" doc:"rows made equal since the start"`
	Flapping      int         `json:"flapping"`
	Items         []DirtyItem `json:"items" doc:"oldest first, as many as were asked for"`
}

// DirtyItem is a key, or a range of keys, whose two sides may differ.
type DirtyItem struct {
	Table    string    `json:"table"`
	Key      string    `json:"key" doc:"as the evidence policy shows it; a range as (low, high]"`
	Range    bool      `json:"range"`
	Cause    string    `json:"cause"`
	Since    time.Time `json:"since"`
	Epoch    uint64    `json:"epoch"`
	Attempts int       `json:"attempts" doc:"repairs that did not end"`
	InFlight bool      `json:"in_flight" doc:"its transaction has not ended"`
	Error    string    `json:"error" doc:"what the last attempt met: a SQLSTATE or a word"`
}

// Coverage is what was seen, mirrored and compared, by statement.
type Coverage struct {
	Statements []Statement `json:"statements"`
}

// Statement is one digest. Its JSON keys are a promise.
type Statement struct {
	Digest   string            `json:"digest"`
	Kind     string            `json:"kind"`
	Tables   []string          `json:"tables"`
	Seen     uint64            `json:"seen"`
	Mirrored uint64            `json:"mirrored"`
	Compared uint64            `json:"compared"`
	Matched  uint64            `json:"matched"`
	Diverged uint64            `json:"diverged"`
	Skipped  map[string]uint64 `json:"skipped" doc:"how often it was not mirrored or not compared, by reason"`
}
