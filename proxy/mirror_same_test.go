package proxy

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/crossfade-db/crossfade/internal/dbserver"
	"github.com/crossfade-db/crossfade/reconcile/schema"
	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/router"
)

// sameShapes are the tables of the other shape, in a schema of their own.
var sameShapes = []string{
	"CREATE SCHEMA anew",
	"CREATE TABLE anew.thing (id int PRIMARY KEY, title text, n numeric DEFAULT 1, tags text[])",
	"CREATE TABLE anew.kid (id int PRIMARY KEY, thing int REFERENCES anew.thing DEFERRABLE INITIALLY DEFERRED, v varchar(3))",
	"CREATE TABLE anew.count (id int PRIMARY KEY, name text NOT NULL UNIQUE CHECK (name NOT LIKE 'refused%'))",
	"GRANT USAGE ON SCHEMA anew TO PUBLIC", "GRANT ALL ON ALL TABLES IN SCHEMA anew TO PUBLIC",
}

var sameMapping = &rewrite.Mapping{Tables: []rewrite.TableMap{
	{
		Source: rewrite.Name{Schema: "public", Name: "things"}, Targets: []rewrite.TargetMap{{Target: rewrite.Name{Schema: "anew", Name: "thing"}}},
		Columns: []rewrite.ColumnMap{{Source: "name", Target: "title"}},
	},
	{Source: rewrite.Name{Schema: "public", Name: "kids"}, Targets: []rewrite.TargetMap{{Target: rewrite.Name{Schema: "anew", Name: "kid"}}}},
	{Source: rewrite.Name{Schema: "public", Name: "counted"}, Targets: []rewrite.TargetMap{{Target: rewrite.Name{Schema: "anew", Name: "count"}}}},
}}

// sameTables are the pairs of tables, each with what it has to hold.
var sameTables = [][2]string{{"things", "anew.thing"}, {"kids", "anew.kid"}, {"counted", "anew.count"}}

// sameDirty is what conversations leave dirty here and not on two servers: there
// is no savepoint before a COMMIT without a BEGIN, and the later server has a
// body fail that commits behind a write.
var sameDirty = map[string]string{
	"a COMMIT without a BEGIN in a pipeline": "public.things keys",
	"a body behind a write in a pipeline":    "",
}

// newSame makes both shapes in one database of a server, its copy, and a proxy
// that mirrors one shape to the other.
func newSame(t testing.TB, p *dbserver.Postgres) *twin {
	t.Helper()
	n := &twin{mirrored: &mirrored{servers: dbserver.Pair{Source: p, Target: p}}}
	statements := slices.Concat(wired, sameShapes, []string{epochTable})
	n.begin(t, [router.Sides][]string{statements}, func(o *Options) { o.Mirror.OneServer = true })
	read, err := schema.Load(t.Context(), schema.Of(n.direct[0].PgConn()))
	if err != nil {
		t.Fatal(err)
	}
	plan, problems := rewrite.Resolve(sameMapping, read, read, rewrite.Defaults{OneServer: true})
	for _, p := range problems {
		if p.Severity == rewrite.Error {
			t.Fatalf("mapping: %s %s.%s: %s", p.Check, p.Table, p.Column, p.Message)
		}
	}
	n.put(plan)
	n.letIn("trusted")
	n.copied = n.database + "copy"
	for _, c := range n.direct {
		if err := c.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the database can be copied", func() bool {
		return p.Exec(t.Context(), "postgres", "CREATE DATABASE "+n.copied+" TEMPLATE "+n.database) == nil
	})
	for side := range n.direct {
		n.direct[side] = n.dial(t, p.Addr())
	}
	return n
}

// asInOne says that the tables of one shape have what those of the other have,
// but for those that are noted.
func (n *twin) asInOne(t testing.TB) {
	t.Helper()
	noted := n.notesDirty()
	for _, names := range sameTables {
		if slices.Contains(noted, "public."+names[0]) || slices.Contains(noted, "public."+names[0]+" keys") {
			continue
		}
		if diff := gocmp.Diff(n.rows(t, 0, dump(names[0])), n.rows(t, 0, dump(names[1]))); diff != "" {
			t.Errorf("%s differs and nothing of it is dirty (-source +target):\n%s", names[0], diff)
		}
	}
}

// TestBothShapesInOneDatabase: what a client sees is what it would see without
// us, and both shapes have the same rows after each conversation.
func TestBothShapesInOneDatabase(t *testing.T) {
	for side, server := range sidesOf(pair) {
		t.Run(router.Side(side).String(), func(t *testing.T) {
			n := newSame(t, server)
			for _, c := range mirrorConversations {
				t.Run(c.name, func(t *testing.T) {
					n.afresh(t, "things, kids, plain, counted, anew.thing, anew.kid, anew.count")
					direct, through := n.sides(t, nil)
					n.compare(t, direct, through, append(c.script, q("SELECT count(*), min(id), max(id) FROM things"), q("SELECT id, name, n FROM things ORDER BY id LIMIT 20"), q("SELECT id, thing FROM kids")))
					_, _ = direct.Close(), through.Close()
					n.settled(t)
					if noted := strings.Join(n.notesDirty(), " "); noted != c.dirty && c.dirty != "*" && noted != sameDirty[c.name] {
						t.Errorf("dirty: %q, want %q; refused %v", noted, c.dirty, n.refused)
					}
					n.asInOne(t)
				})
			}
		})
	}
}

// TestOneDatabaseCommitsBothShapesAtOnce: nobody sees the one without the other,
// and a backend that is killed at its COMMIT leaves both or neither.
func TestOneDatabaseCommitsBothShapesAtOnce(t *testing.T) {
	n := newSame(t, pair.Target)
	conn := n.client(t)
	seen := make(chan string, 1)
	stop := make(chan struct{})
	reader := n.dial(t, pair.Target.Addr())
	go func() {
		defer close(seen)
		for {
			select {
			case <-stop:
				return
			default:
			}
			var here, there int
			if err := reader.QueryRow(t.Context(), "SELECT (SELECT count(*) FROM things), (SELECT count(*) FROM anew.thing)").Scan(&here, &there); err != nil || here != there {
				seen <- fmt.Sprint(here, " and ", there, err)
				return
			}
		}
	}()
	for i := range 200 {
		do(t, conn, "INSERT INTO things VALUES ($1, 'a')", i)
	}
	close(stop)
	if words, odd := <-seen; odd {
		t.Error("somebody saw one shape without the other:", words)
	}
	n.clean(t)
	n.asInOne(t)
	if n.journal.intents() != 0 {
		t.Error("what is committed at once was in doubt", n.journal.intents())
	}
}

// TestWhatTheOtherShapeRefusesIsDirty: its error is taken back and not the
// client's, in a transaction and without.
func TestWhatTheOtherShapeRefusesIsDirty(t *testing.T) {
	n := newSame(t, pair.Target)
	conn := n.client(t)
	do(t, conn, "SET search_path = public, pg_temp")
	do(t, conn, "INSERT INTO counted (name) VALUES ('refused')")
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{"INSERT INTO things VALUES (1, 'a')", "SAVEPOINT a", "INSERT INTO things VALUES (2, 'b')", "ROLLBACK TO a", "INSERT INTO counted (name) VALUES ('refused too')", "UPDATE counted SET name = 'fine', id = 9 WHERE name = 'refused too'"} {
		if _, err := tx.Exec(t.Context(), sql); err != nil {
			t.Fatal(sql, err)
		}
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if path := one[string](t, conn, "SHOW search_path"); path != "public, pg_temp" {
		t.Error("the session's setting has become", path)
	}
	keys, whole := n.journal.dirty()
	if keys["public.counted"] == 0 || keys["public.things"] != 2 || len(whole) > 0 {
		t.Errorf("dirty: keys %v, tables %v", keys, whole)
	}
	if got := n.rows(t, 0, "SELECT count(*) FROM anew.thing"); got[0] != "0|" {
		t.Error("a part of a refused transaction is in the other shape:", got)
	}
}

// TestADeferredKeyOfTheOtherShape fails before the client's COMMIT, and not with it.
func TestADeferredKeyOfTheOtherShape(t *testing.T) {
	n := newSame(t, pair.Target)
	conn := n.client(t)
	do(t, conn, "INSERT INTO things VALUES (1, 'a')")
	do(t, n.direct[0], "DELETE FROM anew.thing")
	do(t, conn, "INSERT INTO kids (id, thing) VALUES (1, 1)")
	if keys, whole := n.journal.dirty(); keys["public.kids"] != 1 || len(whole) > 0 {
		t.Errorf("dirty: keys %v, tables %v", keys, whole)
	}
}

// TestAStrictTableInOneDatabase: what the other shape refuses fails, and nothing
// of it stays.
func TestAStrictTableInOneDatabase(t *testing.T) {
	n := newSame(t, pair.Target)
	for _, p := range n.mapped.Load().Plan.Pairs {
		p.Strict = true
	}
	conn := n.client(t)
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeExec} {
		if _, err := conn.Exec(t.Context(), "INSERT INTO counted (name) VALUES ('refused')", mode); code(err) != "40001" {
			t.Error("a refused write of a strict table:", err)
		}
		do(t, conn, "INSERT INTO things VALUES ($1, 'a')", int(mode))
	}
	n.clean(t)
	n.asInOne(t)
	if got := n.rows(t, 0, "SELECT count(*) FROM counted"); got[0] != "0|" {
		t.Error("a refused write has stayed:", got)
	}
}

// TestALockOfTheOtherShapeIsNotWaitedFor: the client goes on within the budget.
func TestALockOfTheOtherShapeIsNotWaitedFor(t *testing.T) {
	n := newSame(t, pair.Target)
	n.opt.Mirror.Budget, n.opt.Mirror.LockTimeout = 100*time.Millisecond, 50*time.Millisecond
	conn := n.client(t)
	do(t, conn, "INSERT INTO things VALUES (1, 'a')")
	holder, err := n.direct[0].Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := holder.Exec(t.Context(), "LOCK anew.thing"); err != nil {
		t.Fatal(err)
	}
	do(t, conn, "UPDATE things SET name = 'b'")
	if err := holder.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if keys, _ := n.journal.dirty(); keys["public.things"] != 1 {
		t.Error("what could not be applied is not dirty:", keys)
	}
}

// TestOneDatabaseGivesSettingsBack: what runs at the client's COMMIT finds the
// session as the client has set it.
func TestOneDatabaseGivesSettingsBack(t *testing.T) {
	n := newSame(t, pair.Target)
	for _, sql := range []string{
		"CREATE TABLE told (path text, who text, style text)", "CREATE TABLE asked (id int)", "GRANT ALL ON told, asked TO PUBLIC",
		"CREATE FUNCTION tells() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.told VALUES (current_setting(''search_path''), current_user, current_setting(''DateStyle'')); RETURN NULL; END'",
		"CREATE CONSTRAINT TRIGGER tells AFTER INSERT ON asked DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION tells()",
	} {
		do(t, n.direct[0], sql)
	}
	conn := n.client(t)
	for _, sql := range []string{
		"SET search_path = public, anew", "SET DateStyle = 'German'", "BEGIN", "INSERT INTO asked VALUES (1)", "INSERT INTO things VALUES (1, 'a')", "COMMIT",
	} {
		if _, err := conn.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatal(sql, err)
		}
	}
	n.clean(t)
	n.asInOne(t)
	if got := n.rows(t, 0, "SELECT * FROM told"); len(got) != 1 || got[0] != "public, anew|app|German, DMY|" {
		t.Error("the client's trigger found", got)
	}
}

// TestABackendThatEndsInTheApplies: the client hears that its connection is gone,
// and neither shape has anything.
func TestABackendThatEndsInTheApplies(t *testing.T) {
	n := newSame(t, pair.Target)
	for _, sql := range []string{
		"CREATE FUNCTION dies() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END'",
		"CREATE TRIGGER dies BEFORE INSERT ON anew.thing FOR EACH ROW EXECUTE FUNCTION dies()",
	} {
		do(t, n.direct[0], sql)
	}
	conn := n.client(t)
	if _, err := conn.Exec(t.Context(), "INSERT INTO things VALUES (1, 'a')", pgx.QueryExecModeSimpleProtocol); err == nil || !conn.IsClosed() {
		t.Error("a commit was given:", err)
	}
	n.settled(t)
	n.asInOne(t)
	if got := n.rows(t, 0, "SELECT count(*) FROM things"); got[0] != "0|" {
		t.Error("half a commit has stayed:", got)
	}
}
