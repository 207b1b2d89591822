package repair

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/rewrite/pgsql/image"
)

// shape is a pair with all texts that its repair takes.
type shape struct {
	plan     *rewrite.Plan
	pair     *rewrite.Pair
	source   *image.Source
	texts    []*image.Texts // per target
	types    []uint32       // per cell, at the target
	formats  []int16        // per cell
	arrays   []uint32       // per cell, at the target
	keyTypes []uint32       // per key cell, at the target
	ownTypes []uint32       // per key cell, at the source
	keys     []int16        // formats per key cell
	pin      query          // before all of them, in each transaction
	lockText string         // many rows of the source, by arrays of key cells; "" if that cannot be
}

func newShape(plan *rewrite.Plan, p *rewrite.Pair) *shape {
	s := &shape{
		plan: plan, pair: p, source: image.SourceFor(p),
		types: image.CellTypes(p), formats: image.Formats(p), arrays: image.ArrayTypes(p, plan.Target),
		keyTypes: image.KeyTypes(p), ownTypes: image.SourceKeyTypes(p), keys: image.KeyFormats(p),
		pin: query{sql: image.Pin([]*rewrite.Pair{p})}, lockText: lockText(plan, p),
	}
	for _, t := range p.Targets {
		s.texts = append(s.texts, image.For(p, t))
	}
	return s
}

// batched says that images can be compared and written in arrays.
func (s *shape) batched() bool {
	for _, texts := range s.texts {
		if !texts.Batch {
			return false
		}
	}
	return !slices.Contains(s.arrays, 0)
}

// conditional says that a row of the source may have none in some target.
func (s *shape) conditional() bool {
	for _, t := range s.pair.Targets {
		if t.When != "" {
			return true
		}
	}
	return false
}

// sourceRow reads a row at the authority.
func (s *shape) sourceRow(text string, key rewrite.RowKey) (query, error) {
	cells, err := s.cells(key)
	return query{sql: text, params: cells, oids: s.ownTypes, formats: s.keys, results: s.formats}, err
}

func (s *shape) cells(key rewrite.RowKey) ([][]byte, error) {
	cells, err := key.Cells()
	if err == nil && len(cells) != len(s.pair.Key) {
		err = errors.New("a row key has another number of cells than the table's key")
	}
	return cells, err
}

// atTarget translates what the source says into what the target reads.
func (s *shape) atTarget(im rewrite.Image) (rewrite.Image, error) {
	out := make(rewrite.Image, len(im))
	for i, value := range im {
		var err error
		if out[i], err = s.translate(i, value); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (s *shape) translate(cell int, value []byte) ([]byte, error) {
	c := &s.pair.Cells[cell]
	if value == nil || !c.Binary {
		return value, nil
	}
	out, err := image.Translate(value, s.plan.Source.Types[c.Type], s.plan.Target.Types[c.TargetType], s.plan.Source, s.plan.Target)
	if err != nil {
		return nil, fmt.Errorf("translate column %s: %w", c.Column, err)
	}
	return out, nil
}

// targetKey is a key as the target reads it.
func (s *shape) targetKey(key rewrite.RowKey) ([][]byte, error) {
	cells, err := s.cells(key)
	for i := range cells {
		if err == nil {
			cells[i], err = s.translate(s.pair.Key[i], cells[i])
		}
	}
	return cells, err
}

// keyOf is the key in an image of the target.
func (s *shape) keyOf(im rewrite.Image) [][]byte {
	var key [][]byte
	for _, i := range s.pair.Key {
		key = append(key, im[i])
	}
	return key
}

// cascades says that taking a row of a target away can change rows of others.
func (s *shape) cascades(target int) bool {
	return slices.ContainsFunc(s.pair.Targets[target].Table.Referenced, func(f rewrite.ForeignKey) bool { return f.Writes() })
}

// plain is a text with the cells of one image.
func (s *shape) plain(text string, im rewrite.Image, results []int16) query {
	return query{sql: text, params: im, oids: s.types, formats: s.formats, results: results}
}

// byKey is a text of the target with the cells of a key.
func (s *shape) byKey(text string, cells [][]byte) query {
	return query{sql: text, params: cells, oids: s.keyTypes, formats: s.keys}
}

// batch is a text with arrays of cells.
func (s *shape) batch(text string, images []rewrite.Image, results []int16) query {
	q := query{sql: text, oids: s.arrays, results: results, formats: []int16{pgtype.BinaryFormatCode}}
	for i := range s.pair.Cells {
		column := make([][]byte, len(images))
		for n, im := range images {
			column[n] = im[i]
		}
		element := s.types[i]
		if s.formats[i] == pgtype.TextFormatCode {
			element = pgtype.TextOID
		}
		q.params = append(q.params, image.Array(element, column))
	}
	return q
}

// verdict is what the target has of one image.
type verdict struct {
	ord     int
	present bool
	wanted  bool
	differs []string
}

func (v verdict) equal() bool { return v.present == v.wanted && len(v.differs) == 0 }

// kind is what differs.
func (v verdict) kind() Kind {
	switch {
	case !v.wanted:
		return Extra
	case !v.present:
		return Missing
	}
	return Value
}

// verdictFormats ask for everything in binary.
var verdictFormats = []int16{pgtype.BinaryFormatCode}

var verdictTypes = pgtype.NewMap()

// verdicts reads the answer of Diff.
func verdicts(a answer) ([]verdict, error) {
	out := make([]verdict, len(a.rows))
	for i, row := range a.rows {
		if len(row) != 4 || len(row[0]) != 8 || len(row[1]) != 1 || len(row[2]) != 1 {
			return nil, errors.New("the answer to a comparison cannot be read")
		}
		v := verdict{ord: int(binary.BigEndian.Uint64(row[0])), present: row[1][0] != 0, wanted: row[2][0] != 0}
		if v.present && v.wanted && row[3] != nil {
			if err := verdictTypes.Scan(pgtype.TextArrayOID, pgtype.BinaryFormatCode, row[3], &v.differs); err != nil {
				return nil, fmt.Errorf("read the columns that differ: %w", err)
			}
		}
		out[i] = v
	}
	return out, nil
}
