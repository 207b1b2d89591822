package proxy

import (
	"errors"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/crossfade-db/crossfade/reconcile/schema"
	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/router"
)

// definable is a mapped table with what it is made of, and others.
var definable = []string{
	"CREATE SCHEMA app", "CREATE SCHEMA made", "CREATE SCHEMA apart", "CREATE TABLE apart.t (v int)",
	"CREATE TYPE made.mood AS ENUM ('sad', 'ok')", "CREATE TYPE made.pair AS (low int, high made.mood)", "CREATE DOMAIN made.price AS numeric CHECK (VALUE >= 0)",
	"CREATE TYPE other_mood AS ENUM ('sad')",
	"CREATE FUNCTION made.start() RETURNS int LANGUAGE sql STABLE AS 'SELECT 1'", "CREATE FUNCTION made.unused() RETURNS int LANGUAGE sql STABLE AS 'SELECT 1'",
	"CREATE FUNCTION made.fires() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
	"CREATE FUNCTION made.holds(int) RETURNS boolean LANGUAGE sql STABLE AS 'SELECT true'",
	"CREATE TABLE app.orders (id int PRIMARY KEY, pairs made.pair[], p made.price, s int DEFAULT made.start(), CHECK (made.holds(s)))",
	"CREATE UNIQUE INDEX by_sum ON app.orders (s)", "CREATE INDEX plain_index ON app.orders (p)",
	"CREATE TRIGGER fires BEFORE INSERT ON app.orders FOR EACH ROW EXECUTE FUNCTION made.fires()",
	"CREATE TABLE plain (id int)", "CREATE VIEW looks AS SELECT * FROM plain",
}

// TestMirrorDefinitions: what changes the definition of a mapped table is
// refused, and what changes others makes the catalogs be read again.
func TestMirrorDefinitions(t *testing.T) {
	var told atomic.Int32
	proxy := newMirrored(t, definable, definable, nil, func(o *Options) { o.Mirror.Observer.Defined = func() { told.Add(1) } })
	conn := proxy.client(t)
	for _, sql := range []string{
		"DROP SCHEMA app CASCADE", "ALTER SCHEMA app RENAME TO gone", "DROP SCHEMA made CASCADE", "DROP OWNED BY app", "DROP EXTENSION IF EXISTS nothing CASCADE",
		"DROP TYPE made.mood CASCADE", "DROP TYPE made.pair CASCADE", "DROP DOMAIN made.price CASCADE", "DROP FUNCTION made.start() CASCADE", "DROP FUNCTION made.holds CASCADE",
		"DROP FUNCTION made.fires() CASCADE", "ALTER TYPE made.mood ADD VALUE 'x'", "ALTER TYPE made.mood RENAME TO humour", "ALTER TYPE made.pair ADD ATTRIBUTE more int",
		"ALTER DOMAIN made.price ADD CHECK (VALUE < 9)", "ALTER TYPE made.mood SET SCHEMA public", "CREATE RULE r AS ON INSERT TO app.orders DO INSTEAD NOTHING",
		"CREATE TRIGGER t AFTER INSERT ON app.orders EXECUTE FUNCTION made.fires()", "DROP TRIGGER fires ON app.orders", "ALTER TABLE app.orders DISABLE TRIGGER fires",
		"CREATE POLICY p ON app.orders USING (true)", "ALTER TABLE app.orders ADD v int", "DROP TABLE plain, app.orders", "DROP INDEX app.by_sum", "DROP INDEX CONCURRENTLY app.by_sum",
	} {
		var refused *pgconn.PgError
		if _, err := conn.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol); !errors.As(err, &refused) || refused.Code != "0A000" {
			t.Errorf("%s: %v", sql, err)
		}
	}
	before := proxy.rows(t, router.Source, "SELECT count(*) FROM pg_class")
	for _, sql := range []string{
		"CREATE OR REPLACE FUNCTION made.unused() RETURNS int LANGUAGE sql VOLATILE AS 'SELECT 2'", "ALTER FUNCTION made.unused() STABLE", "DROP FUNCTION made.unused() CASCADE",
		"CREATE OR REPLACE FUNCTION made.fires() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'", "CREATE OR REPLACE VIEW looks AS SELECT id FROM plain", "DROP VIEW looks",
		"CREATE INDEX more ON app.orders (s)", "CREATE INDEX CONCURRENTLY yet_more ON app.orders (s)", "DROP INDEX app.plain_index", "CREATE TRIGGER t AFTER INSERT ON plain EXECUTE FUNCTION made.fires()",
		"CREATE RULE r AS ON UPDATE TO plain DO INSTEAD NOTHING", "CREATE POLICY p ON plain USING (true)", "ALTER TYPE other_mood ADD VALUE 'x'", "DROP TYPE other_mood CASCADE",
		"DROP SCHEMA apart CASCADE", "GRANT SELECT ON app.orders TO plain", "REVOKE SELECT ON app.orders FROM plain", "COMMENT ON TABLE app.orders IS 'x'", "CREATE TABLE another (id int)", "ALTER TABLE another ADD v int", "DROP TABLE another",
		"CREATE OPERATOR ||| (FUNCTION = int4pl, LEFTARG = int, RIGHTARG = int)", "CREATE CAST (int AS made.price) WITH INOUT",
	} {
		told.Store(0)
		if _, err := conn.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
		if told.Load() == 0 {
			t.Errorf("%s: nobody was told", sql)
		}
	}
	told.Store(0)
	for _, sql := range []string{"CREATE TEMP TABLE t (id int)", "SELECT 1"} {
		do(t, conn, sql)
	}
	if told.Load() > 0 {
		t.Error("the catalogs are read again for what they do not have")
	}
	if after := proxy.rows(t, router.Source, "SELECT count(*) FROM pg_class"); after[0] == before[0] {
		t.Error("nothing was defined")
	}
	proxy.clean(t)
}

// TestMirrorDefinitionsInATransaction: the catalogs are read again when the
// transaction is over, as nothing of it is seen before.
func TestMirrorDefinitionsInATransaction(t *testing.T) {
	statements := []string{"CREATE TABLE a (id int PRIMARY KEY)", "CREATE TABLE plain (id int)", "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO a VALUES (NEW.id); RETURN NULL; END'"}
	var proxy *mirrored
	var reloads atomic.Int32
	reload := func() {
		reloads.Add(1)
		m := proxy.mapped.Load()
		s, err := schema.Load(t.Context(), schema.Of(proxy.direct[router.Source].PgConn()))
		if err != nil {
			t.Error(err)
			return
		}
		plan := *m.Plan
		plan.Source = s
		proxy.mapped.Store(&Mapped{Plan: &plan, Rights: m.Rights})
	}
	proxy = newMirrored(t, statements, statements, nil, func(o *Options) { o.Mirror.Observer.Defined = reload })
	conn := proxy.client(t)
	for _, sql := range []string{"BEGIN", "CREATE TRIGGER t AFTER INSERT ON plain FOR EACH ROW EXECUTE FUNCTION f()", "SELECT 1"} {
		do(t, conn, sql)
	}
	if n := reloads.Load(); n > 0 {
		t.Errorf("%d reloads before the commit", n)
	}
	for _, sql := range []string{"COMMIT", "INSERT INTO plain VALUES (1)"} {
		do(t, conn, sql)
	}
	if n := reloads.Load(); n != 1 {
		t.Errorf("%d reloads of one transaction", n)
	}
	proxy.unlessNoted(t, "a")
	if rows := proxy.rows(t, router.Source, "TABLE a"); len(rows) != 1 {
		t.Errorf("the trigger has written %v", rows)
	}
}

// TestMirrorDefinitionsThatTheCatalogsDoNotKnowYet: from before a definition is run
// until the catalogs have been read behind it, nobody relies on them.
func TestMirrorDefinitionsThatTheCatalogsDoNotKnowYet(t *testing.T) {
	statements := []string{
		"CREATE SCHEMA before", "GRANT ALL ON SCHEMA before TO PUBLIC", "CREATE TABLE a (id int PRIMARY KEY)", "CREATE TABLE b (id int PRIMARY KEY)", "CREATE TABLE before.b (id int PRIMARY KEY)",
		"CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.b VALUES (NEW.id); RETURN NULL; END'",
	}
	for _, test := range []struct{ name, defines, writes string }{
		{"a trigger of a mapped table", "CREATE TRIGGER t AFTER INSERT ON public.a FOR EACH ROW EXECUTE FUNCTION public.f()", "INSERT INTO public.a VALUES (1)"},
		{"a function", "CREATE FUNCTION g() RETURNS int LANGUAGE sql AS 'INSERT INTO public.b VALUES (1) RETURNING id'", "SELECT g()"},
		{"a table that has hidden another", "DROP TABLE before.b", "INSERT INTO b VALUES (1)"},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := &rewrite.Mapping{Tables: []rewrite.TableMap{{Source: rewrite.Name{Schema: "before", Name: "b"}, Skip: true}}}
			proxy := newMirrored(t, statements, statements, m, func(o *Options) {
				o.Mirror.Observer.Defined = func() {} // nobody reads them
				o.Mirror.Definitions = AuthorityDefinition
			})
			defines, within, writes := proxy.client(t), proxy.client(t), proxy.client(t)
			for _, conn := range []*pgx.Conn{within, writes} {
				do(t, conn, "SET search_path = before, public")
				do(t, conn, "SELECT 1 FROM b")
			}
			do(t, defines, "BEGIN")
			do(t, defines, test.defines)
			do(t, defines, "COMMIT")
			do(t, writes, test.writes)
			proxy.settled(t)
			if _, whole := proxy.journal.dirty(); !slices.Contains(whole, "public.b") {
				t.Error("dirty:", whole)
			}
			proxy.Known(proxy.Defined())
			n := proxy.journal.intents()
			do(t, within, "SELECT 1")
			do(t, within, "INSERT INTO public.a VALUES (9)")
			proxy.settled(t)
			if now := proxy.journal.intents(); now != n+1 {
				t.Errorf("%d intents of a write when the catalogs are known", now-n)
			}
		})
	}
}

// TestMirrorEventTriggers: they may write with a definition of any table.
func TestMirrorEventTriggers(t *testing.T) {
	statements := []string{"CREATE TABLE log (id int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, tag text)", "CREATE TABLE beside (id int PRIMARY KEY)", "CREATE TABLE plain (id int)"}
	events := append(statements, "CREATE FUNCTION notes() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.log (tag) VALUES (tg_tag); END'",
		"CREATE EVENT TRIGGER notes ON ddl_command_end EXECUTE FUNCTION notes()")
	proxy := newMirrored(t, events, statements, nil, nil)
	conn := proxy.client(t)
	for i, sql := range []string{
		"CREATE TABLE more (id int)", "ALTER TABLE plain ADD v int", "DROP TABLE more", "CREATE INDEX CONCURRENTLY x ON plain (id)", "COMMENT ON TABLE log IS 'x'", "CREATE TEMP TABLE t (id int)", "GRANT SELECT ON plain TO PUBLIC",
	} {
		proxy.journal.forget()
		do(t, conn, sql)
		proxy.settled(t)
		if rows := proxy.rows(t, router.Source, "TABLE log"); len(rows) != i+1 {
			t.Fatalf("%s: log has %v", sql, rows)
		}
		if noted := proxy.notesDirty(); !slices.Contains(noted, "public.log") {
			t.Errorf("%s: what is dirty is %v", sql, noted)
		}
	}
}
