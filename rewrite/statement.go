package rewrite

// Kind is what a statement does.
type Kind uint8

// Kinds of statements.
const (
	Unknown Kind = iota // not understood: the authority has it verbatim
	Read                // SELECT, VALUES, TABLE, SHOW and their like, that write nothing by themselves
	Insert
	Update
	Delete
	Merge
	Truncate
	CopyIn     // COPY … FROM
	CopyOut    // COPY … TO
	Control    // of a transaction
	Session    // SET, RESET, PREPARE, DEALLOCATE, LISTEN, cursors: no rows change
	Definition // DDL
	Body       // CALL, DO: what they do, also commit, is not in the text
)

var kindWords = [...]string{"unknown", "read", "insert", "update", "delete", "merge", "truncate", "copy_in", "copy_out", "control", "session", "definition", "body"}

// String is the word of explain and metrics.
func (k Kind) String() string { return kindWords[k] }

// Statement is one statement as its text says it; names are as written, since
// what they mean hangs on the session (search_path).
type Statement struct {
	Kind   Kind
	Target Ref   // that a write names
	Also   []Ref // further tables of TRUNCATE, LOCK, definitions
	Reads  []Ref // every other relation; names of CTEs are not among them
	Writes []Ref // targets of data-modifying CTEs
	// Calls are the functions that it calls, the operators that it applies and the
	// types that it makes values of, as written; the scanner's list of harmless
	// ones is not applied. Of types of pg_catalog nothing is said.
	Calls  []Ref
	Fields []string // last words of qualified columns: row.f may be the call f(row)

	Assigned   []string // columns of SET or of the insert list; nil: all
	Reassigned []string // columns that ON CONFLICT DO UPDATE, or an UPDATE of MERGE, sets
	Upsert     bool     // ON CONFLICT DO UPDATE
	Conflict   bool     // any ON CONFLICT
	Returning  bool
	Cascade    bool // TRUNCATE … CASCADE
	Locking    bool // FOR UPDATE and its like
	CursorRow  bool // WHERE CURRENT OF
	Creates    bool // a definition of a new table or view, that changes no other
	Temporary  bool // what it creates is gone with the session
	Upkeep     bool // a definition that changes neither columns of a table nor what a write of it does
	Alone      bool // a definition that cannot run in a transaction block
	Declares   bool // DECLARE: what it calls is called by FETCH, or by the COMMIT
	Fetches    bool // FETCH, MOVE
	Explains   bool // EXPLAIN without ANALYZE: nothing runs
	Snapshot   bool // it has a CTE, or sub-statement, that writes (Writes is not empty)
	Several    bool // the text has more than one statement; then Kind is Unknown but where all are the same

	// Parts are the statements of a text that has several, one by one; Reads,
	// Writes and Calls of the whole are theirs together, their targets among the
	// Writes. A part is analysed as if text[At.From:At.Upto] were all: its own
	// offsets count from At.From.
	Parts []*Statement
	At    Span // of a part, or of what PREPARE prepares, in the text around it; empty for a whole text

	Copy *Copy // of CopyIn

	// Objects are what a definition changes or drops beside relations, where tables
	// that are made of them change with them.
	Objects []Object

	Prepared     *Statement // what PREPARE prepares; nothing of it is in this statement
	PreparedName string     // of PREPARE
	Executes     string     // the prepared statement that EXECUTE runs, also inside EXPLAIN or CREATE TABLE AS

	// CTEs are those of the leading list of WITH that write; nil where there are none,
	// or where the text does not say of each where it stands and what it does.
	CTEs    []CTE
	Queries bool // SELECT or VALUES behind such a list; Kind is Unknown

	// Where a text of ours is put in: byte offsets into the text.
	End   int  // after the last token that is not ';': where RETURNING or further columns of it go
	Where Span // UPDATE, DELETE: from FROM or USING or WHERE up to RETURNING or the end; may be empty
	With  Span // the leading WITH list, "WITH" included; empty without
	// TargetText is the target as the statement may call it: its alias, or the
	// table's own name, as a quoted identifier.
	TargetText string
}

// CTE is one of a list of WITH that writes.
type CTE struct {
	*Statement      // as if its body were all
	Index      int  // in the list
	Name       Span // without a list of columns
	Whole      Span // from there up to its closing parenthesis
	Body       Span // between its parentheses
}

// Span is a part of a text.
type Span struct{ From, Upto int }

// Ref is a relation or function as written.
type Ref struct {
	Schema string // empty: by search_path
	Name   string
	Alias  string
	Only   bool
}

// ObjectKind is what an object is.
type ObjectKind uint8

// Kinds of objects.
const (
	AnyObject    ObjectKind = iota // nobody can tell from the text what goes with it
	SchemaObject                   // Ref.Name is the schema
	NamedObject                    // a type, domain, function or operator, or a relation as a type of rows
)

// Object is something of the catalog that is no table, or a table as a type.
type Object struct {
	Kind ObjectKind
	Ref  Ref
}
