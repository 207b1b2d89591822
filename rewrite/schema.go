package rewrite

import "slices"

// Schema is what the catalog of one side says: values only, read by whoever
// has a connection (reconcile/schema) and used by whoever decides.
type Schema struct {
	Version int // server_version_num
	Tables  map[Name]*Table
	Types   map[uint32]*Type
	// Volatile are, by name, the schemas that have a function, an operator or a type
	// of that name whose use may call a VOLATILE function that is not the server's
	// own, or runs a text.
	Volatile  map[string][]string
	RowCalls  map[string]bool // names of those that row.name may call
	TypesAct  bool            // the input of a type may call one, which a server does when it reads a text
	Cursors   bool            // a function may leave a cursor open, whose query FETCH runs
	OnDefined bool            // an event trigger may write with every definition
	// Encoding is server_encoding.
	Encoding string
}

// Acts says that what a text calls may be volatile, whatever its search_path.
func (s *Schema) Acts(called Ref) bool {
	schemas := s.Volatile[called.Name]
	return len(schemas) > 0 && (called.Schema == "" || slices.Contains(schemas, called.Schema))
}

// TypeNamed finds a type by its name; nil if there is none.
func (s *Schema) TypeNamed(n Name) *Type {
	for _, t := range s.Types {
		if t.Name == n {
			return t
		}
	}
	return nil
}

// RelationKind is pg_class.relkind, as far as it matters.
type RelationKind uint8

// Kinds of relations.
const (
	OrdinaryTable RelationKind = iota
	PartitionedTable
	View
	MaterializedView
	ForeignTable
)

// Table is a relation of a side.
type Table struct {
	Name        Name
	OID         uint32
	Kind        RelationKind
	Columns     []Column
	Keys        []Key // unique, not deferrable, no predicate, plain columns; the primary key first
	Deferrable  bool  // its primary key is deferrable, so it is not in Keys
	ForeignKeys []ForeignKey
	Referenced  []ForeignKey // keys of other tables that refer to this one
	Checks      []Check
	Triggers    []Trigger // enabled, of users; also those of foreign keys are not here
	Rules       bool      // has rewrite rules (a view's own is not counted)
	RowSecurity bool
	Forced      bool // row security applies to the owner too
	// ReadActs says that the query of a view, or of a materialized view, or policies
	// or types of the columns of a table, may call a volatile function of a user.
	// They are looked through to what they read in turn.
	ReadActs  bool
	WriteActs bool   // defaults, checks, policies or types may do so with a write
	Uses      []Name // users' functions and operators that its columns, checks, policies and triggers are made with
	Parent    Name   // of a partition; zero otherwise
	Inherits  bool   // takes part in inheritance that is not partitioning
	Rows      float64
	Bytes     int64
}

// Late says that triggers may run at the commit.
func (t *Table) Late() bool {
	return slices.ContainsFunc(t.Triggers, func(g Trigger) bool { return g.Deferred })
}

// Column finds a column by name; nil if there is none.
func (t *Table) Column(name string) *Column {
	for i := range t.Columns {
		if t.Columns[i].Name == name {
			return &t.Columns[i]
		}
	}
	return nil
}

// Column is a column of a table.
type Column struct {
	Name      string
	Number    int16 // pg_attribute.attnum
	Type      uint32
	Typmod    int32
	SQLType   string // format_type, with its modifier, qualified where it is not of pg_catalog
	NotNull   bool
	Default   string // its expression; empty if there is none
	Generated bool   // GENERATED ALWAYS AS … STORED or VIRTUAL: never written
	Identity  byte   // 0, 'a' (always), 'd' (by default)
	Collation Name   // zero: not collatable, or the database's default
}

// Key is a unique index that can find a row and settle a conflict.
type Key struct {
	Name    string
	Primary bool
	Columns []string
}

// ForeignKey is a constraint from one table to another.
type ForeignKey struct {
	Name               string
	From, To           Name
	Columns, Refers    []string
	OnDelete, OnUpdate byte // confdeltype, confupdtype: a no action, r restrict, c cascade, n set null, d set default
	Deferrable         bool
}

// Writes says that a change of the referred table may change the referring one.
func (f *ForeignKey) Writes() bool {
	writes := func(action byte) bool { return action == 'c' || action == 'n' || action == 'd' }
	return writes(f.OnDelete) || writes(f.OnUpdate)
}

// Check is a CHECK constraint.
type Check struct{ Name, Expression string }

// Trigger is an enabled trigger of a user.
type Trigger struct {
	Name     string
	Before   bool
	Row      bool
	Deferred bool // a constraint trigger that may run at commit
	Insert   bool
	Update   bool
	Delete   bool
	Truncate bool
	Always   bool // fires under session_replication_role = replica, too
	Replica  bool // fires under session_replication_role = replica only
	When     bool // has a WHEN condition
	Function Name
	Sets     []string // columns of the new row that its function may set, as far as its text says; "*": any
}

// TypeKind is pg_type.typtype, with arrays told apart.
type TypeKind byte

// Kinds of types.
const (
	BaseType       TypeKind = 'b'
	EnumType       TypeKind = 'e'
	DomainType     TypeKind = 'd'
	CompositeType  TypeKind = 'c'
	RangeType      TypeKind = 'r'
	MultirangeType TypeKind = 'm'
	PseudoType     TypeKind = 'p'
	ArrayType      TypeKind = 'a'
)

// FirstUserOID is the first number that a server gives to what users make; the
// lower ones mean the same on every server (access/transam.h).
const FirstUserOID = 16384

// Type is a type of a side.
type Type struct {
	OID      uint32
	Name     Name
	Kind     TypeKind
	Element  uint32   // of an array; of a range its subtype, of a multirange its range
	Array    uint32   // the array of this type; 0: there is none
	Base     uint32   // of a domain
	Fields   []uint32 // of a composite
	Labels   []string // of an enum, in order
	Binary   bool     // it has a binary form (typsend and typreceive)
	Equality bool     // it has a default btree or hash operator class
}

// BuiltIn says that the type means the same on every server.
func (t *Type) BuiltIn() bool { return t.OID < FirstUserOID }
