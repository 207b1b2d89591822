package parse_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/crossfade-db/crossfade/internal/dbserver"
	"github.com/crossfade-db/crossfade/internal/dbserver/dbtest"
	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/rewrite/pgsql/parse"
	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"
)

// tables are those that the cases write.
const tables = `
CREATE SCHEMA app; CREATE SCHEMA "Odd Schema"; CREATE SEQUENCE counter START 1000;
CREATE TABLE orders (id int PRIMARY KEY, v int, note text, customer_id int,
	created timestamptz DEFAULT '2024-01-01', tags int[], doc jsonb);
CREATE TABLE children () INHERITS (orders);
CREATE TABLE app.orders (id int PRIMARY KEY, v int);
CREATE TABLE customers (id int, v int); CREATE TABLE lines (id int, order_id int, v int);
CREATE TABLE "Odd Schema"."Or""ders" (id int, v int); CREATE TABLE größe (id int, v int, note text);
CREATE TABLE "set" (id int, v int); CREATE TABLE counters (id serial, v int DEFAULT 5);
CREATE TABLE flags (id int, v int, on_ bool, "from" int, "where" int);
CREATE FUNCTION app.sweep(int) RETURNS bool LANGUAGE sql AS 'SELECT $1 > 1';
INSERT INTO orders SELECT i, i, 'a', i FROM unnest('{1,2,3,9}'::int[]) i;
INSERT INTO children SELECT i, i, 'a', i FROM unnest('{20,21}'::int[]) i;
INSERT INTO app.orders SELECT i, i FROM unnest('{1,2,3,9}'::int[]) i;
INSERT INTO customers SELECT id, v + 4 FROM app.orders;
INSERT INTO app.orders VALUES (5, 5), (6, 6);
INSERT INTO lines SELECT id, id, v FROM app.orders;
INSERT INTO "Odd Schema"."Or""ders" SELECT id, v FROM app.orders;
INSERT INTO größe SELECT id, v, 'ü' FROM app.orders; INSERT INTO "set" SELECT id, v FROM app.orders;
INSERT INTO flags SELECT id, v, true, id, id FROM app.orders;`

// refusals are the cases that a version refuses whatever is added to them.
var refusals = map[int][]string{
	12: {
		"delete_behind_search_and_cycle", "merge_that_inserts_whole_rows", "merge_that_returns",
		"merge_with_all_actions",
	},
}

// Every text that the cases would send runs on the real servers, and does what
// the client's own text does.
func TestCapturedTextsAreTheClientsOwnOnRealServers(t *testing.T) {
	pair := dbtest.Pair(t, dbserver.Options{}, func(ctx context.Context, server *dbserver.Postgres) error {
		return server.Exec(ctx, "postgres", tables)
	})
	for _, server := range []*dbserver.Postgres{pair.Source, pair.Target} {
		t.Run(fmt.Sprint(server.Version().Major), func(t *testing.T) {
			conn, err := pgconn.Connect(t.Context(), server.SuperDSN("postgres"))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { conn.Close(context.WithoutCancel(t.Context())) })
			runCases(t, conn, refusals[server.Version().Major])
		})
	}
}

func runCases(t *testing.T, conn *pgconn.PgConn, refused []string) {
	ran, wrote, locked := 0, 0, 0
	for _, c := range goldenCases(t) {
		s, err := parse.Analyse(c.text, parse.Limits{})
		if err != nil || s.Several {
			continue
		}
		switch s.Kind {
		case rewrite.Insert, rewrite.Update, rewrite.Delete, rewrite.Merge:
		default:
			continue
		}
		trial := trial{T: t, conn: conn, claim: c.claim, text: c.text, statement: s}
		if slices.Contains(refused, c.claim) {
			trial.refused()
			continue
		}
		ran++
		rows, keys := trial.compare()
		if rows > 0 {
			wrote++
		}
		if keys > 0 {
			locked++
		}
	}
	if ran < 60 || wrote < ran-5 || locked < 25 {
		t.Errorf("%d cases ran, %d wrote rows, of %d the old keys were found", ran, wrote, locked)
	}
}

// trial is one case on one server.
type trial struct {
	*testing.T
	conn      *pgconn.PgConn
	claim     string
	text      []byte
	statement *rewrite.Statement
}

func (r *trial) refused() {
	captured := parse.Capture(r.text, r.statement, columnsOf(r.statement))
	for _, text := range [][]byte{r.text, captured} {
		if _, err := r.conn.Prepare(r.Context(), "", string(text), nil); err == nil {
			r.Errorf("%s: the server takes %s", r.claim, text)
		}
	}
}

// answer is what a server says to a statement.
type answer struct {
	Fields []string
	Rows   [][]string
	Tag    string
}

// compare runs the client's text and ours in transactions that are rolled back,
// and returns how many rows were written and how many old keys found.
func (r *trial) compare() (rows, keys int) {
	prepared, err := r.conn.Prepare(r.Context(), "", string(r.text), nil)
	if err != nil {
		r.Errorf("%s: %v", r.claim, err)
		return 0, 0
	}
	types := prepared.ParamOIDs
	captured := parse.Capture(r.text, r.statement, columnsOf(r.statement))
	old, known := parse.OldKeys(r.text, r.statement, columnsOf(r.statement)[:1])
	var own, ours, found answer
	r.within(func() { own = r.run(r.text, types) })
	r.within(func() {
		if known {
			found = r.run(old, types)
		}
		ours = r.run(captured, types)
	})
	images := len(own.Fields)
	if len(ours.Fields) != images+2 {
		r.Errorf("%s: %d fields, with the captured ones %d", r.claim, images, len(ours.Fields))
		return 0, 0
	}
	if diff := cmp.Diff([]string{"id", "v"}, ours.Fields[images:]); diff != "" {
		r.Errorf("%s: captured fields (-want +got):\n%s", r.claim, diff)
	}
	if diff := cmp.Diff(own, ours.first(images)); diff != "" {
		r.Errorf("%s: the client's part of the answer (-want +got):\n%s", r.claim, diff)
	}
	if known {
		r.judgeKeys(found, ours)
	}
	return len(ours.Rows), len(found.Rows)
}

// judgeKeys demands that the old keys are those of the rows that were updated.
func (r *trial) judgeKeys(found, ours answer) {
	before, after := found.column(0), ours.column(len(ours.Fields)-2)
	if slices.Contains(r.statement.Assigned, "id") {
		if len(before) != len(after) {
			r.Errorf("%s: old keys %v of rows that are now %v", r.claim, before, after)
		}
		return
	}
	if diff := cmp.Diff(after, before); diff != "" {
		r.Errorf("%s: old keys (-of the rows +found):\n%s", r.claim, diff)
	}
}

// within runs f in a transaction with a cursor on a row, and undoes it.
func (r *trial) within(f func()) {
	r.command("BEGIN; DECLARE c CURSOR FOR SELECT * FROM orders FOR UPDATE; FETCH c")
	f()
	r.command("ROLLBACK")
}

func (r *trial) command(text string) {
	if err := r.conn.Exec(r.Context(), text).Close(); err != nil {
		r.Errorf("%s: %v", r.claim, err)
	}
}

// arguments are values of the types that the cases have.
var arguments = map[uint32]string{20: "3", 23: "3", 25: "a,b", 1007: "{1,2}"}

// run gives parameter 3 a pattern that matches everything.
func (r *trial) run(text []byte, types []uint32) (a answer) {
	values := make([][]byte, len(types))
	for i, oid := range types {
		values[i] = []byte(arguments[oid])
	}
	if len(values) == 3 {
		values[2] = []byte("%")
	}
	prepared, err := r.conn.Prepare(r.Context(), "", string(text), types)
	if err != nil {
		r.Fatalf("%s: %v: %s", r.claim, err, text)
	}
	for _, field := range prepared.Fields {
		a.Fields = append(a.Fields, field.Name)
	}
	result := r.conn.ExecPrepared(r.Context(), "", values, nil, nil).Read()
	if result.Err != nil {
		r.Errorf("%s: %v: %s", r.claim, result.Err, text)
	}
	for _, row := range result.Rows {
		var cells []string
		for _, cell := range row {
			cells = append(cells, string(cell))
		}
		a.Rows = append(a.Rows, cells)
	}
	a.Tag = result.CommandTag.String()
	return a
}

// first is the answer without the columns behind the first n.
func (a answer) first(n int) answer {
	if n == 0 {
		return answer{Tag: a.Tag}
	}
	cut := answer{Fields: a.Fields[:n], Tag: a.Tag}
	for _, row := range a.Rows {
		cut.Rows = append(cut.Rows, row[:n])
	}
	return cut
}

// column returns the values of a column, each once and in order.
func (a answer) column(i int) (values []string) {
	for _, row := range a.Rows {
		values = append(values, row[i])
	}
	slices.SortFunc(values, strings.Compare)
	return slices.Compact(values)
}
