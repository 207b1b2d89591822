package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/crossfade-db/crossfade/internal/admin"
)

// world is what a control asks of mirrored writes, in memory.
type world struct {
	mu          sync.Mutex
	done        []string // what has changed it
	overview    admin.Overview
	tables      []admin.Table
	worker      admin.Reconcile
	looks       int // how often the worker was looked at
	onLook      func(*world)
	items       []admin.DirtyItem
	divergences []admin.Divergence
	statements  []admin.Statement
	weak        []string
	fault       error  // of what changes something, and of reading
	before      func() // of what changes something
}

// fixed is a time in the past for answers that are compared with files.
var fixed = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

func newWorld() *world {
	return &world{
		overview: admin.Overview{
			Epoch: 1, Mirror: admin.Mirroring{State: "on", Journal: &admin.Journal{Open: 2, Bytes: 1 << 30, Window: 252, TTL: 600}}, Dirty: 4, Divergences: admin.Divergences{Suspected: 1, Confirmed: 2, Verified: 3},
		},
		tables: []admin.Table{
			{Source: "public.orders", Target: "sales.orders_v2", Ready: true, Dirty: 3, Strict: true},
			{Source: "public.users", Target: "public.users_v2, public.user_profiles", Ranges: 1, Reason: "1 range has not been walked"},
		},
		worker: admin.Reconcile{
			State: "running", Dirty: 4, Keys: 3, Ranges: 1, InFlight: 1, OldestSeconds: 75.25, Repaired: 4210,
			Tables: []admin.Progress{{
				Table: "public.users", Copied: 4_200_000, Total: 7_500_000, Wrote: 4_100_000, State: "throttled", Reason: "replica lag 3.2 s", Rate: 41_200,
				ETA: &admin.Span{Low: 80, High: 130.4},
			}},
		},
		items: []admin.DirtyItem{
			{Table: "public.users", Key: "(-, -]", Range: true, Cause: "new", Since: fixed, Epoch: 1},
			{Table: "public.orders", Key: "hmac:9f02c1d4a7", Cause: "budget", Since: fixed, Epoch: 1, Attempts: 2, Error: "23514"},
		},
		divergences: []admin.Divergence{
			{
				ID: 1, State: admin.Confirmed, Kind: "rejected", Table: "public.orders", Key: "hmac:0c11b2aa90", Columns: []string{"total_amount"},
				Digest: "11c0ffee52aa", Transaction: 1220874, FirstSeen: fixed, LastSeen: fixed, Seen: 2, Epoch: 1, Cause: "constraint orders_v2_total_check (23514)",
				Life: admin.Life{Confirmed: &fixed},
			},
			{
				ID: 2, State: admin.Verified, Kind: "missing", Table: "public.users", Key: "hmac:a0", FirstSeen: fixed, LastSeen: fixed, Seen: 1, Epoch: 1, Cause: "breaker",
				Life: admin.Life{Confirmed: &fixed, Repaired: &fixed, Verified: &fixed},
			},
		},
		statements: []admin.Statement{
			{Digest: "8f3a61d2c4b7", Kind: "insert", Tables: []string{"public.orders"}, Seen: 220131, Mirrored: 220131},
			{Digest: "d00dfeed9018", Kind: "call", Seen: 312, Skipped: map[string]uint64{"uncaptured": 300, "breaker": 12}},
		},
	}
}

// mirrors attaches a world to a control.
func mirrors(t testing.TB, h *helm) *world {
	t.Helper()
	w := newWorld()
	w.attach(t, h)
	return w
}

func (w *world) attach(t testing.TB, h *helm) {
	t.Helper()
	m := mirror{Writes: w, Worker: bench{w}, Differences: w, Migration: "shop-v2", Source: "postgres 12 at db1:5432/shop", Target: "postgres 18 at db2:5432/shop"}
	if err := h.attach(t.Context(), m); err != nil {
		t.Fatal(err)
	}
}

// change notes what is done, unless it is to fail.
func (w *world) change(what string) error {
	w.mu.Lock()
	before := w.before
	w.mu.Unlock()
	if before != nil {
		before()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fault != nil {
		return w.fault
	}
	w.done = append(w.done, what)
	return nil
}

func (w *world) changed() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.done)
}

func (w *world) Overview() admin.Overview {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.overview
}

func (w *world) Prepare(context.Context) error { return w.change("prepare") }

func (w *world) Switch(on bool, reason string) {
	_ = w.change(fmt.Sprintf("switch %t: %s", on, reason))
	w.mu.Lock()
	defer w.mu.Unlock()
	w.overview.Mirror = admin.Mirroring{State: map[bool]string{true: "on", false: "off"}[on], Reason: reason}
}

func (w *world) Tables(context.Context) ([]admin.Table, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.tables), nil
}

func (w *world) Declare(_ context.Context, table, by string) error {
	if err := w.change("declare " + table); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.tables {
		if w.tables[i].Source == table {
			w.tables[i].Ready, w.tables[i].Declared = true, by
		}
	}
	return nil
}

func (w *world) Explain(_ context.Context, q admin.StatementQuery) (admin.Explained, error) {
	one := admin.Understood{Kind: "read", Tables: []string{}, Digest: "d1", Side: "target", Reason: "none"}
	one.Text = admin.Texts{Source: q.SQL, Target: q.SQL}
	one.Treated = admin.Treated{Class: "pass", Dirty: []string{}, Advice: []string{}}
	return admin.Explained{Understood: one, User: "app", SearchPath: []string{"public"}}, w.fault
}

func (w *world) Weak(context.Context) ([]string, error) { return w.weak, nil }

func (w *world) Divergences(_ context.Context, q admin.DivergenceQuery) (found []admin.Divergence, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, d := range w.divergences {
		fits := (q.State == "" || d.State == q.State) && (q.Kind == "" || d.Kind == q.Kind) && (q.Table == "" || d.Table == q.Table)
		if d.ID > q.After && fits && len(found) < q.Limit {
			found = append(found, d)
		}
	}
	return found, nil
}

func (w *world) Divergence(_ context.Context, id uint64) (admin.Divergence, bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, d := range w.divergences {
		if d.ID == id {
			return d, true, nil
		}
	}
	return admin.Divergence{}, false, nil
}

func (w *world) Waive(_ context.Context, id uint64, by admin.WaiverOf) error {
	if err := w.change(fmt.Sprintf("waive %d", id)); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.divergences {
		if w.divergences[i].ID == id {
			w.divergences[i].State, w.divergences[i].Waiver = admin.Waived, &by
		}
	}
	return nil
}

func (w *world) Coverage(context.Context) ([]admin.Statement, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.statements), nil
}

// bench is the worker of a world.
type bench struct{ *world }

func (b bench) Status(context.Context) (admin.Reconcile, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.looks++
	if b.onLook != nil {
		b.onLook(b.world)
	}
	now := b.worker
	now.Tables = slices.Clone(now.Tables)
	return now, b.fault
}

func (b bench) Pause(reason string) {
	_ = b.change("pause: " + reason)
	b.state("paused", reason)
}

func (b bench) Resume() {
	_ = b.change("resume")
	b.state("running", "")
}

func (b bench) state(word, reason string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.worker.State, b.worker.Reason = word, reason
}

func (b bench) Run() { _ = b.change("run") }

// Backfill has nothing to walk but what a test says.
func (b bench) Backfill(_ context.Context, tables []string) (walks []admin.Progress, err error) {
	for _, t := range tables {
		walks = append(walks, admin.Progress{Table: t, Total: 1000, State: "waiting"})
	}
	return walks, b.change(fmt.Sprintf("backfill %q", tables))
}

func (b bench) Dirty(_ context.Context, q admin.DirtyQuery) (found []admin.DirtyItem, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, item := range b.items {
		if (q.Table == "" || item.Table == q.Table) && len(found) < q.Limit {
			found = append(found, item)
		}
	}
	return found, nil
}
