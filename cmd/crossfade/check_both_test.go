package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/crossfade-db/crossfade/internal/dbserver"
	"github.com/crossfade-db/crossfade/internal/dbserver/dbtest"
)

// checked is what `crossfade check` said and how it ended.
type checked struct {
	findings
	code int
	text string // of the table
}

// checkFile runs the command on a configuration, as JSON and as a table.
func checkFile(t *testing.T, text string, flags ...string) checked {
	t.Helper()
	return checkWithin(t, checkTime, text, flags...)
}

// checkWithin is checkFile for a side that does not answer.
func checkWithin(t *testing.T, limit time.Duration, text string, flags ...string) checked {
	t.Helper()
	file := filepath.Join(t.TempDir(), "crossfade.yaml")
	if err := os.WriteFile(file, []byte("listeners: [{address: 127.0.0.1:0}]\n"+text), 0o600); err != nil {
		t.Fatal(err)
	}
	var c checked
	var out, table, talk bytes.Buffer
	command := func(out io.Writer, args ...string) int {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		return run(ctx, slices.Concat([]string{"check", "-c", file}, flags, args), out, &talk)
	}
	c.code = command(&out, "-o", "json")
	if err := json.Unmarshal(out.Bytes(), &c.findings); err != nil {
		t.Fatalf("%v: %s%s", err, out.String(), talk.String())
	}
	if code := command(&table); code != c.code {
		t.Errorf("exit code %d as a table, %d as JSON", code, c.code)
	}
	c.text = table.String()
	if lines := strings.Count(c.text, "\n"); lines != len(c.Findings)+1 {
		t.Errorf("%d findings on %d lines:\n%s", len(c.Findings), lines-1, c.text)
	}
	if talk.Len() > 0 {
		t.Errorf("talk: %s", talk.String())
	}
	return c
}

// of are the findings of one check, as "severity table column message".
func (c checked) of(check string) []string {
	var out []string
	for _, f := range c.Findings {
		if f.Check == check {
			out = append(out, strings.Join(strings.Fields(f.Severity+" "+f.Table+" "+f.Column+" "+f.Message), " "))
		}
	}
	return out
}

func (c checked) want(t *testing.T, code int, check string, findings ...string) {
	t.Helper()
	if diff := cmp.Diff(findings, c.of(check)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", check, diff)
	}
	if c.code != code || c.OK != (code == exitDone) {
		t.Errorf("exit code %d, ok %v, want %d:\n%s", c.code, c.OK, code, c.text)
	}
}

// has looks for one finding among those of a check that versions add to.
func (c checked) has(t *testing.T, check, finding string) {
	t.Helper()
	if !slices.Contains(c.of(check), finding) {
		t.Errorf("%s has no %q, but %q", check, finding, c.of(check))
	}
}

// movers are two servers for the tests of check, old and new, with the same
// roles. Each test makes databases of its own.
func movers(t *testing.T) dbserver.Pair {
	t.Helper()
	t.Setenv("APP_PASSWORD", "app-password")
	t.Setenv("SERVICE_PASSWORD", "service-password")
	return dbtest.Pair(t, dbserver.Options{}, func(ctx context.Context, server *dbserver.Postgres) error {
		return server.Exec(ctx, "postgres", `CREATE ROLE app LOGIN PASSWORD 'app-password';
			CREATE ROLE second LOGIN PASSWORD 'app-password';
			CREATE ROLE service LOGIN PASSWORD 'service-password'`)
	})
}

func prepare(t *testing.T, server *dbserver.Postgres, database string, statements ...string) {
	t.Helper()
	for _, sql := range statements {
		if err := server.Exec(t.Context(), database, sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

const appOnly = `users: [{name: app, password: "env:APP_PASSWORD"}]
limits: {clients: 50}
`

func ends(source, target, more string) string {
	return fmt.Sprintf("source: {address: %s}\ntarget: {address: %s}\n%s", source, target, more)
}

func TestCheckOfTwoSidesThatAreAlikeFindsNothingWrong(t *testing.T) {
	newest := dbtest.Major(t, dbserver.TargetMajor)
	t.Setenv("APP_PASSWORD", "app-password")
	var addresses [2]string
	for i := range addresses {
		server := dbtest.Postgres(t, dbserver.Options{Install: newest})
		addresses[i] = server.Addr() + ", database: shop"
		prepare(t, server, "postgres", "CREATE ROLE app LOGIN PASSWORD 'app-password'", "CREATE DATABASE shop")
		prepare(t, server, "shop", "CREATE TYPE mood AS ENUM ('sad')", "CREATE TABLE orders (id serial, m mood)", "GRANT INSERT ON orders TO app")
	}
	for writes, message := range map[string]string{
		"refuse": "info the target's login may write 1 table there: only the proxy's read-only sessions keep it from writing",
		"target": "warning sessions of the canary write to the target, and their writes are not brought back to the source",
		"\"\"":   "info is not set, which phase canary needs: refuse or target",
	} {
		c := checkFile(t, ends(addresses[0], addresses[1], appOnly+"canary: {writes: "+writes+"}\n"))
		c.want(t, exitDone, "canary.writes", message)
		c.want(t, exitDone, "source login", `info user "app" logs in`)
		c.want(t, exitDone, "target login", `info user "app" logs in`)
		c.want(t, exitDone, "sequences", "info the source has 1 sequence; numbers are drawn from the side that does the writes, and not carried over")
		known := []string{"configuration", "canary.writes", "source login", "target login", "source version", "target version", "sequences"}
		for _, f := range c.Findings {
			if !slices.Contains(known, f.Check) {
				t.Errorf("writes %s: %+v", writes, f)
			}
		}
	}
}

func TestCheckFindsWhatTheTargetLacks(t *testing.T) {
	pair := movers(t)
	for _, server := range []*dbserver.Postgres{pair.Source, pair.Target} {
		prepare(t, server, "postgres", "CREATE DATABASE shop")
	}
	prepare(t, pair.Source, "shop",
		"CREATE TYPE mood AS ENUM ('sad')", "CREATE TYPE lacking AS ENUM ()",
		"CREATE TABLE orders (id int, amount numeric(12,2), note text, gone text, m mood)",
		"CREATE TABLE parts (id int, a int, b int)", "CREATE TABLE \"odd\n\x1b[31m\" (id int)", "CREATE VIEW latest AS SELECT 1 AS one",
		`CREATE FUNCTION sets() RETURNS text LANGUAGE sql AS 'SELECT set_config(''app.x'', ''MARKER'', false)'`,
		`CREATE FUNCTION listens() RETURNS void LANGUAGE plpgsql AS 'BEGIN execute $x$ listen ch $x$; END'`,
		`CREATE FUNCTION overloads() RETURNS int LANGUAGE sql AS 'SELECT 1'`,
		`CREATE AGGREGATE agg(int) (SFUNC = int4pl, STYPE = int)`)
	prepare(t, pair.Target, "shop",
		"CREATE TABLE filler (id int)", "CREATE TYPE mood AS ENUM ('sad')", "DROP EXTENSION plpgsql",
		"CREATE TABLE parts (id int)", "CREATE TABLE orders (id int, amount numeric(14,2), note varchar, m mood)")
	c := checkFile(t, ends(pair.Source.Addr()+", database: shop", pair.Target.Addr()+`, database: shop`, appOnly))
	c.want(t, exitFound, "extensions", "error extension plpgsql is missing on the target")
	c.want(t, exitFound, "tables",
		"error public.latest view public.latest is missing on the target",
		"error public.odd \x1b[31m table public.odd \x1b[31m is missing on the target")
	c.want(t, exitFound, "columns",
		"error public.orders gone 1 column of public.orders missing on the target: gone",
		"error public.parts 2 columns of public.parts missing on the target: a, b",
		"warning public.orders 2 columns of public.orders with another type or length on the target: amount, note")
	c.want(t, exitFound, "types",
		"warning 1 type missing on the target; their statements are answered by the source: public.lacking",
		"info 1 type with other numbers on the target; their statements are answered by the source: public.mood")
	c.want(t, exitFound, "functions",
		"warning 2 functions may change a session unseen; sessions that call one stay on the source: public.listens, public.sets")
	c.want(t, exitFound, "source version", "info PostgreSQL "+versionOf(pair.Source)+", database shop")
	c.want(t, exitFound, "target version", "info PostgreSQL "+versionOf(pair.Target)+", database shop")
	if strings.ContainsAny(c.text, "\x1b") || strings.Contains(c.text, "MARKER") {
		t.Errorf("the table has a terminal's sequences or a literal:\n%s", c.text)
	}
}

func versionOf(server *dbserver.Postgres) string {
	return fmt.Sprintf("%d.%d", server.Version().Major, server.Version().Minor)
}

func TestCheckListsTheFirstOfMany(t *testing.T) {
	pair := movers(t)
	var source, target strings.Builder
	for i := range 23 {
		fmt.Fprintf(&source, "CREATE TABLE lacking_%02d (); CREATE TABLE less_%02d (a int); CREATE TYPE t_%02d AS ENUM ();", i, i, i)
		fmt.Fprintf(&target, "CREATE TABLE less_%02d ();", i)
	}
	prepare(t, pair.Source, "postgres", source.String())
	prepare(t, pair.Target, "postgres", target.String())
	c := checkFile(t, ends(pair.Source.Addr()+", database: postgres", pair.Target.Addr()+", database: postgres", appOnly))
	tables, columns, types := c.of("tables"), c.of("columns"), c.of("types")
	if len(tables) != 21 || tables[20] != "error 3 more tables, views and sequences are missing on the target, 23 in all" {
		t.Errorf("%d tables, the last: %s", len(tables), tables[len(tables)-1])
	}
	if len(columns) != 21 || columns[20] != "error the same in 3 more tables, 23 in all" {
		t.Errorf("%d columns, the last: %s", len(columns), columns[len(columns)-1])
	}
	if len(types) != 1 || !strings.HasPrefix(types[0], "warning 23 types missing") || !strings.HasSuffix(types[0], "public.t_19 and 3 more") {
		t.Errorf("types: %q", types)
	}
}

func TestCheckComparesWhatALoginBeginsWith(t *testing.T) {
	pair := movers(t)
	for _, server := range []*dbserver.Postgres{pair.Source, pair.Target} {
		prepare(t, server, "postgres", "CREATE DATABASE shop")
	}
	prepare(t, pair.Source, "shop",
		"ALTER ROLE app SET work_mem = '7MB'", "ALTER ROLE app SET app.env = 'MARKER-custom'", "ALTER ROLE app IN DATABASE shop SET app.same = 'MARKER-same'",
		"ALTER DATABASE shop SET app.tenant = 'MARKER-database'", "ALTER ROLE app SET deadlock_timeout = '7s'",
		"ALTER ROLE second SET log_min_duration_statement = 7", "ALTER ROLE second SET default_transaction_read_only = on", "ALTER ROLE app SET search_path = 'a', 'b'",
		"ALTER DATABASE shop SET session_preload_libraries = plpgsql", "ALTER ROLE app SET plpgsql.extra_warnings = 'shadowed_variables'")
	prepare(t, pair.Target, "shop", "ALTER ROLE app SET app.same = 'MARKER-same'", "ALTER ROLE app SET app.more = 'MARKER-more'",
		"ALTER DATABASE shop SET session_preload_libraries = plpgsql")
	users := `users: [{name: app, password: "env:APP_PASSWORD"}, {name: second, password: "env:APP_PASSWORD"}]
limits: {clients: 50}
`
	c := checkFile(t, ends(pair.Source.Addr()+", database: shop", pair.Target.Addr()+", database: shop", users))
	for _, f := range []string{
		`info work_mem is sent at the target's login: it is "7168" at the source and "4096" at the target (users: app)`,
		`info search_path is sent at the target's login: it is "a, b" at the source and "\"$user\", public" at the target (users: app)`,
		`warning log_min_duration_statement is "7" at the source and "-1" at the target, where only a superuser may set it (users: second)`,
		`warning default_transaction_read_only is "on" at the source and "off" at the target, and not sent at the target's login (users: second)`,
		`warning deadlock_timeout is "7000" at the source and "1000" at the target, where only a superuser may set it (users: app)`,
		"info plpgsql.extra_warnings is sent at the target's login: it is *** at the source and *** at the target (users: app)",
		"info app.env, which the role or database has at the source, is sent at the target's login (users: app)",
		"info app.tenant, which the role or database has at the source, is sent at the target's login",
		"warning app.more is what the role or database has at the target only (users: app)",
	} {
		c.has(t, "settings", f)
	}
	for _, line := range c.of("settings") {
		if strings.Contains(line, "MARKER") || strings.Contains(line, "app.same") || strings.Contains(line, "application_name") || strings.Contains(line, "vacuum_cost") {
			t.Error(line)
		}
	}
	c.has(t, "reported settings", fmt.Sprintf("info server_version is %q at the source and %q at the target; sessions that move are told the one of their login",
		versionOf(pair.Source), versionOf(pair.Target)))
	c.has(t, "reported settings", "info search_path is reported by the target only: clients see the reports that the side of their login has")
	if !c.OK || c.code != exitDone {
		t.Errorf("exit code %d:\n%s", c.code, c.text)
	}

	prepare(t, pair.Target, "postgres", "ALTER ROLE app SET idle_session_timeout = '1h'")
	back := checkFile(t, ends(pair.Target.Addr()+", database: shop", pair.Source.Addr()+", database: shop", users))
	back.has(t, "settings", `warning idle_session_timeout is "3600000" at the source's login, and unknown to the target (users: app)`)
}

func TestCheckComparesWhatAServerReportsOfItself(t *testing.T) {
	pair := movers(t)
	prepare(t, pair.Source, "postgres", "CREATE DATABASE shop TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'")
	prepare(t, pair.Target, "postgres", "CREATE DATABASE shop", "CREATE ROLE app_new LOGIN SUPERUSER PASSWORD 'app-password'")
	users := `users: [{name: app, password: "env:APP_PASSWORD", target: {user: app_new}}]
limits: {clients: 1000}
`
	c := checkFile(t, ends(pair.Source.Addr()+", database: shop", pair.Target.Addr()+", database: shop", users))
	c.has(t, "reported settings", `error server_encoding is "LATIN1" at the source and "UTF8" at the target`)
	c.has(t, "reported settings", `warning is_superuser is "off" at the source and "on" at the target`)
	c.has(t, "reported settings", `warning session_authorization is "app" at the source and "app_new" at the target`)
	c.want(t, exitFound, "connections", "warning the target takes 97 connections, and limits.clients is 1000")
}

func TestCheckSaysWhyASideCannotBeUsed(t *testing.T) {
	pair := movers(t)
	source := pair.Source.Addr() + ", database: postgres"
	service := `, service: {user: service, password: "env:SERVICE_PASSWORD"}`
	silent := silence(t)
	tests := []struct {
		name, target, more string
		code               int
		check, finding     string
	}{
		{"nobody is there", nobody(t) + ", database: postgres", appOnly, exitUnreachable, "target reachable", "refused"},
		{"it does not answer", silent + ", database: postgres", appOnly, exitUnreachable, "target reachable", "error " + silent + " does not answer in time"},
		{"no such database", pair.Target.Addr() + ", database: none", appOnly, exitFound, "target login", `error user "app": the server refused the login (SQLSTATE 3D000)`},
		{"no such role", pair.Target.Addr() + ", database: postgres", `users: [{name: app, password: "env:APP_PASSWORD", target: {user: nobody}}]`, exitFound, "target login", `error user "app": the server refused the login (SQLSTATE 28P01)`},
		{"no such service user", pair.Target.Addr() + `, database: postgres, service: {user: service, password: "env:APP_PASSWORD"}`, appOnly, exitFound, "target login", "error the service user: the server refused the login (SQLSTATE 28P01)"},
		{"the service user", pair.Target.Addr() + ", database: postgres" + service, appOnly, exitDone, "target login", "info the service user logs in"},
		{"one database", source, appOnly, exitFound, "two databases", "error source and target are the same database"},
		{"one database by two names", pair.Source.SocketDir() + fmt.Sprintf("/.s.PGSQL.%d, database: postgres", pair.Source.Port()), appOnly, exitFound, "two databases", "error source and target are the same database"},
		{"another database of one server", pair.Source.Addr() + ", database: template1", appOnly, exitDone, "target version", "database template1"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			limit := checkTime
			if strings.HasPrefix(test.target, silent) {
				limit = 2 * time.Second
			}
			c := checkWithin(t, limit, ends(source, test.target, test.more))
			if c.code != test.code {
				t.Errorf("exit code %d, want %d", c.code, test.code)
			}
			if !slices.ContainsFunc(c.of(test.check), func(f string) bool { return strings.Contains(f, test.finding) }) {
				t.Errorf("%s does not say %q:\n%s", test.check, test.finding, c.text)
			}
		})
	}
}

// silence is an address where connections are taken and nothing is said.
func silence(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return listener.Addr().String()
}

func TestCheckOfPassThroughSaysWhatItCannotTry(t *testing.T) {
	pair := movers(t)
	verifier, err := pair.Source.Query(t.Context(), "postgres", "SELECT rolpassword FROM pg_authid WHERE rolname = 'app'")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(verifier, "SCRAM-SHA-256$") { // 12 keeps md5 unless told
		prepare(t, pair.Source, "postgres", "SET password_encryption = 'scram-sha-256'; ALTER ROLE app PASSWORD 'app-password'")
		if verifier, err = pair.Source.Query(t.Context(), "postgres", "SELECT rolpassword FROM pg_authid WHERE rolname = 'app'"); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("VERIFIER", verifier)
	c := checkFile(t, ends(pair.Source.Addr()+", database: postgres", pair.Target.Addr()+", database: postgres",
		`users: [{name: app, auth: scram-passthrough, verifier: "env:VERIFIER"}]`))
	c.want(t, exitDone, "target login", `info user "app": the server answers; only the client itself can log in`,
		`warning user "app": the target must have the same verifier as users[app].verifier, which cannot be tried without the password`)
	c.want(t, exitDone, "two databases", "warning were not compared: nobody could read both of them")
}
