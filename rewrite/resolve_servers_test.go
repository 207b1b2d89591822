package rewrite_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/crossfade-db/crossfade/internal/dbserver"
	"github.com/crossfade-db/crossfade/internal/dbserver/dbtest"
	"github.com/crossfade-db/crossfade/reconcile/schema"
	"github.com/crossfade-db/crossfade/rewrite"
)

// The texts of a plan are run by servers, so servers have to say that they mean
// what the mapping says.
func TestServersAgreeWithThePlan(t *testing.T) {
	pair := dbtest.Pair(t, dbserver.Options{}, nil)
	run(t, pair.Source, `
		CREATE TYPE state AS ENUM ('new', 'done', 'lost');
		CREATE TYPE pick AS ENUM ('a', 'b');
		CREATE TABLE t (id int PRIMARY KEY, state state, word text, pick pick, letters text, fixed text, bits varbit, code int)`)
	run(t, pair.Target, `
		CREATE TYPE status AS ENUM ('pending', 'delivered', 'none');
		CREATE TYPE pick AS ENUM ('b', 'a');
		CREATE DOMAIN short AS varchar(3);
		CREATE TABLE t (id bigint PRIMARY KEY, state status, word text, pick text, letters varchar(3), fixed char(3), bits bit(3), code short)`)
	m := mapping(t, `{source: t, columns: [
		{source: state, target: state, values: {new: pending, done: delivered, null: none}},
		{source: word, target: word, values: {"it's": a, 'b\b': b, c: null}, else: same},
		{source: pick, target: pick, values: {a: x}, else: "null"},
		{source: bits, target: bits, up: bits},
		{source: code, target: code, up: "code::text"}]}`)
	plan, problems := rewrite.Resolve(m, load(t, pair.Source), load(t, pair.Target), rewrite.Defaults{})
	if len(plan.Pairs) != 1 {
		t.Fatalf("the table is not mapped:\n%s", said(problems))
	}
	l := lab{t, pair.Target, plan.Pairs[0]}

	t.Run("words become what is listed, NULL and the rest too", func(t *testing.T) {
		got := l.query("state", "'new'", "'done'", "NULL") + l.query("word", "'it''s'", `E'b\\b'`, "'c'", "'z'", "NULL") + l.query("pick", "'a'", "'b'", "NULL")
		want := "pending,delivered,none;a,b,NULL,z,NULL;x,NULL,NULL;"
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("a word that is not listed fails, and alone", func(t *testing.T) {
		for _, rows := range [][]string{{"'lost'"}, {"'new'", "'lost'"}} {
			_, err := l.ask("state", rows...)
			if err == nil || !strings.Contains(err.Error(), "22P02") || !strings.Contains(err.Error(), "public.t.state is not listed") {
				t.Errorf("%v: %v", rows, err)
			}
			if err != nil && strings.Contains(err.Error(), "lost") {
				t.Errorf("the error shows the value: %v", err)
			}
		}
	})
	t.Run("words count as immutable", func(t *testing.T) {
		for _, column := range []string{"state", "word", "pick"} {
			a, c := l.assignment(column)
			run(t, pair.Target, "CREATE TABLE proof_"+column+" ("+rewrite.Quote(column)+" "+c.TargetSQLType+", made "+a.Column.SQLType+" GENERATED ALWAYS AS ("+a.Up+") STORED)")
		}
	})
	t.Run("what is too long is refused and not cut", func(t *testing.T) {
		for column, value := range map[string]string{"letters": "'abcd'", "fixed": "'abcd'", "bits": "'1111'", "code": "1234"} {
			err := l.insert(column, value)
			if err == nil || !strings.Contains(err.Error(), "22001") && !strings.Contains(err.Error(), "22026") {
				t.Errorf("%s: %v", column, err)
			}
		}
		for column, value := range map[string]string{"letters": "'abc'", "fixed": "'ab'", "bits": "'111'", "code": "123"} {
			if err := l.insert(column, value); err != nil {
				t.Errorf("%s: %v", column, err)
			}
		}
	})
}

// lab runs texts of a pair at its target.
type lab struct {
	t      *testing.T
	server *dbserver.Postgres
	pair   *rewrite.Pair
}

func (l lab) assignment(column string) (*rewrite.Assignment, *rewrite.Cell) {
	l.t.Helper()
	for i := range l.pair.Targets[0].Columns {
		a := &l.pair.Targets[0].Columns[i]
		for j := range l.pair.Cells {
			if c := &l.pair.Cells[j]; a.Column.Name == column && c.Column == column {
				return a, c
			}
		}
	}
	l.t.Fatalf("no assignment of %s", column)
	return nil, nil
}

// rows are values of one cell as a table.
func rows(c *rewrite.Cell, values []string) string {
	var all []string
	for _, v := range values {
		all = append(all, "("+v+"::"+c.TargetSQLType+")")
	}
	return "(VALUES " + strings.Join(all, ", ") + ") AS image(" + rewrite.Quote(c.Column) + ")"
}

func (l lab) ask(column string, values ...string) (string, error) {
	a, c := l.assignment(column)
	return l.server.Query(l.t.Context(), "postgres", "SELECT string_agg(coalesce(v::text, 'NULL'), ',') FROM (SELECT "+a.Up+" AS v FROM "+rows(c, values)+") AS made")
}

func (l lab) query(column string, values ...string) string {
	l.t.Helper()
	got, err := l.ask(column, values...)
	if err != nil {
		l.t.Fatalf("%s: %v", column, err)
	}
	return got + ";"
}

func (l lab) insert(column, value string) error {
	a, c := l.assignment(column)
	return l.server.Exec(l.t.Context(), "postgres", "INSERT INTO public.t (id, "+rewrite.Quote(column)+") SELECT coalesce((SELECT max(id) FROM public.t), 0) + 1, "+a.Up+" FROM "+rows(c, []string{value}))
}

func run(t *testing.T, server *dbserver.Postgres, sql string) {
	t.Helper()
	if err := server.Exec(t.Context(), "postgres", sql); err != nil {
		t.Fatal(err)
	}
}

func load(t *testing.T, server *dbserver.Postgres) *rewrite.Schema {
	t.Helper()
	conn, err := pgconn.Connect(t.Context(), server.SuperDSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	s, err := schema.Load(t.Context(), schema.Of(conn))
	if err != nil {
		t.Fatal(err)
	}
	return s
}
