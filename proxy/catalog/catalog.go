// Package catalog knows what the numbers of a database mean. PostgreSQL names
// types, tables and columns in its messages by numbers (OIDs) that each server
// hands out in its own order, so that the same number means another thing, or
// nothing, on the other side. A session sees the numbers of one side for life:
//
//	source, err := catalog.Load(ctx, querySource)
//	target, err := catalog.Load(ctx, queryTarget)
//	pair := catalog.NewPair(source, target)
//	if !pair.RowDescription(message) { … the source answers this statement }
//
// A Catalog is what one server said at one moment. A Pair is made of two, never
// changes, and may be used by any number of sessions at once; what it does with
// a message allocates nothing. The package has no socket, clock or lock.
package catalog

import (
	"context"
	"errors"
	"fmt"
	"strconv"
)

// Query runs one SELECT and gives its rows as text; NULL is "".
type Query func(ctx context.Context, sql string) ([][]string, error)

// Name is the name of a type or relation, in the database that a Catalog was
// loaded from.
type Name struct{ Schema, Name string }

// String is schema.name, unquoted: for people, not for SQL.
func (n Name) String() string { return n.Schema + "." + n.Name }

// Catalog is what the numbers of one database mean. The zero Catalog knows none.
type Catalog struct {
	types     map[uint32]*typ
	typeNames map[Name]uint32
	relations map[uint32]*relation
	relNames  map[Name]*relation
}

// typ is a row of pg_type; the numbers in it are 0 where it has none.
type typ struct {
	name     Name
	kind     string // typtype: b, c, d, e, m, p, r
	category string // typcategory
	typmod   int32  // of a domain
	element  uint32 // of an array
	base     uint32 // of a domain
	subtype  uint32 // of a range; of a multirange its range
	relation uint32 // of a composite
}

// relation is a row of pg_class with its columns that are not dropped, in the
// order of their numbers.
type relation struct {
	oid     uint32
	name    Name
	kind    string // relkind: r, v, m, f, p, c, S
	columns []column
}

type column struct {
	name   string
	number int16
	typ    uint32
	typmod int32
}

const (
	mostColumns = 200_000
	mostTypes   = 200_000
	mostNested  = 100 // domains over domains; what lies deeper is nobody's type
)

var (
	errColumns = fmt.Errorf("the database has more than %d columns, which is the most that can be kept", mostColumns)
	errTypes   = fmt.Errorf("the database has more than %d types, which is the most that can be kept", mostTypes)
	errAnswer  = errors.New("the server's answer has another form than the query asks for")
)

// Load reads the catalog of the database that query asks, in two queries. Any
// login can read it, and a search_path set to mislead changes nothing in it.
// More than 200,000 columns or types are an error that says so. Temporary
// tables are left out: they belong to one session of one server.
func Load(ctx context.Context, query Query) (*Catalog, error) {
	c := &Catalog{
		types: map[uint32]*typ{}, typeNames: map[Name]uint32{},
		relations: map[uint32]*relation{}, relNames: map[Name]*relation{},
	}
	rows, err := query(ctx, typesQuery)
	if err != nil {
		return nil, fmt.Errorf("read types: %w", err)
	}
	if err := c.addTypes(rows); err != nil {
		return nil, fmt.Errorf("read types: %w", err)
	}
	if rows, err = query(ctx, columnsQuery); err != nil {
		return nil, fmt.Errorf("read columns: %w", err)
	}
	if err := c.addColumns(rows); err != nil {
		return nil, fmt.Errorf("read columns: %w", err)
	}
	return c, nil
}

// typesQuery reads every type. Row types of temporary tables are among them,
// and mean nothing without their relation. rngmultitypid exists from 14 on only
// and is therefore read by name.
var typesQuery = `SELECT t.oid, n.nspname, t.typname, t.typtype, t.typcategory, t.typtypmod,
  t.typelem, t.typbasetype, r.rngsubtype, t.typrelid,
  pg_catalog.to_jsonb(r) OPERATOR(pg_catalog.->>) 'rngmultitypid'::pg_catalog.text
FROM pg_catalog.pg_type t
JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) t.typnamespace
LEFT JOIN pg_catalog.pg_range r ON r.rngtypid OPERATOR(pg_catalog.=) t.oid
LIMIT ` + strconv.Itoa(mostTypes+1)

// columnsQuery reads every relation that a statement can select from, and every
// composite type. A relation without columns has one row.
var columnsQuery = `SELECT c.oid, n.nspname, c.relname, c.relkind, a.attname, a.attnum, a.atttypid, a.atttypmod
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) c.oid
  AND a.attnum OPERATOR(pg_catalog.>) 0::pg_catalog.int2 AND NOT a.attisdropped
WHERE c.relkind OPERATOR(pg_catalog.=) ANY ('{r,v,m,f,p,c,S}'::pg_catalog."char"[])
  AND c.relpersistence OPERATOR(pg_catalog.<>) 't'::pg_catalog."char"
ORDER BY c.oid, a.attnum
LIMIT ` + strconv.Itoa(mostColumns+1)

func (c *Catalog) addTypes(rows [][]string) error {
	if len(rows) > mostTypes {
		return errTypes
	}
	multirange := map[uint32]uint32{}
	for _, row := range rows {
		if len(row) != 11 {
			return errAnswer
		}
		n := numbers{}
		oid, multi := n.oid(row[0]), n.oid(row[10])
		t := &typ{
			name: Name{row[1], row[2]}, kind: row[3], category: row[4], typmod: n.signed(row[5], 32),
			element: n.oid(row[6]), base: n.oid(row[7]), subtype: n.oid(row[8]), relation: n.oid(row[9]),
		}
		if n.err != nil {
			return n.err
		}
		if multi != 0 {
			multirange[multi] = oid
		}
		c.types[oid], c.typeNames[t.name] = t, oid
	}
	for multi, of := range multirange {
		if t := c.types[multi]; t != nil {
			t.subtype = of
		}
	}
	return nil
}

func (c *Catalog) addColumns(rows [][]string) error {
	if len(rows) > mostColumns {
		return errColumns
	}
	for _, row := range rows {
		if len(row) != 8 {
			return errAnswer
		}
		n := numbers{}
		oid := n.oid(row[0])
		if n.err != nil {
			return n.err
		}
		r := c.relations[oid]
		if r == nil {
			r = &relation{oid: oid, name: Name{row[1], row[2]}, kind: row[3]}
			c.relations[oid], c.relNames[r.name] = r, r
		}
		if row[5] == "" {
			continue
		}
		r.columns = append(r.columns, column{
			name: row[4], number: int16(n.signed(row[5], 16)), typ: n.oid(row[6]), typmod: n.signed(row[7], 32),
		})
		if n.err != nil || !r.ordered() {
			return errors.Join(n.err, errAnswer)
		}
	}
	return nil
}

// ordered reports whether the last column has a number that can follow those
// before it.
func (r *relation) ordered() bool {
	last, before := r.columns[len(r.columns)-1].number, int16(0)
	if len(r.columns) > 1 {
		before = r.columns[len(r.columns)-2].number
	}
	return last > before
}

// numbers reads the numbers of one row and keeps the first error. NULL is 0.
type numbers struct{ err error }

func (n *numbers) oid(text string) uint32 {
	if text == "" {
		return 0
	}
	value, err := strconv.ParseUint(text, 10, 32)
	n.keep(err)
	return uint32(value)
}

func (n *numbers) signed(text string, bits int) int32 {
	value, err := strconv.ParseInt(text, 10, bits)
	n.keep(err)
	return int32(value)
}

func (n *numbers) keep(err error) {
	if err != nil && n.err == nil {
		n.err = fmt.Errorf("%w: %w", errAnswer, err)
	}
}

// resolve gives what a result shows for a value of type oid: of a domain its
// base type, with the type modifier that the domain has (getBaseTypeAndTypmod
// in lsyscache.c).
func (c *Catalog) resolve(oid uint32, typmod int32) (base uint32, of int32) {
	for range mostNested {
		t := c.types[oid]
		if t == nil || t.kind != kindDomain {
			break
		}
		oid, typmod = t.base, t.typmod
	}
	return oid, typmod
}

// Values of pg_type.typtype and typcategory (manual, 53.64), and of
// pg_class.relkind (53.11).
const (
	kindComposite = "c"
	kindDomain    = "d"
	categoryArray = "A"
	relComposite  = "c"
	relSequence   = "S"
)
