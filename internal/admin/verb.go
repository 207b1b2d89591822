package admin

import (
	"context"
	"net/http"
	"slices"
)

// Verb is one thing that can be asked of a running proxy. The table of verbs
// makes the routes with their description (OpenAPI), the commands of the
// program, and the test of who may do what.
type Verb struct {
	Name    string // as it is typed: "canary set"
	Short   string // one line of help
	Role    Role   // the least that may
	Method  string
	Path    string // below Root
	Args    []Arg
	Changes bool         // writes an act and takes a reason
	Version Precondition // whether the caller must know the version that it changes
	Noted   bool         // reads what only some may: that it was read is an act
	Reply   any          // zero value of what is answered
	Command

	run func(context.Context, Control, Call) (any, error)
}

// Command is what the command of a verb has beside its arguments.
type Command struct {
	Local bool // the program has one of this name that asks no proxy
	Watch bool // it can be followed: --watch
	Fail  bool // it can end with exit code 1 when it finds something open: --fail
	Wait  bool // it can wait until it is done: --wait
}

// Root is before the path of every verb.
const Root = "/api/v1"

// Precondition says what a verb does with the version in If-Match.
type Precondition uint8

const (
	// Unversioned: the verb reads.
	Unversioned Precondition = iota
	// VersionOptional: a given version is checked; without one the change is
	// made all the same.
	VersionOptional
	// VersionRequired: the caller says which version it changes, or "*" for any.
	VersionRequired
)

// Arg is one argument of a verb: in the body of what changes, else in the query.
type Arg struct {
	Name       string
	Short      string
	Kind       Kind
	Words      []string // all that it may be; empty: anything
	Positional bool     // in the command; else a flag. Names are the last of these
	Required   bool
}

// Kind is the type of an argument.
type Kind uint8

const (
	// Text is a string.
	Text Kind = iota
	// Number is a decimal number.
	Number
	// Count is a whole number, not negative.
	Count
	// Names are any number of strings: a JSON array of them.
	Names
)

// Call is one request that may be carried out: who asks, and the arguments by
// their names. A number is the text that was sent, names are a JSON array.
type Call struct {
	Change
	Args map[string]string
}

// PageMost is how many records one page has at most, and by default.
const PageMost = 1000

var recordArgs = []Arg{
	{Name: "after", Kind: Count, Short: "only records with a larger number"},
	{Name: "limit", Kind: Count, Short: "how many at most"},
	{Name: "act", Kind: Text, Short: `only this act, as "canary set"`},
	{Name: "actor", Kind: Text, Short: "only what this actor did"},
}

// Verbs is the table. Readers come first, then what changes something.
func Verbs() []Verb {
	return slices.Concat(readers(), mirrorReaders(), explainers(), auditors(), mirrorAuditors(), changers(), mirrorChangers())
}

func readers() []Verb {
	return []Verb{
		{
			Name: "status", Short: "Shows phase, share, sessions and the target's state", Role: Viewer,
			Method: http.MethodGet, Path: "/status", Reply: Status{}, Command: Command{Watch: true},
			run: func(ctx context.Context, c Control, _ Call) (any, error) { return c.Status(ctx) },
		},
		{
			Name: "canary get", Short: "Shows the share of sessions that the target answers", Role: Viewer,
			Method: http.MethodGet, Path: "/canary", Reply: Share{}, Command: Command{Watch: true},
			run: func(ctx context.Context, c Control, _ Call) (any, error) { return c.Share(ctx) },
		},
		{
			Name: "canary explain", Short: "Says why a key is in the canary or not", Role: Viewer,
			Method: http.MethodGet, Path: "/canary/explain", Reply: Explanation{},
			Args: []Arg{{
				Name: "key", Kind: Text, Required: true,
				Short: "user=app, application_name=web, startup:user_id=42, or a bare value of the first configured key",
			}},
			run: func(ctx context.Context, c Control, call Call) (any, error) { return c.Explain(ctx, call.Args["key"]) },
		},
		{
			Name: "version", Short: "Says what the running binary is", Role: Viewer,
			Method: http.MethodGet, Path: "/version", Reply: Version{}, Command: Command{Local: true},
			run: func(ctx context.Context, c Control, _ Call) (any, error) { return c.Version(ctx) },
		},
	}
}

func auditors() []Verb {
	return []Verb{
		{
			Name: "audit list", Short: "Lists acts, oldest first", Role: Auditor,
			Method: http.MethodGet, Path: "/audit", Noted: true, Args: recordArgs, Reply: Records{}, run: listRecords,
		},
		{
			Name: "audit verify", Short: "Computes the chain of acts again; exit code 1 if it is broken", Role: Auditor,
			Method: http.MethodGet, Path: "/audit/verify", Noted: true, Reply: Verdict{}, run: verifyRecords,
		},
		{
			Name: "audit export", Short: "Prints every act, one JSON document a line", Role: Auditor,
			Method: http.MethodGet, Path: "/audit/export", Noted: true, Args: recordArgs, Reply: Records{}, run: listRecords,
		},
	}
}

func changers() []Verb {
	return []Verb{
		{
			Name: "phase set", Short: "Moves to another phase; leaving canary sets the share to 0", Role: Operator,
			Method: http.MethodPut, Path: "/phase", Changes: true, Version: VersionRequired, Reply: Status{},
			Args: []Arg{{
				Name: "phase", Kind: Text, Words: []string{"observe", "mirror", "canary"}, Positional: true, Required: true,
				Short: "the phase to move to",
			}},
			run: func(ctx context.Context, c Control, call Call) (any, error) {
				return c.SetPhase(ctx, call.Change, call.Args["phase"])
			},
		},
		{
			Name: "canary set", Short: "Sets the share of sessions that the target answers", Role: Operator,
			Method: http.MethodPut, Path: "/canary", Changes: true, Version: VersionRequired, Reply: Share{},
			Args: []Arg{{
				Name: "share", Kind: Number, Positional: true, Required: true,
				Short: "percent, 0 to 100, with at most two decimals",
			}},
			run: func(ctx context.Context, c Control, call Call) (any, error) {
				return c.SetShare(ctx, call.Change, call.Args["share"])
			},
		},
		{
			Name: "abort", Short: "Sets the share to 0: everybody back to the source; the phase stays", Role: Operator,
			Method: http.MethodPost, Path: "/abort", Changes: true, Version: VersionOptional, Reply: Status{},
			run: func(ctx context.Context, c Control, call Call) (any, error) { return c.Abort(ctx, call.Change) },
		},
		{
			Name: "reload", Short: "Reads the configuration again", Role: Operator,
			Method: http.MethodPost, Path: "/reload", Changes: true, Version: VersionOptional, Reply: Reloaded{},
			run: func(ctx context.Context, c Control, call Call) (any, error) { return c.Reload(ctx, call.Change) },
		},
		{
			Name: "drain", Short: "Ends each session at its next idle point, then the proxy", Role: Operator,
			Method: http.MethodPost, Path: "/drain", Changes: true, Version: VersionOptional, Reply: Status{},
			run: func(ctx context.Context, c Control, call Call) (any, error) { return c.Drain(ctx, call.Change) },
		},
	}
}

// abortReason stands in the act of an abort for which nobody gave a reason:
// who is in a hurry is not asked twice.
const abortReason = "abort"

// DefaultReason is the reason of a change without one; empty: there must be one.
func (v Verb) DefaultReason() string {
	if v.Name == "abort" {
		return abortReason
	}
	return ""
}
