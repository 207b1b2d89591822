package admin

import (
	"context"
	"time"
)

// States of a divergence, in the order of its life.
const (
	Suspected = "suspected" // seen, and not yet proven
	Confirmed = "confirmed" // proven: no write in flight or newer explains it
	Repaired  = "repaired"  // written over, and not yet looked at again
	Verified  = "verified"  // looked at again: equal
	Waived    = "waived"    // taken on by a named person until a day
)

// States are all of them, in that order.
func States() []string { return []string{Suspected, Confirmed, Repaired, Verified, Waived} }

// Kinds are what a divergence can be: the first six of writes, the others of
// reads.
func Kinds() []string {
	return []string{"missing", "extra", "value", "effect", "rejected", "uncertain", "order", "type", "error"}
}

// DivergencePage is one page of divergences, oldest first.
type DivergencePage struct {
	Divergences []Divergence `json:"divergences"`
	Next        uint64       `json:"next" doc:"after in the query for the next page; 0: this was the last"`
}

// Divergence is a difference that was found, and what became of it. Its JSON
// keys are a promise.
type Divergence struct {
	ID          uint64    `json:"id"`
	State       string    `json:"state" doc:"suspected, confirmed, repaired, verified or waived"`
	Kind        string    `json:"kind" doc:"missing, extra, value, effect, rejected, uncertain; order, type, error of reads"`
	Table       string    `json:"table"`
	Key         string    `json:"key" doc:"of the row, as the evidence policy shows it: a keyed hash by default"`
	Columns     []string  `json:"columns" doc:"of the target, that differ"`
	Digest      string    `json:"digest" doc:"of the statement; empty: not known"`
	Transaction uint64    `json:"transaction" doc:"of the authority; 0: not known"`
	FirstSeen   time.Time `json:"first_seen"`
	LastSeen    time.Time `json:"last_seen"`
	Seen        uint64    `json:"seen" doc:"how often"`
	Epoch       uint64    `json:"epoch"`
	Cause       string    `json:"cause" doc:"what it is thought to come from"`
	Open        bool      `json:"open" doc:"neither verified nor waived until later than now"`
	Life        Life      `json:"life"`
	Waiver      *WaiverOf `json:"waiver,omitempty"`
}

// Life is when a divergence came to its states.
type Life struct {
	Confirmed *time.Time `json:"confirmed"`
	Repaired  *time.Time `json:"repaired"`
	Verified  *time.Time `json:"verified"`
}

// WaiverOf is who has taken a divergence on.
type WaiverOf struct {
	Actor  string    `json:"actor"`
	Reason string    `json:"reason"`
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until"`
}

// IsOpen says that somebody has still to care for it at a time: it is not
// verified, and no waiver of it lasts.
func (d *Divergence) IsOpen(now time.Time) bool {
	switch d.State {
	case Verified:
		return false
	case Waived:
		return d.Waiver == nil || !d.Waiver.Until.After(now)
	default:
		return true
	}
}

// DivergenceQuery says which divergences are wanted; its zero value is the
// first page of all.
type DivergenceQuery struct {
	State string
	Kind  string
	Table string
	After uint64 // an ID
	Limit int    // 0: PageMost
}

func listDivergences(ctx context.Context, c Control, call Call) (any, error) {
	after, limit, err := pageOf(call.Args)
	if err != nil {
		return nil, err
	}
	q := DivergenceQuery{State: call.Args["state"], Kind: call.Args["kind"], Table: call.Args["table"], After: after, Limit: limit}
	found, err := c.Divergences(ctx, q)
	if err != nil {
		return nil, err
	}
	page := DivergencePage{Divergences: found}
	if len(found) == limit {
		page.Next = found[limit-1].ID
	}
	if page.Divergences == nil {
		page.Divergences = []Divergence{}
	}
	return page, nil
}

func showDivergence(ctx context.Context, c Control, call Call) (any, error) {
	id, err := idOf(call.Args["id"])
	if err != nil {
		return nil, err
	}
	return c.Divergence(ctx, id)
}

func waiveDivergence(ctx context.Context, c Control, call Call) (any, error) {
	id, err := idOf(call.Args["id"])
	if err != nil {
		return nil, err
	}
	until, err := untilOf(call.Args["until"], time.Now())
	if err != nil {
		return nil, err
	}
	return c.Waive(ctx, call.Change, id, until)
}
