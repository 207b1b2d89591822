package repair

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/shadow"
)

// chunk is a part of a range.
type chunk struct {
	load
	low, high rewrite.RowKey
	last      bool             // it ends where the range does
	keys      []rewrite.RowKey // that the source had, seen without a lock
}

// errLarge says that a chunk has more rows or bytes than are held at once.
var errLarge = errors.New("the chunk is too large")

// read finds out where the next chunk ends.
func (l *lane) read(ctx context.Context) (*chunk, error) {
	w := l.walk
	c := &chunk{load: load{shape: w.shape, fresh: w.fresh}, low: w.rng.Low, high: w.rng.High, last: true}
	q, err := w.shape.sourceRange(w.shape.source.Keys, c.low, c.high, w.rows)
	if err != nil {
		return nil, err
	}
	q.results = w.shape.keys
	answers, err := l.a().flight(ctx, w.shape.pin, q)
	if err != nil {
		return nil, fmt.Errorf("read the source's keys: %w", err)
	}
	for _, row := range answers[1].rows {
		c.keys = append(c.keys, rewrite.KeyFrom(row))
	}
	if len(c.keys) == w.rows {
		c.high, c.last = c.keys[len(c.keys)-1], false
	}
	return c, nil
}

// extras finds the keys between the ends of the chunk that only the target has.
// They are not deleted on that word: they become dirty.
func (l *lane) extras(ctx context.Context, c *chunk) error {
	w := l.walk
	if w.fresh || w.shape.unordered() {
		return nil
	}
	have := map[rewrite.RowKey]bool{}
	for _, key := range c.keys {
		have[key] = true
	}
	for target := range w.shape.texts {
		for low, more := c.low, true; more; {
			most := w.rows + 1 // one more than a page that is equal has
			keys, err := l.page(ctx, target, low, c.high, most)
			if err != nil {
				return err
			}
			for _, key := range keys {
				if key != "" && !have[key] {
					c.left = append(c.left, key)
					have[key] = true
				}
			}
			more = len(keys) == most && keys[len(keys)-1] != ""
			if more {
				low = keys[len(keys)-1]
			}
		}
		if err := l.leaveKeys(c.left); err != nil {
			return err
		}
		c.left = nil
	}
	return nil
}

// page is some keys of the target, in its order; "" stands for a key that no row
// of the source can have.
func (l *lane) page(ctx context.Context, target int, low, high rewrite.RowKey, n int) ([]rewrite.RowKey, error) {
	s := l.walk.shape
	q, err := s.rangeQuery(target, low, high, n)
	if err != nil || q.sql == "" {
		return nil, err
	}
	answers, err := l.s().flight(ctx, s.pin, q)
	if err != nil {
		return nil, fmt.Errorf("read the target's keys: %w", err)
	}
	keys := make([]rewrite.RowKey, 0, len(answers[1].rows))
	for _, row := range answers[1].rows {
		if hasNull(row) {
			keys = append(keys, "")
			if err := l.foreign(); err != nil {
				return nil, err
			}
			continue
		}
		keys = append(keys, rewrite.KeyFrom(row))
	}
	return keys, nil
}

// foreign notes, once in a walk, that the target has rows with keys that no row
// of the source can have. They are not touched: there is no key to lock.
func (l *lane) foreign() error {
	w := l.walk
	if w.foreign {
		return nil
	}
	w.foreign = true
	return l.opt.Divergences.Diverge(Divergence{
		Table: w.rng.Table, Kind: Extra, State: Confirmed, Cause: w.rng.Mark.Cause, Epoch: l.opt.Epoch, Seen: l.opt.Now(),
	})
}

func hasNull(row [][]byte) bool {
	for _, cell := range row {
		if cell == nil {
			return true
		}
	}
	return false
}

// copy locks the chunk at the source, makes the target equal and commits there.
func (l *lane) copy(ctx context.Context, c *chunk) error {
	err := l.lockChunk(ctx, c)
	if err == nil {
		err = l.carry(ctx, &c.load)
	}
	return errors.Join(err, l.release(ctx))
}

// lockChunk reads and locks the rows between the ends of the chunk. Rows that
// others hold are left to be repaired by themselves.
func (l *lane) lockChunk(ctx context.Context, c *chunk) error {
	most := 2*l.walk.rows + 64
	q, err := c.shape.sourceRange(c.shape.source.Chunk, c.low, c.high, most)
	if err != nil {
		return err
	}
	cut, err := l.lockRows(ctx, &c.load, q)
	if err != nil {
		return err
	}
	if cut || len(c.images) >= most {
		return errLarge
	}
	have := make(map[rewrite.RowKey]bool, len(c.locked))
	for _, key := range c.locked {
		have[key] = true
	}
	for _, key := range c.keys {
		if !have[key] {
			c.left = append(c.left, key)
		}
	}
	return nil
}

// told notes what differed in a chunk without a reason, and makes it dirty for
// another look.
func (l *lane) told(c *chunk) error {
	m := l.walk.rng.Mark
	if len(c.differs) == 0 || !suspicious(m.Cause) {
		return nil
	}
	again := shadow.TableKeys{Table: l.walk.rng.Table}
	for _, i := range slices.Sorted(maps.Keys(c.differs)) {
		again.Keys = append(again.Keys, c.locked[i])
		if l.opt.Ledger.Explained(l.walk.rng.Table, c.locked[i], 0) {
			continue
		}
		err := l.opt.Divergences.Diverge(Divergence{
			Table: l.walk.rng.Table, Key: c.locked[i], Kind: c.differs[i].kind, State: Repaired, Columns: c.differs[i].columns,
			Cause: m.Cause, TxID: m.TxID, Epoch: l.opt.Epoch, Seen: l.opt.Now(),
		})
		if err != nil {
			return fmt.Errorf("note a divergence: %w", err)
		}
	}
	in := shadow.Intent{Epoch: l.opt.Epoch, Tables: []shadow.TableKeys{again}}
	return l.opt.Ledger.Mark(&in, shadow.CauseRecheck)
}
