package proxy

import (
	"slices"
	"testing"

	"github.com/crossfade-db/crossfade/router"
)

// twoSchemas has a table of the same name in two schemas; nothing written to the one
// may reach the other at the target.
var twoSchemas = []string{
	"CREATE TABLE things (id int PRIMARY KEY, name text)", "CREATE SCHEMA other", "CREATE TABLE other.things (id int PRIMARY KEY, name text)", "CREATE SCHEMA front",
	"CREATE TABLE plain (id int, name text)", "CREATE TABLE other.plain (id int PRIMARY KEY, name text)", "CREATE TABLE kept (id int PRIMARY KEY)", "CREATE TABLE other.kept (id int)",
	"CREATE FUNCTION turns() RETURNS text LANGUAGE sql AS $$ SELECT set_config('search_path', 'other', false) $$",
	"CREATE FUNCTION hides() RETURNS int LANGUAGE plpgsql AS 'BEGIN CREATE TEMP TABLE things (id int, name text); RETURN 1; END'",
	"CREATE FUNCTION writes(i int) RETURNS int LANGUAGE plpgsql SET search_path = other AS 'BEGIN INSERT INTO things VALUES (i); RETURN i; END'",
	"CREATE FUNCTION owned(i int) RETURNS int LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN INSERT INTO public.things VALUES (i); RETURN i; END'",
}

func TestMirrorNamesMeanWhatTheyDoAtTheSource(t *testing.T) {
	insert := []say{parsed("INSERT INTO things VALUES (1, 'here')"), bind, execute}
	behind := func(sql string) step {
		return append(append(step{parsed(sql), bind, execute}, insert...), syncUp)
	}
	unkeyed := []say{parsed("INSERT INTO plain VALUES (7)"), bind, execute} // public.plain is not mapped, other.plain is
	kept := []say{parsed("INSERT INTO kept VALUES (8)"), bind, execute}     // the other way around
	then := func(sql string, says ...say) step {
		return append(append(step{parsed(sql), bind, execute}, says...), syncUp)
	}
	n := newTwin(t, append(slices.Clip(twoSchemas), "GRANT ALL ON things, other.things TO PUBLIC"), func(o *Options) { o.Mirror.Definitions = AuthorityDefinition })
	for _, test := range []struct {
		name   string
		script []step
	}{
		{"SET search_path before", []step{q("SET search_path = other"), q("INSERT INTO things VALUES (1)")}},
		{"SET search_path in the same pipeline", []step{behind("SET search_path = other")}},
		{"a table that is mapped there only", []step{then("SET search_path = other", unkeyed...), q("RESET search_path"), q("SET search_path = other; INSERT INTO plain VALUES (2)"), q("RESET search_path")}},
		{"a table that is mapped there only, by a function", []step{then("SELECT turns()", unkeyed...)}},
		{"a table that is mapped there only, by a function in one text", []step{q("SELECT turns(); INSERT INTO plain VALUES (3)")}},
		{"a table that is mapped there only, by set_config", []step{then("SELECT set_config('search_path', 'other', false)", unkeyed...)}},
		{"a table that is mapped there only, emptied", []step{q("INSERT INTO other.plain VALUES (1)"), then("SET search_path = other", parsed("TRUNCATE plain"), bind, execute)}},
		{"a table that is mapped here only, emptied there", []step{q("INSERT INTO kept VALUES (1)"), then("SELECT turns()", parsed("TRUNCATE kept"), bind, execute)}},
		{"a table that is mapped there only, by COPY", []step{{parsed("SET search_path = other"), bind, execute, parsed("COPY plain FROM STDIN"), bind, execute, data("1\tx\n"), done, syncUp}}},
		{"a table that is mapped there only, behind a Flush", []step{{parsed("SET search_path = other"), bind, execute, flush}, append(step(unkeyed), syncUp)}},
		{"a function behind a Flush", []step{{parsed("SELECT turns()"), bind, execute, flush}, append(step(unkeyed), syncUp)}},
		{"what the end of a transaction takes back", []step{q("BEGIN"), q("SET LOCAL search_path = front, other"), then("ROLLBACK", kept...), q("BEGIN"), q("SET LOCAL search_path = other"), q("COMMIT; INSERT INTO kept VALUES (9)")}},
		{"what the end of a transaction takes back, in a failed one", []step{q("BEGIN"), q("SET LOCAL search_path = other"), q("SELECT 1/0"), then("ROLLBACK", kept...), q("BEGIN; SET LOCAL search_path = other"), q("SELECT 1/0"), q("COMMIT; INSERT INTO kept VALUES (9)")}},
		{"what is taken back with the BEGIN that it came with", []step{q("BEGIN; SET search_path = other"), q("INSERT INTO kept VALUES (1)"), q("ROLLBACK"), q("INSERT INTO kept VALUES (2)"), {parsed("BEGIN"), bind, execute, parsed("SET search_path = other"), bind, execute, syncUp}, q("INSERT INTO kept VALUES (1)"), q("ROLLBACK"), q("INSERT INTO kept VALUES (3)")}},
		{"what a function has set and a rollback takes back", []step{q("BEGIN"), q("SELECT turns()"), q("INSERT INTO kept VALUES (1)"), q("ROLLBACK"), q("INSERT INTO kept VALUES (2)"), q("BEGIN"), q("SAVEPOINT a"), q("SELECT turns()"), q("ROLLBACK TO a"), q("INSERT INTO kept VALUES (3)"), q("COMMIT")}},
		{"the end of a transaction that is only flushed", []step{q("BEGIN"), append(append(step{parsed("COMMIT"), bind, execute}, kept...), flush), {parseAs("s", "SELECT turns()"), executes("nobody"), syncUp}}},
		{"what must come before the first query", []step{q("BEGIN"), q("SET LOCAL search_path = other"), q("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"), q("INSERT INTO plain VALUES (1)"), q("COMMIT"), {parsed("BEGIN"), bind, execute, parsed("SET LOCAL search_path = other"), bind, execute, parsed("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"), bind, execute, syncUp}, q("COMMIT")}},
		{"SET search_path in the same text", []step{q("SET search_path = other; INSERT INTO things VALUES (1)")}},
		{"SET LOCAL in the same text of a transaction", []step{q("BEGIN"), q("SET LOCAL search_path = other; INSERT INTO things VALUES (1)"), q("COMMIT"), q("INSERT INTO things VALUES (2)")}},
		{"SET LOCAL in a transaction", []step{q("BEGIN"), q("SET LOCAL search_path = other"), q("INSERT INTO things VALUES (1)"), q("COMMIT"), q("INSERT INTO things VALUES (2)")}},
		{"SET in a transaction that is rolled back", []step{q("BEGIN"), q("SET search_path = other"), q("INSERT INTO things VALUES (1)"), q("ROLLBACK"), q("INSERT INTO things VALUES (2)")}},
		{"SET in a savepoint that is rolled back", []step{q("BEGIN"), q("SAVEPOINT a"), q("SET search_path = other"), q("INSERT INTO things VALUES (1)"), q("ROLLBACK TO a"), q("INSERT INTO things VALUES (2)"), q("COMMIT")}},
		{"SET in a pipeline with a transaction", []step{{parsed("BEGIN"), bind, execute, parsed("SET LOCAL search_path = other"), bind, execute, parsed("INSERT INTO things VALUES (1)"), bind, execute, parsed("COMMIT"), bind, execute, parsed("INSERT INTO things VALUES (2)"), bind, execute, syncUp}}},
		{"set_config in the same pipeline", []step{behind("SELECT set_config('search_path', 'other', false)")}},
		{"a function that sets it", []step{q("SELECT turns()"), q("INSERT INTO things VALUES (1)")}},
		{"a function that sets it, in the same pipeline", []step{behind("SELECT turns()")}},
		{"a prepared statement across SET", []step{{parseAs("s", "INSERT INTO things VALUES ($1, 'x')"), bindTo("s", "1"), execute, syncUp}, q("SET search_path = other"), {bindTo("s", "2"), execute, syncUp}, q("RESET search_path"), {bindTo("s", "3"), execute, syncUp}}},
		{"RESET in the same pipeline", []step{q("SET search_path = other"), behind("RESET search_path")}},
		{"DISCARD ALL in the same text", []step{q("SET search_path = other"), q("DISCARD ALL"), q("INSERT INTO things VALUES (1)")}},
		{"a temporary table in the same pipeline", []step{behind("CREATE TEMP TABLE things (id int, name text)")}},
		{"a temporary table in the same text", []step{q("CREATE TEMP TABLE things (id int, name text); INSERT INTO things VALUES (1)")}},
		{"a temporary table of a function", []step{q("SELECT hides()"), q("INSERT INTO things VALUES (1)")}},
		{"a temporary table of a function in the same pipeline", []step{behind("SELECT hides()")}},
		{"a temporary table that goes with its transaction", []step{q("BEGIN"), q("CREATE TEMP TABLE things (id int, name text) ON COMMIT DROP"), q("INSERT INTO things VALUES (1)"), q("COMMIT"), q("INSERT INTO things VALUES (2)")}},
		{"a table that is made in front", []step{q("SET search_path = front, public"), q("INSERT INTO things VALUES (1)"), q("CREATE TABLE front.things (id int, name text)"), q("INSERT INTO things VALUES (2)"), q("DROP TABLE front.things"), q("INSERT INTO things VALUES (3)")}},
		{"a function with its own search_path", []step{q("SELECT writes(1)"), q("INSERT INTO things VALUES (writes(2))")}},
		{"a security definer", []step{q("SELECT owned(1)"), {parsed("SELECT owned($1)"), bindTo("", "2"), execute, syncUp}}},
		{"SET ROLE in the same pipeline", []step{behind("SET ROLE plain"), q("RESET ROLE")}},
		{"a renamed schema", []step{q("ALTER SCHEMA other RENAME TO elsewhere"), q("INSERT INTO elsewhere.things VALUES (1)"), q("ALTER SCHEMA elsewhere RENAME TO other")}},
		{"a schema that takes the place", []step{q("SET search_path = front"), q("ALTER SCHEMA front RENAME TO f2"), q("ALTER SCHEMA other RENAME TO front"), q("INSERT INTO things VALUES (1)"), q("ALTER SCHEMA front RENAME TO other"), q("ALTER SCHEMA f2 RENAME TO front")}},
	} {
		t.Run(test.name, func(t *testing.T) {
			n.afresh(t, "public.things, other.things, public.plain, other.plain, public.kept, other.kept")
			direct, through := n.sides(t, nil)
			n.compare(t, direct, through, test.script)
			n.settled(t)
			noted := n.notesDirty()
			for _, table := range []string{"public.things", "other.things", "other.plain", "public.kept"} {
				if !slices.Contains(noted, table) && !slices.Contains(noted, table+" keys") {
					n.equal(t, table)
				}
				n.asCopied(t, table, n.rows(t, router.Source, dump(table)))
			}
			if t.Failed() {
				t.Logf("dirty %v", noted)
			}
			_, _ = direct.Close(), through.Close()
		})
	}
}
