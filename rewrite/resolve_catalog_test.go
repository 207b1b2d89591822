package rewrite_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/crossfade-db/crossfade/rewrite"
)

// catalog builds a Schema from lines such as
//
//	enum public.state new done
//	domain public.word text
//	table public.orders
//	  id int4 pk
//	  note varchar(50) notnull
//	  total numeric(12,2) default
//
// Columns say pk, unique, notnull, default, generated, identity, always. User
// types get numbers from first on, so that those of two sides differ.
func catalog(t *testing.T, first uint32, text string) *rewrite.Schema {
	t.Helper()
	b := &builder{t: t, next: first, schema: &rewrite.Schema{Version: 180000, Tables: map[rewrite.Name]*rewrite.Table{}, Types: map[uint32]*rewrite.Type{}}}
	for name, oid := range builtIn {
		b.schema.Types[oid] = &rewrite.Type{OID: oid, Name: rewrite.Name{"pg_catalog", name}, Kind: rewrite.BaseType, Binary: true, Equality: true}
		array := &rewrite.Type{OID: oid + 10_000, Name: rewrite.Name{"pg_catalog", "_" + name}, Kind: rewrite.ArrayType, Element: oid, Binary: true}
		b.schema.Types[array.OID], b.schema.Types[oid].Array = array, array.OID
	}
	for line := range strings.Lines(text) {
		b.line(strings.TrimRight(line, "\n"))
	}
	return b.schema
}

// builtIn are types of pg_type.dat.
var builtIn = map[string]uint32{
	"bool": 16, "int8": 20, "int2": 21, "int4": 23, "text": 25, "json": 114, "float4": 700, "float8": 701,
	"bpchar": 1042, "varchar": 1043, "date": 1082, "timestamp": 1114, "timestamptz": 1184,
	"bit": 1560, "varbit": 1562, "numeric": 1700, "regclass": 2205, "uuid": 2950, "jsonb": 3802,
}

type builder struct {
	t      *testing.T
	next   uint32
	schema *rewrite.Schema
	table  *rewrite.Table
}

func (b *builder) line(line string) {
	words := strings.Fields(line)
	switch {
	case len(words) == 0:
	case strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t"):
		if strings.HasPrefix(strings.TrimSpace(line), "column ") {
			words = words[1:]
		}
		b.column(words)
	case words[0] == "enum":
		b.define(rewrite.Type{Name: b.name(words[1]), Kind: rewrite.EnumType, Labels: words[2:], Binary: true, Equality: true})
	case words[0] == "domain":
		b.define(rewrite.Type{Name: b.name(words[1]), Kind: rewrite.DomainType, Base: b.typeOf(words[2]).OID, Binary: true, Equality: true})
	case words[0] == "composite":
		c := rewrite.Type{Name: b.name(words[1]), Kind: rewrite.CompositeType, Binary: true}
		for _, f := range words[2:] {
			c.Fields = append(c.Fields, b.typeOf(f).OID)
		}
		b.define(c)
	default:
		b.relation(words)
	}
}

// relation reads table, partitioned, view, inherits, and partition … of ….
func (b *builder) relation(words []string) {
	kinds := map[string]rewrite.RelationKind{"table": rewrite.OrdinaryTable, "partitioned": rewrite.PartitionedTable, "view": rewrite.View, "inherits": rewrite.OrdinaryTable, "partition": rewrite.OrdinaryTable}
	kind, known := kinds[words[0]]
	if !known {
		b.t.Fatalf("catalog: %q", words)
	}
	b.table = &rewrite.Table{Name: b.name(words[1]), Kind: kind, Inherits: words[0] == "inherits"}
	if words[0] == "partition" {
		b.table.Parent = b.name(words[3])
	}
	b.schema.Tables[b.table.Name] = b.table
}

func (b *builder) name(text string) rewrite.Name {
	n, err := rewrite.ParseName(text)
	if err != nil {
		b.t.Fatalf("catalog: %s %v", text, err)
	}
	return n
}

func (b *builder) define(t rewrite.Type) {
	t.OID, t.Array = b.next, b.next+1
	b.next += 2
	b.schema.Types[t.OID] = &t
	b.schema.Types[t.Array] = &rewrite.Type{OID: t.Array, Name: rewrite.Name{t.Name.Schema, "_" + t.Name.Name}, Kind: rewrite.ArrayType, Element: t.OID, Binary: true}
}

func (b *builder) typeOf(word string) *rewrite.Type {
	bare, array := strings.CutSuffix(word, "[]")
	bare, _, _ = strings.Cut(bare, "(")
	n := rewrite.Name{"pg_catalog", bare}
	if strings.Contains(bare, ".") {
		n = b.name(bare)
	}
	t := b.schema.TypeNamed(n)
	if t == nil {
		b.t.Fatalf("catalog: no type %s", word)
	}
	if array {
		return b.schema.Types[t.Array]
	}
	return t
}

func (b *builder) column(words []string) {
	t := b.typeOf(words[1])
	c := rewrite.Column{Name: words[0], Number: int16(len(b.table.Columns) + 1), Type: t.OID, Typmod: -1, SQLType: words[1]}
	var first, second int32
	if _, modifier, has := strings.Cut(words[1], "("); has {
		n, _ := fmt.Sscanf(modifier, "%d,%d", &first, &second)
		c.Typmod = first + 4
		if n == 2 {
			c.Typmod = first<<16 + second + 4
		}
	}
	for _, w := range words[2:] {
		switch w {
		case "pk":
			c.NotNull = true
			b.primary(c.Name)
		case "unique":
			b.table.Keys = append(b.table.Keys, rewrite.Key{Name: c.Name + "_key", Columns: []string{c.Name}})
		case "notnull":
			c.NotNull = true
		case "default":
			c.Default = "x"
		case "generated":
			c.Generated = true
		case "identity":
			c.Identity = 'd'
		case "always":
			c.Identity = 'a'
		default:
			b.t.Fatalf("catalog: %q", words)
		}
	}
	b.table.Columns = append(b.table.Columns, c)
}

func (b *builder) primary(column string) {
	if len(b.table.Keys) == 0 || !b.table.Keys[0].Primary {
		b.table.Keys = append([]rewrite.Key{{Name: "pkey", Primary: true}}, b.table.Keys...)
	}
	b.table.Keys[0].Columns = append(b.table.Keys[0].Columns, column)
}

// printed is a plan as text, a line for each thing.
func printed(p *rewrite.Plan) string {
	var b strings.Builder
	for _, pair := range p.Pairs {
		fmt.Fprintf(&b, "%s key=%v%s%s%s\n", pair.Name(), pair.Key, marked(" same", pair.Same), marked(" strict", pair.Strict), marked(" source-reads", !pair.Canary))
		for i, c := range pair.Cells {
			fmt.Fprintf(&b, "  %d %s %s%s\n", i, c.Column, c.TargetSQLType, marked(" text", !c.Binary))
		}
		for _, t := range pair.Targets {
			fmt.Fprintf(&b, "  -> %s%s\n", t.Table.Name, marked(" when "+t.When, t.When != ""))
			for _, k := range t.Key {
				fmt.Fprintf(&b, "     key %s = %d\n", k.Column, k.Cell)
			}
			for _, a := range t.Columns {
				fmt.Fprintf(&b, "     %s = %s%s\n", a.Column.Name, a.Up, marked(" plain", a.Plain))
			}
			for _, a := range t.Initial {
				fmt.Fprintf(&b, "     initial %s = %s\n", a.Column.Name, a.Up)
			}
		}
	}
	return b.String()
}

func marked(word string, on bool) string {
	if on {
		return word
	}
	return ""
}

// said are problems as text, a line for each.
func said(problems []rewrite.Problem) string {
	var b strings.Builder
	for _, p := range problems {
		where := p.Table
		if p.Column != "" {
			where += " " + p.Column
		}
		fmt.Fprintf(&b, "%s %s %s: %s; %s\n", p.Severity, p.Check, where, p.Message, p.Remedy)
	}
	return b.String()
}
