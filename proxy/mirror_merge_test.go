package proxy

import (
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/crossfade-db/crossfade/internal/dbserver"
	"github.com/crossfade-db/crossfade/router"
)

// newMerging mirrors the newer server to the older one.
func newMerging(t testing.TB, statements []string) *mirrored {
	t.Helper()
	n := &mirrored{servers: dbserver.Pair{Source: pair.Target, Target: pair.Source}}
	n.begin(t, [router.Sides][]string{statements, append(slices.Clip(statements), epochTable)}, nil)
	n.load(t, nil)
	return n
}

// TestMirrorMerge: from version 17 on MERGE says what it has done to each row.
func TestMirrorMerge(t *testing.T) {
	tables := []string{
		"CREATE TABLE a (id int PRIMARY KEY, v text, n int UNIQUE)", "CREATE TABLE news (id int, v text, gone boolean)",
		"CREATE TABLE p (id int, part int, v text, PRIMARY KEY (id, part)) PARTITION BY LIST (part)", "CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1)", "CREATE TABLE p2 PARTITION OF p FOR VALUES IN (2)",
		"CREATE TABLE par (id int PRIMARY KEY)", "CREATE TABLE kid (id int PRIMARY KEY, par int REFERENCES par ON DELETE CASCADE)",
	}
	const all = "MERGE INTO a AS x USING news AS s ON x.id = s.id WHEN MATCHED AND s.gone THEN DELETE WHEN MATCHED AND s.v IS NULL THEN DO NOTHING" +
		" WHEN MATCHED THEN UPDATE SET v = s.v WHEN NOT MATCHED THEN INSERT (id, v) VALUES (s.id, s.v)"
	for _, test := range []struct {
		name  string
		steps []string
	}{
		{"all that it does", []string{all}},
		{"in a transaction with a savepoint", []string{"BEGIN", "SAVEPOINT s", all, "ROLLBACK TO s", all, "UPDATE a SET n = id + 50 WHERE id > 3", "COMMIT"}},
		{"twice", []string{all, "UPDATE news SET gone = NOT gone", all}},
		{"with RETURNING of its own", []string{all + " RETURNING merge_action(), x.*, s.gone"}},
		{"deletes only", []string{"MERGE INTO a USING news s ON a.id = s.id WHEN MATCHED THEN DELETE"}},
		{"of rows without a source", []string{"MERGE INTO a USING news s ON a.id = s.id WHEN NOT MATCHED BY SOURCE THEN DELETE WHEN MATCHED THEN UPDATE SET n = s.id"}},
		{"a key that is deleted and comes again", []string{"MERGE INTO a USING (VALUES (1, 1, true), (2, 1, false)) s(o, id, gone) ON a.id = s.id AND s.gone WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (id, v) VALUES (s.id, 'again')"}},
		{"nothing", []string{"MERGE INTO a USING news s ON false WHEN MATCHED THEN DELETE"}},
		{"partitions", []string{"MERGE INTO p USING (VALUES (1, 1), (2, 2), (9, 1)) s(id, part) ON p.id = s.id AND p.part = s.part WHEN MATCHED AND s.id = 2 THEN DELETE WHEN MATCHED THEN UPDATE SET v = 'm' WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.part, 'new')"}},
		{"cascades alike on both sides", []string{"MERGE INTO par USING (VALUES (1)) s(id) ON par.id = s.id WHEN MATCHED THEN DELETE"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			proxy := newMerging(t, tables)
			conn := proxy.client(t)
			for _, sql := range append([]string{
				"INSERT INTO a SELECT g, 'r' || g, g FROM generate_series(1, 6) g", "INSERT INTO p VALUES (1, 1, 'a'), (2, 2, 'b')", "INSERT INTO par VALUES (1), (2)", "INSERT INTO kid VALUES (1, 1), (2, 2)",
				"INSERT INTO news VALUES (1, 'x', true), (2, 'y', false), (3, NULL, false), (7, 'z', false), (8, NULL, true)",
			}, test.steps...) {
				do(t, conn, sql)
			}
			proxy.settled(t)
			proxy.clean(t)
			proxy.equal(t, "a", "p", "par", "kid")
			proxy.note(func() {
				if len(proxy.seen) > 0 {
					t.Errorf("what was not captured: %v", proxy.seen)
				}
			})
		})
	}
}

// TestMirrorMergeAnswersAsEver: what is added to RETURNING is not the client's.
func TestMirrorMergeAnswersAsEver(t *testing.T) {
	proxy := newMerging(t, []string{"CREATE TABLE a (id int PRIMARY KEY, v int)"})
	conn := proxy.client(t)
	do(t, conn, "INSERT INTO a VALUES (1, 1), (2, 2)")
	const sql = "MERGE INTO a USING (VALUES (1), (3)) s(id) ON a.id = s.id WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (s.id, $1)"
	tag, err := conn.Exec(t.Context(), sql, 5)
	if err != nil || tag.String() != "MERGE 2" {
		t.Fatalf("%s, %v", tag, err)
	}
	rows, err := conn.Query(t.Context(), "MERGE INTO a USING (VALUES (2), (4)) s(id) ON a.id = s.id WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (s.id, $1) RETURNING merge_action(), a.id, a.v", 6)
	if err != nil {
		t.Fatal(err)
	}
	type done struct {
		Action string
		ID, V  int
	}
	got, err := pgx.CollectRows(rows, pgx.RowToStructByPos[done])
	if err != nil || !slices.Contains(got, done{"DELETE", 2, 2}) || !slices.Contains(got, done{"INSERT", 4, 6}) || len(got) != 2 {
		t.Errorf("%v, %v", got, err)
	}
	proxy.settled(t)
	proxy.clean(t)
	proxy.equal(t, "a")
}

// TestMirrorMergeThatIsNotSeen: where an old key cannot be known, the table is
// dirty.
func TestMirrorMergeThatIsNotSeen(t *testing.T) {
	tables := []string{"CREATE TABLE a (id int PRIMARY KEY, v int)"}
	for name, test := range map[string]struct{ more, step string }{
		"a key that changes": {"SELECT 1", "MERGE INTO a USING (VALUES (1)) s(id) ON a.id = s.id WHEN MATCHED THEN UPDATE SET id = a.id + 100"},
		"a trigger that changes the key": {
			"CREATE FUNCTION shift() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.id := NEW.id + 100; RETURN NEW; END'; CREATE TRIGGER shift BEFORE UPDATE ON a FOR EACH ROW EXECUTE FUNCTION shift()",
			"MERGE INTO a USING (VALUES (1)) s(id) ON a.id = s.id WHEN MATCHED THEN UPDATE SET v = 7",
		},
		"an upsert whose trigger changes the key": {
			"CREATE FUNCTION shift() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN SELECT NEW.id + 100 INTO NEW.id; RETURN NEW; END'; CREATE TRIGGER shift BEFORE UPDATE ON a FOR EACH ROW EXECUTE FUNCTION shift()",
			"INSERT INTO a VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET v = 7",
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := &mirrored{servers: dbserver.Pair{Source: pair.Target, Target: pair.Source}}
			n.begin(t, [router.Sides][]string{append(slices.Clip(tables), test.more), append(slices.Clip(tables), epochTable)}, nil)
			n.load(t, nil)
			conn := n.client(t)
			for _, sql := range []string{"INSERT INTO a VALUES (1, 1), (2, 2)", test.step} {
				do(t, conn, sql)
			}
			n.settled(t)
			n.unlessNoted(t, "a")
			if noted := n.notesDirty(); !slices.Contains(noted, "public.a") {
				t.Errorf("what is dirty is %v", noted)
			}
		})
	}
}
