package rewrite

// Mapping is the declared correspondence of the two shapes, as the file says
// it: nothing of it has been held against a catalog yet (Resolve).
type Mapping struct {
	Tables []TableMap
}

// At is the place of something in a configuration file, 1-based; zero: nowhere.
type At struct{ Line, Column int }

// TableMap is one entry of tables.
type TableMap struct {
	Source  Name
	Skip    bool        // it is left out; then nothing but Source is set
	Targets []TargetMap // the first is the root
	Columns []ColumnMap
	Strict  *bool // nil: mirror.strict
	Canary  *bool // nil: true; false: the source answers reads of it
	At      At
}

// TargetMap is one target of a table.
type TargetMap struct {
	Target Name
	Key    []KeyMap // empty: the primary key, by equal names or paired columns
	When   string   // over source columns: which source rows have a row here; empty: all
	At     At
}

// KeyMap pairs a column of the target's key with a column of the source.
type KeyMap struct{ Target, Source string }

// ColumnMap is one entry of columns: paired, or one-sided.
type ColumnMap struct {
	Source string // empty: an initial value of Target
	Target string // column, or table.column where there are several targets; empty: an initial value of Source
	Up     string // SQL over source columns that yields the target column; empty: the source column itself
	Down   string
	Values []ValueMap // of an injective map of words; then Up and Down are made of it
	Else   Else
	Lossy  string // why the way back loses something
	Stable string // why an expression counts as immutable that cannot be proven so
	At     At
}

// ValueMap pairs two words; NULL is the bare word null of the file.
type ValueMap struct {
	Source, Target         string
	SourceNull, TargetNull bool
}

// Else says what becomes of a value that is not listed.
type Else uint8

// Fates of an unlisted value.
const (
	ElseError Else = iota // the row cannot be mapped
	ElseSame              // it stays as it is
	ElseNull
)
