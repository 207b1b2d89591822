package demo

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/crossfade-db/crossfade/internal/admin"
	"github.com/crossfade-db/crossfade/router"
)

// filled is how the worker brought the target what it did not have.
type filled struct {
	before, after int64 // rows of the target
	took          time.Duration
	told          int // lines of progress
	guessed       int // of them, those that said how long it will take
	orders        int // sold meanwhile
	tables        []admin.Table
}

const (
	fillTime  = 2 * time.Minute // for the worker to fill the target
	tellEvery = time.Second     // between two lines of progress
)

// mirror begins to mirror, and waits until the worker has filled the target.
func (t *tour) mirror(ctx context.Context) error {
	_, before, err := countShop(ctx, t.servers, router.Target)
	if err != nil {
		return err
	}
	t.filled.before = before
	err = t.say("\nThe target has the tables and not one row. From now on each write of a mapped table goes to both sides, or\n" +
		"its keys are noted before the client hears that it is done; and the worker copies what is there already.\n")
	if err != nil {
		return err
	}
	if err := t.change(ctx, act{"phase set mirror", "let the target follow", 0}); err != nil {
		return err
	}
	began := time.Now()
	err = t.fill(ctx, row{kind: steady, phase: t.phase}, func(now *span) error {
		defer func() { t.filled.orders = now.seen().orders }()
		return t.copied(ctx)
	})
	if err != nil {
		return err
	}
	t.filled.took = time.Since(began)
	words, after, err := countShop(ctx, t.servers, router.Target)
	if err != nil {
		return err
	}
	t.filled.after = after
	err = t.say("  filled in %s s, while the tills sold %s orders; the target has %s\n",
		seconds(t.filled.took), grouped(int64(t.filled.orders)), words)
	if err != nil {
		return err
	}
	if err := t.print(ctx, "table", "list"); err != nil {
		return err
	}
	return t.hold(ctx)
}

// copied tells how far the worker is until no range of any table is left.
func (t *tour) copied(ctx context.Context) error {
	end, last := time.Now().Add(fillTime), time.Now()
	for {
		tables, err := asked[admin.Tables](ctx, t.operator, "table", "list")
		if err != nil {
			return err
		}
		t.filled.tables = tables.Tables
		left := unwalked(tables.Tables)
		switch {
		case left == "":
			return nil
		case time.Now().After(end):
			return fmt.Errorf("%w: after %v the worker has not filled %s", ErrFailed, fillTime, left)
		}
		if time.Since(last) >= tellEvery {
			last = time.Now()
			if err := t.tellProgress(ctx); err != nil {
				return err
			}
		}
		if err := pause(ctx, lookAgain); err != nil {
			return err
		}
	}
}

// unwalked names the tables of which ranges are left.
func unwalked(tables []admin.Table) string {
	if len(tables) == 0 {
		return "any table"
	}
	var names []string
	for i := range tables {
		if tables[i].Ranges > 0 {
			names = append(names, tables[i].Source)
		}
	}
	return strings.Join(names, ", ")
}

func (t *tour) tellProgress(ctx context.Context) error {
	now, err := asked[admin.Reconcile](ctx, t.operator, "reconcile", "status")
	if err != nil {
		return err
	}
	if len(now.Tables) == 0 {
		return t.say("  the worker: %s\n", strings.TrimSpace(now.State+" "+now.Reason))
	}
	for i := range now.Tables {
		p := &now.Tables[i]
		if p.Copied == 0 {
			if err := t.say("  the worker, at %s: %s\n", p.Table, strings.TrimSpace(p.State+" "+p.Reason)); err != nil {
				return err
			}
			continue
		}
		t.filled.told++
		if p.ETA != nil {
			t.filled.guessed++
		}
		if err := t.say("%s", progress(p)); err != nil {
			return err
		}
	}
	return nil
}

// progress is how far one table is.
func progress(p *admin.Progress) string {
	text := fmt.Sprintf("  copying %-18s %9s of about %s rows, %s rows/s", p.Table, grouped(int64(p.Copied)), grouped(int64(p.Total)), grouped(int64(p.Rate)))
	switch {
	case p.ETA != nil:
		text += fmt.Sprintf(", %.0f to %.0f s left", p.ETA.Low, p.ETA.High)
	case p.State != "running":
		text += ", " + strings.TrimSpace(p.State+" "+p.Reason)
	}
	return text + "\n"
}
