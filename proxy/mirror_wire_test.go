package proxy

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// wired is what the conversations of these tests need.
var wired = []string{
	"CREATE TABLE things (id int PRIMARY KEY, name text, n numeric DEFAULT 1, tags text[])",
	"CREATE TABLE kids (id int PRIMARY KEY, thing int REFERENCES things DEFERRABLE INITIALLY DEFERRED, v varchar(3))",
	"CREATE TABLE plain (id int)",
	"CREATE TABLE counted (id serial PRIMARY KEY, name text NOT NULL UNIQUE, CHECK (name <> 'bad'))",
	"CREATE FUNCTION says(what text) RETURNS text LANGUAGE plpgsql STABLE AS 'BEGIN RAISE NOTICE ''said %'', what; RAISE WARNING ''warned''; RETURN what; END'",
}

const wiredTables = "things, kids, plain, counted"

func executesRows(portal string, rows uint32) say {
	return &pgproto3.Execute{Portal: portal, MaxRows: rows}
}

func bindPortal(portal, statement string, formats []int16, args ...string) say {
	b := bindTo(statement, args...).(*pgproto3.Bind)
	b.DestinationPortal, b.ResultFormatCodes = portal, formats
	return b
}
func descPortal(name string) say { return &pgproto3.Describe{ObjectType: 'P', Name: name} }
func executes(name string) say   { return &pgproto3.Execute{Portal: name} }
func closesPortal(name string) say {
	return &pgproto3.Close{ObjectType: 'P', Name: name}
}

const (
	insertThing = "INSERT INTO things (id, name) VALUES ($1, $2)"
	returnThing = "INSERT INTO things (id, name) VALUES ($1, $2) RETURNING id, name, n"
)

// mirrorConversations are said to a database directly and through the proxy.
var mirrorConversations = []struct {
	name   string
	script []step
	dirty  string // tables that are documented as uncaptured
}{
	{"one simple write", []step{q("INSERT INTO things VALUES (1, 'a')"), q("UPDATE things SET n = n + 1"), q("DELETE FROM things WHERE id = 1")}, ""},
	{"several simple writes in one text", []step{q("INSERT INTO things VALUES (1, 'a'); INSERT INTO things VALUES (2, 'b'); UPDATE things SET n = 5")}, ""},
	{"reads and writes in one text", []step{q("INSERT INTO things VALUES (1, 'a'); SELECT id, name FROM things; DELETE FROM things; SELECT count(*) FROM things")}, ""},
	{"two RETURNING in one text", []step{q("INSERT INTO things VALUES (1, 'a') RETURNING *; INSERT INTO things VALUES (2, 'b') RETURNING id")}, ""},
	{"notices among the tags of one text", []step{q("INSERT INTO things VALUES (1, says('a')); INSERT INTO things VALUES (2, says('b')); SELECT says('c')")}, ""},
	{"an error in the middle of one text", []step{q("INSERT INTO things VALUES (1, 'a'); SELECT 1/0; INSERT INTO things VALUES (2, 'b')"), q("SELECT count(*) FROM things")}, ""},
	{"an error of the grammar at the end of one text", []step{q("INSERT INTO things VALUES (1, 'a'); INSERT INTO"), q("SELECT count(*) FROM things")}, ""},
	{"an unknown column in the second statement of one text", []step{q("INSERT INTO things VALUES (1, 'a'); INSERT INTO things (nothing) VALUES (1)")}, ""},
	{"an unknown column behind a comment", []step{q("/* hint */ INSERT INTO things (nothing) VALUES (1)"), q("-- x\n  UPDATE things SET nothing = 1 WHERE id = 1")}, ""},
	{"empty statements in one text", []step{q(";"), q("INSERT INTO things VALUES (1);;"), q(";;DELETE FROM things;")}, ""},
	{"SET within one text", []step{q("INSERT INTO things VALUES (1); SET work_mem = '3MB'; SELECT current_setting('work_mem')"), q("SHOW work_mem")}, "public.things"},
	{"SET within one text that fails", []step{q("SET work_mem = '3MB'; INSERT INTO things VALUES (1), (1)"), q("SHOW work_mem")}, "public.things"},
	{"SET LOCAL within one text", []step{q("SET LOCAL work_mem = '3MB'; INSERT INTO things VALUES (1); SHOW work_mem"), q("SHOW work_mem")}, "public.things"},
	{"transaction control within one text", []step{q("BEGIN; INSERT INTO things VALUES (1); COMMIT; SELECT 1"), q("INSERT INTO things VALUES (2); BEGIN; INSERT INTO things VALUES (3)"), q("ROLLBACK")}, "public.things"},
	{"savepoints within one text", []step{q("BEGIN"), q("INSERT INTO things VALUES (1); SAVEPOINT a"), q("INSERT INTO things VALUES (2); ROLLBACK TO a"), q("COMMIT")}, "public.things"},
	{"LOCK and SAVEPOINT outside of a block", []step{q("INSERT INTO things VALUES (1); LOCK things"), q("LOCK things"), q("SAVEPOINT a"), q("INSERT INTO things VALUES (2); SAVEPOINT a")}, "public.things"},
	{"VACUUM", []step{q("VACUUM things"), q("INSERT INTO things VALUES (1); VACUUM things"), {parsed("VACUUM things"), bind, execute, syncUp}}, "public.things"},
	{"BEGIN twice, COMMIT without", []step{q("BEGIN"), q("BEGIN"), q("INSERT INTO things VALUES (1)"), q("COMMIT"), q("COMMIT"), q("ROLLBACK")}, ""},
	{"a failed transaction", []step{q("BEGIN"), q("INSERT INTO things VALUES (1)"), q("INSERT INTO things VALUES (1)"), q("INSERT INTO things VALUES (2)"), q("COMMIT"), q("SELECT count(*) FROM things")}, ""},
	{"savepoints after errors", []step{q("BEGIN"), q("INSERT INTO things VALUES (1)"), q("SAVEPOINT a"), q("INSERT INTO things VALUES (2)"), q("INSERT INTO things VALUES (1)"), q("ROLLBACK TO a"), q("INSERT INTO things VALUES (3)"), q("RELEASE a"), q("RELEASE a"), q("ROLLBACK TO nobody"), q("COMMIT")}, ""},
	{"a savepoint that is named as another", []step{q("BEGIN"), q("SAVEPOINT a"), q("INSERT INTO things VALUES (1)"), q("SAVEPOINT a"), q("INSERT INTO things VALUES (2)"), q("ROLLBACK TO a"), q("RELEASE a"), q("ROLLBACK TO A"), q("INSERT INTO things VALUES (4)"), q("COMMIT")}, ""},
	{"chains", []step{q("BEGIN"), q("INSERT INTO things VALUES (1)"), q("COMMIT AND CHAIN"), q("INSERT INTO things VALUES (2)"), q("ROLLBACK AND CHAIN"), q("INSERT INTO things VALUES (3)"), q("COMMIT AND NO CHAIN")}, ""},
	{"a deferred constraint", []step{q("INSERT INTO kids VALUES (1, 1)"), {parsed("INSERT INTO kids VALUES (1, 1)"), bind, execute, syncUp}, q("BEGIN"), q("INSERT INTO kids VALUES (1, 1)"), q("SET CONSTRAINTS ALL IMMEDIATE"), q("COMMIT")}, ""},
	{"a deferred constraint that holds", []step{q("INSERT INTO kids VALUES (1, 1); INSERT INTO things VALUES (1)"), q("BEGIN"), q("INSERT INTO kids VALUES (2, 2)"), q("INSERT INTO things VALUES (2)"), q("COMMIT")}, ""},
	{"a deferred constraint that fails at the end of a text", []step{q("INSERT INTO things VALUES (1); INSERT INTO kids VALUES (1, 2) RETURNING id")}, ""},
	{"errors of values", []step{q("INSERT INTO kids (id, v) VALUES (1, 'long')"), q("INSERT INTO counted (name) VALUES ('bad')"), q("INSERT INTO counted (name) VALUES (NULL)"), q("INSERT INTO counted (name) VALUES ('a'), ('a')"), q("INSERT INTO counted (name) VALUES ('b') RETURNING id")}, ""},
	{"extended", []step{{parsed(insertThing), descS, bindTo("", "1", "a"), descP, execute, syncUp}, {bindTo("", "2", "b"), execute, syncUp}}, ""},
	{"extended with RETURNING", []step{
		{parsed(returnThing), descS, bindTo("", "1", "a"), descP, execute, syncUp},
		{bindPortal("", "", []int16{1}, "2", "b"), descP, execute, syncUp},
		{bindPortal("", "", []int16{1, 0, 1}, "3", "c"), descP, execute, syncUp},
		{bindPortal("", "", []int16{0}, "4", "c"), execute, syncUp},
	}, ""},
	{"wrong numbers of result formats", []step{
		{parsed(returnThing), bindPortal("", "", []int16{1, 0}, "3", "c"), descP, execute, syncUp},
		{parsed(returnThing), bindPortal("", "", []int16{1, 0, 0, 0}, "4", "c"), descP, execute, syncUp},
		{parsed(insertThing), bindPortal("", "", []int16{1, 0}, "5", "c"), execute, syncUp},
		{parsed(insertThing), bindPortal("", "", []int16{1}, "6", "c"), execute, syncUp},
	}, ""},
	{"wrong numbers of parameters", []step{{parsed(insertThing), bindTo("", "1"), execute, syncUp}, {parsed(insertThing), bindTo("", "x", "c"), execute, syncUp}, {parseAs("", insertThing, 23, 25, 25), bindTo("", "1", "c", "d"), execute, syncUp}}, ""},
	{"named statements", []step{
		{parseAs("s", insertThing), describe("s"), syncUp},
		{bindTo("s", "1", "a"), execute, bindTo("s", "2", "b"), execute, syncUp},
		{parseAs("s", "SELECT 1"), syncUp},
		{closes("s"), syncUp},
		{bindTo("s", "3", "c"), execute, syncUp},
		{closes("s"), parseAs("s", returnThing), bindTo("s", "4", "d"), execute, syncUp},
	}, ""},
	{"a statement that is closed in its batch", []step{{parseAs("s", insertThing), bindTo("s", "1", "a"), execute, closes("s"), bindTo("s", "2", "b"), execute, syncUp}, q("SELECT id FROM things ORDER BY 1")}, ""},
	{"a statement that is closed and made anew in a batch", []step{{parseAs("s", insertThing), syncUp}, {bindTo("s", "1", "a"), execute, closes("s"), parseAs("s", "SELECT $1::int, $2::text"), bindTo("s", "2", "b"), execute, syncUp}}, ""},
	{"a named statement that is parsed twice", []step{{parseAs("s", insertThing), parseAs("s", "DELETE FROM things"), syncUp}, {bindTo("s", "1", "a"), execute, syncUp}}, ""},
	{"DEALLOCATE of a statement of the protocol", []step{{parseAs("s", insertThing), bindTo("s", "1", "a"), execute, syncUp}, q("DEALLOCATE s"), {bindTo("s", "2", "a"), execute, syncUp}}, ""},
	{"DISCARD ALL between writes", []step{{parseAs("s", insertThing), bindTo("s", "1", "a"), execute, syncUp}, q("DISCARD ALL"), {parseAs("s", insertThing), bindTo("s", "2", "a"), execute, syncUp}, q("UPDATE things SET n = 3")}, ""},
	{"DEALLOCATE ALL between writes", []step{q("INSERT INTO things VALUES (1)"), {parsed("DEALLOCATE ALL"), bind, execute, syncUp}, q("INSERT INTO things VALUES (2)"), {parsed(insertThing), bindTo("", "3", "a"), execute, syncUp}, q("DEALLOCATE ALL"), {parsed(insertThing), bindTo("", "4", "a"), execute, syncUp}, q("INSERT INTO things VALUES (5)")}, ""},
	{"DEALLOCATE ALL in a pipeline between writes", []step{{parsed(insertThing), bindTo("", "1", "a"), execute, parsed("DEALLOCATE ALL"), bind, execute, parsed(insertThing), bindTo("", "2", "a"), execute, syncUp}}, ""},
	{"a pipeline", []step{{parsed(insertThing), bindTo("", "1", "a"), execute, parsed("SELECT count(*) FROM things"), bind, descP, execute, parsed("UPDATE things SET n = 9 RETURNING id"), bind, descP, execute, syncUp}}, ""},
	{"an error in a pipeline", []step{{parsed(insertThing), bindTo("", "1", "a"), execute, parsed("SELECT 1/0"), bind, execute, bindTo("", "2", "b"), execute, syncUp}, q("SELECT count(*) FROM things"), {parsed(insertThing), bindTo("", "1", "a"), execute, bindTo("", "1", "a"), execute, bindTo("", "2", "a"), execute, syncUp}}, ""},
	{"a transaction in a pipeline", []step{
		{parsed("BEGIN"), bind, execute, parsed(insertThing), bindTo("", "1", "a"), execute, parsed("COMMIT"), bind, execute, parsed(insertThing), bindTo("", "2", "b"), execute, syncUp},
		{parsed("BEGIN"), bind, execute, parsed(insertThing), bindTo("", "3", "a"), execute, parsed("ROLLBACK"), bind, execute, parsed(insertThing), bindTo("", "4", "b"), execute, syncUp},
	}, ""},
	{"a BEGIN behind a write in a pipeline", []step{{parsed(insertThing), bindTo("", "1", "a"), execute, parsed("BEGIN"), bind, execute, bindTo("", "2", "b"), syncUp}, q("ROLLBACK"), {parsed(insertThing), bindTo("", "3", "a"), execute, parsed("BEGIN"), bind, execute, syncUp}, q("COMMIT")}, ""},
	{"a COMMIT without a BEGIN in a pipeline", []step{{parsed(insertThing), bindTo("", "1", "a"), execute, parsed("COMMIT"), bind, execute, parsed("SELECT 1/0"), bind, execute, syncUp}, q("SELECT id FROM things")}, ""},
	{"a ROLLBACK without a BEGIN in a pipeline", []step{{parsed(insertThing), bindTo("", "1", "a"), execute, parsed("ROLLBACK"), bind, execute, parsed(insertThing), bindTo("", "2", "a"), execute, syncUp}, q("SELECT id FROM things")}, ""},
	{"COMMIT AND CHAIN in a pipeline", []step{
		{parsed("BEGIN"), bind, execute, parsed(insertThing), bindTo("", "1", "a"), execute, parsed("COMMIT AND CHAIN"), bind, execute, parsed(insertThing), bindTo("", "2", "b"), execute, syncUp},
		q("ROLLBACK"), q("SELECT id FROM things"),
	}, ""},
	{"ROLLBACK AND CHAIN in a pipeline", []step{
		{parsed("BEGIN"), bind, execute, parsed(insertThing), bindTo("", "1", "a"), execute, parsed("ROLLBACK AND CHAIN"), bind, execute, parsed(insertThing), bindTo("", "2", "b"), execute, syncUp},
		q("ROLLBACK"), q("SELECT id FROM things"),
	}, ""},
	{"savepoints in a pipeline", []step{{
		parsed("BEGIN"), bind, execute, parsed("SAVEPOINT a"), bind, execute, parsed(insertThing), bindTo("", "1", "a"), execute, parsed("ROLLBACK TO a"), bind, execute,
		parsed(insertThing), bindTo("", "2", "b"), execute, parsed("RELEASE a"), bind, execute, parsed("COMMIT"), bind, execute, syncUp,
	}}, ""},
	{"a failed transaction in a pipeline", []step{{parsed("BEGIN"), bind, execute, parsed(insertThing), bindTo("", "1", "a"), execute, bindTo("", "1", "a"), execute, syncUp}, {parsed(insertThing), bindTo("", "2", "a"), execute, syncUp}, {parsed("COMMIT"), bind, execute, syncUp}}, ""},
	{"several batches in one write", []step{{parsed(insertThing), bindTo("", "1", "a"), execute, syncUp, parsed("SELECT count(*) FROM things"), bind, execute, syncUp, query("UPDATE things SET n = 4"), parsed(insertThing), bindTo("", "2", "a"), execute, syncUp}}, ""},
	{"Flush before Sync", []step{{parsed(insertThing), descS, flush}, {bindTo("", "1", "a"), flush}, {execute, flush}, {syncUp}, q("SELECT id FROM things")}, ""},
	{"Flush with RETURNING", []step{{parsed(returnThing), descS, flush}, {bindTo("", "1", "a"), descP, flush}, {execute, syncUp}, q("SELECT id FROM things")}, ""},
	{"an error behind a Flush", []step{{parsed(insertThing), flush}, {bindTo("", "x", "a"), flush}, {bindTo("", "1", "a"), execute, syncUp}, q("SELECT id FROM things")}, ""},
	{"a write behind a Flush that fails", []step{{parsed(insertThing), bindTo("", "1", "a"), execute, bindTo("", "1", "b"), flush}, {execute, flush}, {bindTo("", "2", "a"), execute, syncUp}, q("SELECT id FROM things")}, ""},
	{"BEGIN before a Flush", []step{{parsed("BEGIN"), bind, execute, flush}, {parsed(insertThing), bindTo("", "1", "a"), execute, syncUp}, q("ROLLBACK"), {parsed("BEGIN"), bind, execute, flush}, {parsed(insertThing), bindTo("", "2", "a"), execute, flush}, {syncUp}, q("COMMIT")}, ""},
	{"ROLLBACK and a write before a Flush", []step{
		q("BEGIN"), q("SELECT 1/0"),
		{parsed("ROLLBACK"), bind, execute, parsed(insertThing), bindTo("", "1", "a"), execute, flush},
		{syncUp},
		q("BEGIN"),
		{parsed("COMMIT"), bind, execute, parsed(insertThing), bindTo("", "2", "a"), execute, flush},
		{syncUp},
		q("BEGIN"),
		{parsed("COMMIT"), bind, execute, flush},
		{parsed(insertThing), bindTo("", "3", "a"), execute, syncUp},
	}, ""},
	{"ROLLBACK before a read in one text", []step{q("BEGIN"), q("INSERT INTO things VALUES (1)"), q("ROLLBACK; SELECT 1"), q("BEGIN; SAVEPOINT a"), q("INSERT INTO things VALUES (2)"), q("ROLLBACK TO a; RELEASE a"), q("COMMIT")}, "*"},
	{"DEALLOCATE ALL first in a pipeline", []step{q("INSERT INTO things VALUES (1)"), {parsed(insertThing), bindTo("", "2", "b"), execute, syncUp}, {parsed("DEALLOCATE ALL"), bind, descP, execute, parsed("SELECT id FROM things WHERE id = 6 FOR UPDATE"), bind, execute, closes("s"), bindTo("s"), execute, syncUp}, q("BEGIN"), {parsed("DEALLOCATE ALL"), bind, descP, execute, parsed("ROLLBACK TO b"), bind, execute, syncUp, parsed("COMMIT"), bind, execute, syncUp}}, "*"},
	{"DEALLOCATE ALL and an error behind it", []step{q("INSERT INTO things VALUES (1)"), {parseAs("s", "SELECT 1"), bindTo("s"), execute, syncUp}, {parsed("DEALLOCATE ALL"), bind, execute, closes("s"), bindTo("s"), execute, syncUp}, {parseAs("s", insertThing), bindTo("s", "2", "b"), execute, syncUp}, {parsed("DEALLOCATE ALL"), bind, execute, closes("s"), parsed(insertThing), bindTo("", "3", "c"), execute, bindTo("s"), execute, syncUp}}, "*"},
	{"a failed transaction that ends before a write in one text", []step{q("BEGIN"), q("SELECT 1/0"), q("COMMIT; INSERT INTO things VALUES (1)"), q("BEGIN"), q("SELECT 1/0"), {parsed("ROLLBACK"), bind, execute, parsed(insertThing), bindTo("", "2", "b"), execute, syncUp}, q("BEGIN"), q("SELECT 1/0"), q("ROLLBACK; SELECT says('x'); INSERT INTO things VALUES (3)")}, "*"},
	{"a simple RETURNING that fails", []step{q("INSERT INTO things VALUES (1)"), q("INSERT INTO things VALUES (1) RETURNING id"), q("INSERT INTO things VALUES (2, says('x')) RETURNING id"), q("UPDATE things SET id = 1 RETURNING id")}, "*"},
	{"a failed transaction and what cannot be read", []step{q("BEGIN"), q("SELECT 1/0"), q("INSERT INTO"), q("INSERT INTO things VALUES (1)"), {parsed("INSERT INTO"), bind, execute, syncUp}, q("COPY things FROM STDIN"), q("DO 'BEGIN END'"), q("TRUNCATE things"), q("INSERT INTO things VALUES (1); SELECT 1"), {parsed(insertThing), bindTo("", "1", "a"), execute, syncUp}, q("ROLLBACK")}, "*"},
	{"portals", []step{
		q("BEGIN"),
		{parseAs("s", returnThing), bindPortal("p", "s", nil, "1", "a"), descPortal("p"), syncUp},
		{executes("p"), syncUp},
		{executes("p"), syncUp},
		q("ROLLBACK"),
		q("BEGIN"),
		{bindPortal("p", "s", nil, "1", "a"), closesPortal("p"), executes("p"), syncUp},
		q("ROLLBACK"),
		{bindPortal("p", "s", nil, "2", "a"), syncUp},
		{executes("p"), syncUp},
		{bindPortal("p", "s", nil, "3", "a"), executes("p"), closesPortal("p"), syncUp},
	}, ""},
	{"a portal that is bound and executed in two batches of a transaction", []step{q("BEGIN"), {parsed(insertThing), bindTo("", "1", "a"), syncUp}, {execute, syncUp}, q("COMMIT"), q("SELECT id, name FROM things")}, ""},
	{"a portal of a read that took the place of one of a write", []step{
		q("BEGIN"), {parsed(insertThing), bindTo("", "1", "a"), execute, syncUp}, {parsed("SELECT 7"), bind, descP, syncUp}, {execute, parsed("UPDATE things SET n = 3"), bind, execute, syncUp}, q("COMMIT"),
	}, ""},
	{"row limits of a read beside a write", []step{q("BEGIN"), {parsed("SELECT generate_series(1, 3)"), bind, oneRow, parsed(insertThing), bindTo("", "1", "a"), execute, syncUp}, q("COMMIT"), {parsed("SELECT generate_series(1, 3)"), bindPortal("p", "", nil), executesRows("p", 2), parsed(insertThing), bindTo("", "2", "a"), execute, executesRows("p", 2), syncUp}}, ""},
	{"a row limit without RETURNING", []step{{parsed("INSERT INTO things SELECT generate_series(1, 3)"), bind, oneRow, syncUp}, {parsed("UPDATE things SET n = 2"), bind, oneRow, syncUp}}, ""},
	{"a row limit with RETURNING", []step{{parsed("INSERT INTO things SELECT generate_series(1, 3) RETURNING id"), bind, oneRow, syncUp}, q("SELECT id FROM things"), q("BEGIN"), {parsed("INSERT INTO things SELECT generate_series(11, 13) RETURNING id"), bind, oneRow, oneRow, executesRows("", 9), syncUp}, q("COMMIT")}, ""},
	{"empty queries", []step{q(""), {parsed(""), bind, descP, execute, syncUp}, {parsed(""), bind, descP, execute, parsed(insertThing), bindTo("", "1", "a"), execute, syncUp}, q("/* nothing */"), q("BEGIN"), q("INSERT INTO things VALUES (3)"), q(""), q("COMMIT")}, ""},
	{"EXPLAIN", []step{q("EXPLAIN (COSTS OFF) INSERT INTO things VALUES (1)"), {parsed("EXPLAIN (COSTS OFF) DELETE FROM things"), bind, descP, execute, syncUp}}, ""},
	{"EXPLAIN ANALYZE", []step{q("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS OFF) INSERT INTO things VALUES (1)")}, "public.things"},
	{"cursors", []step{q("INSERT INTO things SELECT generate_series(1, 4)"), q("BEGIN"), q("DECLARE c CURSOR FOR SELECT * FROM things FOR UPDATE"), q("FETCH 2 FROM c"), q("UPDATE things SET n = 8 WHERE CURRENT OF c"), q("DELETE FROM things WHERE CURRENT OF c"), q("CLOSE c"), q("COMMIT")}, ""},
	{"SQL PREPARE", []step{q("PREPARE p AS INSERT INTO things VALUES ($1)"), q("EXECUTE p(1)"), q("BEGIN"), q("EXECUTE p(2)"), q("COMMIT"), {parsed("EXECUTE p(3)"), bind, execute, syncUp}, q("DEALLOCATE p")}, "public.things"},
	{"WITH before a write", []step{q("WITH w AS (SELECT 5 AS x) INSERT INTO things SELECT x FROM w RETURNING id"), q("WITH w AS (SELECT 5 AS x) UPDATE things SET n = 3 FROM w WHERE id = x"), q("WITH w AS (SELECT 5 AS x) DELETE FROM things USING w WHERE id = x RETURNING *")}, ""},
	{"ON CONFLICT", []step{
		q("INSERT INTO things VALUES (1, 'a')"), q("INSERT INTO things VALUES (1, 'a') ON CONFLICT DO NOTHING"), q("INSERT INTO things VALUES (1, 'b'), (2, 'c') ON CONFLICT (id) DO UPDATE SET name = excluded.name || things.name RETURNING *"),
		q("INSERT INTO things AS x VALUES (1, 'b') ON CONFLICT (id) DO UPDATE SET name = 'never' WHERE false RETURNING *"), q("INSERT INTO things VALUES (9), (9) ON CONFLICT (id) DO UPDATE SET name = 'x'"),
	}, ""},
	{"keys that change", []step{q("INSERT INTO things SELECT generate_series(1, 5)"), q("UPDATE things SET id = id + 10"), q("UPDATE things SET id = 1 WHERE id = 11 RETURNING id"), {parsed("UPDATE things SET id = $1 WHERE id = $2"), bindTo("", "2", "12"), execute, syncUp}, q("UPDATE things SET (id, name) = (id, 'same')"), q("UPDATE things SET id = 13 WHERE id = 14")}, "*"},
	{"TRUNCATE", []step{q("INSERT INTO things VALUES (1)"), q("TRUNCATE things"), q("TRUNCATE things CASCADE"), q("INSERT INTO counted (name) VALUES ('x')"), q("TRUNCATE counted RESTART IDENTITY"), q("INSERT INTO counted (name) VALUES ('x') RETURNING id"), {parsed("TRUNCATE counted, plain"), bind, execute, syncUp}}, ""},
	{"COPY in", []step{{query("COPY things (id, name) FROM STDIN"), data("1\tx\n"), done}, q("UPDATE things SET n = 4"), {query("COPY things (id) FROM STDIN"), data("z\n"), done}, {query("COPY things (id) FROM STDIN"), data("8\n"), fail}}, "public.things keys"},
	{"COPY in, in a transaction", []step{q("BEGIN"), q("INSERT INTO things VALUES (5)"), {query("COPY things (id, name) FROM STDIN"), data("1\tx\n"), done}, q("UPDATE things SET n = 4"), q("COMMIT")}, "public.things keys"},
	{"COPY in, extended", []step{{parsed("COPY things (id) FROM STDIN"), bind, execute, data("1\n"), done, syncUp}, {parsed(insertThing), bindTo("", "2", "a"), execute, parsed("COPY things (id) FROM STDIN"), bind, execute, data("3\n"), done, syncUp}}, "public.things public.things keys"},
	{"COPY out beside a write", []step{q("INSERT INTO things VALUES (1, 'a'); COPY things TO STDOUT; INSERT INTO things VALUES (2, 'b')"), q("COPY things TO STDOUT")}, ""},
	{"COPY in beside a write", []step{{query("INSERT INTO plain VALUES (1); COPY plain FROM STDIN; INSERT INTO things VALUES (2)"), data("7\n"), done}}, "public.things"},
	{"COPY out extended beside a write", []step{{parsed(insertThing), bindTo("", "1", "a"), execute, parsed("COPY things TO STDOUT"), bind, execute, syncUp}}, ""},
	{"a function call", []step{{&pgproto3.FunctionCall{Function: 89, ArgFormatCodes: []uint16{}, Arguments: [][]byte{}, ResultFormatCode: 0}}, q("BEGIN"), q("INSERT INTO plain VALUES (1)"), {&pgproto3.FunctionCall{Function: 1, ArgFormatCodes: []uint16{}, Arguments: [][]byte{}, ResultFormatCode: 0}}, q("COMMIT")}, "*"},
	{"bodies", []step{q("DO 'BEGIN RAISE NOTICE ''hello''; END'"), q("BEGIN"), q("DO 'BEGIN COMMIT; END'"), q("ROLLBACK"), {parsed("DO 'BEGIN COMMIT; END'"), bind, execute, syncUp}, q("DO 'BEGIN PERFORM 1/0; END'")}, ""},
	{"a body behind a write in a pipeline", []step{{parsed(insertThing), bindTo("", "1", "a"), execute, parsed("DO 'BEGIN COMMIT; END'"), bind, execute, syncUp}, q("SELECT id FROM things")}, "public.things"},
	{"definitions of other tables", []step{q("CREATE TABLE later (id int PRIMARY KEY)"), q("INSERT INTO later VALUES (1)"), q("ALTER TABLE later ADD x int"), q("INSERT INTO later VALUES (2, 2) RETURNING id + x"), q("DROP TABLE later")}, ""},
	{"temporary tables", []step{q("CREATE TEMP TABLE things (id int, x int)"), q("INSERT INTO things VALUES (1, 2) RETURNING id + x"), q("INSERT INTO public.things VALUES (1) RETURNING *"), q("DROP TABLE pg_temp.things"), q("INSERT INTO things VALUES (2) RETURNING *")}, ""},
	{"isolation levels", []step{q("BEGIN ISOLATION LEVEL SERIALIZABLE"), q("INSERT INTO things VALUES (1)"), q("COMMIT"), q("BEGIN READ ONLY"), q("INSERT INTO things VALUES (2)"), q("ROLLBACK"), q("SET default_transaction_isolation = 'repeatable read'"), q("INSERT INTO things VALUES (3)"), q("BEGIN"), q("SHOW transaction_isolation"), q("UPDATE things SET n = 1"), q("SHOW transaction_isolation"), q("COMMIT")}, ""},
	{"a read-only session", []step{q("SET default_transaction_read_only = on"), q("INSERT INTO things VALUES (1)"), q("BEGIN READ WRITE"), q("INSERT INTO things VALUES (2)"), q("COMMIT")}, ""},
	{"SET TRANSACTION after BEGIN", []step{q("BEGIN"), q("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"), q("INSERT INTO things VALUES (1)"), q("SET TRANSACTION ISOLATION LEVEL READ COMMITTED"), q("ROLLBACK")}, ""},
	{"LISTEN and NOTIFY", []step{q("LISTEN here"), q("BEGIN"), q("INSERT INTO things VALUES (1)"), q("NOTIFY here, 'x'"), q("COMMIT"), q("INSERT INTO things VALUES (2); NOTIFY here, 'y'")}, "public.things"},
	{"reports of settings", []step{q("INSERT INTO things VALUES (1); SET DateStyle = 'SQL, DMY'"), q("BEGIN"), q("SET LOCAL TimeZone = 'Asia/Tokyo'"), q("INSERT INTO things VALUES (2)"), q("ROLLBACK"), q("SET client_encoding = 'LATIN1'"), q("INSERT INTO things VALUES (3, '\xe9')"), q("SELECT name FROM things WHERE id = 3")}, "public.things"},
	{"a long text", []step{q("INSERT INTO things VALUES (1, '" + strings.Repeat("x", 100_000) + "')"), {parsed(insertThing), bindTo("", "2", strings.Repeat("y", 200_000)), execute, syncUp}, q("BEGIN"), q("INSERT INTO things VALUES (3, '" + strings.Repeat("x", 100_000) + "')"), q("COMMIT")}, ""},
	{"a text beyond the limits of the grammar", []step{q("INSERT INTO things VALUES (1, 'a'), (" + strings.Repeat("1+", 1500) + "1, 'b')"), q("INSERT INTO things VALUES (2, 'a'); INSERT INTO things VALUES (" + strings.Repeat("1+", 1500) + "1, 'b')"), q("BEGIN"), q("INSERT INTO things VALUES (" + strings.Repeat("2+", 1500) + "1, 'b'); COMMIT")}, "*"},
	{"notices of a captured statement", []step{q("INSERT INTO things VALUES (1, says('a')) RETURNING id"), {parsed("INSERT INTO things VALUES (2, says('b')) RETURNING id"), bind, descP, execute, syncUp}, q("CREATE TABLE IF NOT EXISTS things (id int)"), q("DROP TABLE IF EXISTS nobody, nowhere")}, "*"},
	{"names of all kinds", []step{q(`INSERT INTO "things" ("id", name) VALUES (1, 'a') RETURNING "id" AS "Odd ""Name"`), q(`UPDATE public.things AS "T" SET name = 'x' WHERE "T".id = 1 RETURNING "T".*`), q(`DELETE FROM U&"\0074hings" WHERE id = 1`), q(`INSERT INTO things AS "new row" VALUES (3) RETURNING "new row".id`)}, "*"},
	{"DEFAULT VALUES", []step{q("INSERT INTO counted DEFAULT VALUES"), q("INSERT INTO counted (name, id) VALUES ('q', DEFAULT) RETURNING *"), q("UPDATE counted SET name = 'r', id = DEFAULT RETURNING *")}, ""},
	{"what returns system columns", []step{q("INSERT INTO things VALUES (1) RETURNING ctid, tableoid::regclass"), q("UPDATE things SET n = 3 RETURNING ctid, cmin, xmax")}, ""},
	{"COMMIT behind a read in one text", []step{q("BEGIN"), q("INSERT INTO things VALUES (1)"), q("SELECT 1; COMMIT"), q("BEGIN"), q("ROLLBACK")}, "*"},
	{"COMMIT of a failed transaction before another statement in one text", []step{q("BEGIN"), q("INSERT INTO things VALUES (1)"), q("RELEASE nobody"), q("COMMIT; INSERT INTO plain VALUES (1)")}, "*"},
	{"COMMIT and BEGIN in one text", []step{q("BEGIN"), q("INSERT INTO things VALUES (1)"), q("COMMIT; BEGIN"), q("INSERT INTO things VALUES (2)"), q("ROLLBACK; BEGIN"), q("INSERT INTO things VALUES (3)"), q("COMMIT; BEGIN; ROLLBACK")}, "*"},
	{"COMMIT in one text that fails before it", []step{q("BEGIN"), q("INSERT INTO things VALUES (1)"), q("SELECT 1/0; COMMIT"), q("COMMIT"), q("BEGIN"), q("INSERT INTO things VALUES (2)"), q("COMMIT; SELECT 1/0"), q("BEGIN; COMMIT")}, "*"},
	{"a message that the protocol has not", []step{{parsed(insertThing), bindTo("nobody", "1", "a"), execute, syncUp}, {describe("nobody"), syncUp}, {descPortal("nobody"), syncUp}, {executes("nobody"), syncUp}, {bindTo("", "1", "a"), execute, syncUp}}, ""},
}

func TestMirrorIsAsDirect(t *testing.T) {
	n := newTwin(t, wired, nil)
	for _, c := range mirrorConversations {
		t.Run(c.name, func(t *testing.T) {
			n.afresh(t, wiredTables)
			direct, through := n.sides(t, nil)
			n.compare(t, direct, through, append(c.script, q("SELECT count(*), min(id), max(id) FROM things"), q("SELECT id, name, n FROM things ORDER BY id LIMIT 20"), q("SELECT id, thing FROM kids")))
			_, _ = direct.Close(), through.Close()
			n.settled(t)
			noted := strings.Join(n.notesDirty(), " ")
			if noted != c.dirty && c.dirty != "*" {
				t.Errorf("dirty: %q, want %q; the target has refused %v", noted, c.dirty, n.refused)
			}
			for _, table := range []string{"things", "kids", "counted"} {
				source := n.rows(t, 0, dump(table))
				n.asCopied(t, table, source)
			}
			n.unlessNoted(t, "things", "kids", "counted")
		})
	}
}
