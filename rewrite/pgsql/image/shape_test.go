package image

import (
	"strings"

	"github.com/crossfade-db/crossfade/rewrite"
)

// shape is a pair as a test declares it: tables of schema public unless they say
// otherwise, a column of the target takes that of equal name unless up gives it
// another, and columns that have neither are the database's.
type shape struct {
	table   string
	key     string // columns, with blanks between
	targets []into
	text    string // columns that travel as text although they have a binary form
}

type into struct {
	table   string
	key     string            // its columns for those of shape.key, in the same order; empty: the same names
	up      map[string]string // a bare column of the source is plain
	initial map[string]string
	when    string
}

func named(s string) rewrite.Name {
	if schema, name, ok := strings.Cut(s, "."); ok {
		return rewrite.Name{Schema: schema, Name: name}
	}
	return rewrite.Name{Schema: "public", Name: s}
}

func (l *lab) pair(s shape) *rewrite.Pair {
	l.t.Helper()
	table := l.schemas[source].Tables[named(s.table)]
	if table == nil {
		l.t.Fatalf("no table %s", s.table)
	}
	p := &rewrite.Pair{Source: table}
	for i := range table.Columns {
		p.Cells = append(p.Cells, l.cell(&table.Columns[i], strings.Contains(" "+s.text+" ", " "+table.Columns[i].Name+" ")))
	}
	for name := range strings.FieldsSeq(s.key) {
		p.Key = append(p.Key, cellOf(p, name))
	}
	for i := range s.targets {
		p.Targets = append(p.Targets, l.into(p, &s.targets[i], s.key))
	}
	return p
}

func cellOf(p *rewrite.Pair, column string) int {
	for i := range p.Cells {
		if p.Cells[i].Column == column {
			return i
		}
	}
	return -1
}

// cell is made by the rule of rewrite.Cell.
func (l *lab) cell(c *rewrite.Column, asText bool) rewrite.Cell {
	from := l.schemas[source].Types[c.Type]
	to := l.typeAt(from)
	name := to.Name.SQL()
	if to.Kind == rewrite.ArrayType {
		name = l.schemas[target].Types[to.Element].Name.SQL() + "[]"
	}
	return rewrite.Cell{Column: c.Name, Type: c.Type, TargetType: to.OID, TargetSQLType: name, Binary: from.Binary && !asText}
}

func (l *lab) typeAt(from *rewrite.Type) *rewrite.Type {
	target := l.schemas[target]
	if to := target.TypeNamed(from.Name); to != nil {
		return to
	}
	switch from.Kind {
	case rewrite.DomainType:
		return l.typeAt(l.schemas[source].Types[from.Base])
	case rewrite.ArrayType:
		return target.Types[l.typeAt(l.schemas[source].Types[from.Element]).Array]
	}
	return target.Types[textType]
}

func (l *lab) into(p *rewrite.Pair, m *into, sourceKey string) *rewrite.Target {
	table := l.schemas[target].Tables[named(m.table)]
	if table == nil {
		l.t.Fatalf("no table %s", m.table)
	}
	t := &rewrite.Target{Table: table, When: m.when}
	key := m.key
	if key == "" {
		key = sourceKey
	}
	sources := strings.Fields(sourceKey)
	for i, name := range strings.Fields(key) {
		t.Key = append(t.Key, rewrite.KeyPair{Column: name, Cell: cellOf(p, sources[i])})
	}
	for i := range table.Columns {
		c := &table.Columns[i]
		if up, ok := m.initial[c.Name]; ok {
			t.Initial = append(t.Initial, rewrite.Assignment{Column: c, Up: up})
			continue
		}
		if a, ok := l.assignment(p, c, m.up[c.Name]); ok && !c.Generated {
			t.Columns = append(t.Columns, a)
		}
	}
	return t
}

func (l *lab) assignment(p *rewrite.Pair, c *rewrite.Column, up string) (rewrite.Assignment, bool) {
	if up == "" {
		up = c.Name
		if cellOf(p, up) < 0 {
			return rewrite.Assignment{}, false
		}
	}
	cell := cellOf(p, up)
	if cell < 0 {
		return rewrite.Assignment{Column: c, Up: "CAST((" + up + ") AS " + c.SQLType + ")"}, true
	}
	a := rewrite.Assignment{Column: c, Up: rewrite.Quote(up), Plain: true}
	if c.Type >= rewrite.FirstUserOID && p.Cells[cell].TargetType != c.Type {
		a.Up = "CAST(" + a.Up + " AS " + c.SQLType + ")"
	}
	return a, true
}

// journey is a pair with its texts.
type journey struct {
	*lab
	p      *rewrite.Pair
	source *Source
	texts  []*Texts
}

func (l *lab) journey(s shape) *journey {
	l.t.Helper()
	j := &journey{lab: l, p: l.pair(s)}
	j.source = SourceFor(j.p)
	for _, t := range j.p.Targets {
		j.texts = append(j.texts, For(j.p, t))
	}
	return j
}

// images reads all rows of the source in the order of the key, with the type
// numbers of the target.
func (j *journey) images() []rewrite.Image {
	j.t.Helper()
	j.exec(source, "BEGIN")
	j.exec(source, Pin([]*rewrite.Pair{j.p}))
	result, err := j.run(source, j.source.Chunk(false, false), []uint32{int8}, [][]byte{[]byte("100000")}, nil, Formats(j.p))
	if err != nil {
		j.t.Fatal(err)
	}
	j.exec(source, "COMMIT")
	var images []rewrite.Image
	for _, row := range result.Rows {
		images = append(images, j.translated(row))
	}
	return images
}

func (j *journey) translated(row [][]byte) rewrite.Image {
	j.t.Helper()
	image := make(rewrite.Image, len(row))
	for i, v := range row {
		image[i] = v
		c := &j.p.Cells[i]
		if !c.Binary {
			continue
		}
		from, to := j.schemas[source].Types[c.Type], j.schemas[target].Types[c.TargetType]
		out, err := Translate(v, from, to, j.schemas[source], j.schemas[target])
		if err != nil {
			j.t.Fatalf("%s: %v", c.Column, err)
		}
		image[i] = out
	}
	return image
}

// each runs a text for every image; the sum of its rows.
func (j *journey) each(text string, images []rewrite.Image) (rows int64) {
	j.t.Helper()
	for _, image := range images {
		rows += j.must(target, text, CellTypes(j.p), image, Formats(j.p))
	}
	return rows
}

// batch runs a text of the All kind.
func (j *journey) batch(text string, images []rewrite.Image) int64 {
	j.t.Helper()
	return j.must(target, text, ArrayTypes(j.p, j.schemas[target]), j.arrays(images), binaryFormats(len(j.p.Cells)))
}

func binaryFormats(n int) []int16 {
	formats := make([]int16, n)
	for i := range formats {
		formats[i] = 1
	}
	return formats
}

func (j *journey) arrays(images []rewrite.Image) [][]byte {
	arrays := make([][]byte, len(j.p.Cells))
	for i := range j.p.Cells {
		column := make([][]byte, len(images))
		for n := range images {
			column[n] = images[n][i]
		}
		arrays[i] = Array(CellTypes(j.p)[i], column)
	}
	return arrays
}

// key is the key of an image.
func (j *journey) key(image rewrite.Image) [][]byte {
	var cells [][]byte
	for _, i := range j.p.Key {
		cells = append(cells, image[i])
	}
	return cells
}

func (j *journey) delete(text string, image rewrite.Image) int64 {
	j.t.Helper()
	return j.must(target, text, KeyTypes(j.p), j.key(image), KeyFormats(j.p))
}

// diff runs Diff, and DiffOne for each image, and holds them against each other.
func (j *journey) diff(x *Texts, images []rewrite.Image) []string {
	j.t.Helper()
	j.exec(target, "BEGIN")
	j.exec(target, Pin([]*rewrite.Pair{j.p}))
	var single []string
	for n, image := range images {
		result, err := j.run(target, x.DiffOne, CellTypes(j.p), image, Formats(j.p), nil)
		if err != nil {
			j.t.Fatalf("%s\n%v", x.DiffOne, err)
		}
		row := lines(result.Rows)
		if len(row) != 1 {
			j.t.Fatalf("DiffOne gives %d rows", len(row))
		}
		single = append(single, number("", n+1)+strings.TrimPrefix(row[0], "1"))
	}
	if x.Batch {
		j.same(x, images, single)
	}
	j.exec(target, "COMMIT")
	return single
}

func (j *journey) same(x *Texts, images []rewrite.Image, single []string) {
	j.t.Helper()
	result, err := j.run(target, x.Diff, ArrayTypes(j.p, j.schemas[target]), j.arrays(images), binaryFormats(len(j.p.Cells)), nil)
	if err != nil {
		j.t.Fatalf("%s\n%v", x.Diff, err)
	}
	if got, want := strings.Join(lines(result.Rows), "\n"), strings.Join(single, "\n"); got != want {
		j.t.Fatalf("Diff gives\n%s\nDiffOne gives\n%s", got, want)
	}
}
