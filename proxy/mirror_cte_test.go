package proxy

import (
	"slices"
	"strings"
	"testing"

	"github.com/crossfade-db/crossfade/router"
)

// TestMirrorWritingCTEs: what a list of WITH changes is captured, and what the
// client hears is what a direct connection says, message by message.
func TestMirrorWritingCTEs(t *testing.T) {
	const take = "WITH d AS (DELETE FROM things WHERE id <= 2 RETURNING id, name) SELECT id, name FROM d ORDER BY id DESC"
	n := newTwin(t, append(slices.Clip(wired), "CREATE TABLE queue (id int PRIMARY KEY, body jsonb, at timestamptz)", "CREATE TABLE archive (id int PRIMARY KEY, body jsonb, why varchar(9) DEFAULT 'x')",
		"CREATE FUNCTION puts() RETURNS int LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.archive (id) VALUES (99) ON CONFLICT DO NOTHING; RETURN 7; END'",
		"CREATE FUNCTION puts2() RETURNS int LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.queue (id) VALUES (98); RETURN 8; END'"), nil)
	const tables = wiredTables + ", queue, archive"
	for _, c := range []struct {
		name  string
		steps []step
		dirty string
	}{
		{"a queue", []step{q(take), q(take)}, ""},
		{"a queue, extended", []step{{parsed(take), describe(""), bind, descPortal(""), execute, syncUp}, {parseAs("s", take), syncUp}, {describe("s"), bindTo("s"), descPortal(""), execute, syncUp}}, ""},
		{"in binary", []step{{parseAs("s", take), bindPortal("p", "s", []int16{1}), descPortal("p"), executes("p"), syncUp}, {bindPortal("", "s", []int16{1, 0}), descPortal(""), execute, syncUp}}, ""},
		{"some rows at a time", []step{q("BEGIN"), {parsed("WITH d AS (DELETE FROM things RETURNING id) SELECT id FROM d"), bind, executesRows("", 2), executesRows("", 2), executesRows("", 0), syncUp}, q("COMMIT")}, ""},
		{"what is taken moves", []step{q("WITH d AS (DELETE FROM queue WHERE id < 3 RETURNING *) INSERT INTO archive (id, body) SELECT id, body FROM d"), q("SELECT * FROM archive")}, ""},
		{"and is told", []step{{parsed("WITH d AS (DELETE FROM queue WHERE id < $1 RETURNING *) INSERT INTO archive SELECT id, body, $2 FROM d RETURNING archive.*, why AS again"), describe(""), bindTo("", "3", "old"), descPortal(""), execute, syncUp}}, ""},
		{"parent and child", []step{q("WITH p AS (INSERT INTO things (id, name) VALUES (20, 'p') RETURNING id) INSERT INTO kids (id, thing) SELECT id + 1, id FROM p"), q("WITH c AS (DELETE FROM kids WHERE id = 21 RETURNING thing) DELETE FROM things USING c WHERE id = thing")}, ""},
		{"several lists, one without RETURNING", []step{q("WITH a AS (UPDATE things SET name = 'a' WHERE id = 1), b AS MATERIALIZED (UPDATE queue SET body = '{}' RETURNING id AS x, body), c(y) AS (SELECT x FROM b) SELECT y, b.* FROM c JOIN b ON x = y")}, ""},
		{"a list of columns", []step{q(`WITH d(a, "B c") AS NOT MATERIALIZED (DELETE FROM things WHERE id = 1 RETURNING id, name, n) SELECT * FROM d -- all`)}, ""},
		{"of a name twice", []step{q("WITH d AS (DELETE FROM things WHERE id = 1 RETURNING id, id) SELECT * FROM d"), q("WITH d AS (DELETE FROM things WHERE id = 2 RETURNING 1, name || 'x', id) SELECT count(*) FROM d")}, ""},
		{"recursive", []step{q("WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < 3), w AS (INSERT INTO queue (id) SELECT i + 50 FROM r RETURNING id) SELECT id FROM w ORDER BY id LIMIT 1")}, ""},
		{"an upsert and a table that is not mapped", []step{q("WITH a AS (INSERT INTO queue (id, body) VALUES (1, '1'), (60, '2') ON CONFLICT (id) DO UPDATE SET body = excluded.body RETURNING id), b AS (INSERT INTO plain VALUES (1)) SELECT FROM a")}, ""},
		{"its own is not mapped", []step{q("WITH a AS (DELETE FROM queue WHERE id = 1 RETURNING id) INSERT INTO plain SELECT id FROM a RETURNING id"), q("WITH a AS (DELETE FROM queue RETURNING id) UPDATE plain SET id = a.id FROM a")}, ""},
		{"literals that differ", []step{q("WITH d AS (DELETE FROM queue WHERE id = 1 RETURNING id) SELECT id, 'one' FROM d"), q("WITH d AS (DELETE FROM queue WHERE id = 22222 RETURNING id) SELECT id, 'longer' FROM d"), q("WITH d AS (DELETE FROM queue WHERE id = 2 RETURNING id) SELECT id, '' FROM d")}, ""},
		{"one that fails", []step{q("WITH d AS (DELETE FROM things RETURNING id) SELECT 1 / (id - 2) FROM d"), q("WITH d AS (DELETE FROM things RETURNING id) SELECT nix FROM d"), {parsed("WITH d AS (DELETE FROM things RETURNING id) INSERT INTO things SELECT id / 0 FROM d"), bind, execute, syncUp}, q(take)}, ""},
		{"in a transaction with a savepoint", []step{q("BEGIN"), q("SAVEPOINT a"), q(take), q("ROLLBACK TO a"), q("WITH d AS (DELETE FROM things WHERE id = 3 RETURNING *) SELECT d.id, d FROM d"), q("COMMIT")}, ""},
		{"in a text of several", []step{q("INSERT INTO things (id) VALUES (30); " + take + "; SELECT 1")}, ""},
		{"a cascade alike", []step{q("WITH d AS (DELETE FROM queue WHERE id = 1 RETURNING *) SELECT * FROM d FOR UPDATE"), q("WITH d AS (SELECT 1) DELETE FROM queue WHERE id = 2")}, ""},
		{"twice one table", []step{q("WITH d AS (DELETE FROM things WHERE id = 1 RETURNING id) INSERT INTO things (id) SELECT id + 40 FROM d")}, "public.things"},
		{"a key that changes", []step{q("WITH d AS (UPDATE things SET id = id + 40 WHERE id = 1 RETURNING id) SELECT id FROM d")}, "public.things"},
		{"a new table of what is taken", []step{q("CREATE TEMP TABLE more AS WITH d AS (DELETE FROM queue WHERE id = 1 RETURNING id) SELECT id FROM d"), q("WITH d AS (DELETE FROM queue WHERE id = 2 RETURNING id) SELECT id INTO TEMP even_more FROM d")}, "public.queue"},
		{"a function that writes the same", []step{q("WITH d AS (DELETE FROM queue WHERE id = 1 RETURNING id) SELECT id, puts2() FROM d")}, "public.queue"},
		{"a function that writes beside it", []step{q("WITH d AS (DELETE FROM queue WHERE id = 1 RETURNING id) SELECT id, puts() FROM d")}, "public.archive"},
	} {
		t.Run(c.name, func(t *testing.T) {
			n.afresh(t, tables)
			direct, through := n.sides(t, nil)
			defer func() { _, _ = direct.Close(), through.Close() }()
			script := []step{
				q("INSERT INTO things (id, name) VALUES (1, 'one'), (2, NULL), (3, 'three')"), q("INSERT INTO queue (id, body, at) VALUES (1, '{\"a\": 1}', 'infinity'), (2, NULL, NULL), (3, '[]', 'epoch')"),
			}
			if !n.compare(t, direct, through, append(script, c.steps...)) {
				return
			}
			n.settled(t)
			if noted := strings.Join(n.notesDirty(), " "); noted != c.dirty {
				t.Errorf("dirty: %q, want %q; the target has refused %v", noted, c.dirty, n.refused)
			}
			for _, table := range []string{"things", "kids", "queue", "archive"} {
				n.asCopied(t, table, n.rows(t, router.Source, dump(table)))
				if !strings.Contains(c.dirty, table) {
					n.equal(t, table)
				}
			}
		})
	}
}
