package repair

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/crossfade-db/crossfade/internal/failpoint"
	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/shadow"
)

// chunk is a part of a range.
type chunk struct {
	low, high rewrite.RowKey
	last      bool             // it ends where the range does
	keys      []rewrite.RowKey // that the source had, seen without a lock
	left      []rewrite.RowKey // to be repaired by themselves
	images    []rewrite.Image  // as the target reads them; locked at the source
	locked    []rewrite.RowKey // their keys
	written   int
	found     []Divergence // to be told once the target has committed
}

// errLarge says that a chunk has more rows or bytes than are held at once.
var errLarge = errors.New("the chunk is too large")

// read finds out where the next chunk ends.
func (l *lane) read(ctx context.Context) (*chunk, error) {
	w := l.walk
	c := &chunk{low: w.rng.Low, high: w.rng.High, last: true}
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
			keys, err := l.page(ctx, target, low, c.high, w.rows)
			if err != nil {
				return err
			}
			for _, key := range keys {
				if key != "" && !have[key] {
					c.left = append(c.left, key)
					have[key] = true
				}
			}
			more = len(keys) == w.rows && keys[len(keys)-1] != ""
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
	_, err := l.begin(ctx, l.walk.shape, false)
	if err == nil {
		err = l.lockChunk(ctx, c)
	}
	if err == nil {
		l.hit(failpoint.RepairLocked)
		err = l.writeChunk(ctx, c)
	}
	if err == nil {
		l.hit(failpoint.RepairWritten)
		err = l.a().alive(ctx)
	}
	if err == nil {
		err = l.commit(ctx)
	}
	return errors.Join(err, l.release(ctx))
}

// lockChunk reads and locks the rows between the ends of the chunk. Rows that
// others hold are left to be repaired by themselves.
func (l *lane) lockChunk(ctx context.Context, c *chunk) error {
	w := l.walk
	most := 2*w.rows + 64
	q, err := w.shape.sourceRange(w.shape.source.Chunk, c.low, c.high, most)
	if err != nil {
		return err
	}
	q.results, q.most = w.shape.formats, mostBytes
	answers, err := l.a().flight(ctx, append(l.lockTexts(w.shape), q)...)
	if err != nil {
		return err
	}
	found := answers[len(answers)-1]
	if found.cut || len(found.rows) == most {
		return errLarge
	}
	have := make(map[rewrite.RowKey]bool, len(found.rows))
	for _, row := range found.rows {
		key, ok := w.shape.pair.KeyOf(row)
		im, err := w.shape.atTarget(row)
		if err != nil || !ok {
			return errors.Join(errors.New("a row has no key"), err)
		}
		have[key] = true
		c.images, c.locked = append(c.images, im), append(c.locked, key)
	}
	for _, key := range c.keys {
		if !have[key] {
			c.left = append(c.left, key)
		}
	}
	return nil
}

// writeChunk brings the images to every target, those that others refer to
// first.
func (l *lane) writeChunk(ctx context.Context, c *chunk) error {
	if len(c.images) == 0 {
		return nil
	}
	if !l.walk.shape.batched() {
		return l.writeSingly(ctx, c)
	}
	for target := range l.walk.shape.texts {
		if err := l.writeTarget(ctx, c, target); err != nil {
			return err
		}
	}
	return nil
}

func (l *lane) writeSingly(ctx context.Context, c *chunk) error {
	w := writing{repairer: &l.repairer, task: task{shape: l.walk.shape, members: []rewrite.RowKey{""}}}
	for i, im := range c.images {
		w.res = result{}
		if err := w.bring(ctx, 0, im); err != nil {
			return err
		}
		if w.res.differs {
			c.written++
			l.differs(c, i, w.res.kind, w.res.columns)
		}
	}
	return nil
}

// writeTarget compares the images with one target in one statement, and writes
// what differs in as few.
func (l *lane) writeTarget(ctx context.Context, c *chunk, target int) error {
	s := l.walk.shape
	if l.walk.fresh {
		c.written = len(c.images)
		_, err := l.s().flight(ctx, s.batch(s.texts[target].UpsertAll, c.images, nil))
		return err
	}
	answers, err := l.s().flight(ctx, s.batch(s.texts[target].Diff, c.images, verdictFormats))
	if err != nil {
		return err
	}
	found, err := verdicts(answers[0])
	if err != nil {
		return err
	}
	plan := l.sort(c, target, found)
	var queries []query
	for _, part := range []struct {
		text   string
		images []rewrite.Image
	}{
		{s.texts[target].UnlessAll, plan.unless}, {s.texts[target].UpdateAll, plan.updates}, {s.texts[target].UpsertAll, plan.upserts},
	} {
		if len(part.images) > 0 {
			queries = append(queries, s.batch(part.text, part.images, nil))
		}
	}
	if len(queries) > 0 {
		_, err = l.s().flight(ctx, queries...)
	}
	return err
}

// parts are the images of a chunk by what is to be done with them.
type parts struct{ unless, updates, upserts []rewrite.Image }

// sort parts the images by what one target has of them. What takes more than one
// statement is left to be repaired by itself.
func (l *lane) sort(c *chunk, target int, found []verdict) parts {
	var p parts
	texts := l.walk.shape.texts[target]
	for _, v := range found {
		i := v.ord - 1
		if i < 0 || i >= len(c.images) || v.equal() {
			continue
		}
		fixed := slices.ContainsFunc(v.differs, func(column string) bool { return slices.Contains(texts.Fixed, column) })
		switch {
		case fixed, !v.wanted && l.walk.shape.cascades(target):
			c.left = append(c.left, c.locked[i])
			continue
		case !v.wanted:
			p.unless = append(p.unless, c.images[i])
		case v.present && texts.UpdateAll != "":
			p.updates = append(p.updates, c.images[i])
		default:
			p.upserts = append(p.upserts, c.images[i])
		}
		c.written++
		l.differs(c, i, v.kind(), v.differs)
	}
	return p
}

// differs notes what differed without a reason.
func (l *lane) differs(c *chunk, image int, kind Kind, columns []string) {
	m := l.walk.rng.Mark
	if suspicious(m.Cause) {
		c.found = append(c.found, Divergence{
			Table: l.walk.rng.Table, Key: c.locked[image], Kind: kind, State: Repaired, Columns: columns,
			Cause: m.Cause, TxID: m.TxID, Epoch: l.opt.Epoch, Seen: l.opt.Now(),
		})
	}
}

// told notes what was found in a chunk, and makes it dirty for another look.
func (l *lane) told(c *chunk) error {
	if len(c.found) == 0 {
		return nil
	}
	keys := map[rewrite.RowKey]bool{}
	for _, d := range c.found {
		keys[d.Key] = true
		if err := l.opt.Divergences.Diverge(d); err != nil {
			return fmt.Errorf("note a divergence: %w", err)
		}
	}
	again := shadow.TableKeys{Table: l.walk.rng.Table, Keys: slices.Collect(maps.Keys(keys))}
	in := shadow.Intent{Epoch: l.opt.Epoch, Tables: []shadow.TableKeys{again}}
	return l.opt.Ledger.Mark(&in, shadow.CauseRecheck)
}
