package admin

import (
	"context"
	"encoding/json"
	"time"
)

// Records is one page of the chain of acts.
type Records struct {
	Records []Record `json:"records"`
	Next    uint64   `json:"next" doc:"after in the query for the next page; 0: this was the last"`
}

// Record is one act as it stands in the chain: all that its hash is made of.
// Its JSON keys are a promise.
type Record struct {
	Seq      uint64          `json:"seq"`
	Time     time.Time       `json:"time"`
	Actor    string          `json:"actor"`
	Act      string          `json:"act"`
	Object   string          `json:"object"`
	Before   json.RawMessage `json:"before"`
	After    json.RawMessage `json:"after"`
	Reason   string          `json:"reason"`
	Door     string          `json:"door"`
	Result   string          `json:"result"`
	Instance string          `json:"instance" doc:"of the state directory"`
	Runtime  Point           `json:"runtime" doc:"in force from this act on"`
	Prev     string          `json:"prev" doc:"hash of the record before"`
	Hash     string          `json:"hash" doc:"of this record"`
}

// Verdict is what computing the chain again has shown.
type Verdict struct {
	OK      bool   `json:"ok"`
	Records uint64 `json:"records" doc:"that hold, from the first on"`
	Head    string `json:"head" doc:"hash of the last of them"`
	Broken  uint64 `json:"broken" doc:"number of the first record that does not hold or is missing; 0: none"`
	Why     string `json:"why" doc:"it does not"`
}

// listRecords answers a page. One that is full may be the last all the same:
// then the next is empty.
func listRecords(ctx context.Context, c Control, call Call) (any, error) {
	q, err := queryOf(call.Args)
	if err != nil {
		return nil, err
	}
	found, err := c.Records(ctx, q)
	if err != nil {
		return nil, err
	}
	page := Records{Records: found}
	if len(found) == q.Limit {
		page.Next = found[q.Limit-1].Seq
	}
	if page.Records == nil {
		page.Records = []Record{}
	}
	return page, nil
}

func queryOf(args map[string]string) (Query, error) {
	after, limit, err := pageOf(args)
	return Query{After: after, Limit: limit, Act: args["act"], Actor: args["actor"]}, err
}

func verifyRecords(ctx context.Context, c Control, _ Call) (any, error) { return c.Verify(ctx) }
