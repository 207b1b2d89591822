package report

import "time"

// Input is all that a report is made of.
type Input struct {
	Subject     Subject
	Standing    Standing
	Acts        []Act // oldest first, of the whole chain
	Statements  []Statement
	Tables      []Table
	Divergences []Divergence // oldest first
	Uncounted   bool         // there are more divergences than these
	Backlog     Backlog
	Weak        []string // settings of the databases that weaken a promise, a sentence each
	Chain       Chain
}

// Subject says what the report is about.
type Subject struct {
	Migration string    `json:"migration"`
	Source    string    `json:"source" doc:"engine and address"`
	Target    string    `json:"target" doc:"engine and address"`
	Program   string    `json:"program" doc:"that made the report"`
	Made      time.Time `json:"made"`
	From      time.Time `json:"from" doc:"the first act"`
	Starts    int       `json:"starts" doc:"how often the proxy was started"`
}

// Standing is how the migration stands when the report is made.
type Standing struct {
	Phase     string  `json:"phase"`
	Authority string  `json:"authority"`
	Epoch     uint64  `json:"epoch"`
	Share     float64 `json:"share" doc:"percent of sessions that the target answers"`
	Version   uint64  `json:"version"`
	Mirror    string  `json:"mirror" doc:"idle, on, off, broken; empty without mapped tables"`
	Reason    string  `json:"reason" doc:"why the mirror is off or broken"`
	Worker    string  `json:"worker" doc:"running, idle, paused, throttled, blocked"`
	Why       string  `json:"why" doc:"the worker is not running"`
}

// Act is one record of the chain.
type Act struct {
	Seq     uint64    `json:"seq"`
	Time    time.Time `json:"time"`
	Actor   string    `json:"actor"`
	Act     string    `json:"act"`
	Object  string    `json:"object"`
	To      string    `json:"to" doc:"the state that it led to, where it has one"`
	Phase   string    `json:"phase" doc:"in force from then on"`
	Share   float64   `json:"share" doc:"in force from then on"`
	Version uint64    `json:"version"`
	Reason  string    `json:"reason"`
	Result  string    `json:"result"`
	Hash    string    `json:"hash"`
}

// Statement is the coverage of one digest.
type Statement struct {
	Digest   string            `json:"digest"`
	Kind     string            `json:"kind"`
	Tables   []string          `json:"tables"`
	Seen     uint64            `json:"seen"`
	Mirrored uint64            `json:"mirrored"`
	Compared uint64            `json:"compared"`
	Matched  uint64            `json:"matched"`
	Diverged uint64            `json:"diverged"`
	Skipped  map[string]uint64 `json:"skipped"`
}

// Table is a mapped table.
type Table struct {
	Source   string `json:"source"`
	Target   string `json:"target"`
	Ready    bool   `json:"ready"`
	Ranges   int    `json:"ranges"`
	Dirty    int    `json:"dirty"`
	InFlight int    `json:"in_flight"`
	Reason   string `json:"reason"`
	Strict   bool   `json:"strict"`
	Declared string `json:"declared"`
	Copied   uint64 `json:"copied" doc:"rows walked"`
	Total    uint64 `json:"total" doc:"estimated"`
}

// Divergence is a difference with its life.
type Divergence struct {
	ID          uint64    `json:"id"`
	State       State     `json:"state"`
	Kind        string    `json:"kind"`
	Table       string    `json:"table"`
	Key         string    `json:"key"`
	Columns     []string  `json:"columns"`
	Digest      string    `json:"digest"`
	Transaction uint64    `json:"transaction"`
	FirstSeen   time.Time `json:"first_seen"`
	LastSeen    time.Time `json:"last_seen"`
	Epoch       uint64    `json:"epoch"`
	Cause       string    `json:"cause"`
	Open        bool      `json:"open"`
	Life        []Stage   `json:"life"`
	Waiver      *Waiver   `json:"waiver,omitempty"`
}

// State is a state of a divergence.
type State string

// States, in the order of a life.
const (
	Suspected State = "suspected"
	Confirmed State = "confirmed"
	Repaired  State = "repaired"
	Verified  State = "verified"
	Waived    State = "waived"
)

// Stage is when a divergence came to a state.
type Stage struct {
	State State     `json:"state"`
	Time  time.Time `json:"time"`
}

// Waiver is who has taken a divergence on.
type Waiver struct {
	Actor  string    `json:"actor"`
	Reason string    `json:"reason"`
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until"`
}

// Backlog is what has still to be made equal, and what was.
type Backlog struct {
	Dirty         int     `json:"dirty"`
	Keys          int     `json:"keys"`
	Ranges        int     `json:"ranges"`
	InFlight      int     `json:"in_flight"`
	OldestSeconds float64 `json:"oldest_seconds"`
	Repaired      uint64  `json:"repaired" doc:"rows, since the last start"`
	Flapping      int     `json:"flapping"`
}

// Chain is what computing the chain of acts again has shown.
type Chain struct {
	OK      bool   `json:"ok"`
	Records uint64 `json:"records"`
	Head    string `json:"head" doc:"hash of the last record"`
	Broken  uint64 `json:"broken" doc:"the first record that does not hold; 0: none"`
	Why     string `json:"why"`
}
