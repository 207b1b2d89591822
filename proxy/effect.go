package proxy

import (
	"slices"

	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/shadow"
)

// An effect is a row that the source has updated or deleted and that the target
// did not have: somebody has taken it away there, or it has never come. It is one
// only where nothing else explains it (DESIGN P8):
//
//   - a transaction that put the row there has committed at the source and not yet
//     at the target. It was under way when the image was sent, or is when the
//     answer comes; one that had ended before is there to be seen, or its keys are
//     dirty. The row's lock at the source is ours, so that no other comes between;
//   - the row is dirty, alone or with its table. The worker needs that lock to say
//     that it no longer is;
//   - the row need not be at the target: a new key, a target with a condition.

// explain notes the rows of a change that transactions under way may not have
// brought to the target yet. It is called before the change is sent.
func (o *otherLeg) explain(c *shadow.Change) {
	if c.Kind != shadow.Updated && c.Kind != shadow.Deleted && len(c.Gone) == 0 {
		return
	}
	under := o.s.server.pending.of(c.Pair.Name())
	if len(under) == 0 {
		return
	}
	if o.explained == nil {
		o.explained = map[rowOf]bool{}
	}
	for row := range o.rows(c) {
		if touched(under, row) {
			o.explained[row] = true
		}
	}
}

// of are the commits of a table that are under way.
func (p *pending) of(table string) []*commit {
	p.mu.Lock()
	defer p.mu.Unlock()
	under := make([]*commit, 0, len(p.all[table]))
	for c := range p.all[table] {
		under = append(under, c)
	}
	return under
}

func touched(under []*commit, row rowOf) bool {
	return slices.ContainsFunc(under, func(c *commit) bool { return c.tx.Touches(row.pair.Name(), row.key) })
}

// suspect notes a row that an image did not meet, if nothing explains that.
func (o *otherLeg) suspect(c *shadow.Change, what missed, key rewrite.RowKey) {
	row := rowOf{c.Pair, key}
	switch {
	case c.Pair.Targets[what.target].When != "", what.gone < 0 && len(c.Gone) > 0:
	case o.explained[row], touched(o.s.server.pending.of(c.Pair.Name()), row), o.s.server.isDirty(row):
	case slices.Contains(o.effects, row):
	default:
		o.effects = append(o.effects, row)
	}
}

func (s *Server) isDirty(row rowOf) bool {
	dirty := s.opt.Mirror.Dirty
	return dirty != nil && dirty(row.pair.Name(), row.key)
}

// effects are what the transaction has found; it has brought these rows over.
func (m *mirroring) effects() []rowOf {
	switch {
	case m.same != nil && m.same.o != nil:
		return m.same.o.effects
	case m.other != nil:
		return m.other.effects
	default:
		return nil
	}
}

// differed tells of rows that the target did not have, once it has them. What
// the transaction itself has made dirty is explained, as by its target's own
// cascade.
func (s *Server) differed(effects []rowOf, id shadow.TxID) {
	for _, row := range effects {
		if tell := s.opt.Mirror.Observer.Effect; tell != nil && !s.isDirty(row) {
			tell(row.pair.Name(), row.key, id)
		}
	}
}
