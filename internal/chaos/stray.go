package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
)

const strayRows = 100

// plant changes a row of the target behind everybody's back, and wants the
// checker to find that in one sample: else its silence would mean nothing. Then
// the worker is told to walk the table.
func plant(ctx context.Context, st *stage, seed uint64) error {
	c := newChecker(st, seed)
	defer c.close()
	t := tableNamed("public.strays")
	key := strconv.Itoa(1 + c.random.IntN(strayRows))
	if v, what := c.sample(ctx, t, key); v != isEqual {
		return fmt.Errorf("the checker says of a row that nobody writes: %d %s", v, what)
	}
	if err := st.pair.Target.Exec(ctx, database, "UPDATE strays SET note = 'planted' WHERE id = "+key); err != nil {
		return fmt.Errorf("plant a write: %w", err)
	}
	if v, _ := c.sample(ctx, t, key); v != isWrong {
		return fmt.Errorf("the checker does not report a planted write (verdict %d)", v)
	}
	if _, err := st.door.do(ctx, "backfill", t.name, "--reason", "chaos"); err != nil {
		return fmt.Errorf("walk the table of the planted write: %w", err)
	}
	st.stray = true
	return nil
}

// foundStray wants the worker to have recorded the planted write.
func foundStray(all []divergence) error {
	for _, d := range all {
		if d.Table == "public.strays" && d.Kind == "value" {
			return nil
		}
	}
	return errors.New("the worker has repaired the planted write and has not recorded it")
}
