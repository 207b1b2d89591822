package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/crossfade-db/crossfade/internal/admin"
	"github.com/crossfade-db/crossfade/reconcile"
	"github.com/crossfade-db/crossfade/reconcile/repair"
	"github.com/crossfade-db/crossfade/reconcile/state"
	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/shadow"
)

var (
	_ mirroring   = (*dualWrites)(nil)
	_ reconciling = (*workers)(nil)
	_ differing   = (*differences)(nil)
)

// workers and differences are what the control asks of the worker and of what
// was found.
type (
	workers     struct{ *dualWrites }
	differences struct{ *dualWrites }
)

// Overview is what status says of mirrored tables.
func (m *dualWrites) Overview() admin.Overview {
	o := admin.Overview{Epoch: uint64(firstEpoch), Mirror: m.standing()}
	j := m.journal.Stats()
	o.Mirror.Journal = &admin.Journal{Open: j.Open, Bytes: uint64(j.Disk), Window: j.Window.Seconds(), TTL: time.Duration(m.config.Mirror.TTL).Seconds()}
	for _, c := range m.ledger.All() {
		o.Dirty += c.Keys + c.Ranges
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	counts, err := m.store.CountDivergences(ctx)
	if err != nil {
		m.log.Warn("the divergences cannot be counted", "error", err)
	}
	for _, c := range counts {
		o.Divergences.Add(string(c.State), c.Count)
	}
	return o
}

func (m *dualWrites) standing() admin.Mirroring {
	snapshot := m.live.Snapshot()
	target := m.live.Backend(router.Target)
	switch {
	case !snapshot.Mirrors():
		return admin.Mirroring{State: "idle", Reason: "the phase mirrors nothing"}
	case snapshot.Off:
		reason := ""
		if r := m.off.Load(); r != nil {
			reason = *r
		}
		return admin.Mirroring{State: "off", Reason: reason}
	case snapshot.Target != router.TargetOpen:
		return admin.Mirroring{State: "broken", Reason: target.Reason, Since: &target.Since}
	default:
		return admin.Mirroring{State: "on"}
	}
}

// Prepare gets both sides ready for a phase that mirrors.
func (m *dualWrites) Prepare(ctx context.Context) error {
	if err := m.fence(ctx); err != nil {
		return err
	}
	if err := m.readCatalogs(ctx); err != nil {
		return err
	}
	for side, w := range m.watches {
		if err := w.look(ctx); err != nil {
			return fmt.Errorf("%s: %w", router.Side(side), err)
		}
	}
	plan := m.plan()
	if plan == nil || len(plan.Pairs) == 0 {
		return admin.Refuse(admin.Unprepared, "no table can be mirrored", "crossfade check --mapping says why")
	}
	for _, pair := range plan.Pairs {
		in := shadow.Intent{Epoch: firstEpoch, Incarnation: m.life(router.Source)}
		if err := m.ledger.MarkRange(pair.Name(), "", "", in, shadow.CauseUnmirrored); err != nil {
			return err
		}
	}
	m.since.Store(time.Now().UnixNano())
	return nil
}

// Switch holds the breaker open by hand, or lets go of it.
func (m *dualWrites) Switch(on bool, reason string) {
	m.off.Store(&reason)
	m.live.SetPolicy(func(p router.Policy) router.Policy {
		p.Off = !on
		return p
	})
	m.worker.Wake()
}

// Weak are settings of both sides that weaken a promise.
func (m *dualWrites) Weak(ctx context.Context) ([]string, error) {
	var weak []string
	for side := range router.Sides {
		at := router.Side(side)
		conn, err := m.connect(ctx, at)
		if err != nil {
			weak = append(weak, fmt.Sprintf("the %s could not be asked for its settings", at))
			continue
		}
		rows, err := conn.Exec(ctx, "SELECT name, setting FROM pg_catalog.pg_settings WHERE setting = 'off' AND name IN ('fsync', 'full_page_writes', 'synchronous_commit', 'track_counts') ORDER BY name").ReadAll()
		_ = conn.Close(context.WithoutCancel(ctx))
		if err != nil || len(rows) != 1 {
			return weak, errors.Join(errors.New("ask for the settings"), err)
		}
		for _, row := range rows[0].Rows {
			weak = append(weak, weakness(at, string(row[0])))
		}
	}
	return weak, nil
}

func weakness(at router.Side, setting string) string {
	if setting == "track_counts" {
		return fmt.Sprintf("track_counts is off at the %s: writes of functions and triggers are not noticed", at)
	}
	return fmt.Sprintf("%s is off at the %s: after a crash of it, commits that were acknowledged may be lost there", setting, at)
}

// Status is how the worker stands.
func (w *workers) Status(context.Context) (admin.Reconcile, error) {
	s := w.worker.Status()
	r := admin.Reconcile{State: "idle", Repaired: s.Repaired, Flapping: s.Flapping, InFlight: s.InFlight}
	oldest := time.Time{}
	for _, c := range w.ledger.All() {
		r.Keys += c.Keys
		r.Ranges += c.Ranges
		if !c.Oldest.IsZero() && (oldest.IsZero() || c.Oldest.Before(oldest)) {
			oldest = c.Oldest
		}
	}
	r.Dirty = r.Keys + r.Ranges
	if !oldest.IsZero() {
		r.OldestSeconds = time.Since(oldest).Seconds()
	}
	r.Reason = strings.Join(s.Waiting, ", ")
	switch {
	case s.Paused:
		r.State = "paused"
		if why := w.paused.Load(); why != nil {
			r.Reason = *why
		}
	case w.blocked() != "":
		r.State = "blocked"
	case len(s.Waiting) > 0:
		r.State = "throttled"
	case r.Dirty > 0:
		r.State = "running"
	}
	for _, walk := range s.Walks {
		r.Tables = append(r.Tables, w.progress(walk, r))
	}
	return r, nil
}

func (w *workers) progress(walk repair.Walk, r admin.Reconcile) admin.Progress {
	p := admin.Progress{
		Table: walk.Table, Copied: uint64(walk.Rows), Total: uint64(walk.Total), State: r.State, Reason: r.Reason, Rate: uint64(walk.PerSec),
	}
	if w.ledger.Counts(walk.Table).Ranges == 0 {
		p.State, p.Reason = "done", ""
	} else if p.State == "idle" {
		p.State = "running"
	}
	if walk.Latest > 0 {
		p.ETA = &admin.Span{Low: walk.Soonest.Seconds(), High: walk.Latest.Seconds()}
	}
	return p
}

// Pause and Resume are the operator's.
func (w *workers) Pause(reason string) {
	w.paused.Store(&reason)
	w.worker.Pause()
}

// Resume goes on, also with what was given up as flapping.
func (w *workers) Resume() { w.worker.Resume() }

// Run sends the worker to all that is dirty.
func (w *workers) Run() { w.worker.Wake() }

// Backfill makes each table one dirty range.
func (w *workers) Backfill(ctx context.Context, tables []string) ([]admin.Progress, error) {
	plan := w.plan()
	if plan == nil {
		return nil, admin.Refuse(admin.Unprepared, "nothing is mirrored in this phase", "crossfade phase set mirror begins it")
	}
	if len(tables) == 0 {
		for _, pair := range plan.Pairs {
			tables = append(tables, pair.Name())
		}
	}
	for _, name := range tables {
		if !slices.ContainsFunc(plan.Pairs, func(p *rewrite.Pair) bool { return p.Name() == name }) {
			return nil, admin.Refuse(admin.Invalid, fmt.Sprintf("there is no mapped table %s", name), "crossfade table list names them")
		}
	}
	var out []admin.Progress
	for _, name := range tables {
		in := shadow.Intent{Epoch: firstEpoch, Incarnation: w.life(router.Source)}
		if err := w.ledger.MarkRange(name, "", "", in, shadow.CauseRequested); err != nil {
			return nil, err
		}
		out = append(out, admin.Progress{Table: name, State: "waiting", Total: uint64(max(0, estimateOf(plan, name)))})
	}
	w.worker.Wake()
	return out, nil
}

func estimateOf(plan *rewrite.Plan, name string) int64 {
	for _, p := range plan.Pairs {
		if p.Name() == name {
			return int64(p.Source.Rows)
		}
	}
	return 0
}

// Dirty are the oldest items, ranges first.
func (w *workers) Dirty(_ context.Context, q admin.DirtyQuery) ([]admin.DirtyItem, error) {
	var out []admin.DirtyItem
	for _, table := range w.ledger.Tables() {
		if q.Table != "" && q.Table != table {
			continue
		}
		for _, r := range w.ledger.Ranges(table) {
			if q.Limit > 0 && len(out) >= q.Limit {
				return out, nil
			}
			out = append(out, admin.DirtyItem{
				Table: table, Key: w.span(r), Range: true, Cause: string(r.Mark.Cause), Since: r.Started, Epoch: uint64(r.Epoch),
				InFlight: r.Mark.Until != reconcile.Nothing && r.Rows == 0,
			})
		}
	}
	limit := 1000
	if q.Limit > 0 {
		limit = q.Limit - len(out)
	}
	for _, k := range w.ledger.Oldest(q.Table, limit) {
		out = append(out, admin.DirtyItem{
			Table: k.Table, Key: w.shown(k.Table, k.Key), Cause: string(k.Cause), Since: k.First, Epoch: uint64(k.Epoch), InFlight: k.Flying,
		})
	}
	return out, nil
}

func (w *workers) span(r reconcile.DirtyRange) string {
	low, high := "-∞", "∞"
	if r.Low != "" {
		low = w.shown(r.Table, r.Low)
	}
	if r.High != "" {
		high = w.shown(r.Table, r.High)
	}
	return "(" + low + ", " + high + "]"
}

// Divergences are a page of them.
func (d *differences) Divergences(ctx context.Context, q admin.DivergenceQuery) ([]admin.Divergence, error) {
	found, err := d.store.Divergences(ctx, state.DivergenceQuery{
		State: state.DivergenceState(q.State), Kind: state.DivergenceKind(q.Kind), Table: q.Table, After: q.After, Limit: q.Limit,
	})
	if err != nil {
		return nil, err
	}
	out := make([]admin.Divergence, len(found))
	for i := range found {
		out[i] = divergenceOf(&found[i])
	}
	return out, nil
}

// Divergence is one of them.
func (d *differences) Divergence(ctx context.Context, id uint64) (admin.Divergence, bool, error) {
	found, ok, err := d.store.Divergence(ctx, id)
	if err != nil || !ok {
		return admin.Divergence{}, false, err
	}
	return divergenceOf(&found), true, nil
}

func divergenceOf(d *state.Divergence) admin.Divergence {
	out := admin.Divergence{
		ID: d.ID, State: string(d.State), Kind: string(d.Kind), Table: d.Table, Key: d.KeyShown, Columns: d.Columns, Digest: d.Digest,
		Transaction: d.TxID, FirstSeen: d.FirstSeen, LastSeen: d.LastSeen, Seen: d.Count, Epoch: d.Epoch, Cause: d.Cause,
	}
	out.Life = admin.Life{Confirmed: timeOf(d.Life.Confirmed), Repaired: timeOf(d.Life.Repaired), Verified: timeOf(d.Life.Verified)}
	if w := d.Waiver; w != nil {
		out.Waiver = &admin.WaiverOf{Actor: w.By, Reason: w.Reason, Since: w.Since, Until: w.Until}
	}
	return out
}

func timeOf(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// Waive notes that somebody has taken a divergence on.
func (d *differences) Waive(ctx context.Context, id uint64, w admin.WaiverOf) error {
	return d.store.Waive(ctx, id, state.Waiver{By: w.Actor, Reason: w.Reason, Since: w.Since, Until: w.Until})
}

// Coverage is what was seen, by statement.
func (d *differences) Coverage(ctx context.Context) ([]admin.Statement, error) {
	found, err := d.coverage.List(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]admin.Statement, len(found))
	for i, c := range found {
		out[i] = admin.Statement{
			Digest: c.Digest, Kind: c.Kind, Tables: c.Tables, Seen: c.Seen, Mirrored: c.Mirrored,
			Compared: c.Compared, Matched: c.Matched, Diverged: c.Diverged, Skipped: c.Skipped,
		}
	}
	return out, nil
}
