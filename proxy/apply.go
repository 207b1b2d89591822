package proxy

import (
	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/rewrite/pgsql/image"
	"github.com/crossfade-db/crossfade/shadow"
)

// batchRows is how many images go in one statement.
const batchRows = 1000

// apply adds the statements that bring a change to the target: old keys first,
// then the images in the order in which they were returned (WRITEPATH §1).
func (o *otherLeg) apply(c *shadow.Change) {
	if c.Kind == shadow.Truncated {
		o.truncate(c)
		return
	}
	for i, t := range c.Pair.Targets {
		x := o.mapped.textsFor(c.Pair, t)
		for g, key := range c.Gone {
			o.deleteKey(x, c, key, missed{change: c, target: i, image: -1, gone: g, op: o.ops})
		}
		if o.batches(c, x) {
			o.applyAll(x, c, i)
			continue
		}
		for n := range c.Images {
			o.applyOne(x, c, missed{change: c, target: i, image: n, gone: -1, op: o.ops})
		}
	}
}

// batches says that the images can go together: several of them, each value in
// an array, and no second unique key that a value could move along.
func (o *otherLeg) batches(c *shadow.Change, x *targetTexts) bool {
	if len(c.Images) < 3 || !x.Batch {
		return false
	}
	for _, t := range c.Pair.Targets {
		if len(t.Table.Keys) > 1 {
			return false
		}
	}
	return true
}

// applyOne adds the statement for one image.
func (o *otherLeg) applyOne(x *targetTexts, c *shadow.Change, what missed) {
	im, ok := o.translated(c.Pair, c.Images[what.image])
	if !ok {
		return
	}
	switch {
	case c.Kind == shadow.Deleted:
		if key, ok := c.Pair.KeyOf(c.Images[what.image]); ok {
			o.deleteKey(x, c, key, what)
		}
		return
	case c.Kind == shadow.Inserted || c.Kind == shadow.Merged || x.Update == "":
		o.say(x.name+"u", x.Upsert, 'E', image.CellTypes(c.Pair), image.Formats(c.Pair), im)
	default:
		o.say(x.name+"s", x.Update, 'E', image.CellTypes(c.Pair), image.Formats(c.Pair), im)
		o.wants(1, what)
	}
	if x.Unless != "" {
		o.say(x.name+"n", x.Unless, 'E', image.CellTypes(c.Pair), image.Formats(c.Pair), im)
	}
}

// wants says how many rows the statement added last is to meet.
func (o *otherLeg) wants(rows int, what missed) {
	last := &o.owed[len(o.owed)-1]
	last.want, last.miss = rows, what
}

// deleteKey adds the delete of a row.
func (o *otherLeg) deleteKey(x *targetTexts, c *shadow.Change, key rewrite.RowKey, what missed) {
	cells, err := key.Cells()
	if err != nil {
		o.failed = err
		return
	}
	o.say(x.name+"d", x.Delete, 'E', image.KeyTypes(c.Pair), image.KeyFormats(c.Pair), cells)
	o.wants(1, what)
}

// applyAll adds the images in arrays.
func (o *otherLeg) applyAll(x *targetTexts, c *shadow.Change, target int) {
	schema := o.mapped.Plan.Target
	for from := 0; from < len(c.Images); from += batchRows {
		part := c.Images[from:min(from+batchRows, len(c.Images))]
		if c.Kind == shadow.Deleted {
			for n := range part {
				o.applyOne(x, c, missed{change: c, target: target, image: from + n, gone: -1, op: o.ops})
			}
			continue
		}
		args, ok := o.arrays(c.Pair, part)
		if !ok {
			return
		}
		types := image.ArrayTypes(c.Pair, schema)
		what := missed{change: c, target: target, image: -1, gone: -1, op: o.ops}
		if c.Kind == shadow.Inserted || c.Kind == shadow.Merged || x.UpdateAll == "" {
			o.say(x.name+"U", x.UpsertAll, 'E', types, allBinary(len(args)), args)
		} else {
			o.say(x.name+"S", x.UpdateAll, 'E', types, allBinary(len(args)), args)
			o.wants(len(part), what)
		}
		if x.UnlessAll != "" {
			o.say(x.name+"N", x.UnlessAll, 'E', types, allBinary(len(args)), args)
		}
	}
}

func allBinary(n int) []int16 {
	formats := make([]int16, n)
	for i := range formats {
		formats[i] = 1
	}
	return formats
}

// arrays are the cells of images as one array per cell.
func (o *otherLeg) arrays(p *rewrite.Pair, images []rewrite.Image) ([][]byte, bool) {
	args := make([][]byte, len(p.Cells))
	column := make([][]byte, len(images))
	rows := make([]rewrite.Image, len(images))
	for i, im := range images {
		row, ok := o.translated(p, im)
		if !ok {
			return nil, false
		}
		rows[i] = row
	}
	for c := range p.Cells {
		for i, row := range rows {
			column[i] = row[c]
		}
		args[c] = image.Array(image.CellTypes(p)[c], column)
	}
	return args, true
}

// translated is an image in the type numbers of the target.
func (o *otherLeg) translated(p *rewrite.Pair, im rewrite.Image) (rewrite.Image, bool) {
	plan := o.mapped.Plan
	out := im
	for i, cell := range p.Cells {
		if im[i] == nil || !cell.Binary || cell.Type < rewrite.FirstUserOID {
			continue
		}
		from, to := plan.Source.Types[cell.Type], plan.Target.Types[cell.TargetType]
		if from == nil || to == nil {
			continue
		}
		value, err := image.Translate(im[i], from, to, plan.Source, plan.Target)
		if err != nil {
			o.failed = err
			return nil, false
		}
		if &out[0] == &im[0] {
			out = append(rewrite.Image(nil), im...)
		}
		out[i] = value
	}
	return out, true
}

// truncate adds the statement that empties tables.
func (o *otherLeg) truncate(c *shadow.Change) {
	text, ok := image.Truncate(c.Pairs)
	if !ok {
		o.failed = errNotEmptied
		return
	}
	o.say(nameTruncate, text, 'X', nil, nil, nil)
	delete(o.l.prepared, nameTruncate)
}

// redo does by key what met no row, unless something came after it for the same
// key: an update puts the row there; a delete takes the key first, as the row of
// another transaction may be there unseen (WRITEPATH §1).
func (o *otherLeg) redo() {
	todo := o.missed
	o.missed = nil
	for _, what := range todo {
		c := what.change
		x := o.mapped.textsFor(c.Pair, c.Pair.Targets[what.target])
		switch {
		case what.gone >= 0:
			o.suspect(c, what, c.Gone[what.gone])
			if o.isLast(c.Pair, c.Gone[what.gone], what.op) {
				o.takeKey(x, c, c.Gone[what.gone])
			}
		case what.image < 0:
			o.oneByOne(x, c, what)
		case c.Kind == shadow.Deleted:
			o.missedOne(c, what)
			if key, ok := c.Pair.KeyOf(c.Images[what.image]); ok && o.isLast(c.Pair, key, what.op) {
				o.upsert(x, c, what.image)
				o.again(x, c, key)
			}
		default:
			o.missedOne(c, what)
			o.putOne(x, c, what.image, what.op)
		}
	}
}

// oneByOne updates the rows of a batch of which some were not met, to see which.
func (o *otherLeg) oneByOne(x *targetTexts, c *shadow.Change, what missed) {
	for n := range c.Images {
		key, ok := c.Pair.KeyOf(c.Images[n])
		if !ok || !o.isLast(c.Pair, key, what.op) {
			continue
		}
		if im, ok := o.translated(c.Pair, c.Images[n]); ok {
			what.image = n
			o.say(x.name+"s", x.Update, 'E', image.CellTypes(c.Pair), image.Formats(c.Pair), im)
			o.wants(1, what)
		}
	}
}

func (o *otherLeg) missedOne(c *shadow.Change, what missed) {
	if key, ok := c.Pair.KeyOf(c.Images[what.image]); ok {
		o.suspect(c, what, key)
	}
}

func (o *otherLeg) isLast(p *rewrite.Pair, key rewrite.RowKey, op int) bool {
	return o.last[rowOf{p, key}] == op
}

func (o *otherLeg) putOne(x *targetTexts, c *shadow.Change, n, op int) {
	if key, ok := c.Pair.KeyOf(c.Images[n]); ok && o.isLast(c.Pair, key, op) {
		o.upsert(x, c, n)
	}
}

func (o *otherLeg) upsert(x *targetTexts, c *shadow.Change, n int) {
	if im, ok := o.translated(c.Pair, c.Images[n]); ok {
		o.say(x.name+"u", x.Upsert, 'E', image.CellTypes(c.Pair), image.Formats(c.Pair), im)
	}
}

// again deletes what has just been put there.
func (o *otherLeg) again(x *targetTexts, c *shadow.Change, key rewrite.RowKey) {
	if cells, err := key.Cells(); err == nil {
		o.say(x.name+"d", x.Delete, 'E', image.KeyTypes(c.Pair), image.KeyFormats(c.Pair), cells)
	}
	o.s.server.missedDelete(true)
}

// takeKey takes a key of which there is no image; where no row can be put there
// the transaction is given up, and the worker proves the key.
func (o *otherLeg) takeKey(x *targetTexts, c *shadow.Change, key rewrite.RowKey) {
	cells, err := key.Cells()
	if err != nil || x.Placeholder == "" {
		o.failed = errNoPlaceholder
		return
	}
	o.say(x.name+"p", x.Placeholder, 'E', image.KeyTypes(c.Pair), image.KeyFormats(c.Pair), cells)
	o.again(x, c, key)
}
