package admin

import (
	"context"
	"net/http"
)

// Explainer says what becomes of a statement. It never runs it.
type Explainer interface {
	ExplainStatement(ctx context.Context, q StatementQuery) (Explained, error)
}

// StatementQuery is a text, and whose session it is thought to be of.
type StatementQuery struct {
	SQL   string
	User  string // of the configuration; empty: the first
	Shape string // that it is written for: source, target; empty: source
	Side  string // that answers the session: source, target; empty: as the canary
}

// Words of StatementQuery.
const (
	SourceSide = "source"
	TargetSide = "target"
)

// Explained is how a text is understood: as a whole, and where it has several
// statements each of them. Its JSON keys are a promise.
type Explained struct {
	Understood
	User       string       `json:"user" doc:"whose session it is thought to be of"`
	SearchPath []string     `json:"search_path" doc:"the schemas that names are looked for in, at the source"`
	Statements []Understood `json:"statements,omitempty" doc:"each statement of a text that has several, in order"`
}

// Understood is one statement. Its JSON keys are a promise.
type Understood struct {
	Kind   string   `json:"kind" doc:"what it does: read, insert, update, ...; unknown: it could not be read"`
	Tables []string `json:"tables" doc:"the mapped tables that it names, as the source calls them"`
	Digest string   `json:"digest" doc:"its name in coverage; literals are no part of it"`
	Side   string   `json:"side" doc:"that answers it in a session of the canary"`
	Reason string   `json:"reason" doc:"what stands against the target, as in metrics; none: nothing"`
	Text   Texts    `json:"text"`
	Treated
}

// Treated is what becomes of what a statement writes.
type Treated struct {
	Class      string   `json:"class" doc:"how it is treated: pass, capture, truncate, probe, body, copy, definition, control, verbatim, sequence"`
	Uncaptured string   `json:"uncaptured" doc:"why its rows are not captured, as in metrics; empty: they are, or it writes nothing that is mapped"`
	How        string   `json:"how" doc:"the same in plain words"`
	Mirrored   bool     `json:"mirrored" doc:"what it writes reaches both sides in its transaction"`
	Compared   bool     `json:"compared" doc:"its answers are compared on both sides"`
	Dirty      []string `json:"dirty" doc:"tables that repair goes through after it, if it changes them"`
	Advice     []string `json:"advice" doc:"what could be done about it"`
}

// Texts are what the sides are sent, several statements parted by a semicolon
// and the end of a line; empty: nothing.
type Texts struct {
	Source string `json:"source" doc:"as it leaves for the source"`
	Target string `json:"target" doc:"what the target is sent: of a write for each row"`
}

func explainers() []Verb {
	sides := []string{SourceSide, TargetSide}
	return []Verb{{
		Name: "explain", Short: "Says how a statement is understood, routed and mirrored; it is not run", Role: Viewer,
		Method: http.MethodGet, Path: "/explain", Reply: Explained{}, Command: Command{Local: true},
		Args: []Arg{
			{Name: "sql", Kind: Text, Positional: true, Required: true, Short: "the statement, or several; at most 4 KiB when a running proxy is asked"},
			{Name: "user", Kind: Text, Short: "a user of the configuration, the first by default: rights and search_path are theirs"},
			{Name: "shape", Kind: Text, Words: sides, Short: "the shape that it is written for; target: not yet"},
			{Name: "as-side", Kind: Text, Words: sides, Short: "the side that answers the session, as the canary has it by default; target: not yet"},
		},
		run: func(ctx context.Context, c Control, call Call) (any, error) {
			q := StatementQuery{SQL: call.Args["sql"], User: call.Args["user"], Shape: call.Args["shape"], Side: call.Args["as-side"]}
			if err := q.Check(); err != nil {
				return nil, err
			}
			return c.ExplainStatement(ctx, q)
		},
	}}
}

// Check refuses what is only promised.
func (q StatementQuery) Check() error {
	switch {
	case q.Shape == TargetSide:
		return Refuse(NotYet, "statements of the target's shape are not understood yet", "write it for the source, without --shape")
	case q.Side == TargetSide:
		return Refuse(NotYet, "no session is answered by the target alone yet", "leave --as-side out: side says who answers it in the canary")
	default:
		return nil
	}
}
