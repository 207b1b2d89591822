package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Act is what a person or the proxy itself did. It holds no secret, literal or
// row value. Before and After are whatever encoding/json writes as JSON.
type Act struct {
	Actor  string // who: the name of a token, or "crossfade"; required
	Door   string // where it came in: cli, http, signal, auto
	Act    string // the verb: "canary set"; required
	Object string // what it was done to: "share", a table
	Before any
	After  any
	Reason string
	Result string
}

// Record is an act in the chain.
type Record struct {
	Seq      uint64          `json:"seq"` // from 1, without gaps
	Time     time.Time       `json:"time"`
	Actor    string          `json:"actor"`
	Act      string          `json:"act"`
	Object   string          `json:"object"`
	Before   json.RawMessage `json:"before"`
	After    json.RawMessage `json:"after"`
	Reason   string          `json:"reason"`
	Door     string          `json:"door"`
	Result   string          `json:"result"`
	Instance string          `json:"instance"` // of the state directory
	Runtime  Runtime         `json:"runtime"`  // in force from this act on
	Prev     string          `json:"prev"`     // hash of the record before, in hex
	Hash     string          `json:"hash"`     // of this one; docs/evidence.md
}

const (
	kib    = 1 << 10
	maxAct = 64 * kib // of one record
)

// origin is what the first record has for the hash of the one before it.
var origin = strings.Repeat("0", 64)

// record makes a record of an act, without its place in the chain.
func (a Act) record() (Record, error) {
	if a.Actor == "" || a.Act == "" {
		return Record{}, errors.New("an act needs an actor and a name")
	}
	before, err := canonicalOf(a.Before)
	if err != nil {
		return Record{}, fmt.Errorf("before of act %q: %w", a.Act, err)
	}
	after, err := canonicalOf(a.After)
	if err != nil {
		return Record{}, fmt.Errorf("after of act %q: %w", a.Act, err)
	}
	return Record{
		Actor: valid(a.Actor), Door: valid(a.Door), Act: valid(a.Act), Object: valid(a.Object),
		Before: before, After: after, Reason: valid(a.Reason), Result: valid(a.Result),
	}, nil
}

func canonicalOf(value any) (json.RawMessage, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	return canonical(text)
}

// valid is what can be stored and hashed alike: UTF-8.
func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// members is the record as it is hashed; the time is whole microseconds.
func (r *Record) members() (members, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	return parseObject(text)
}

// seal computes the hash of a record that has its place.
func (r *Record) seal() error {
	m, err := r.members()
	if err != nil {
		return err
	}
	if size := len(m.text()); size > maxAct {
		return fmt.Errorf("act %q is %d bytes long, and %d is the most", r.Act, size, maxAct)
	}
	r.Hash = m.sum()
	return nil
}

// holds says that the record is the one that its hash was made of.
func (r *Record) holds() bool {
	m, err := r.members()
	return err == nil && m.sum() == r.Hash
}
