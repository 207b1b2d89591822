package demo

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/crossfade-db/crossfade/internal/admin"
)

// planted is what became of the two faults in rows.
type planted struct {
	rejected []admin.Divergence // as they were found
	waived   admin.Divergence   // the one that was waived, as it was then
	healed   []admin.Divergence // those that were found rejected, at the end
	stray    []admin.Divergence // of the row that was changed at the target, at the end
}

// The faults.
const (
	wholesale  = 3  // orders of many of a kind
	manyOfEach = 12 // more than the target's constraint allows
	dropSQL    = `ALTER TABLE order_items DROP CONSTRAINT few_of_each`
	strayTable = "public.customers" // which no till writes, so that no sale hides the change
	straySQL   = `UPDATE customers SET name = 'Somebody Else' WHERE id = 500`
	foundTime  = 30 * time.Second // for a fault to be found, and to be healed
)

// constraint sells what the target refuses, waives one of the differences, and
// then takes the constraint away.
func (t *tour) constraint(ctx context.Context) error {
	err := t.say("\nSecond fault: only the target has CHECK (quantity <= 10) on order_items. %d orders of %d of a kind are sold:\n"+
		"the source takes them, and the clients notice nothing.\n", wholesale, manyOfEach)
	if err != nil {
		return err
	}
	if err := t.sellMany(ctx); err != nil {
		return err
	}
	rejected := func(found []admin.Divergence) string {
		return missing(found, "rejected", wholesale, admin.Confirmed)
	}
	if t.planted.rejected, err = t.awaitDivergences(ctx, []string{"--kind", "rejected"}, rejected); err != nil {
		return err
	}
	if err := t.say("  %d rows were refused by the target, found, and remembered:\n", len(t.planted.rejected)); err != nil {
		return err
	}
	if err := t.waive(ctx, t.planted.rejected[0].ID); err != nil {
		return err
	}
	if err := t.say("\n  at the target: %s\n", dropSQL); err != nil {
		return err
	}
	if err := t.servers.Target.Exec(ctx, "shop", dropSQL); err != nil {
		return fmt.Errorf("drop the target's constraint: %w", err)
	}
	if err := t.change(ctx, act{"reconcile run", "the constraint is gone", t.share}); err != nil {
		return err
	}
	began := time.Now()
	healed := func(found []admin.Divergence) string {
		return missing(found, "rejected", wholesale, admin.Verified)
	}
	if t.planted.healed, err = t.awaitDivergences(ctx, []string{"--kind", "rejected"}, healed); err != nil {
		return err
	}
	return t.say("  all %d rows are at the target after %s s, and were looked at again: verified\n", wholesale, seconds(time.Since(began)))
}

// sellMany sells at a till of its own, whose orders count as all others.
func (t *tour) sellMany(ctx context.Context) error {
	s, err := t.load.arrive(ctx, tills+strollers)
	if err != nil {
		return err
	}
	s.enter(t.between)
	t.load.shoppers = append(t.load.shoppers, s)
	for n := range int64(wholesale) {
		b := basket{[]int64{1 + n}, []int64{manyOfEach}}
		s.work(placeOrder, func() error { return s.order(ctx, b) })
	}
	return nil
}

// waive takes one difference on until tomorrow.
func (t *tour) waive(ctx context.Context, id uint64) error {
	tomorrow := time.Now().UTC().AddDate(0, 0, 1).Format(time.DateOnly)
	name := "divergence waive " + strconv.FormatUint(id, 10) + " --until " + tomorrow
	if err := t.change(ctx, act{name, "the owner of the schema is asked", t.share}); err != nil {
		return err
	}
	if err := t.print(ctx, "divergence", "show", strconv.FormatUint(id, 10)); err != nil {
		return err
	}
	var err error
	t.planted.waived, err = asked[admin.Divergence](ctx, t.operator, "divergence", "show", strconv.FormatUint(id, 10))
	return err
}

// stray changes a row at the target behind our back, and lets it be found.
func (t *tour) stray(ctx context.Context) error {
	err := t.say("\nThird fault: somebody changes a row at the target itself, which nobody is told of:\n  %s\n"+
		"Walking the table again compares every row, and writes what differs.\n", straySQL)
	if err != nil {
		return err
	}
	if err := t.servers.Target.Exec(ctx, "shop", straySQL); err != nil {
		return fmt.Errorf("change a row at the target: %w", err)
	}
	if err := t.change(ctx, act{"backfill " + strayTable, "somebody has worked at the target", t.share}); err != nil {
		return err
	}
	args := []string{"--kind", "value", "--table", strayTable}
	t.planted.stray, err = t.awaitDivergences(ctx, args, func(found []admin.Divergence) string {
		return missing(found, "value", 1, admin.Verified)
	})
	if err != nil {
		return err
	}
	if err := t.print(ctx, "divergence", "show", strconv.FormatUint(t.planted.stray[0].ID, 10)); err != nil {
		return err
	}
	return t.hold(ctx)
}

// missing says what is missing for so many divergences in a state.
func missing(found []admin.Divergence, kind string, want int, state string) string {
	n := 0
	for i := range found {
		if found[i].State == state {
			n++
		}
	}
	if n == want && len(found) == want {
		return ""
	}
	return fmt.Sprintf("%d divergences of kind %s are %s, of %d; want %d", n, kind, state, len(found), want)
}

// awaitDivergences waits until nothing is missing in a list of divergences.
func (t *tour) awaitDivergences(ctx context.Context, args []string, lacks func([]admin.Divergence) string) ([]admin.Divergence, error) {
	end := time.Now().Add(foundTime)
	for {
		page, err := asked[admin.DivergencePage](ctx, t.operator, append([]string{"divergence", "list"}, args...)...)
		if err != nil {
			return nil, err
		}
		what := lacks(page.Divergences)
		switch {
		case what == "":
			return page.Divergences, nil
		case time.Now().After(end):
			return nil, fmt.Errorf("%w: after %v: %w", ErrFailed, foundTime, errors.New(what))
		}
		if err := pause(ctx, lookAgain); err != nil {
			return nil, err
		}
	}
}
