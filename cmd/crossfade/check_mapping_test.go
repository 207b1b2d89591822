package main

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/crossfade-db/crossfade/internal/dbserver"
	"github.com/crossfade-db/crossfade/internal/dbserver/dbtest"
)

// provers are two servers with the roles of a mapping that can be proven.
func provers(t *testing.T) dbserver.Pair {
	t.Helper()
	t.Setenv("APP_PASSWORD", "app-password")
	t.Setenv("SERVICE_PASSWORD", "service-password")
	pair := dbtest.Pair(t, dbserver.Options{}, func(ctx context.Context, server *dbserver.Postgres) error {
		return server.Exec(ctx, "postgres", `CREATE ROLE app LOGIN PASSWORD 'app-password';
			CREATE ROLE service LOGIN PASSWORD 'service-password'`)
	})
	for _, server := range []*dbserver.Postgres{pair.Source, pair.Target} {
		prepare(t, server, "postgres", "CREATE DATABASE shop")
	}
	return pair
}

// users is a table that is alike on both sides, with rows at the source that
// have nothing of their own to find.
const users = `CREATE TABLE users (id int PRIMARY KEY, mail text NOT NULL, note text);
	GRANT ALL ON users TO app, service;`

const userRows = `INSERT INTO users SELECT n, 'MARKER-' || n, CASE WHEN n % 4 > 0 THEN 'MARKER' END FROM generate_series(1, 100) n;`

const plainUsers = "{source: public.users, target: public.users}"

// cities is a table that users may refer to.
const (
	cities  = "CREATE TABLE cities (id int PRIMARY KEY); GRANT ALL ON cities TO app, service; INSERT INTO cities SELECT generate_series(1, 10); ALTER TABLE users ADD city int"
	cascade = "; ALTER TABLE users ADD FOREIGN KEY (city) REFERENCES cities ON DELETE CASCADE"
	both    = "\n    - \"*\""
)

// proof is one run of check --mapping.
type proof struct {
	source, target string // SQL after that of the table users
	columns        string // entries of the mapping of users
	tables         string // further entries, or all of them
}

// run makes the databases anew and checks them.
func (p proof) run(t *testing.T, pair dbserver.Pair) checked {
	t.Helper()
	for server, sql := range map[*dbserver.Postgres]string{pair.Source: users + userRows + p.source, pair.Target: users + p.target} {
		prepare(t, server, "shop", `DROP SCHEMA public CASCADE; CREATE SCHEMA public; GRANT USAGE ON SCHEMA public TO PUBLIC;
			ALTER DATABASE shop RESET ALL; ALTER ROLE app IN DATABASE shop RESET ALL; GRANT CREATE ON DATABASE shop TO service`, sql)
	}
	tables := p.tables
	if tables == "" {
		tables = "\n    - {source: public.users, target: public.users, columns: [" + p.columns + "]}"
	}
	tables = strings.Replace(tables, ", columns: []", "", 1)
	service := `, database: shop, service: {user: service, password: "env:SERVICE_PASSWORD"}`
	return checkFile(t, ends(pair.Source.Addr()+service, pair.Target.Addr()+service, `users: [{name: app, password: "env:APP_PASSWORD"}]
limits: {clients: 50}
migration:
  tables:`+tables+"\n"), "--mapping")
}

// quietChecks are those that a mapping without fault has something to say on.
var quietChecks = []string{
	"canary.writes", "source login", "target login", "source version", "target version", "settings", "reported settings", "types",
	"coverage", "schema crossfade", "server settings", "configuration",
}

func TestAMappingWithoutFaultHasNoFindings(t *testing.T) {
	c := proof{}.run(t, provers(t))
	if c.code != exitDone {
		t.Errorf("exit code %d", c.code)
	}
	for _, f := range c.Findings {
		if !slices.Contains(quietChecks, f.Check) || f.Severity == "error" {
			t.Errorf("%+v", f)
		}
	}
	c.want(t, exitDone, "coverage", "info 1 of 1 table of the source are mirrored")
	c.want(t, exitDone, "server settings", "warning fsync is off at the source: a crash may lose what was committed", "warning fsync is off at the target: a crash may lose what was committed")
}

func TestEachFaultOfAMappingIsFound(t *testing.T) {
	pair := provers(t)
	for _, test := range mappingFaults {
		t.Run(test.name, func(t *testing.T) {
			c := test.proof.run(t, pair)
			c.want(t, test.code, test.check, test.want...)
			if strings.Contains(c.text, "MARKER") {
				t.Errorf("a value is told:\n%s", c.text)
			}
			if t.Failed() {
				for _, f := range c.Findings {
					if f.Check != "reported settings" {
						t.Logf("%+v", f)
					}
				}
			}
		})
	}
}

func TestAMappingIsProvenAsTheServiceLogins(t *testing.T) {
	pair := provers(t)
	file := func(service, migration string) string {
		return ends(pair.Source.Addr()+", database: postgres"+service, pair.Target.Addr()+", database: postgres", `users: [{name: app, password: "env:APP_PASSWORD"}]
limits: {clients: 50}
`+migration)
	}
	service := `, service: {user: service, password: "env:SERVICE_PASSWORD"}`
	everything := "migration: {tables: [\"*\"]}\n"
	c := checkFile(t, file(service, everything), "--mapping")
	if c.code != exitUsage || !strings.Contains(c.text, "target.service: is needed by migration.tables") {
		t.Errorf("without a service login: %d, %s", c.code, c.text)
	}
	c = checkFile(t, file(service, ""), "--mapping")
	c.want(t, exitFound, "mapping", "error the file maps no tables")
	c = checkFile(t, "source: {address: "+pair.Source.Addr()+", database: postgres}\n"+`users: [{name: app, password: "env:APP_PASSWORD"}]`+"\n", "--mapping")
	c.want(t, exitFound, "mapping", "error there is no target")
}

func TestAMappingJudgesWhatTheTargetLacks(t *testing.T) {
	pair := provers(t)
	c := proof{target: "ALTER TABLE users RENAME TO people", tables: "\n    - {source: public.users, target: public.people}"}.run(t, pair)
	c.want(t, exitDone, "tables")
	c.want(t, exitDone, "columns")
	c.want(t, exitDone, "coverage", "info 1 of 1 table of the source are mirrored")
}
