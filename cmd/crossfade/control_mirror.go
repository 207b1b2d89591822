package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/crossfade-db/crossfade/internal/admin"
	"github.com/crossfade-db/crossfade/reconcile/state"
	"github.com/crossfade-db/crossfade/router"
)

// mirroring is what the control asks of mirrored writes. Its errors are faults,
// but for a *admin.Refusal, which goes to the operator as it is.
type mirroring interface {
	// Overview asks nothing that can hang.
	Overview() admin.Overview
	// Prepare gets ready for a phase that mirrors, when one is left that does
	// not, and before the new one is written: the fence is on both sides, and
	// each table is one dirty range, as it is new or was written unmirrored. It
	// may be called again.
	Prepare(ctx context.Context) error
	// Switch holds the breaker open by hand, or lets go of it. It is in force
	// when it returns.
	Switch(on bool, reason string)
	Tables(ctx context.Context) ([]admin.Table, error)
	// Declare takes a table's ranges of causes new and requested away: somebody
	// says that he has copied it. by is for Table.Declared.
	Declare(ctx context.Context, table, by string) error
	// Explain says what becomes of a statement, by the mapping in force.
	Explain(ctx context.Context, q admin.StatementQuery) (admin.Explained, error)
	// Weak are settings of both sides that weaken a promise, a sentence each.
	Weak(ctx context.Context) ([]string, error)
}

// reconciling is what it asks of the worker.
type reconciling interface {
	Status(ctx context.Context) (admin.Reconcile, error)
	Pause(reason string)
	Resume()
	// Run sends the worker to all that is dirty, without its pauses.
	Run()
	// Backfill makes each table one dirty range, durably, and sends the worker.
	Backfill(ctx context.Context, tables []string) ([]admin.Progress, error)
	Dirty(ctx context.Context, q admin.DirtyQuery) ([]admin.DirtyItem, error)
}

// differing is what it asks of the differences that were found. Open is filled
// in by the control.
type differing interface {
	Divergences(ctx context.Context, q admin.DivergenceQuery) ([]admin.Divergence, error)
	// Divergence finds one; false: there is none.
	Divergence(ctx context.Context, id uint64) (admin.Divergence, bool, error)
	Waive(ctx context.Context, id uint64, w admin.WaiverOf) error
	Coverage(ctx context.Context) ([]admin.Statement, error)
}

// mirror is all of it. The zero value is a proxy without mapped tables.
type mirror struct {
	Writes      mirroring
	Worker      reconciling
	Differences differing
	// Migration, Source and Target are for the report: a name, and engine with
	// address, without secrets.
	Migration, Source, Target string
}

// Names of acts, as in the table of verbs.
const (
	actMirror   = "mirror"
	actReady    = "table ready"
	actWorker   = "reconcile "
	actBackfill = "backfill"
	actWaive    = "divergence waive"
)

// prepareTime bounds getting both sides ready for a phase that mirrors.
const prepareTime = 20 * time.Second

// attach gives the control what mirrors, in the state in which the chain of
// acts has it: switched off stays off, and paused stays paused.
func (c *control) attach(ctx context.Context, m mirror) error {
	c.mu.Lock()
	c.mirror = m
	c.mu.Unlock()
	last, err := c.last(ctx, actMirror)
	if err != nil {
		return err
	}
	if actOf(&last).To == admin.Off {
		m.Writes.Switch(false, last.Reason)
	}
	paused, err := c.last(ctx, actWorker+admin.Pause)
	if err != nil {
		return err
	}
	resumed, err := c.last(ctx, actWorker+admin.Resume)
	if err != nil {
		return err
	}
	if paused.Seq > resumed.Seq {
		m.Worker.Pause(paused.Reason)
	}
	return nil
}

// last is the last act of a name that was done; zero: there is none.
func (c *control) last(ctx context.Context, act string) (last state.Record, err error) {
	for q := (state.Query{Act: act}); ; {
		page, err := c.Store.Records(ctx, q)
		if err != nil {
			return last, err
		}
		if len(page) == 0 {
			return last, nil
		}
		for i := range page {
			if page[i].Result == admin.ResultDone {
				last = page[i]
			}
		}
		q.After = page[len(page)-1].Seq
	}
}

// mirrored is what mirrors, or why nothing does.
func (c *control) mirrored() (mirror, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mirror.Writes == nil {
		return mirror{}, admin.Refuse(admin.Unprepared, "this configuration mirrors no writes, since it has no migration.tables",
			"write target: {address: HOST:PORT} and migration: {tables: [...]}, run crossfade check --mapping, and start again")
	}
	return c.mirror, nil
}

// prepareMirror gets both sides ready, if the phase to be left is one in which
// nothing is mirrored.
func (c *control) prepareMirror(ctx context.Context, by admin.Change) error {
	m, err := c.mirrored()
	if err != nil {
		return err
	}
	c.mu.Lock()
	from := c.stored.Phase
	c.mu.Unlock()
	if from != router.Observe.String() {
		return nil
	}
	if err := c.current(ctx, by); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), prepareTime)
	defer cancel()
	if err := m.Writes.Prepare(ctx); err != nil {
		return c.unready(err)
	}
	return nil
}

// unready is the refusal of a phase for which the two sides are not ready.
func (c *control) unready(err error) error {
	var refusal *admin.Refusal
	if errors.As(err, &refusal) {
		return err
	}
	c.Log.Error("the two sides are not ready for mirroring; the phase stays", "error", err)
	return admin.Refuse(admin.Unprepared, "the two sides could not be made ready for mirroring, so the phase stays",
		"the log of the proxy has the reason; crossfade check --mapping says what the logins lack")
}

// carry writes an act and then does it. What cannot be done gets a second act,
// which says so.
func (c *control) carry(ctx context.Context, by admin.Change, act state.Act, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTime)
	defer cancel()
	if err := c.current(ctx, by); err != nil {
		return err
	}
	if err := c.record(ctx, act); err != nil {
		return c.unwritten(err)
	}
	err := do(ctx)
	if err == nil {
		return nil
	}
	act.Result = admin.ResultFailed
	if noting := c.record(ctx, act); noting != nil {
		c.Log.Error("that an act failed could not be written", "act", act.Act, "error", noting)
	}
	var refusal *admin.Refusal
	if errors.As(err, &refusal) {
		return err
	}
	return fmt.Errorf("%s: %w", act.Act, err)
}

// SetMirror switches the mirror. Off is in force whatever the breaker thinks.
func (c *control) SetMirror(ctx context.Context, by admin.Change, to string) (admin.Status, error) {
	m, err := c.mirrored()
	if err != nil {
		return admin.Status{}, err
	}
	act := acting{actMirror, "writes"}.by(by)
	act.Before = map[string]string{"state": m.Writes.Overview().Mirror.State}
	act.After = map[string]string{"state": to}
	err = c.carry(ctx, by, act, func(context.Context) error {
		m.Writes.Switch(to == admin.On, by.Reason)
		return nil
	})
	if err != nil {
		return admin.Status{}, err
	}
	return c.status(), nil
}

// Tables are the mapped tables.
func (c *control) Tables(ctx context.Context) (admin.Tables, error) {
	m, err := c.mirrored()
	if err != nil {
		return admin.Tables{}, err
	}
	tables, err := m.Writes.Tables(ctx)
	return admin.Tables{Tables: noNull(tables)}, err
}

// noNull is never nil, which JSON would write as null.
func noNull[T any](of []T) []T {
	if of == nil {
		return []T{}
	}
	return of
}

// ReadyTable declares that a table was copied by other means. What is dirty of
// it for another reason stays so.
func (c *control) ReadyTable(ctx context.Context, by admin.Change, name string) (admin.Tables, error) {
	m, err := c.mirrored()
	if err != nil {
		return admin.Tables{}, err
	}
	before, err := tablesNamed(ctx, m, []string{name})
	if err != nil {
		return admin.Tables{}, err
	}
	act := acting{actReady, name}.by(by)
	act.Before = before[0]
	who := fmt.Sprintf("%s, %s", by.Actor, time.Now().UTC().Format(time.RFC3339))
	err = c.carry(ctx, by, act, func(ctx context.Context) error { return m.Writes.Declare(ctx, name, who) })
	if err != nil {
		return admin.Tables{}, err
	}
	after, err := tablesNamed(ctx, m, []string{name})
	return admin.Tables{Tables: after}, err
}

// tablesNamed are the tables of these names, all of which there must be.
func tablesNamed(ctx context.Context, m mirror, names []string) ([]admin.Table, error) {
	tables, err := m.Writes.Tables(ctx)
	if err != nil {
		return nil, err
	}
	found := make([]admin.Table, 0, len(names))
	for _, name := range names {
		at := -1
		for i := range tables {
			if tables[i].Source == name {
				at = i
			}
		}
		if at < 0 {
			return nil, admin.Refuse(admin.Invalid, fmt.Sprintf("table %q is not mapped", name),
				"crossfade table list shows their names, as public.orders")
		}
		found = append(found, tables[at])
	}
	return found, nil
}
