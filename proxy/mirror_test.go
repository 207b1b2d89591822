package proxy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/router"
)

var things = []string{"CREATE TABLE things (id int PRIMARY KEY, name text, n numeric, at timestamptz DEFAULT now(), tags text[])"}

func TestWritesReachBothSides(t *testing.T) {
	proxy := newMirrored(t, things, things, nil, nil)
	conn := proxy.client(t)
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeExec, pgx.QueryExecModeCacheStatement, pgx.QueryExecModeDescribeExec} {
		id := 10 * int(mode)
		for _, step := range []struct {
			sql  string
			args []any
			tag  string
		}{
			{"INSERT INTO things (id, name, n, tags) VALUES ($1, $2, 1.50, ARRAY['a', 'b'])", []any{id, "one"}, "INSERT 0 1"},
			{"INSERT INTO things (id, name) SELECT g, 'many' FROM generate_series($1::int, $2::int) g", []any{id + 1, id + 6}, "INSERT 0 6"},
			{"UPDATE things SET n = n + 1, name = name || '!' WHERE id = $1", []any{id}, "UPDATE 1"},
			{"UPDATE things SET n = 7 WHERE id BETWEEN $1 AND $2", []any{id + 2, id + 5}, "UPDATE 4"},
			{"DELETE FROM things WHERE id = $1", []any{id + 1}, "DELETE 1"},
			{"INSERT INTO things (id, name) VALUES ($1, 'up'), ($2, 'new') ON CONFLICT (id) DO UPDATE SET name = excluded.name", []any{id, id + 7}, "INSERT 0 2"},
			{"UPDATE things SET id = id + 1 WHERE id = $1", []any{id + 7}, "UPDATE 1"},
			{"UPDATE things SET name = 'nobody' WHERE id = -$1::int - 1", []any{id}, "UPDATE 0"},
		} {
			args := append([]any{mode}, step.args...)
			tag, err := conn.Exec(t.Context(), step.sql, args...)
			if err != nil || tag.String() != step.tag {
				t.Errorf("%v: %s: %q, %v", mode, step.sql, tag, err)
			}
		}
	}
	proxy.equal(t, "things")
	proxy.clean(t)
}

func TestATransactionIsMirroredWhole(t *testing.T) {
	proxy := newMirrored(t, things, things, nil, nil)
	conn := proxy.client(t)
	for _, step := range []string{
		"BEGIN", "INSERT INTO things (id, name) VALUES (1, 'a')", "UPDATE things SET name = 'b' WHERE id = 1", "COMMIT",
		"BEGIN", "INSERT INTO things (id) VALUES (2)", "DELETE FROM things", "ROLLBACK",
		"BEGIN", "SAVEPOINT one", "INSERT INTO things (id) VALUES (3)", "SAVEPOINT two", "INSERT INTO things (id) VALUES (4)",
		"ROLLBACK TO two", "INSERT INTO things (id) VALUES (5)", "RELEASE one", "COMMIT",
		"BEGIN", "INSERT INTO things (id) VALUES (6)", "SAVEPOINT \"Odd Name\"", "DELETE FROM things WHERE id = 6", "ROLLBACK TO SAVEPOINT \"Odd Name\"", "END",
		"BEGIN", "INSERT INTO things (id) VALUES (7)", "SAVEPOINT s", "ROLLBACK TO s", "SAVEPOINT s", "DELETE FROM things WHERE id = 7", "RELEASE SAVEPOINT s", "COMMIT AND CHAIN",
		"INSERT INTO things (id) VALUES (8)", "COMMIT",
	} {
		if _, err := conn.Exec(t.Context(), step, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatalf("%s: %v", step, err)
		}
	}
	if got := proxy.rows(t, router.Target, "SELECT id, name FROM things ORDER BY 1"); len(got) != 5 {
		t.Errorf("the target has %v", got)
	}
	proxy.equal(t, "things")
	proxy.clean(t)
}

func TestWhatFailsAtTheSourceIsNotMirrored(t *testing.T) {
	proxy := newMirrored(t, things, things, nil, nil)
	conn := proxy.client(t)
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeExec} {
		for _, step := range []struct{ sql, code string }{
			{"INSERT INTO things (id) VALUES (1) ON CONFLICT DO NOTHING", ""},
			{"INSERT INTO things (id) VALUES (1)", "23505"},
			{"INSERT INTO things (id) VALUES ('x')", "22P02"},
			{"INSERT INTO things (nothing) VALUES (1)", "42703"},
			{"BEGIN", ""},
			{"INSERT INTO things (id, name) VALUES (2, 'two') ON CONFLICT DO NOTHING", ""},
			{"INSERT INTO things (id) VALUES (1)", "23505"},
			{"SELECT 1", "25P02"},
			{"COMMIT", ""},
			{"BEGIN", ""},
			{"INSERT INTO things (id, name) VALUES (3, 'three') ON CONFLICT DO NOTHING", ""},
			{"SAVEPOINT s", ""},
			{"INSERT INTO things (id) VALUES (1)", "23505"},
			{"ROLLBACK TO s", ""},
			{"COMMIT", ""},
		} {
			_, err := conn.Exec(t.Context(), step.sql, mode)
			var refused *pgconn.PgError
			if code := ""; errors.As(err, &refused) && refused.Code != step.code || err == nil && step.code != code {
				t.Errorf("%v: %s: %v, want %q", mode, step.sql, err, step.code)
			}
		}
	}
	proxy.equal(t, "things")
	proxy.clean(t)
	if got := proxy.rows(t, router.Target, "SELECT id FROM things ORDER BY 1"); len(got) != 2 {
		t.Errorf("the target has %v", got)
	}
}

func TestPipelinesAreMirrored(t *testing.T) {
	proxy := newMirrored(t, things, things, nil, nil)
	conn := proxy.client(t)
	var b pgx.Batch
	for i := range 300 {
		b.Queue("INSERT INTO things (id, name) VALUES ($1, 'x')", i)
	}
	b.Queue("UPDATE things SET n = id WHERE id < 100")
	b.Queue("SELECT count(*) FROM things")
	b.Queue("DELETE FROM things WHERE id % 2 = 0")
	if err := conn.SendBatch(t.Context(), &b).Close(); err != nil {
		t.Fatal(err)
	}
	for _, last := range []string{"COMMIT", "ROLLBACK"} {
		var tx pgx.Batch
		tx.Queue("BEGIN")
		tx.Queue("INSERT INTO things (id, name) VALUES ($1, $2)", 1000+len(last), last)
		tx.Queue(last)
		tx.Queue("INSERT INTO things (id, name) VALUES ($1, 'after')", 2000+len(last))
		if err := conn.SendBatch(t.Context(), &tx).Close(); err != nil {
			t.Fatal(err)
		}
	}
	var failing pgx.Batch
	failing.Queue("INSERT INTO things (id) VALUES (5000)")
	failing.Queue("INSERT INTO things (id) VALUES (1)")
	if err := conn.SendBatch(t.Context(), &failing).Close(); err == nil {
		t.Error("a duplicate key was taken")
	}
	proxy.equal(t, "things")
	proxy.clean(t)
}

func TestReturningIsTheClientsOwn(t *testing.T) {
	proxy := newMirrored(t, things, things, nil, nil)
	conn, direct := proxy.client(t), proxy.direct[router.Source]
	for i, sql := range []string{
		"INSERT INTO things AS th (id, name) VALUES ($1, 'a'), ($1 + 1, 'b') RETURNING *",
		"UPDATE ONLY things SET name = upper(name) WHERE id >= $1 RETURNING id, name AS n, id + 1",
		"DELETE FROM things USING (VALUES (1)) v(x) WHERE id > $1 AND v.x = 1 RETURNING things.*, v.x",
	} {
		for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeExec, pgx.QueryExecModeCacheStatement} {
			read := func(c *pgx.Conn, arg int) ([]string, int) {
				rows, err := c.Query(t.Context(), sql, mode, arg)
				if err != nil {
					t.Fatal(err)
				}
				var names []string
				for _, f := range rows.FieldDescriptions() {
					names = append(names, fmt.Sprint(f.Name, f.DataTypeOID, f.Format))
				}
				n := 0
				for rows.Next() {
					n++
				}
				if rows.Err() != nil {
					t.Fatal(rows.Err())
				}
				return names, n
			}
			want, _ := read(direct, 100_000*(i+1)+10*int(mode))
			got, _ := read(conn, 200_000*(i+1)+10*int(mode))
			if !slices.Equal(got, want) {
				t.Errorf("%v %s: columns %v, want %v", mode, sql, got, want)
			}
		}
	}
	proxy.clean(t)
}

func TestTablesAreEmptiedOnBothSides(t *testing.T) {
	proxy := newMirrored(t, things, things, nil, nil)
	conn := proxy.client(t)
	for _, sql := range []string{
		"INSERT INTO things (id) SELECT generate_series(1, 10)", "BEGIN", "TRUNCATE things", "ROLLBACK", "BEGIN", "TRUNCATE TABLE ONLY things",
		"INSERT INTO things (id) VALUES (1)", "COMMIT",
	} {
		do(t, conn, sql)
	}
	if got := proxy.rows(t, router.Target, "SELECT id FROM things"); len(got) != 1 {
		t.Errorf("the target has %v", got)
	}
	proxy.equal(t, "things")
	proxy.clean(t)
}

func TestWhatCannotBeSeenMakesTablesDirty(t *testing.T) {
	more := append(slices.Clone(things), "CREATE TABLE other (id int PRIMARY KEY)", "CREATE TABLE plain (id int)",
		"CREATE FUNCTION writes(i int) RETURNS int LANGUAGE plpgsql AS 'BEGIN INSERT INTO things (id) VALUES (i); RETURN i; END'",
		"CREATE FUNCTION reads(i int) RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM things'",
		"CREATE PROCEDURE called(i int) LANGUAGE plpgsql AS 'BEGIN INSERT INTO things (id) VALUES (i); COMMIT; INSERT INTO things (id) VALUES (i + 1); END'",
		"CREATE VIEW seen AS SELECT * FROM things")
	for _, test := range []struct {
		name  string
		steps []string
		want  []string
	}{
		{"a function that writes", []string{"SELECT writes(1)"}, []string{"public.things"}},
		{"a function that writes, in a transaction", []string{"BEGIN", "SELECT writes(1)", "COMMIT"}, []string{"public.things"}},
		{"a function that writes, taken back", []string{"BEGIN", "SELECT writes(1)", "ROLLBACK"}, nil},
		{"a function that only reads", []string{"SELECT reads(1)"}, nil},
		{"a view", []string{"INSERT INTO seen (id) VALUES (1)"}, []string{"public.things"}},
		{"two writes of one table in a list of WITH", []string{"WITH w AS (INSERT INTO things (id) VALUES (1) RETURNING id) INSERT INTO things (id) SELECT id + 1 FROM w"}, []string{"public.things"}},
		{"a body", []string{"DO 'BEGIN INSERT INTO things (id) VALUES (1); END'"}, []string{"public.things"}},
		{"a body that commits", []string{"DO 'BEGIN INSERT INTO things (id) VALUES (1); COMMIT; END'"}, []string{"public.things"}},
		{"a procedure that commits", []string{"CALL called(1)"}, []string{"public.things"}},
		{"several statements that commit", []string{"INSERT INTO things (id) VALUES (1); COMMIT; INSERT INTO things (id) VALUES (2)"}, []string{"public.things"}},
		{"several statements", []string{"INSERT INTO things (id) VALUES (1); INSERT INTO other VALUES (1); SELECT 1"}, nil},
		{"a table that is not mapped", []string{"INSERT INTO plain VALUES (1)", "COPY plain FROM STDIN"}, nil},
		{"a temporary table", []string{"CREATE TEMP TABLE things (id int)", "INSERT INTO things VALUES (1)"}, nil},
		{"SQL PREPARE", []string{"PREPARE p AS INSERT INTO things (id) VALUES (1)", "EXECUTE p"}, []string{"public.things"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			proxy := newMirrored(t, more, more, nil, nil)
			conn := proxy.client(t)
			for _, sql := range test.steps {
				if strings.HasPrefix(sql, "COPY") {
					if _, err := conn.PgConn().CopyFrom(t.Context(), strings.NewReader("1\n"), sql); err != nil {
						t.Fatal(err)
					}
					continue
				}
				do(t, conn, sql)
			}
			keys, whole := proxy.journal.dirty()
			slices.Sort(whole)
			if got := slices.Compact(whole); !slices.Equal(got, test.want) || len(keys) > len(test.want) {
				t.Errorf("dirty: %v and keys %v, want %v", got, keys, test.want)
			}
		})
	}
}

func TestCopyMakesItsKeysDirty(t *testing.T) {
	proxy := newMirrored(t, things, things, nil, nil)
	conn := proxy.client(t)
	for i := range 3 {
		if _, err := conn.PgConn().CopyFrom(t.Context(), strings.NewReader(fmt.Sprintf("%d\tx\n", i)), "COPY things (id, name) FROM STDIN"); err != nil {
			t.Fatal(err)
		}
		do(t, conn, fmt.Sprintf("UPDATE things SET name = 'y' WHERE id = %d", i))
	}
	if keys, whole := proxy.journal.dirty(); len(whole) > 0 || keys["public.things"] != 3 {
		t.Errorf("dirty keys %v, tables %v", keys, whole)
	}
	proxy.equal(t, "things")
}

func TestWhatTheJournalCannotTakeIsNotCommitted(t *testing.T) {
	proxy := newMirrored(t, things, things, nil, nil)
	conn := proxy.client(t)
	do(t, conn, "INSERT INTO things (id) VALUES (1)")
	proxy.journal.refuses = errors.New("the disk is full")
	code := func(err error) string {
		var refused *pgconn.PgError
		errors.As(err, &refused)
		if refused == nil {
			return ""
		}
		return refused.Code
	}
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeExec} {
		if _, err := conn.Exec(t.Context(), "INSERT INTO things (id) VALUES ($1)", mode, 2); code(err) != "58030" {
			t.Errorf("%v: autocommit: %v", mode, err)
		}
		for _, step := range []string{"BEGIN", "UPDATE things SET name = 'x'"} {
			if _, err := conn.Exec(t.Context(), step, mode); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := conn.Exec(t.Context(), "COMMIT", mode); code(err) != "58030" {
			t.Errorf("%v: COMMIT: %v", mode, err)
		}
		if status := conn.PgConn().TxStatus(); status != 'I' {
			t.Errorf("%v: the transaction is %c after its COMMIT has failed", mode, status)
		}
	}
	var b pgx.Batch
	b.Queue("INSERT INTO things (id) VALUES (7)")
	b.Queue("INSERT INTO things (id) VALUES ($1)", 8)
	if err := conn.SendBatch(t.Context(), &b).Close(); code(err) != "58030" {
		t.Errorf("a pipeline: %v", err)
	}
	proxy.journal.refuses = nil
	do(t, conn, "INSERT INTO things (id) VALUES (9)")
	proxy.equal(t, "things")
	if got := proxy.rows(t, router.Source, "SELECT id, name FROM things ORDER BY 1"); !slices.Equal(got, []string{"1|∅|", "9|∅|"}) {
		t.Errorf("the source has %v", got)
	}
	proxy.clean(t)
}

func TestAStrictTableFailsWithItsTarget(t *testing.T) {
	strict := true
	narrow := []string{"CREATE TABLE things (id int PRIMARY KEY CHECK (id < 100), name text, n numeric, at timestamptz, tags text[])"}
	m := &rewrite.Mapping{Tables: []rewrite.TableMap{{
		Source: rewrite.Name{Schema: "public", Name: "things"}, Strict: &strict,
		Targets: []rewrite.TargetMap{{Target: rewrite.Name{Schema: "public", Name: "things"}}},
	}}}
	proxy := newMirrored(t, things, narrow, m, nil)
	conn := proxy.client(t)
	do(t, conn, "INSERT INTO things (id) VALUES (1)")
	var refused *pgconn.PgError
	if _, err := conn.Exec(t.Context(), "INSERT INTO things (id) VALUES (100)"); !errors.As(err, &refused) || refused.Code != "40001" {
		t.Errorf("a row that the target refuses: %v", err)
	}
	do(t, conn, "INSERT INTO things (id) VALUES (2)")
	proxy.equal(t, "things")
	proxy.clean(t)
}

func TestARowThatTheTargetRefusesIsDirtyAndNobodyFails(t *testing.T) {
	narrow := []string{"CREATE TABLE things (id int PRIMARY KEY CHECK (id < 100), name text, n numeric, at timestamptz, tags text[])"}
	proxy := newMirrored(t, things, narrow, nil, nil)
	conn := proxy.client(t)
	for _, sql := range []string{
		"INSERT INTO things (id) VALUES (1)", "INSERT INTO things (id) VALUES (100)", "INSERT INTO things (id) VALUES (2)",
		"BEGIN", "INSERT INTO things (id) VALUES (3)", "INSERT INTO things (id) VALUES (101)", "COMMIT",
	} {
		do(t, conn, sql)
	}
	keys, whole := proxy.journal.dirty()
	if keys["public.things"] != 3 || len(whole) > 0 {
		t.Errorf("dirty: %v %v", keys, whole)
	}
	if got := proxy.rows(t, router.Target, "SELECT id FROM things ORDER BY 1"); !slices.Equal(got, []string{"1|", "2|"}) {
		t.Errorf("the target has %v", got)
	}
}

func TestLongBatchesAreMirrored(t *testing.T) {
	proxy := newMirrored(t, things, things, nil, nil)
	conn := proxy.client(t)
	long := strings.Repeat("ü", 200_000)
	if _, err := conn.Exec(t.Context(), "INSERT INTO things (id, name) VALUES ($1, $2)", pgx.QueryExecModeExec, 1, long); err != nil {
		t.Fatal(err)
	}
	var b pgx.Batch
	for i := range 3000 {
		b.Queue("INSERT INTO things (id, name) VALUES ($1, $2)", 1000+i, long[:200])
	}
	if err := conn.SendBatch(t.Context(), &b).Close(); err != nil {
		t.Fatal(err)
	}
	proxy.equal(t, "things")
	proxy.clean(t)
	if _, err := conn.Exec(t.Context(), "INSERT INTO things (id, name) VALUES ($1, $2)", pgx.QueryExecModeSimpleProtocol, 2, long); err != nil {
		t.Fatal(err) // a text that is too long to be read
	}
	if keys, whole := proxy.journal.dirty(); keys["public.things"] > 0 || !slices.Equal(whole, []string{"public.things"}) {
		t.Errorf("dirty: %v %v", keys, whole)
	}
}

func TestAParentAndItsChildReachATargetWithTheSameKey(t *testing.T) {
	family := []string{
		"CREATE TABLE parents (id int PRIMARY KEY, code text UNIQUE, v int)",
		"CREATE TABLE children (id int PRIMARY KEY, parent int NOT NULL REFERENCES parents ON DELETE CASCADE)",
	}
	proxy := newMirrored(t, family, family, nil, nil)
	conn := proxy.client(t)
	for _, sql := range []string{
		"BEGIN", "INSERT INTO parents VALUES (1, 'a', 1) ON CONFLICT DO NOTHING", "INSERT INTO children VALUES (1, 1), (2, 1)", "COMMIT",
		"BEGIN", "INSERT INTO parents VALUES (1, 'a', 1) ON CONFLICT (id) DO UPDATE SET v = 7", "INSERT INTO children VALUES (3, 1)", "COMMIT",
		"INSERT INTO parents VALUES (2, 'b', 1)", "UPDATE parents SET code = CASE id WHEN 1 THEN 'c' ELSE 'a' END", "DELETE FROM parents WHERE id = 1",
	} {
		do(t, conn, sql)
	}
	proxy.equal(t, "parents", "children")
	proxy.clean(t)
}

func TestAMirroredSessionEndsWithItsClient(t *testing.T) {
	proxy := newMirrored(t, things, things, nil, nil)
	conn := proxy.client(t)
	do(t, conn, "INSERT INTO things (id) VALUES (1)")
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the session is gone", func() bool {
		stats := proxy.Stats()
		return stats.Active+stats.Idle == 0 && stats.Backends == [router.Sides]int{}
	})
}
