package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crossfade-db/crossfade/configs"
	"github.com/crossfade-db/crossfade/internal/admin"
	"github.com/crossfade-db/crossfade/internal/dbserver"
)

// explainedSource and explainedTarget are tables of every sort that decisions
// hang on. Nothing may be found in them afterwards.
var explainedSource = []string{
	"CREATE TABLE orders (id int PRIMARY KEY, customer int NOT NULL, amount int NOT NULL, state text)",
	"CREATE TABLE users (id int PRIMARY KEY, name text, bio text)",
	"CREATE TABLE plain (id int PRIMARY KEY, v text)",
	"CREATE TABLE parents (id int PRIMARY KEY, v text)",
	"CREATE TABLE children (id int PRIMARY KEY, parent int REFERENCES parents ON DELETE CASCADE)",
	"CREATE TABLE loose (id int PRIMARY KEY, parent int REFERENCES parents ON DELETE SET NULL)",
	"CREATE TABLE guarded (id int PRIMARY KEY, owner text); ALTER TABLE guarded ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON guarded USING (owner = current_user)",
	"CREATE TABLE audited (id int PRIMARY KEY, v text)",
	"CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO plain VALUES (NEW.id, NEW.v); RETURN NEW; END'",
	"CREATE TRIGGER notes AFTER INSERT ON audited FOR EACH ROW EXECUTE FUNCTION note()",
	"CREATE FUNCTION purge() RETURNS int LANGUAGE sql VOLATILE AS 'DELETE FROM plain; SELECT 1'",
	"CREATE VIEW noting AS SELECT purge()",
	"CREATE FUNCTION twice(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 2 * $1'",
	"CREATE VIEW open_orders AS SELECT * FROM orders WHERE state = 'new'",
	"CREATE TABLE left_out (id int PRIMARY KEY)",
	"CREATE TABLE lonely (id int PRIMARY KEY)",
	"CREATE SEQUENCE numbers",
	"CREATE SCHEMA app AUTHORIZATION app",
	"CREATE TABLE app.plain (id int PRIMARY KEY)",
	"CREATE ROLE reader LOGIN PASSWORD 'app'",
	"ALTER ROLE reader SET search_path = public",
	"GRANT INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO reader",
}

var explainedTarget = []string{
	"CREATE TABLE orders_v2 (id bigint PRIMARY KEY, customer_id int NOT NULL, total numeric(12,2) NOT NULL, state text)",
	"CREATE TABLE users_v2 (id int PRIMARY KEY, name text)",
	"CREATE TABLE profiles (user_id int PRIMARY KEY, bio text)",
	"CREATE TABLE plain (id int PRIMARY KEY, v text)",
	"CREATE TABLE parents (id int PRIMARY KEY, v text)",
	"CREATE TABLE children (id int PRIMARY KEY, parent int REFERENCES parents ON DELETE CASCADE)",
	"CREATE TABLE loose (id int PRIMARY KEY, parent int)",
	"CREATE TABLE guarded (id int PRIMARY KEY, owner text)",
	"CREATE TABLE audited (id int PRIMARY KEY, v text)",
}

const explainedMapping = `[{source: public.orders, target: public.orders_v2, columns: [{source: customer, target: customer_id},
		{source: amount, target: total, up: "amount::numeric(12,2)"}]},
	{source: public.users, targets: [{target: public.users_v2}, {target: public.profiles, key: {user_id: id}, when: "bio IS NOT NULL"}],
		columns: [{source: bio, target: profiles.bio}]},
	{source: public.left_out, skip: true}, "*"]`

// explained are two servers with these tables, and the file of a proxy that
// does not run.
func explained(t *testing.T, more string) (dbserver.Pair, string) {
	t.Helper()
	t.Setenv("APP_PASSWORD", "app-password")
	t.Setenv("SERVICE_PASSWORD", "service-password")
	pair := provers(t)
	for server, statements := range map[*dbserver.Postgres][]string{pair.Source: explainedSource, pair.Target: explainedTarget} {
		prepare(t, server, "shop", "ALTER ROLE service SUPERUSER")
		prepare(t, server, "shop", append(statements, "GRANT ALL ON ALL TABLES IN SCHEMA public TO app")...)
	}
	server := `, database: shop, service: {user: service, password: "env:SERVICE_PASSWORD"}}`
	text := `listeners: [{name: app, address: 127.0.0.1:0}]
source: {address: ` + pair.Source.Addr() + server + `
target: {address: ` + pair.Target.Addr() + server + `
users: [{name: app, password: "env:APP_PASSWORD"}, {name: reader, password: "env:APP_PASSWORD"}]
migration: {name: test, tables: ` + explainedMapping + more + `}
`
	file := filepath.Join(t.TempDir(), "crossfade.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return pair, file
}

// TestStatementsAreExplained compares with files, each of which has a statement,
// the line =>, and the explanation; its name is its claim.
func TestStatementsAreExplained(t *testing.T) {
	_, file := explained(t, "")
	config, err := configs.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	x, err := explainerOf(t.Context(), config, "")
	if err != nil {
		t.Fatal(err)
	}
	paths, err := filepath.Glob("testdata/explain/*.txt")
	if err != nil || len(paths) < 25 {
		t.Fatalf("%d cases, %v", len(paths), err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			sql, want, found := strings.Cut(string(text), "\n=>\n")
			if !found {
				t.Fatal("there is no line =>")
			}
			document, err := json.Marshal(x.explain(sql))
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			if err := (printer{verb: verbNamed("explain"), form: formTable, out: &got}).print(document); err != nil {
				t.Fatal(err)
			}
			if os.Getenv("UPDATE") != "" {
				want = got.String()
				if err := os.WriteFile(path, []byte(sql+"\n=>\n"+want), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(want, got.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestExplainByAFile asks the command itself, and looks that nothing was run.
func TestExplainByAFile(t *testing.T) {
	pair, file := explained(t, "")
	explain := func(args ...string) admin.Explained {
		t.Helper()
		got := command(t, append([]string{"explain", "-c", file, "-o", "json"}, args...)...)
		var e admin.Explained
		if err := json.Unmarshal([]byte(got.out), &e); err != nil || got.code != exitDone || got.talk != "" {
			t.Fatalf("%+v: %v", got, err)
		}
		return e
	}
	writes := "INSERT INTO public.plain VALUES (1, 'MARKER'); SELECT purge(), nextval('numbers'); DROP TABLE lonely"
	if e := explain(writes); len(e.Statements) != 3 || e.Class != "verbatim" || e.Mirrored {
		t.Errorf("%+v", e)
	}
	for _, sql := range []string{
		"SELECT count(*) FROM plain", "SELECT count(*) FROM lonely", "SELECT count(*) FROM numbers WHERE is_called",
	} {
		if n, err := pair.Source.Query(t.Context(), "shop", sql); err != nil || n != "0" {
			t.Errorf("%s: %s, %v", sql, n, err)
		}
	}
	if e := explain("SELECT * FROM plain"); e.User != "app" || !slices.Equal(e.SearchPath, []string{"pg_catalog", "app", "public"}) || e.Reason != "not_mapped" {
		t.Errorf("as app, whose schema has a table of the same name: %+v", e)
	}
	if e := explain("--user", "reader", "--shape", "source", "--as-side", "source", "SELECT * FROM plain"); e.User != "reader" ||
		!slices.Equal(e.SearchPath, []string{"pg_catalog", "public"}) || e.Reason != "none" || e.Side != "target" {
		t.Errorf("as reader: %+v", e)
	}
	if e := explain("--user", "reader", "UPDATE plain SET v = 'x'"); e.Uncaptured != "right" || !slices.Equal(e.Dirty, []string{"public.plain"}) {
		t.Errorf("a login that may not read: %+v", e)
	}
}

func TestExplainEndsWithTheCodeOfItsFault(t *testing.T) {
	_, file := explained(t, ", on_uncaptured: refuse, on_ddl: authority")
	gone := filepath.Join(t.TempDir(), "gone.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	config, err := configs.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := strings.ReplaceAll(string(text), string(config.Source.Address), nobody(t))
	if err := os.WriteFile(gone, []byte(elsewhere), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"-c", file, "--shape", "target", "SELECT 1"}, exitUsage, "not understood yet"},
		{[]string{"-c", file, "--as-side", "target", "SELECT 1"}, exitUsage, "alone yet"},
		{[]string{"-c", file, "--shape", "both", "SELECT 1"}, exitUsage, "it is source, target"},
		{[]string{"-c", file, "-o", "csv", "SELECT 1"}, exitUsage, "use table, json, yaml"},
		{[]string{"-c", file, "--user", "nobody", "SELECT 1"}, exitUsage, `user "nobody" is not in the configuration`},
		{[]string{"-c", file}, exitUsage, "accepts 1 arg"},
		{[]string{"-c", file + ".none", "SELECT 1"}, exitUsage, "no such file"},
		{[]string{"-c", gone, "SELECT 'MARKER'"}, exitUnreachable, "read the catalog of the source"},
	} {
		got := command(t, append([]string{"explain"}, test.args...)...)
		if got.code != test.code || !strings.Contains(got.talk, test.says) || got.out != "" || strings.Contains(got.talk, "MARKER") {
			t.Errorf("%q: %+v", test.args, got)
		}
	}
	got := command(t, "explain", "-c", file, "MERGE INTO public.orders o USING users u ON o.id = u.id WHEN MATCHED THEN DELETE")
	if got.code != exitDone || !strings.Contains(got.out, "the proxy refuses it (0A000), since migration.on_uncaptured is refuse") || strings.Contains(got.out, "\nsource ") {
		t.Errorf("what is refused: %+v", got)
	}
	got = command(t, "explain", "-c", file, "ALTER TABLE public.orders ADD x int")
	if got.code != exitDone || !strings.Contains(got.out, "migration.on_ddl is authority") {
		t.Errorf("a definition that goes on: %+v", got)
	}
}

func TestExplainOfARunningProxy(t *testing.T) {
	tables := []string{"CREATE TABLE things (id int PRIMARY KEY, v text)", "CREATE TABLE renamed (id int PRIMARY KEY)"}
	d := newDuplex(t, tables, []string{tables[0], "CREATE TABLE named (id int PRIMARY KEY)"}, `[{source: public.renamed, target: public.named}, "*"]`, "")
	explain := func(sql string) (e admin.Explained) {
		t.Helper()
		if err := json.Unmarshal([]byte(d.run(t, "explain", sql, "-o", "json")), &e); err != nil {
			t.Fatal(err)
		}
		return e
	}
	idle := command(t, "explain", "SELECT 1", "--admin", "http://"+d.admin, "--token", d.token(t))
	if idle.code != exitUsage || !strings.Contains(idle.talk, "no mapping is in force") {
		t.Errorf("in phase observe: %+v", idle)
	}
	d.run(t, "phase", "set", "mirror", "--reason", "test")
	d.run(t, "reconcile", "run", "--wait", "--reason", "test")
	const write = "INSERT INTO things VALUES (1, 'MARKER')"
	e := explain(write)
	if !e.Mirrored || e.Class != "capture" || e.Reason != "write" || !strings.Contains(e.Text.Source, `RETURNING "things"."id", "things"."v", pg_catalog.txid_current()`) ||
		!strings.HasPrefix(e.Text.Target, `INSERT INTO "public"."things"`) || len(e.Advice) != 0 {
		t.Errorf("%+v", e)
	}
	if e := explain("SELECT v FROM things"); e.Side != "target" || e.Reason != "none" || e.Text.Target != "SELECT v FROM things" {
		t.Errorf("a read of a table that is ready: %+v", e)
	}
	if e := explain("SELECT id FROM renamed"); e.Side != "source" || e.Reason != "shape" || e.Text.Target != "" {
		t.Errorf("a read of a renamed table: %+v", e)
	}
	if n, err := d.pair.Source.Query(t.Context(), "shop", "SELECT count(*) FROM things"); err != nil || n != "0" {
		t.Errorf("the statement was run: %s rows, %v", n, err)
	}
	if strings.Contains(d.talk.String(), "MARKER") {
		t.Error("the proxy's log has the statement")
	}
	if _, err := d.connect(t).Exec(t.Context(), write); err != nil {
		t.Fatal(err)
	}
	var coverage admin.Coverage
	if err := json.Unmarshal([]byte(d.run(t, "coverage", "-o", "json")), &coverage); err != nil {
		t.Fatal(err)
	}
	same := func(s admin.Statement) bool { return s.Digest == e.Digest && s.Kind == e.Kind && s.Mirrored == 1 }
	if !slices.ContainsFunc(coverage.Statements, same) {
		t.Errorf("the digest %s is not in the coverage: %+v", e.Digest, coverage)
	}
}
