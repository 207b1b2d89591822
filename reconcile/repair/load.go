package repair

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/crossfade-db/crossfade/internal/failpoint"
	"github.com/crossfade-db/crossfade/rewrite"
)

// load is rows of one table that are locked at the source, on their way to the
// target.
type load struct {
	shape   *shape
	images  []rewrite.Image    // as the target reads them
	locked  []rewrite.RowKey   // their keys
	left    []rewrite.RowKey   // to be repaired by themselves
	differs map[int]difference // by image: how the target's row differed
	since   time.Time          // when the source was asked for the locks
	// fresh: the target has none of them, so that there is nothing to compare with.
	fresh bool
	// wary: where the target shows no row and is to have none, another session
	// may have yet to commit one, so that the row is left.
	wary  bool
	wrote bool
}

type difference struct {
	kind    Kind
	columns []string
}

// lockRows begins a transaction on the source that reads and locks the rows of a
// query; it says whether there were more than are held at once.
func (r *repairer) lockRows(ctx context.Context, o *load, q query) (cut bool, err error) {
	q.results, q.most = o.shape.formats, mostBytes
	o.since = r.opt.Now()
	answers, err := r.a().flight(ctx, append(r.lockTexts(o.shape), q)...)
	if err != nil {
		return false, err
	}
	found := answers[len(answers)-1]
	have := make(map[rewrite.RowKey]bool, len(found.rows))
	for _, row := range found.rows {
		key, ok := o.shape.pair.KeyOf(row)
		im, err := o.shape.atTarget(row)
		if err != nil || !ok {
			return false, errors.Join(errors.New("a row has no key"), err)
		}
		if have[key] {
			continue
		}
		have[key] = true
		o.images, o.locked = append(o.images, im), append(o.locked, key)
	}
	return found.cut, nil
}

// carry makes the target equal for rows that are locked at the source, and
// commits there while they are locked still.
func (r *repairer) carry(ctx context.Context, o *load) error {
	r.hit(failpoint.RepairLocked)
	if len(o.images) == 0 {
		return nil
	}
	err := r.put(ctx, o)
	if err != nil || !o.wrote {
		return err
	}
	r.hit(failpoint.RepairWritten)
	if err := r.a().alive(ctx); err != nil {
		return err
	}
	return r.commit(ctx)
}

// put brings the rows to every target, those that others refer to first.
func (r *repairer) put(ctx context.Context, o *load) error {
	if !o.shape.batched() {
		return r.bringSingly(ctx, o)
	}
	before := r.opening(o.shape)
	for target := range o.shape.texts {
		if err := r.bringAll(ctx, o, target, before); err != nil {
			return err
		}
		before = nil
	}
	return nil
}

func (r *repairer) bringSingly(ctx context.Context, o *load) error {
	if _, err := r.begin(ctx, o.shape, false); err != nil {
		return err
	}
	w := writing{repairer: r, task: task{shape: o.shape, members: []rewrite.RowKey{""}}}
	for i, im := range o.images {
		w.res = result{}
		if err := w.bring(ctx, 0, im); err != nil {
			return err
		}
		o.wrote = o.wrote || w.res.wrote
		if w.res.differs {
			o.differ(i, w.res.kind, w.res.columns)
		}
	}
	return nil
}

// bringAll compares the rows with one target in one statement, and writes what
// differs in as few. What comes before, if anything, begins the transaction and
// travels with the first of them: the fence is looked at before anything commits.
func (r *repairer) bringAll(ctx context.Context, o *load, target int, before []query) error {
	s := o.shape
	first := s.batch(s.texts[target].Diff, o.images, verdictFormats)
	if o.fresh {
		first = s.batch(s.texts[target].UpsertAll, o.images, nil)
	}
	answers, err := r.s().flight(ctx, append(before, first)...)
	if len(before) > 0 {
		if err := r.opened(answers, err); err != nil {
			return err
		}
	}
	if o.fresh || err != nil {
		o.wrote = o.fresh
		return err
	}
	found, err := verdicts(answers[len(answers)-1])
	if err != nil {
		return err
	}
	queries := o.sort(target, found).queries(s, target)
	if len(queries) > 0 {
		o.wrote = true
		_, err = r.s().flight(ctx, queries...)
	}
	return err
}

// opening begins a transaction on the other side behind the fence.
func (r *repairer) opening(s *shape) []query {
	return []query{{sql: beginText}, {sql: FenceLock}, {sql: FenceEpoch}, limit(r.opt.idleMost()), s.pin}
}

// opened says what the answers to opening are, and to whatever came behind it in
// its flight, which may have failed.
func (r *repairer) opened(answers []answer, err error) error {
	if len(answers) < 3 || len(answers) == 3 && err != nil {
		return fmt.Errorf("begin at the target: %w", err)
	}
	return fenced(answers[1], answers[2], r.opt.Epoch)
}

// parts are images by what is to be done with them.
type parts struct{ unless, updates, upserts []rewrite.Image }

func (p parts) queries(s *shape, target int) []query {
	var queries []query
	texts := s.texts[target]
	for _, part := range []struct {
		text   string
		images []rewrite.Image
	}{{texts.UnlessAll, p.unless}, {texts.UpdateAll, p.updates}, {texts.UpsertAll, p.upserts}} {
		if len(part.images) > 0 {
			queries = append(queries, s.batch(part.text, part.images, nil))
		}
	}
	return queries
}

// sort parts the images by what one target has of them. What takes more than one
// statement is left to be repaired by itself.
func (o *load) sort(target int, found []verdict) parts {
	var p parts
	texts := o.shape.texts[target]
	for _, v := range found {
		i := v.ord - 1
		if i < 0 || i >= len(o.images) {
			continue
		}
		fixed := slices.ContainsFunc(v.differs, func(column string) bool { return slices.Contains(texts.Fixed, column) })
		switch {
		case o.wary && !v.wanted && !v.present, fixed, v.present && !v.wanted && o.shape.cascades(target):
			o.left = append(o.left, o.locked[i])
			continue
		case v.equal():
			continue
		case !v.wanted:
			p.unless = append(p.unless, o.images[i])
		case v.present && texts.UpdateAll != "":
			p.updates = append(p.updates, o.images[i])
		default:
			p.upserts = append(p.upserts, o.images[i])
		}
		o.differ(i, v.kind(), v.differs)
	}
	return p
}

// differ notes what differs: the kind is that of the first target where something
// does.
func (o *load) differ(image int, kind Kind, columns []string) {
	if o.differs == nil {
		o.differs = map[int]difference{}
	}
	d := o.differs[image]
	if d.kind == "" {
		d.kind = kind
	}
	d.columns = append(d.columns, columns...)
	o.differs[image] = d
}

// written is how many rows the target had otherwise.
func (o *load) written() int {
	if o.fresh {
		return len(o.images)
	}
	return len(o.differs)
}
