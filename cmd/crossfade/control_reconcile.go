package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/crossfade-db/crossfade/internal/admin"
)

// Reconcile says how the worker stands.
func (c *control) Reconcile(ctx context.Context) (admin.Reconcile, error) {
	m, err := c.mirrored()
	if err != nil {
		return admin.Reconcile{}, err
	}
	now, err := m.Worker.Status(ctx)
	now.Tables = noNull(now.Tables)
	return now, err
}

// SetReconcile stops the worker, lets it go on, or sends it to all that is
// dirty.
func (c *control) SetReconcile(ctx context.Context, by admin.Change, to string) (admin.Reconcile, error) {
	m, err := c.mirrored()
	if err != nil {
		return admin.Reconcile{}, err
	}
	now, err := m.Worker.Status(ctx)
	switch {
	case err != nil:
		return now, err
	case to == admin.Run && now.State == workerPaused:
		return now, admin.Refuse(admin.Conflict, "the worker is paused", `first run crossfade reconcile resume --reason "..."`)
	}
	act := acting{actWorker + to, "worker"}.by(by)
	act.Before = map[string]string{"state": now.State}
	err = c.carry(ctx, by, act, func(context.Context) error {
		switch to {
		case admin.Pause:
			m.Worker.Pause(by.Reason)
		case admin.Resume:
			m.Worker.Resume()
		case admin.Run:
			m.Worker.Run()
		}
		return nil
	})
	if err != nil {
		return admin.Reconcile{}, err
	}
	return c.Reconcile(ctx)
}

// States of the worker and of a walk that commands tell apart.
const (
	workerPaused = "paused"
	walkDone     = "done"
)

// Backfill makes tables dirty as a whole, all of them if none is named. Nothing
// of them is ready until they have been walked.
func (c *control) Backfill(ctx context.Context, by admin.Change, names []string) (admin.Backfill, error) {
	m, err := c.mirrored()
	if err != nil {
		return admin.Backfill{}, err
	}
	if _, err := tablesNamed(ctx, m, names); err != nil {
		return admin.Backfill{}, err
	}
	if len(names) == 0 {
		tables, err := m.Writes.Tables(ctx)
		if err != nil {
			return admin.Backfill{}, err
		}
		for _, t := range tables {
			names = append(names, t.Source)
		}
	}
	act := acting{actBackfill, objectOf(names)}.by(by)
	act.After = map[string]int{"tables": len(names)}
	var walks []admin.Progress
	err = c.carry(ctx, by, act, func(ctx context.Context) (err error) {
		walks, err = m.Worker.Backfill(ctx, names)
		return err
	})
	return admin.Backfill{Tables: noNull(walks)}, err
}

// objectMost is how many bytes of names an act has.
const objectMost = 4 << 10

func objectOf(names []string) string {
	text := strings.Join(names, ", ")
	if len(text) > objectMost {
		text = strings.ToValidUTF8(text[:objectMost], "") + "…"
	}
	return text
}

// Dirty is the backlog with its oldest items.
func (c *control) Dirty(ctx context.Context, q admin.DirtyQuery) (admin.Dirty, error) {
	m, err := c.mirrored()
	if err != nil {
		return admin.Dirty{}, err
	}
	if q.Table != "" {
		if _, err := tablesNamed(ctx, m, []string{q.Table}); err != nil {
			return admin.Dirty{}, err
		}
	}
	now, err := m.Worker.Status(ctx)
	if err != nil {
		return admin.Dirty{}, err
	}
	items, err := m.Worker.Dirty(ctx, q)
	return admin.Dirty{
		Dirty: now.Dirty, OldestSeconds: now.OldestSeconds, Repaired: now.Repaired, Flapping: now.Flapping, Items: noNull(items),
	}, err
}

// Divergences are a page of the differences that were found.
func (c *control) Divergences(ctx context.Context, q admin.DivergenceQuery) ([]admin.Divergence, error) {
	m, err := c.mirrored()
	if err != nil {
		return nil, err
	}
	found, err := m.Differences.Divergences(ctx, q)
	now := time.Now()
	for i := range found {
		found[i].Columns, found[i].Open = noNull(found[i].Columns), found[i].IsOpen(now)
	}
	return found, err
}

// Divergence is one of them.
func (c *control) Divergence(ctx context.Context, id uint64) (admin.Divergence, error) {
	m, err := c.mirrored()
	if err != nil {
		return admin.Divergence{}, err
	}
	d, ok, err := m.Differences.Divergence(ctx, id)
	if err == nil && !ok {
		err = admin.Refuse(admin.NoSuch, fmt.Sprintf("there is no divergence %d", id), "crossfade divergence list shows them")
	}
	d.Columns, d.Open = noNull(d.Columns), d.IsOpen(time.Now())
	return d, err
}

// Waive writes who has taken a difference on, and until when.
func (c *control) Waive(ctx context.Context, by admin.Change, id uint64, until time.Time) (admin.Divergence, error) {
	before, err := c.Divergence(ctx, id)
	if err != nil {
		return admin.Divergence{}, err
	}
	if before.State == admin.Verified {
		return admin.Divergence{}, admin.Refuse(admin.Conflict, fmt.Sprintf("divergence %d is verified: both sides are equal", id),
			"there is nothing to waive")
	}
	w := admin.WaiverOf{Actor: by.Actor, Reason: by.Reason, Since: time.Now().UTC(), Until: until}
	act := acting{actWaive, fmt.Sprintf("divergence %d of %s", id, before.Table)}.by(by)
	act.Before = map[string]string{"state": before.State}
	act.After = map[string]string{"state": admin.Waived, "until": until.Format(time.RFC3339)}
	err = c.carry(ctx, by, act, func(ctx context.Context) error {
		m, err := c.mirrored()
		if err != nil {
			return err
		}
		return m.Differences.Waive(ctx, id, w)
	})
	if err != nil {
		return admin.Divergence{}, err
	}
	return c.Divergence(ctx, id)
}

// Coverage is what was seen, mirrored and compared, by statement.
func (c *control) Coverage(ctx context.Context) (admin.Coverage, error) {
	m, err := c.mirrored()
	if err != nil {
		return admin.Coverage{}, err
	}
	found, err := m.Differences.Coverage(ctx)
	for i := range found {
		found[i].Tables = noNull(found[i].Tables)
		if found[i].Skipped == nil {
			found[i].Skipped = map[string]uint64{}
		}
	}
	return admin.Coverage{Statements: noNull(found)}, err
}
