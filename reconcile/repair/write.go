package repair

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/router"
)

// writing is what happens in one transaction on the other side.
type writing struct {
	*repairer
	task   task
	others holders // that may hide a row
	res    result
}

// errUnkeyed says that a target's row cannot be found by the key of a row that
// the authority does not have.
var errUnkeyed = errors.New("the target's key is not part of the source's key")

// found notes what differs.
func (w *writing) found(member int, kind Kind, columns []string) {
	w.res.wrote, w.res.differs = true, true
	if member != len(w.task.members)-1 {
		return
	}
	if w.res.kind == "" {
		w.res.kind = kind
	}
	w.res.columns = append(w.res.columns, columns...)
}

// remove takes the rows of a key away that the authority does not have: those
// that refer to others first.
func (w *writing) remove(ctx context.Context, member int, key rewrite.RowKey) error {
	s := w.task.shape
	cells, err := s.targetKey(key)
	if err != nil {
		return err
	}
	for target := range slices.Backward(s.texts) {
		deleted, err := w.delete(ctx, target, cells)
		switch {
		case err != nil:
			return err
		case deleted:
			w.found(member, Extra, nil)
		case len(w.others) > 0:
			if err := w.take(ctx, target, cells); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *writing) delete(ctx context.Context, target int, cells [][]byte) (bool, error) {
	text := w.task.shape.texts[target].Delete
	if text == "" {
		return false, errUnkeyed
	}
	if err := w.childless(ctx, target, cells); err != nil {
		return false, err
	}
	answers, err := w.s().flight(ctx, w.task.shape.byKey(text, cells))
	return err == nil && answers[0].affected > 0, err
}

// childless says that the target has no row which it would change or delete
// along with the row of a key: such rows are to be repaired before.
func (w *writing) childless(ctx context.Context, target int, cells [][]byte) error {
	s := w.task.shape
	for i := range s.pair.Targets[target].Table.Referenced {
		f := &s.pair.Targets[target].Table.Referenced[i]
		if !f.Writes() {
			continue
		}
		answers, err := w.s().flight(ctx, s.byKey(s.childText(s.pair.Targets[target], f), cells))
		if err != nil {
			return err
		}
		if len(answers[0].rows) > 0 {
			name := f.From
			return &Refusal{Side: router.Target, Code: foreignKey, Schema: name.Schema, Table: name.Name, Constraint: f.Name}
		}
	}
	return nil
}

// childText answers a row if there is one that refers to the row of a key.
func (s *shape) childText(target *rewrite.Target, f *rewrite.ForeignKey) string {
	var terms []string
	for i, column := range f.Columns {
		terms = append(terms, "c."+rewrite.Quote(column)+" = t."+rewrite.Quote(f.Refers[i]))
	}
	for n, cell := range s.pair.Key {
		for _, k := range target.Key {
			if k.Cell == cell {
				terms = append(terms, "t."+rewrite.Quote(k.Column)+" = "+parameter(n, &s.pair.Cells[cell]))
			}
		}
	}
	return "SELECT 1 FROM " + f.From.SQL() + " AS c, " + target.Table.Name.SQL() + " AS t WHERE " + strings.Join(terms, " AND ") + " LIMIT 1"
}

// take waits for a row that another session may have inserted, by inserting one
// of the same key, and deletes whichever is there. Where the table does not let
// it, the row's absence stays unproven.
func (w *writing) take(ctx context.Context, target int, cells [][]byte) error {
	s, texts := w.task.shape, w.task.shape.texts[target]
	if texts.Placeholder == "" {
		w.res.unproven = w.others
		return nil
	}
	_, err := w.s().flight(ctx, query{sql: "SAVEPOINT taken"}, s.byKey(texts.Placeholder, cells), s.byKey(texts.Delete, cells),
		query{sql: "RELEASE taken"})
	var refused *Refusal
	if errors.As(err, &refused) {
		w.res.unproven = w.others
		_, err = w.s().flight(ctx, query{sql: "ROLLBACK TO taken"})
		return err
	}
	w.res.wrote = true
	return err
}

// bring makes the rows of an image as the authority has them: those that others
// refer to first.
func (w *writing) bring(ctx context.Context, member int, im rewrite.Image) error {
	for target := range w.task.shape.texts {
		v, err := w.compare(ctx, target, im)
		switch {
		case err != nil:
			return err
		case !v.wanted && !v.present:
			w.res.unproven = append(w.res.unproven, w.others...)
		case v.equal():
		default:
			if err := w.put(ctx, target, v, im); err != nil {
				return err
			}
			w.found(member, v.kind(), v.differs)
		}
	}
	return nil
}

func (w *writing) compare(ctx context.Context, target int, im rewrite.Image) (verdict, error) {
	s := w.task.shape
	answers, err := w.s().flight(ctx, s.plain(s.texts[target].DiffOne, im, verdictFormats))
	if err != nil {
		return verdict{}, err
	}
	found, err := verdicts(answers[0])
	if err == nil && len(found) != 1 {
		err = errors.New("a comparison with the target gave no answer")
	}
	if err != nil {
		return verdict{}, err
	}
	return found[0], nil
}

// put makes the target's row of an image what it is to be.
func (w *writing) put(ctx context.Context, target int, v verdict, im rewrite.Image) error {
	s := w.task.shape
	texts := s.texts[target]
	fixed := slices.ContainsFunc(v.differs, func(column string) bool { return slices.Contains(texts.Fixed, column) })
	switch {
	case !v.wanted:
		if err := w.childless(ctx, target, s.keyOf(im)); err != nil {
			return err
		}
		return w.send(ctx, s.plain(texts.Unless, im, nil))
	case fixed:
		return w.anew(ctx, target, im)
	case v.present && texts.Update != "":
		return w.send(ctx, s.plain(texts.Update, im, nil))
	}
	return w.send(ctx, s.plain(texts.Upsert, im, nil))
}

// anew deletes and inserts a row of which a column differs that no update sets.
func (w *writing) anew(ctx context.Context, target int, im rewrite.Image) error {
	s := w.task.shape
	if _, err := w.delete(ctx, target, s.keyOf(im)); err != nil {
		return err
	}
	return w.send(ctx, s.plain(s.texts[target].Upsert, im, nil))
}

func (w *writing) send(ctx context.Context, q query) error {
	_, err := w.s().flight(ctx, q)
	return err
}

// clearAll takes the rows of all members away.
func (w *writing) clearAll(ctx context.Context) error {
	s := w.task.shape
	for i, key := range w.task.members {
		cells, err := s.targetKey(key)
		for target := range slices.Backward(s.texts) {
			if err == nil {
				err = w.clear(ctx, target, cells)
			}
		}
		if err != nil {
			return &memberError{member: i, err: err}
		}
	}
	return nil
}
