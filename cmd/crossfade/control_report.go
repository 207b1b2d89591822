package main

import (
	"context"
	"encoding/json"
	"time"

	"github.com/crossfade-db/crossfade/internal/admin"
	"github.com/crossfade-db/crossfade/reconcile/report"
	"github.com/crossfade-db/crossfade/reconcile/state"
	"github.com/crossfade-db/crossfade/router"
)

// countedMost is how many differences a report counts.
const countedMost = 50 * admin.PageMost

// Report collects all that the auditor's report is made of.
func (c *control) Report(ctx context.Context) (report.Report, error) {
	m, err := c.mirrored()
	if err != nil {
		return report.Report{}, err
	}
	in := report.Input{Subject: report.Subject{
		Migration: m.Migration, Source: m.Source, Target: m.Target,
		Program: "crossfade " + c.Build.Version + " (" + c.Build.Revision + ")", Made: time.Now().UTC(),
	}}
	for _, fill := range []func(context.Context, mirror, *report.Input) error{c.reportActs, c.reportTables, c.reportDifferences, c.reportCoverage} {
		if err := fill(ctx, m, &in); err != nil {
			return report.Report{}, err
		}
	}
	return report.New(in), nil
}

// reportActs fills in the chain of acts, and how the migration stands.
func (c *control) reportActs(ctx context.Context, m mirror, in *report.Input) error {
	now, mirrored := c.status(), m.Writes.Overview().Mirror
	in.Standing = report.Standing{
		Phase: now.Phase, Authority: now.Authority, Epoch: now.Epoch, Share: now.Share, Version: now.Version,
		Mirror: mirrored.State, Reason: mirrored.Reason,
	}
	verdict, err := c.Verify(ctx)
	if err != nil {
		return err
	}
	in.Chain = report.Chain{OK: verdict.OK, Records: verdict.Records, Head: verdict.Head, Broken: verdict.Broken, Why: verdict.Why}
	for q := (state.Query{}); ; {
		page, err := c.Store.Records(ctx, q)
		if err != nil {
			return c.unread(err)
		}
		if len(page) == 0 {
			return nil
		}
		for i := range page {
			in.Acts = append(in.Acts, actOf(&page[i]))
		}
		q.After = page[len(page)-1].Seq
	}
}

func actOf(r *state.Record) report.Act {
	var after struct{ State string }
	if json.Unmarshal(r.After, &after) != nil {
		after.State = "" // what it led to is no state
	}
	return report.Act{
		Seq: r.Seq, Time: r.Time, Actor: r.Actor, Act: r.Act, Object: r.Object, To: after.State, Phase: r.Runtime.Phase,
		Share: router.Share(r.Runtime.Share).Percent(), Version: r.Runtime.Version, Reason: r.Reason, Result: r.Result, Hash: r.Hash,
	}
}

// reportTables fills in tables, the worker, and what is weak at the databases.
func (c *control) reportTables(ctx context.Context, m mirror, in *report.Input) error {
	tables, err := c.Tables(ctx)
	if err != nil {
		return err
	}
	worker, err := c.Reconcile(ctx)
	if err != nil {
		return err
	}
	walks := map[string]admin.Progress{}
	for _, p := range worker.Tables {
		walks[p.Table] = p
	}
	for _, t := range tables.Tables {
		in.Tables = append(in.Tables, report.Table{
			Source: t.Source, Target: t.Target, Ready: t.Ready, Ranges: t.Ranges, Dirty: t.Dirty, InFlight: t.InFlight, Reason: t.Reason,
			Strict: t.Strict, Declared: t.Declared, Copied: walks[t.Source].Copied, Total: walks[t.Source].Total,
		})
	}
	in.Standing.Worker, in.Standing.Why = worker.State, worker.Reason
	in.Backlog = report.Backlog{
		Dirty: worker.Dirty, Keys: worker.Keys, Ranges: worker.Ranges, InFlight: worker.InFlight,
		OldestSeconds: worker.OldestSeconds, Repaired: worker.Repaired, Flapping: worker.Flapping,
	}
	in.Weak, err = m.Writes.Weak(ctx)
	return err
}

func (c *control) reportDifferences(ctx context.Context, _ mirror, in *report.Input) error {
	for q := (admin.DivergenceQuery{Limit: admin.PageMost}); ; {
		page, err := c.Divergences(ctx, q)
		if err != nil {
			return err
		}
		for i := range page {
			in.Divergences = append(in.Divergences, differenceOf(&page[i]))
		}
		if len(page) < q.Limit {
			return nil
		}
		if in.Uncounted = len(in.Divergences) >= countedMost; in.Uncounted {
			return nil
		}
		q.After = page[len(page)-1].ID
	}
}

func differenceOf(d *admin.Divergence) report.Divergence {
	r := report.Divergence{
		ID: d.ID, State: report.State(d.State), Kind: d.Kind, Table: d.Table, Key: d.Key, Columns: d.Columns, Digest: d.Digest,
		Transaction: d.Transaction, FirstSeen: d.FirstSeen, LastSeen: d.LastSeen, Epoch: d.Epoch, Cause: d.Cause, Open: d.Open,
	}
	for _, s := range []struct {
		state report.State
		at    *time.Time
	}{{report.Confirmed, d.Life.Confirmed}, {report.Repaired, d.Life.Repaired}, {report.Verified, d.Life.Verified}} {
		if s.at != nil {
			r.Life = append(r.Life, report.Stage{State: s.state, Time: *s.at})
		}
	}
	if d.Waiver != nil {
		r.Waiver = &report.Waiver{Actor: d.Waiver.Actor, Reason: d.Waiver.Reason, Since: d.Waiver.Since, Until: d.Waiver.Until}
	}
	return r
}

func (c *control) reportCoverage(ctx context.Context, _ mirror, in *report.Input) error {
	found, err := c.Coverage(ctx)
	for _, s := range found.Statements {
		in.Statements = append(in.Statements, report.Statement{
			Digest: s.Digest, Kind: s.Kind, Tables: s.Tables, Seen: s.Seen, Mirrored: s.Mirrored, Compared: s.Compared,
			Matched: s.Matched, Diverged: s.Diverged, Skipped: s.Skipped,
		})
	}
	return err
}
