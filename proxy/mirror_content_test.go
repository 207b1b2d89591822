package proxy

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/crossfade-db/crossfade/router"
)

// contentTypes are columns with values that each differ in some way by how
// they travel.
var contentTypes = []struct {
	column string
	values []string
}{
	{"int2", []string{"-32768", "NULL"}},
	{"int8", []string{"9223372036854775807"}},
	{"float4", []string{"'NaN'", "'-Infinity'", "1e-38", "0.1"}},
	{"float8", []string{"'Infinity'", "0.1::float8 + 0.2::float8", "'-0'"}},
	{"numeric", []string{"'NaN'", "123456789012345678901234567890.000100", "0.00", "-1e-30"}},
	{"numeric(12,2)", []string{"1.005", "-99"}},
	{"money", []string{"'12.34'", "'-92233720368547758.08'"}},
	{"text", []string{"''", "E'a\\tb\\n\\\\'", "'ünïcödé 日本 🎉'", "repeat('x', 100000)"}},
	{"varchar(5)", []string{"'abcde'"}},
	{"char(4)", []string{"'a'", "''"}},
	{`"char"`, []string{"'x'", "''"}},
	{"name", []string{"'a name'"}},
	{"bytea", []string{`'\x00ff5c27'`, "''"}},
	{"bool", []string{"true", "NULL"}},
	{"date", []string{"'2024-02-01'", "'infinity'", "'4000-01-01 BC'"}},
	{"time", []string{"'24:00:00'"}},
	{"timetz", []string{"'12:00:00.123456+05:30'"}},
	{"timestamp", []string{"'-infinity'", "'2024-02-01 03:04:05.678901'"}},
	{"timestamptz", []string{"'infinity'", "'2024-02-01 03:04:05+14'"}},
	{"interval", []string{"'1 year -2 days 03:04:05.6'", "'-00:00:00.000001'"}},
	{"uuid", []string{"'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"}},
	{"inet", []string{"'::1/64'", "'10.1.2.3'"}},
	{"cidr", []string{"'10.0.0.0/8'"}},
	{"macaddr8", []string{"'08:00:2b:01:02:03:04:05'"}},
	{"bit(3)", []string{"B'101'"}},
	{"varbit", []string{"B''", "B'1010101'"}},
	{"json", []string{`'{"b": 1,  "a" :[1,2] , "a":null}'`}},
	{"jsonb", []string{`'{"b": 1, "a": "\u00e9"}'`, "'null'"}},
	{"xml", []string{"'<a b=\"ü\"/>'"}},
	{"tsvector", []string{"to_tsvector('english', 'the fat cats')"}},
	{"tsquery", []string{"'fat & (cat | rat)'"}},
	{"point", []string{"'(1.5,-2)'"}},
	{"polygon", []string{"'((0,0),(1,1),(1,0))'"}},
	{"int4range", []string{"'empty'", "'[1,5)'", "'(,)'"}},
	{"tstzrange", []string{"'[2024-01-01,infinity]'"}},
	{"jsonpath", []string{"'$.a[*] ? (@ > 1)'"}},
	{"pg_lsn", []string{"'16/B374D848'"}},
	{"int[]", []string{"'{}'", "'{1,NULL,3}'", "'[0:1][2:3]={{1,2},{3,4}}'"}},
	{"text[]", []string{`ARRAY['a,b', '"', NULL, 'NULL', '']`}},
	{"bytea[]", []string{`ARRAY['\x00'::bytea]`}},
	{"timestamptz[]", []string{"ARRAY['infinity'::timestamptz]"}},
	{"mood2", []string{"'ok'", "NULL"}},
	{"mood2[]", []string{"ARRAY['sad','ok']::mood2[]"}},
	{"email", []string{"'a@b'"}},
	{"email[]", []string{"ARRAY['a@b','c@d']::email[]"}},
	{"moods_list", []string{"ARRAY['ok']::mood2[]"}},
	{"whole", []string{"ROW(1, 'ü', 'ok', ARRAY['sad']::mood2[])::whole", "ROW(NULL, NULL, NULL, NULL)::whole"}},
	{"whole[]", []string{"ARRAY[ROW(1, 'a', 'ok', NULL)::whole]"}},
	{"moodrange", []string{"moodrange('sad', 'ok', '[]')"}},
	{"regclass", []string{"'pg_class'"}},
}

var contentSchema = func() (source, target []string) {
	types := []string{
		"CREATE TYPE mood2 AS ENUM ('sad', 'ok')", "CREATE DOMAIN email AS text CHECK (VALUE LIKE '%@%')", "CREATE DOMAIN moods_list AS mood2[]",
		"CREATE TYPE whole AS (n int, t text, m mood2, l mood2[])", "CREATE TYPE moodrange AS RANGE (subtype = mood2)",
	}
	var columns []string
	for i, c := range contentTypes {
		columns = append(columns, fmt.Sprintf("c%d %s", i, c.column))
	}
	table := "CREATE TABLE every (id int PRIMARY KEY, " + strings.Join(columns, ", ") + ")"
	source = append(slices.Clone(types), table)
	target = append([]string{"CREATE TYPE before_all AS ENUM ('x')", "CREATE TABLE filler (id int)"}, types...)
	return source, append(target, table)
}

// writeEvery writes each value of each type, alone, in threes, and changed.
func writeEvery(t testing.TB, conn *pgx.Conn, from int) {
	t.Helper()
	id := from
	for i, c := range contentTypes {
		for _, v := range c.values {
			for _, sql := range []string{
				fmt.Sprintf("INSERT INTO every (id, c%d) VALUES (%d, %s)", i, id, v),
				fmt.Sprintf("INSERT INTO every (id, c%d) SELECT g, %s FROM generate_series(%d, %d) g", i, v, id+1, id+4),
				fmt.Sprintf("UPDATE every SET c%d = NULL WHERE id = %d", i, id+2),
				fmt.Sprintf("UPDATE every SET c%d = %s WHERE id BETWEEN %d AND %d", i, v, id, id+3),
				fmt.Sprintf("DELETE FROM every WHERE id = %d", id+4),
			} {
				if _, err := conn.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
					t.Fatalf("%s: %v", sql[:min(len(sql), 200)], err)
				}
			}
			id += 10
		}
	}
}

func TestMirrorEveryTypeUnderEverySetting(t *testing.T) {
	source, target := contentSchema()
	proxy := newMirrored(t, source, target, nil, nil)
	for i, set := range []string{
		"SET DateStyle = 'ISO, MDY'", "SET DateStyle = 'SQL, DMY'; SET IntervalStyle = 'sql_standard'; SET extra_float_digits = 0", "SET bytea_output = 'escape'; SET IntervalStyle = 'iso_8601'",
		"SET TimeZone = 'Asia/Kolkata'; SET xmlbinary = 'hex'", "SET search_path = pg_catalog, public",
	} {
		conn := proxy.client(t)
		for _, s := range strings.Split(set, "; ") {
			do(t, conn, s)
		}
		writeEvery(t, conn, 10_000*i)
		proxy.unlessNoted(t, "every")
		if noted := proxy.notesDirty(); len(noted) > 0 {
			t.Errorf("%s: dirty: %v; the target has refused %v", set, noted, proxy.refused)
		}
	}
	if rows := proxy.rows(t, router.Target, "SELECT count(*) FROM every"); rows[0] == "0|" {
		t.Error("nothing was mirrored")
	}
}

// TestMirrorTextInAnotherEncoding: what the client's encoding makes of a text
// must not be read in another one at the target.
func TestMirrorTextInAnotherEncoding(t *testing.T) {
	schema := []string{"CREATE TABLE words (id int PRIMARY KEY, w text, l text[])", "CREATE TABLE named (w text PRIMARY KEY, n int)"}
	for _, encoding := range []string{"LATIN1", "WIN1252", "KOI8R", "EUC_JP", "SQL_ASCII"} {
		t.Run(encoding, func(t *testing.T) {
			proxy := newMirrored(t, schema, schema, nil, nil)
			conn := proxy.client(t)
			do(t, conn, "SET client_encoding = "+encoding)
			w := "convert_from('\\xc3a9', 'UTF8')" // é
			switch encoding {
			case "LATIN1", "WIN1252":
				w = "convert_from('\\xc383c2a9', 'UTF8')" // two letters whose bytes are those of é in UTF-8
			case "KOI8R":
				w = "convert_from('\\xd0a6d0ab', 'UTF8')"
			case "EUC_JP":
				w = "convert_from('\\xe697a5', 'UTF8')"
			}
			for _, sql := range []string{
				"INSERT INTO words SELECT 1, " + w + ", ARRAY[" + w + "]", "INSERT INTO named SELECT " + w + ", 1", "UPDATE words SET w = w || w", "UPDATE named SET n = 2", "DELETE FROM named", "INSERT INTO named SELECT " + w + ", 3",
				"UPDATE named SET w = w || 'x'",
			} {
				if _, err := conn.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
					t.Fatal(sql, err)
				}
			}
			proxy.unlessNoted(t, "words", "named")
		})
	}
}
