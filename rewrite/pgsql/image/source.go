package image

import (
	"strings"

	"github.com/crossfade-db/crossfade/rewrite"
)

// Source are the texts that read a pair at the source. Keys are parameters as
// SourceKeyTypes says; the cells come in the order of Pair.Cells and are to be
// asked for in the formats of Formats (keys: KeyFormats).
type Source struct {
	One   string // the cells of the row with key $1 to $k, FOR SHARE
	Plain string // the same without a lock

	chunks, keys [4]string
}

// SourceFor writes the texts of a pair.
func SourceFor(p *rewrite.Pair) *Source {
	r := newReader(p)
	plain := "SELECT " + strings.Join(r.cells, ", ") + r.from + r.byKey()
	s := &Source{One: plain + " FOR SHARE", Plain: plain}
	for i := range s.chunks {
		low, high := i&1 != 0, i&2 != 0
		s.chunks[i] = "SELECT " + strings.Join(r.cells, ", ") + r.page(low, high) + " FOR SHARE SKIP LOCKED"
		s.keys[i] = "SELECT " + strings.Join(r.bounds.columns, ", ") + r.page(low, high)
	}
	return s
}

// Chunk reads the cells of the rows with low < key <= high in the order of the
// key, and locks them FOR SHARE; rows that another transaction holds are left
// out. Parameters: the cells of the low key unless that end is open, then those
// of the high key, then the limit as int8.
func (s *Source) Chunk(low, high bool) string { return s.chunks[ends(low, high)] }

// Keys reads the keys of the same rows without a lock, none left out.
func (s *Source) Keys(low, high bool) string { return s.keys[ends(low, high)] }

type reader struct {
	from   string
	cells  []string
	bounds bounds
}

func newReader(p *rewrite.Pair) *reader {
	r := &reader{from: " FROM " + p.Source.Name.SQL()}
	for i := range p.Cells {
		r.cells = append(r.cells, rewrite.Quote(p.Cells[i].Column))
	}
	for _, i := range p.Key {
		r.bounds.columns = append(r.bounds.columns, r.cells[i])
		r.bounds.types = append(r.bounds.types, p.Cells[i].Type)
	}
	r.bounds.cell = func(n, key int) string {
		c := &p.Cells[p.Key[key]]
		if column := p.Source.Column(c.Column); !c.Binary && column != nil {
			return number("$", n) + "::pg_catalog.text::" + bare(column.SQLType)
		}
		return number("$", n)
	}
	return r
}

func (r *reader) byKey() string {
	var terms []string
	for i, column := range r.bounds.columns {
		terms = append(terms, column+" "+operator("=", r.bounds.types[i])+" "+r.bounds.cell(i+1, i))
	}
	return " WHERE " + strings.Join(terms, " AND ")
}

func (r *reader) page(low, high bool) string {
	where, next := r.bounds.where(low, high)
	return r.from + where + " ORDER BY " + strings.Join(r.bounds.columns, ", ") + " LIMIT " + number("$", next) + "::bigint"
}
