package repair

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/crossfade-db/crossfade/reconcile"
	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/rewrite/pgsql/image"
)

// Bounds of keys that are repaired together.
const (
	batchMost  = takeMost
	batchLeast = 4  // fewer are repaired one by one
	batchFloor = 20 // however long the source was held
)

// repairTogether repairs leased keys in batches of one table. It answers those
// that are to be repaired one by one: of rows that are absent, locked or refused,
// or that take more than a comparison and a write.
func (l *lane) repairTogether(ctx context.Context, keys []reconcile.DirtyKey) ([]reconcile.DirtyKey, error) {
	var single []reconcile.DirtyKey
	parts := byTable(keys)
	for i, of := range parts {
		s := l.shapes.of(l.opt.Plan(), of[0].Table)
		if s == nil || s.lockText == "" || !s.batched() {
			single = append(single, of...)
			continue
		}
		left, err := l.batches(ctx, s, of)
		single = append(single, left...)
		if err != nil {
			return append(single, slices.Concat(parts[i+1:]...)...), err
		}
	}
	return single, nil
}

// batches repairs keys of one table.
func (l *lane) batches(ctx context.Context, s *shape, keys []reconcile.DirtyKey) ([]reconcile.DirtyKey, error) {
	var single []reconcile.DirtyKey
	for len(keys) >= batchLeast && ctx.Err() == nil && l.worker.blocked() == "" {
		n := min(len(keys), l.batchRows())
		left, err := l.batch(ctx, s, keys[:n])
		single, keys = append(single, left...), keys[n:]
		if err != nil {
			return append(single, keys...), err
		}
	}
	return append(single, keys...), nil
}

func (l *lane) batchRows() int {
	if l.rows == 0 {
		l.rows = batchMost
	}
	return l.rows
}

// byTable parts keys by their tables, in the order in which these come first.
func byTable(keys []reconcile.DirtyKey) [][]reconcile.DirtyKey {
	var parts [][]reconcile.DirtyKey
	at := map[string]int{}
	for _, k := range keys {
		i, known := at[k.Table]
		if !known {
			i = len(parts)
			at[k.Table] = i
			parts = append(parts, nil)
		}
		parts[i] = append(parts[i], k)
	}
	return parts
}

// batch repairs keys of one table, and settles those that it has repaired or
// that are to wait for a transaction. Its error is one of the fence.
func (l *lane) batch(ctx context.Context, s *shape, keys []reconcile.DirtyKey) ([]reconcile.DirtyKey, error) {
	ctx, cancel := context.WithTimeout(ctx, exchangeTimeout)
	defer cancel()
	if l.ready(ctx) != nil || l.ask(ctx, keys) != nil {
		return keys, nil
	}
	var over []reconcile.DirtyKey
	var flying []repaired
	for i, k := range keys {
		rep, err := l.flying(ctx, k.Marks)
		if err != nil {
			l.settle(flying)
			return append(over, keys[i:]...), nil
		}
		if rep.outcome == InFlight {
			flying = append(flying, repaired{DirtyKey: k, report: rep})
			continue
		}
		over = append(over, k)
	}
	l.settle(flying)
	return l.halves(ctx, s, over)
}

// halves repairs keys of which some may be refused: then each half by itself, so
// that one of them does not keep the others from it.
func (l *lane) halves(ctx context.Context, s *shape, keys []reconcile.DirtyKey) ([]reconcile.DirtyKey, error) {
	if len(keys) < batchLeast {
		return keys, nil
	}
	o := &load{shape: s, wary: true}
	err := l.copyKeys(ctx, o, keys)
	var refused *Refusal
	switch {
	case err == nil:
		return l.apart(o, keys), nil
	case errors.Is(err, ErrStale), errors.Is(err, ErrNoFence):
		return keys, err
	case !errors.As(err, &refused) && !errors.Is(err, errReleased), l.ready(ctx) != nil:
		return keys, nil
	}
	half := len(keys) / 2
	left, err := l.halves(ctx, s, keys[:half])
	if err != nil {
		return append(left, keys[half:]...), err
	}
	more, err := l.halves(ctx, s, keys[half:])
	return append(left, more...), err
}

// copyKeys locks the rows of keys at the source, makes the target equal and
// commits there.
func (l *lane) copyKeys(ctx context.Context, o *load, keys []reconcile.DirtyKey) error {
	q, err := o.shape.lockQuery(keys)
	if err != nil {
		return err
	}
	_, err = l.lockRows(ctx, o, q)
	if err == nil {
		err = l.carry(ctx, o)
	}
	err = errors.Join(err, l.release(ctx))
	if held := l.opt.Now().Sub(o.since); held > l.opt.LockMost {
		l.rows = max(batchFloor, l.batchRows()/2)
	} else {
		l.rows = min(batchMost, l.batchRows()*3/2)
	}
	return err
}

// apart settles the keys whose rows are equal now, and answers the others.
func (l *lane) apart(o *load, keys []reconcile.DirtyKey) []reconcile.DirtyKey {
	at := make(map[rewrite.RowKey]int, len(o.locked))
	for i, key := range o.locked {
		at[key] = i
	}
	for _, key := range o.left {
		delete(at, key)
	}
	var done []repaired
	var left []reconcile.DirtyKey
	for _, k := range keys {
		i, ok := at[k.Key]
		if !ok {
			left = append(left, k)
			continue
		}
		rep := report{outcome: Equal}
		if d, differs := o.differs[i]; differs {
			rep = report{outcome: Wrote, kind: d.kind, columns: d.columns}
		}
		done = append(done, repaired{DirtyKey: k, report: rep})
	}
	l.settle(done)
	return left
}

// lockText reads the rows of many keys at the source and locks them; those that
// another transaction holds are left out. "" where a cell of the key cannot be an
// element of an array. The lock stands in a sub-select so that it is had by the
// key's index, row by row.
func lockText(plan *rewrite.Plan, p *rewrite.Pair) string {
	var cells, arrays, names, terms []string
	for i := range p.Cells {
		cells = append(cells, rewrite.Quote(p.Cells[i].Column))
	}
	for n, i := range p.Key {
		c := &p.Cells[i]
		if !c.Binary || arrayOf(plan.Source, c.Type) == 0 {
			return ""
		}
		same := " OPERATOR(pg_catalog.=) "
		if c.Type >= rewrite.FirstUserOID {
			same = " = "
		}
		number := strconv.Itoa(n + 1)
		arrays = append(arrays, "pg_catalog.unnest($"+number+")")
		names = append(names, "c"+number)
		terms = append(terms, "s."+cells[i]+same+"k.c"+number)
	}
	return "SELECT r.* FROM ROWS FROM (" + strings.Join(arrays, ", ") + ") AS k (" + strings.Join(names, ", ") + ") CROSS JOIN LATERAL (SELECT s." +
		strings.Join(cells, ", s.") + " FROM " + p.Source.Name.SQL() + " AS s WHERE " + strings.Join(terms, " AND ") + " FOR SHARE SKIP LOCKED) AS r"
}

func arrayOf(s *rewrite.Schema, element uint32) uint32 {
	if t := s.Types[element]; t != nil {
		return t.Array
	}
	return 0
}

// lockQuery is lockText with keys.
func (s *shape) lockQuery(keys []reconcile.DirtyKey) (query, error) {
	columns := make([][][]byte, len(s.pair.Key))
	for _, k := range keys {
		cells, err := s.cells(k.Key)
		if err != nil {
			return query{}, err
		}
		for i, cell := range cells {
			columns[i] = append(columns[i], cell)
		}
	}
	q := query{sql: s.lockText, formats: []int16{pgtype.BinaryFormatCode}}
	for i, column := range columns {
		q.params = append(q.params, image.Array(s.ownTypes[i], column))
		q.oids = append(q.oids, arrayOf(s.plan.Source, s.ownTypes[i]))
	}
	return q, nil
}
