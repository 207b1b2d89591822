package image

import (
	"slices"

	"github.com/crossfade-db/crossfade/rewrite"
)

// Texts bring images of one pair to one of its targets. The cells of an image
// are the parameters $1 to $n in the order of Pair.Cells, typed as CellTypes
// says; texts that take a key have its cells as $1 to $k in the order of
// Pair.Key, typed as KeyTypes says. The texts called All take an array for each
// cell, all of one length, one element per image (ArrayTypes, KeyArrayTypes);
// they are "" where Batch is false. One statement of the All kind must not have
// two images of one key.
//
// Where the order of rows matters, since a unique value moves from one to the
// next, only Upsert, image by image, keeps it: UpsertAll goes by the order of
// the arrays as well, but UpdateAll and DeleteAll go by whatever plan they get.
//
// Each text runs once in the transaction after Pin, or under settings that mean
// the same.
type Texts struct {
	// Update sets what is not the key of the row that has the image's key; "" if
	// there is nothing to set, then the upsert alone serves.
	Update string
	// Upsert takes the row's lock in any case, but for a table that has no column
	// that can be set.
	Upsert string
	Unless string // deletes the row of an image for which When does not hold; "" without When
	Delete string // by key cells; "" if the target's key has cells that the pair's has not
	// Placeholder puts a row with the key cells there, or locks the one that is
	// there; "" where a column is NOT NULL and has neither default nor initial value.
	Placeholder string

	UpdateAll, UpsertAll, UnlessAll, DeleteAll string

	// Diff compares images with the target and locks the rows that it finds
	// (FOR NO KEY UPDATE). It gives a row per image, in order: ord int8 from 1;
	// present bool; wanted bool, whether When holds; differs text[], the columns
	// of the target whose text differs from that of the mapped value, empty
	// unless present and wanted.
	Diff    string
	DiffOne string // the same for one image of plain cells; ord is 1

	// Range is RangeText(true, true).
	Range string
	// Ordered says that the key sorts alike on both sides, so that a range of
	// source keys holds the rows of the same keys at the target. Without it the
	// target has to be walked from end to end, in its own order.
	Ordered bool
	// Fixed are the mapped columns that no update and no upsert sets.
	Fixed []string
	// Batch says that every cell can be an element of an array: those that travel
	// as arrays in binary cannot.
	Batch bool

	ranges [4]string
}

// For writes the texts of a target.
func For(p *rewrite.Pair, t *rewrite.Target) *Texts {
	m := newMapper(p, t)
	x := &Texts{
		Update: m.update(one), Upsert: m.upsert(one), Unless: m.unless(one),
		Delete: m.remove(one), Placeholder: m.placeholder(), DiffOne: m.diff(one),
		Ordered: m.ordered(), Fixed: m.fixed(), Batch: m.batch(),
	}
	if x.Batch {
		x.UpdateAll, x.UpsertAll, x.UnlessAll = m.update(all), m.upsert(all), m.unless(all)
		x.DeleteAll, x.Diff = m.remove(all), m.diff(all)
	}
	for i := range x.ranges {
		x.ranges[i] = m.rangeText(i&1 != 0, i&2 != 0)
	}
	x.Range = x.RangeText(true, true)
	return x
}

// RangeText lists the keys of the target's rows with low < key <= high in the
// order of the key there, as key cells of the source (KeyFormats). Parameters:
// the cells of the low key unless that end is open, then those of the high key,
// then the limit as int8. A cell is NULL where the source's type cannot hold the
// number: no row of the source has it. The text is "" where a key column is not
// a plain cell, or the keys of pair and target are not of the same cells.
func (x *Texts) RangeText(low, high bool) string { return x.ranges[ends(low, high)] }

func ends(low, high bool) int {
	i := 0
	if low {
		i |= 1
	}
	if high {
		i |= 2
	}
	return i
}

// form is how many images a text takes.
type form uint8

const (
	one form = iota // a parameter is a cell
	all             // a parameter is an array of cells
)

// field is a mapped column of the target.
type field struct {
	column *rewrite.Column
	up     string // the value, over cells
	name   string // in the sub-select m
	key    bool
	plain  bool
}

// settable says that an update can give the column a value.
func (f *field) settable() bool { return !f.key && f.column.Identity != 'a' }

// mapper writes the texts of one target.
type mapper struct {
	pair    *rewrite.Pair
	target  *rewrite.Target
	fields  []field
	keys    []field // in the order of Target.Key
	ordinal string  // the column of the cells that counts images
}

func newMapper(p *rewrite.Pair, t *rewrite.Target) *mapper {
	m := &mapper{pair: p, target: t, ordinal: "ord"}
	for i := range t.Columns {
		if !t.Columns[i].Column.Generated {
			m.add(&t.Columns[i])
		}
	}
	for _, k := range t.Key {
		m.keys = append(m.keys, m.keyField(k))
	}
	for slices.ContainsFunc(p.Cells, func(c rewrite.Cell) bool { return c.Column == m.ordinal }) {
		m.ordinal += "_"
	}
	return m
}

func (m *mapper) add(a *rewrite.Assignment) *field {
	key := slices.ContainsFunc(m.target.Key, func(k rewrite.KeyPair) bool { return k.Column == a.Column.Name })
	m.fields = append(m.fields, field{
		column: a.Column, up: value(a), name: number("c", len(m.fields)+1), key: key, plain: a.Plain,
	})
	return &m.fields[len(m.fields)-1]
}

func (m *mapper) keyField(k rewrite.KeyPair) field {
	for _, f := range m.fields {
		if f.column.Name == k.Column {
			return f
		}
	}
	up := rewrite.Quote(m.pair.Cells[k.Cell].Column)
	return *m.add(&rewrite.Assignment{Column: m.target.Table.Column(k.Column), Up: up, Plain: true})
}

func (m *mapper) fixed() []string {
	var names []string
	for i := range m.fields {
		if !m.fields[i].settable() {
			names = append(names, m.fields[i].column.Name)
		}
	}
	return names
}

func (m *mapper) batch() bool {
	return !slices.ContainsFunc(m.pair.Cells, func(c rewrite.Cell) bool { return c.Binary && isArray(c.TargetSQLType) })
}
