package rewrite

// Plan is the mapping held against both catalogs: what is mirrored, and how.
// It is immutable; a change of a catalog or of the mapping makes a new one.
type Plan struct {
	Version uint64
	Pairs   []*Pair
	Source  *Schema
	Target  *Schema
}

// Pair finds the pair of a table of the source; nil: it is not mapped. A
// partition belongs to the pair of its root.
func (p *Plan) Pair(n Name) *Pair {
	for _, pair := range p.Pairs {
		if pair.Source.Name == n {
			return pair
		}
	}
	if t := p.Source.Tables[n]; t != nil && t.Parent != (Name{}) {
		return p.Pair(t.Parent)
	}
	return nil
}

// Pair is a table of the source with what it becomes at the target.
type Pair struct {
	Source  *Table
	Cells   []Cell // the row image, in order
	Key     []int  // the cells that are the key of the row, in the key's order
	Targets []*Target
	Strict  bool
	Canary  bool // reads of it may be answered by the target
	// Same says that both sides have one table of the same name, columns, types:
	// a statement means the same on both. Other reads are answered by the source.
	Same bool
}

// Name is how the table is called in commands, reports and metrics.
func (p *Pair) Name() string { return p.Source.Name.String() }

// Cell is one value of a row image: a column of the source.
type Cell struct {
	Column string
	Type   uint32 // at the source
	// At the target its value is a parameter of this type: the same type, the
	// same type by name, text for an enum that the target lacks, the base of a
	// domain that it lacks.
	TargetType    uint32
	TargetSQLType string
	Binary        bool // it travels in binary; else as text
}

// Target is one table that rows of a pair have a row in.
type Target struct {
	Table *Table
	Key   []KeyPair // columns of a unique key of Table, and the cells that they take
	// Columns are what an image sets, keys included; the generated ones never.
	Columns []Assignment
	// Initial are set by an insert and never by an update, and never compared.
	Initial []Assignment
	When    string // over cells, by column name; empty: always
}

// KeyPair is a column of a target's key and the cell that it takes.
type KeyPair struct {
	Column string
	Cell   int
}

// Assignment gives a column of the target its value.
type Assignment struct {
	Column *Column
	Up     string // SQL over cells, by source column name, cast to the column's type; DEFAULT as the bare word for initial values
	Plain  bool   // it is one cell, unchanged but for a cast
}
