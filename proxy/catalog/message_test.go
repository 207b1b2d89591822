package catalog

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/crossfade-db/crossfade/internal/dbserver"
)

// One shop on two servers, whose tables, columns and types have other numbers,
// and whose columns have other type modifiers.
var (
	shopSource = []string{
		"CREATE TYPE mood AS ENUM ('sad')",
		"CREATE DOMAIN label AS varchar(50)",
		"CREATE DOMAIN short AS label",
		"CREATE SCHEMA billing",
		"CREATE TABLE billing.orders (gone int, id int PRIMARY KEY, amount numeric(12,2), note varchar(50), tag label, at timestamp(3), wide int, m mood)",
		"ALTER TABLE billing.orders DROP COLUMN gone",
		"CREATE TABLE orders (id int, tag short, tags text[], gone bit(3), late interval(2), code bpchar(7))",
		"ALTER TABLE orders DROP COLUMN gone",
		"CREATE VIEW latest AS SELECT id, amount, note FROM billing.orders",
		"CREATE TABLE parts (id int, price numeric(8,2)) PARTITION BY RANGE (id)",
		"CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10)",
		`CREATE TABLE "Odd ""name""" ("Ünï" varchar(9))`,
	}
	shopTarget = []string{
		"CREATE TABLE filler (id int)", "CREATE TABLE filler_2 (id int)",
		`CREATE TABLE "Odd ""name""" (a int, b int, c int, "Ünï" varchar)`,
		`ALTER TABLE "Odd ""name""" DROP COLUMN a, DROP COLUMN b`,
		"CREATE SCHEMA billing",
		"CREATE TABLE parts (price numeric, id int) PARTITION BY RANGE (id)",
		"CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10)",
		"CREATE TYPE mood AS ENUM ('sad')",
		"CREATE DOMAIN label AS varchar(99)",
		"CREATE DOMAIN short AS varchar(3)",
		"CREATE TABLE orders (gone_1 int, gone_2 int, code bpchar(9), late interval, tags text[], tag short, id int, only_here varchar(7))",
		"ALTER TABLE orders DROP COLUMN gone_1, DROP COLUMN gone_2",
		"CREATE TABLE billing.orders (note varchar(80), amount numeric(14,4), at timestamp, tag varchar(50), id int, wide bigint, m mood)",
		"CREATE VIEW latest AS SELECT note, amount, id FROM billing.orders",
	}
)

func TestADescriptionBecomesTheSources(t *testing.T) {
	statements := []string{
		"SELECT id, amount, note, tag, at FROM billing.orders",
		"SELECT id, price FROM parts_1 ORDER BY 1",
		"SELECT p.id, p.price, o.note FROM parts p JOIN billing.orders o USING (id)",
		"SELECT id, tag, tags, late, code FROM orders",
		"SELECT id, amount, note FROM latest",
		`SELECT "Ünï", "Ünï" || '!' FROM "Odd ""name"""`,
		"SELECT amount + 1, count(*), max(note), 'x', NULL, now() FROM billing.orders GROUP BY 1",
		"SELECT x.note FROM (SELECT note FROM billing.orders) x, LATERAL (SELECT 1) y",
		"WITH w AS (SELECT amount FROM billing.orders) SELECT amount FROM w UNION ALL SELECT 1.5",
		"INSERT INTO billing.orders (id, note) VALUES ($1, $2) RETURNING id, note, amount",
		"UPDATE orders SET tag = $1 WHERE id = $2 RETURNING tag",
		"SELECT 1::numeric(5,1), 'a'::varchar(4), '{1}'::int[]",
		"SELECT FROM orders",
	}
	for name, installs := range pairs(t) {
		t.Run(name, func(t *testing.T) {
			source, target := sides(t, installs, shopSource, shopTarget)
			pair := NewPair(source.Catalog, target.Catalog)
			translated := 0
			for _, sql := range statements {
				_, want := source.described(t, sql)
				_, got := target.described(t, sql)
				if !bytes.Equal(want, got) {
					translated++
				}
				if !pair.RowDescription(got) {
					t.Errorf("%s: not known", sql)
				}
				if !bytes.Equal(got, want) {
					t.Errorf("%s: (-source +translated)\n%s", sql, cmp.Diff(fields(t, want), fields(t, got)))
				}
			}
			if translated < 9 { // the rest are expressions
				t.Errorf("%d descriptions differed before: the test shows nothing", translated)
			}
		})
	}
}

func fields(t *testing.T, message []byte) []pgproto3.FieldDescription {
	t.Helper()
	var d pgproto3.RowDescription
	if err := d.Decode(message[5:]); err != nil {
		t.Fatal(err)
	}
	return d.Fields
}

func TestAColumnThatTheSourceLacksIsFromNoTable(t *testing.T) {
	source, target := sides(t, newest(t), shopSource, shopTarget)
	pair := NewPair(source.Catalog, target.Catalog)
	_, message := target.described(t, "SELECT only_here, f.id, o.id FROM orders o, filler f")
	if !pair.RowDescription(message) {
		t.Fatal("not known")
	}
	got := fields(t, message)
	for i, typmod := range []int32{7 + 4, -1} {
		if f := got[i]; f.TableOID != 0 || f.TableAttributeNumber != 0 || f.TypeModifier != typmod {
			t.Errorf("column %d: table %d, column %d, modifier %d", i, f.TableOID, f.TableAttributeNumber, f.TypeModifier)
		}
	}
	if f := got[2]; f.TableOID != source.relNames[Name{"public", "orders"}].oid || f.TableAttributeNumber != 1 {
		t.Errorf("the column that both have: table %d, column %d", f.TableOID, f.TableAttributeNumber)
	}
}

func TestADescriptionThatIsNotTheSourcesStaysAsItWas(t *testing.T) {
	source, target := sides(t, newest(t), shopSource, shopTarget)
	pair := NewPair(source.Catalog, target.Catalog)
	statements := map[string]string{
		"a user's type of another number":       "SELECT id, m FROM billing.orders",
		"an array of one":                       "SELECT id, array_agg(m) FROM billing.orders GROUP BY 1",
		"another type than the source's column": "SELECT id, wide FROM billing.orders",
		"a row of a table":                      "SELECT id, o FROM orders o",
		"a record":                              "SELECT id, ROW(1, 2) FROM orders",
		"a number of a table":                   "SELECT id, tableoid FROM orders",
		"a place of a row":                      "SELECT id, ctid FROM orders",
		"a transaction":                         "SELECT id, xmin FROM orders",
		"a name of a table":                     "SELECT id, 'orders'::regclass FROM orders",
		"a type":                                "SELECT id, pg_typeof(id) FROM orders",
		"an array of numbers":                   "SELECT id, '{1}'::oid[] FROM orders",
		"a WAL position":                        "SELECT id, '0/0'::pg_lsn FROM orders",
	}
	for name, sql := range statements {
		_, message := target.described(t, sql)
		unchanged(t, pair, name, message)
		if pair.Outdated(message) {
			t.Errorf("%s: the catalog is said to be outdated", name)
		}
	}
	if err := target.Exec(t.Context(), "postgres", "CREATE TABLE new (id int); ALTER TABLE orders ADD COLUMN new int; CREATE TYPE new_mood AS ENUM ()"); err != nil {
		t.Fatal(err)
	}
	for name, sql := range map[string]string{
		"a table made since":  "SELECT o.id, n.id FROM orders o, new n",
		"a column made since": "SELECT id, new FROM orders",
		"a type made since":   "SELECT id, NULL::new_mood FROM orders",
	} {
		_, message := target.described(t, sql)
		unchanged(t, pair, name, message)
		if !pair.Outdated(message) {
			t.Errorf("%s: the catalog is not said to be outdated", name)
		}
		target.load(t)
		again := NewPair(source.Catalog, target.Catalog)
		if again.Outdated(message) {
			t.Errorf("%s: the catalog is said to be outdated after it was read again", name)
		}
		if name != "a type made since" && !again.RowDescription(message) {
			t.Errorf("%s: not known after the catalog was read again", name)
		}
	}
}

func unchanged(t *testing.T, pair *Pair, name string, message []byte) {
	t.Helper()
	before := slices.Clone(message)
	if pair.RowDescription(message) {
		t.Errorf("%s: is known", name)
	}
	if !bytes.Equal(message, before) {
		t.Errorf("%s: the message has changed", name)
	}
}

func TestWithNothingKnownTablesAndColumnsBecomeZero(t *testing.T) {
	var none *Pair
	message := encode(t, &pgproto3.RowDescription{Fields: []pgproto3.FieldDescription{
		{Name: []byte("a"), TableOID: 16400, TableAttributeNumber: 3, DataTypeOID: 1700, DataTypeSize: -1, TypeModifier: 786438, Format: 1},
	}})
	want := []pgproto3.FieldDescription{{Name: []byte("a"), DataTypeOID: 1700, DataTypeSize: -1, TypeModifier: 786438, Format: 1}}
	if !none.RowDescription(message) {
		t.Error("not known")
	}
	if diff := cmp.Diff(want, fields(t, message)); diff != "" {
		t.Error(diff)
	}
	unchanged(t, none, "a user's type", encode(t, &pgproto3.RowDescription{Fields: []pgproto3.FieldDescription{{DataTypeOID: 16384}}}))
}

func TestTypesOfParametersMeanTheSame(t *testing.T) {
	pair := made()
	for name, test := range map[string]struct {
		oids []uint32
		want bool
	}{
		"none":                        {nil, true},
		"left to the server":          {[]uint32{0, 0}, true},
		"built in, plain or not":      {[]uint32{23, 26, 2205}, true},
		"the same on both sides":      {[]uint32{23, sameMood, 25}, true},
		"of another number":           {[]uint32{23, otherMood}, false},
		"that nobody has":             {[]uint32{99999}, false},
		"of the system, by a version": {[]uint32{12345}, false},
	} {
		if got := pair.Parse(encode(t, &pgproto3.Parse{Name: "n", Query: "SELECT", ParameterOIDs: test.oids})); got != test.want {
			t.Errorf("Parse, types %s: %v", name, got)
		}
		if got := pair.ParameterDescription(encode(t, &pgproto3.ParameterDescription{ParameterOIDs: test.oids})); got != test.want {
			t.Errorf("ParameterDescription, types %s: %v", name, got)
		}
	}
}

func TestParametersThatARealServerDescribes(t *testing.T) {
	source, target := sides(t, newest(t), shopSource, shopTarget)
	pair := NewPair(source.Catalog, target.Catalog)
	for sql, want := range map[string]bool{
		"SELECT 1": true,
		"INSERT INTO billing.orders (id, note, amount) VALUES ($1, $2, $3)": true,
		"SELECT $1::regclass":                       true,
		"UPDATE orders SET tag = $1 WHERE id = $2":  false, // a domain
		"SELECT 1 FROM billing.orders WHERE m = $1": false,
		"SELECT $1::mood[]":                         false,
	} {
		parameters, _ := target.described(t, sql)
		if pair.ParameterDescription(parameters) != want {
			t.Errorf("%s: known is %v", sql, !want)
		}
		if pair.Outdated(parameters) {
			t.Errorf("%s: the catalog is said to be outdated", sql)
		}
	}
	unknown := encode(t, &pgproto3.ParameterDescription{ParameterOIDs: []uint32{23, 99999}})
	if !pair.Outdated(unknown) {
		t.Error("a type that the target has made since: the catalog is not said to be outdated")
	}
}

func TestMalformedMessagesAreNotKnown(t *testing.T) {
	pair := made()
	row := encode(t, someRow)
	parse := encode(t, &pgproto3.Parse{Name: "n", Query: "SELECT", ParameterOIDs: []uint32{23}})
	parameters := encode(t, &pgproto3.ParameterDescription{ParameterOIDs: []uint32{23}})
	if !pair.RowDescription(slices.Clone(row)) || !pair.Parse(parse) || !pair.ParameterDescription(parameters) {
		t.Fatal("the whole messages are not known")
	}
	for _, whole := range [][]byte{row, parse, parameters} {
		for size := range len(whole) {
			cut := slices.Clone(whole[:size])
			if size >= 5 { // a message that is honest about its own length
				binary.BigEndian.PutUint32(cut[1:], uint32(size-1))
			}
			none(t, pair, cut)
		}
		longer := append(slices.Clone(whole), 0)
		none(t, pair, longer)
		binary.BigEndian.PutUint32(longer[1:], uint32(len(whole)))
		none(t, pair, longer)
		other := slices.Clone(whole)
		other[0] = 'Z'
		none(t, pair, other)
	}
}

func none(t *testing.T, pair *Pair, message []byte) {
	t.Helper()
	unchanged(t, pair, "a message cut or longer", message)
	if pair.Parse(message) || pair.ParameterDescription(message) {
		t.Errorf("%q is known", message)
	}
}

func TestTranslatingAllocatesNothing(t *testing.T) {
	pair := made()
	row, buffer := encode(t, someRow), make([]byte, 1024)
	parse := encode(t, &pgproto3.Parse{Query: "SELECT", ParameterOIDs: []uint32{23, sameMood}})
	allocations := testing.AllocsPerRun(100, func() {
		if !pair.RowDescription(buffer[:copy(buffer, row)]) || !pair.Parse(parse) {
			t.Error("not known")
		}
	})
	if allocations != 0 {
		t.Errorf("%v allocations", allocations)
	}
}

func BenchmarkRowDescription(b *testing.B) {
	pair, buffer := made(), make([]byte, 1024)
	row, err := someRow.Encode(nil)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		pair.RowDescription(buffer[:copy(buffer, row)])
	}
}

func encode(t testing.TB, message interface{ Encode([]byte) ([]byte, error) }) []byte {
	t.Helper()
	whole, err := message.Encode(nil)
	if err != nil {
		t.Fatal(err)
	}
	return whole
}

func newest(t *testing.T) [2]dbserver.Install {
	t.Helper()
	found, err := dbserver.Find()
	if err != nil {
		t.Fatal(err)
	}
	return [2]dbserver.Install{found[0], found[0]}
}
