package image

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/crossfade-db/crossfade/rewrite"
)

// plainDDL is a table of an id, a number and a text.
const plainDDL = "CREATE TABLE t (id int PRIMARY KEY, n int, v text);"

// set makes the source's rows and gives their images.
func (j *journey) set(rows string) []rewrite.Image {
	j.t.Helper()
	j.exec(source, "TRUNCATE t; INSERT INTO t VALUES "+rows)
	return j.images()
}

func code(err error) string {
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		return refused.Code
	}
	return ""
}

func expect(t *testing.T, j *journey, query string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, append([]string(nil), j.rows(target, query)...)); diff != "" {
		t.Errorf("%s: %s", query, diff)
	}
}

func TestAnInitialValueIsOfTheInsertAlone(t *testing.T) {
	j := open(t, plainDDL, `CREATE TABLE t (id int PRIMARY KEY, n int, v text, metadata jsonb NOT NULL, made int DEFAULT 7)`).journey(shape{
		table: "t", key: "id",
		targets: []into{{table: "t", initial: map[string]string{"metadata": "'{}'", "made": "DEFAULT"}}},
	})
	images := j.set("(1, 1, 'a')")
	j.each(j.texts[0].Upsert, images)
	expect(t, j, "SELECT * FROM t", "1|1|a|{}|7")
	j.exec(target, `UPDATE t SET metadata = '{"vip": true}', made = 9`)
	images = j.set("(1, 2, 'b')")
	j.each(j.texts[0].Upsert, images)
	expect(t, j, "SELECT * FROM t", `1|2|b|{"vip": true}|9`)
	j.batch(j.texts[0].UpsertAll, images)
	j.each(j.texts[0].Update, images)
	expect(t, j, "SELECT * FROM t", `1|2|b|{"vip": true}|9`)
	clean(t, j, j.texts[0], images)
}

func TestAKeyChangeAndADeleteThatMeetsNoRow(t *testing.T) {
	j := open(t, plainDDL, plainDDL).journey(shape{table: "t", key: "id", targets: []into{{table: "t"}}})
	x := j.texts[0]
	before := j.set("(1, 1, 'a'), (2, 2, 'b')")
	j.each(x.Upsert, before)
	after := j.set("(2, 1, 'a'), (3, 2, 'b')")
	for _, image := range before {
		if n := j.delete(x.Delete, image); n != 1 {
			t.Errorf("deletes %d rows", n)
		}
	}
	j.each(x.Upsert, after)
	expect(t, j, "SELECT * FROM t ORDER BY id", "2|1|a", "3|2|b")
	if n := j.delete(x.Delete, before[0]); n != 0 {
		t.Errorf("deletes %d rows where there is none", n)
	}
	if n := j.each(x.Update, before[:1]); n != 0 {
		t.Errorf("updates %d rows where there is none", n)
	}
}

func TestAPlaceholderTakesTheKey(t *testing.T) {
	tests := []struct {
		name, ddl string
		initial   map[string]string
		want      []string // nil: there is no text
	}{
		{"of columns that may be NULL", "CREATE TABLE t (id int PRIMARY KEY, n int, v text)", nil, []string{"1|~|~"}},
		{"of defaults", "CREATE TABLE t (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, n int NOT NULL DEFAULT 3, v text)", nil, []string{"1|3|~"}},
		{"of initial values", "CREATE TABLE t (id int PRIMARY KEY, n int, v text, w text NOT NULL)", map[string]string{"w": "'i'"}, []string{"1|~|~|i"}},
		{"not of a column that must have a value", "CREATE TABLE t (id int PRIMARY KEY, n int NOT NULL, v text)", nil, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			j := open(t, plainDDL, test.ddl).journey(shape{table: "t", key: "id", targets: []into{{table: "t", initial: test.initial}}})
			x := j.texts[0]
			image := j.set("(1, 1, 'a')")[0]
			if x.Placeholder == "" {
				if test.want != nil {
					t.Fatal("there is no text")
				}
				return
			}
			for range 2 {
				if n := j.delete(x.Placeholder, image); n != 1 {
					t.Fatalf("takes %d rows", n)
				}
				expect(t, j, "SELECT * FROM t", test.want...)
			}
		})
	}
}

// TestWhatTakesAKeyWaits holds the row in one transaction and has the text run
// in another, for as long as the server says that it waits for the first.
func TestWhatTakesAKeyWaits(t *testing.T) {
	ddl := "CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE u (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, w int)"
	l := open(t, plainDDL, ddl)
	for _, table := range []string{"t", "u"} {
		j := l.journey(shape{table: "t", key: "id", targets: []into{{table: table}}})
		image := j.set("(1, 1, 'a')")[0]
		for name, text := range map[string]string{"upsert": j.texts[0].Upsert, "placeholder": j.texts[0].Placeholder} {
			t.Run(table+" "+name, func(t *testing.T) {
				j.exec(target, "TRUNCATE "+table)
				holder, watch := j.connect(target), j.connect(target)
				exec(t, holder, "BEGIN; INSERT INTO "+table+" (id) OVERRIDING SYSTEM VALUE VALUES (1)")
				done := make(chan int64, 1)
				cells, formats := [][]byte(image), Formats(j.p)
				types := CellTypes(j.p)
				if name == "placeholder" {
					cells, formats, types = j.key(image), KeyFormats(j.p), KeyTypes(j.p)
				}
				go func() {
					result := j.conns[target].ExecParams(context.Background(), text, cells, types, formats, nil).Read()
					done <- result.CommandTag.RowsAffected()
				}()
				waits := "SELECT count(*) FROM pg_locks WHERE NOT granted AND pid = " + number("", int(j.conns[target].PID()))
				for ask(t, watch, waits) == "0" {
					select {
					case n := <-done:
						t.Fatalf("has not waited, and took %d rows", n)
					default:
					}
				}
				exec(t, holder, "COMMIT")
				if n := <-done; n != 1 {
					t.Errorf("took %d rows", n)
				}
			})
		}
	}
}

func exec(t *testing.T, conn *pgconn.PgConn, sql string) {
	t.Helper()
	if err := conn.Exec(t.Context(), sql).Close(); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func ask(t *testing.T, conn *pgconn.PgConn, sql string) string {
	t.Helper()
	results, err := conn.Exec(t.Context(), sql).ReadAll()
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return string(results[0].Rows[0][0])
}

func TestRowsThatAreNotWantedAreDeleted(t *testing.T) {
	j := open(t, plainDDL, plainDDL).journey(shape{table: "t", key: "id", targets: []into{{table: "t", when: "n > 0 AND 10 / n > 1"}}})
	x := j.texts[0]
	images := j.set("(1, 1, 'a'), (2, 2, 'b'), (3, 0, 'c'), (4, NULL, 'd')")
	j.exec(target, "INSERT INTO t SELECT i, 0, 'old' FROM generate_series(1, 4) i")
	got := j.diff(x, images)
	want := []string{"1|t|t|{n,v}", "2|t|t|{n,v}", "3|t|f|{}", "4|t|f|{}"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if n := j.each(x.Upsert, images); n != 2 {
		t.Errorf("upserts %d rows", n)
	}
	if n := j.each(x.Update, images); n != 2 {
		t.Errorf("updates %d rows", n)
	}
	if n := j.each(x.Unless, images[:3]); n != 1 {
		t.Errorf("deletes %d rows", n)
	}
	if n := j.batch(x.UnlessAll, images); n != 1 {
		t.Errorf("deletes %d rows", n)
	}
	expect(t, j, "SELECT * FROM t ORDER BY id", "1|1|a", "2|2|b")
	clean(t, j, x, images)
}

func TestAnImageThatTheColumnCannotHoldIsRefused(t *testing.T) {
	tests := []struct {
		name, column, row, code string
	}{
		{"too long for varchar", "v varchar(3)", "(1, 1, 'abcd')", "22001"},
		{"too long for char", "v char(3)", "(1, 1, 'abcd')", "22001"},
		{"bits", "v bit(3)", "(1, 1, '1011')", "22026"},
		{"too long for a domain", "v short", "(1, 1, 'abcd')", "22001"},
		{"too big a number", "v text, n smallint", "(1, 40000, '')", "22003"},
		{"not of a number's form", "v int", "(1, 1, 'x')", "22P02"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			j := open(t, plainDDL, "CREATE DOMAIN short AS varchar(3); CREATE TABLE t (id int PRIMARY KEY, "+test.column+")").
				journey(shape{table: "t", key: "id", targets: []into{{table: "t"}}})
			if strings.Contains(test.column, "short") { // as a resolved plan casts it
				j.p.Targets[0].Columns[1].Up = `CAST("v" AS pg_catalog.varchar)`
				j.texts[0] = For(j.p, j.p.Targets[0])
			}
			image := j.set(test.row)[0]
			_, err := j.run(target, j.texts[0].Upsert, CellTypes(j.p), image, Formats(j.p), nil)
			if code(err) != test.code {
				t.Errorf("%v, want %s", err, test.code)
			}
		})
	}
}

func TestBatchesKeepTheirOrder(t *testing.T) {
	ddl := "CREATE TABLE t (id int PRIMARY KEY, n int UNIQUE, v text);"
	j := open(t, ddl, ddl).journey(shape{table: "t", key: "id", targets: []into{{table: "t"}}})
	before := j.set("(1, 1, 'a'), (2, 2, 'b'), (3, 3, 'c')")
	j.each(j.texts[0].Upsert, before)
	moved := j.set("(1, 2, 'a'), (2, 3, 'b'), (3, 4, 'c')")
	upward := []rewrite.Image{moved[2], moved[1], moved[0]}
	if _, err := j.run(target, j.texts[0].UpsertAll, ArrayTypes(j.p, j.schemas[target]), j.arrays(moved), binaryFormats(3), nil); code(err) != "23505" {
		t.Errorf("in the wrong order: %v", err)
	}
	if n := j.batch(j.texts[0].UpsertAll, upward); n != 3 {
		t.Errorf("upserts %d rows", n)
	}
	expect(t, j, "SELECT n FROM t ORDER BY id", "2", "3", "4")
}

// TestASearchPathHasNoSay has operators, casts and types of a user before those
// of the server.
func TestASearchPathHasNoSay(t *testing.T) {
	hostile := `CREATE FUNCTION public.never(int, int) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT false';
		CREATE OPERATOR public.= (LEFTARG = int, RIGHTARG = int, FUNCTION = public.never);
		CREATE OPERATOR public.> (LEFTARG = int, RIGHTARG = int, FUNCTION = public.never);
		CREATE OPERATOR public.<= (LEFTARG = int, RIGHTARG = int, FUNCTION = public.never);
		CREATE DOMAIN public.text AS int; CREATE DOMAIN public.int4 AS int CHECK (false); CREATE DOMAIN public.bool AS int CHECK (false);
		CREATE FUNCTION public.unnest(anyarray) RETURNS SETOF int LANGUAGE sql AS 'SELECT 1';`
	l := open(t, hostile+"CREATE TABLE t (id int PRIMARY KEY, n int, v pg_catalog.text)", hostile+"CREATE TABLE t (id int PRIMARY KEY, n int, v pg_catalog.text)")
	for _, side := range []int{source, target} {
		l.exec(side, "SET search_path = public, pg_catalog")
	}
	j := l.journey(shape{table: "t", key: "id", text: "v", targets: []into{{table: "t", when: "n OPERATOR(pg_catalog.>) 0"}}})
	x := j.texts[0]
	images := j.set("(1, 1, 'a'), (2, 2, 'b')")
	j.each(x.Upsert, images)
	if n := j.batch(x.UpsertAll, images); n != 2 {
		t.Errorf("upserts %d rows", n)
	}
	if n := j.each(x.Update, images) + j.batch(x.UpdateAll, images); n != 4 {
		t.Errorf("updates %d rows", n)
	}
	limit := []byte{0, 0, 0, 0, 0, 0, 0, 9}
	zero := []byte{0, 0, 0, 0}
	result, err := j.run(target, x.RangeText(true, true), []uint32{int4, int4, int8}, [][]byte{zero, images[1][0], limit}, binaryFormats(3), nil)
	if err != nil || len(result.Rows) != 2 {
		t.Errorf("ranges over %d rows, %v", len(result.Rows), err)
	}
	result, err = j.run(source, j.source.One, SourceKeyTypes(j.p), j.key(images[0]), KeyFormats(j.p), nil)
	if err != nil || len(result.Rows) != 1 {
		t.Errorf("reads %d rows, %v", len(result.Rows), err)
	}
	if n := j.delete(x.Delete, images[0]); n != 1 {
		t.Errorf("deletes %d rows", n)
	}
	if got := j.diff(x, images); got[0] != "1|f|t|{}" || got[1] != "2|t|t|{}" {
		t.Errorf("differs: %v", got)
	}
}
