package admin

import (
	"context"
	"net/http"

	"github.com/crossfade-db/crossfade/reconcile/report"
)

var divergenceArgs = []Arg{
	{Name: "state", Kind: Text, Words: States(), Short: "only in this state"},
	{Name: "kind", Kind: Text, Words: Kinds(), Short: "only of this kind"},
	{Name: "table", Kind: Text, Short: "only of this table of the source"},
	{Name: "after", Kind: Count, Short: "only with a larger id"},
	{Name: "limit", Kind: Count, Short: "how many at most"},
}

var divergenceID = Arg{Name: "id", Kind: Count, Positional: true, Required: true, Short: "its number, as in divergence list"}

func mirrorReaders() []Verb {
	return []Verb{
		{
			Name: "table list", Short: "Lists the mapped tables: which the target may answer for, and why not", Role: Viewer,
			Method: http.MethodGet, Path: "/tables", Reply: Tables{}, Command: Command{Watch: true},
			run: func(ctx context.Context, c Control, _ Call) (any, error) { return c.Tables(ctx) },
		},
		{
			Name: "dirty list", Short: "Lists keys and ranges whose two sides may differ, oldest first", Role: Viewer,
			Method: http.MethodGet, Path: "/dirty", Reply: Dirty{}, run: listDirty,
			Args: []Arg{
				{Name: "table", Kind: Text, Short: "only of this table of the source"},
				{Name: "limit", Kind: Count, Short: "how many at most, 100 by default"},
			},
		},
		{
			Name: "reconcile status", Short: "Shows the backlog and how the worker stands", Role: Viewer,
			Method: http.MethodGet, Path: "/reconcile", Reply: Reconcile{}, Command: Command{Watch: true},
			run: func(ctx context.Context, c Control, _ Call) (any, error) { return c.Reconcile(ctx) },
		},
		{
			Name: "divergence list", Short: "Lists differences that were found, oldest first", Role: Viewer,
			Method: http.MethodGet, Path: "/divergences", Args: divergenceArgs, Reply: DivergencePage{}, run: listDivergences,
			Command: Command{Fail: true},
		},
		{
			Name: "divergence show", Short: "Shows one difference with its life", Role: Viewer,
			Method: http.MethodGet, Path: "/divergences/show", Args: []Arg{divergenceID}, Reply: Divergence{}, run: showDivergence,
		},
		{
			Name: "coverage", Short: "Shows what was seen, mirrored and compared, and what was not", Role: Viewer,
			Method: http.MethodGet, Path: "/coverage", Reply: Coverage{},
			run: func(ctx context.Context, c Control, _ Call) (any, error) { return c.Coverage(ctx) },
		},
	}
}

func mirrorAuditors() []Verb {
	return []Verb{
		{
			Name: "divergence export", Short: "Prints every difference, one JSON document a line", Role: Auditor,
			Method: http.MethodGet, Path: "/divergences/export", Noted: true, Args: divergenceArgs, Reply: DivergencePage{}, run: listDivergences,
		},
		{
			Name: "report", Short: "Prints the auditor's report, one page that needs nothing else", Role: Auditor,
			Method: http.MethodGet, Path: "/report", Noted: true, Reply: report.Report{},
			run: func(ctx context.Context, c Control, _ Call) (any, error) { return c.Report(ctx) },
		},
	}
}

func mirrorChangers() []Verb {
	return []Verb{
		{
			Name: "mirror", Short: "Switches the mirror; off: writes go to the authority and their keys become dirty", Role: Operator,
			Method: http.MethodPut, Path: "/mirror", Changes: true, Version: VersionOptional, Reply: Status{},
			Args: []Arg{{
				Name: "to", Kind: Text, Words: []string{On, Off}, Positional: true, Required: true, Short: "on, or off by hand",
			}},
			run: func(ctx context.Context, c Control, call Call) (any, error) {
				return c.SetMirror(ctx, call.Change, call.Args["to"])
			},
		},
		{
			Name: "table ready", Short: "Declares that a table was copied by other means", Role: Operator,
			Method: http.MethodPut, Path: "/tables/ready", Changes: true, Version: VersionOptional, Reply: Tables{},
			Args: []Arg{{Name: "table", Kind: Text, Positional: true, Required: true, Short: "its name at the source, as in table list"}},
			run: func(ctx context.Context, c Control, call Call) (any, error) {
				return c.ReadyTable(ctx, call.Change, call.Args["table"])
			},
		},
		workerVerb(Pause, "Stops the worker; what is dirty stays so"),
		workerVerb(Resume, "Lets the worker go on"),
		workerVerb(Run, "Sends the worker to all that is dirty, now"),
		{
			Name: "backfill", Short: "Walks tables again, all or those that are named, and shows how far it is", Role: Operator,
			Method: http.MethodPost, Path: "/backfill", Changes: true, Version: VersionOptional, Reply: Backfill{},
			Args: []Arg{{Name: "tables", Kind: Names, Positional: true, Short: "their names at the source; none: all"}},
			run: func(ctx context.Context, c Control, call Call) (any, error) {
				tables, err := namesOf(call.Args["tables"])
				if err != nil {
					return nil, err
				}
				return c.Backfill(ctx, call.Change, tables)
			},
		},
		{
			Name: "divergence waive", Short: "Takes a difference on until a day, by name and with a reason", Role: Operator,
			Method: http.MethodPut, Path: "/divergences/waive", Changes: true, Version: VersionOptional, Reply: Divergence{},
			Args: []Arg{divergenceID, {
				Name: "until", Kind: Text, Required: true, Short: "the last day (2030-12-31, UTC), or a time (2030-12-31T12:00:00Z)",
			}},
			run: waiveDivergence,
		},
	}
}

func workerVerb(to, short string) Verb {
	return Verb{
		Name: "reconcile " + to, Short: short, Role: Operator,
		Method: http.MethodPost, Path: "/reconcile/" + to, Changes: true, Version: VersionOptional, Reply: Reconcile{},
		Command: Command{Wait: to == Run},
		run: func(ctx context.Context, c Control, call Call) (any, error) {
			return c.SetReconcile(ctx, call.Change, to)
		},
	}
}
