package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/crossfade-db/crossfade/internal/dbserver"
)

const accounts = 100_000 // rows of the tables that are written

// The tables of both sides. Rows have about 100 bytes; room is left in each
// page, so that updates need no new one. "account" is mapped, with a cast, and
// "plain" is at the source only.
const (
	accountColumns = "(id bigint PRIMARY KEY, owner int NOT NULL, balance %s NOT NULL, filler text NOT NULL) WITH (fillfactor = 50)"
	accountRows    = "SELECT n, n %% 1000, 0, substr(repeat(md5(n::text), 3), 1, 84) FROM generate_series(1, %d) n"
)

var (
	fillTarget   = "INSERT INTO account " + fmt.Sprintf(accountRows, accounts)
	targetTables = "CREATE TABLE account " + fmt.Sprintf(accountColumns, "numeric(12,2)")
	sourceTables = "CREATE TABLE account " + fmt.Sprintf(accountColumns, "int") + "; CREATE TABLE plain " + fmt.Sprintf(accountColumns, "int") +
		"; " + fillTarget + "; INSERT INTO plain SELECT * FROM account"
)

// mapping is migration.tables.
const mapping = `[{source: public.account, columns: [{source: balance, target: balance, up: "balance::numeric(12,2)"}]}]`

// scripts are what pgbench runs.
var scripts = map[kind]string{
	update:     randomAccount + "UPDATE account SET balance = balance + 1 WHERE id = :id;\n",
	plainRead:  randomAccount + "SELECT balance FROM plain WHERE id = :id;\n",
	plainWrite: randomAccount + "UPDATE plain SET balance = balance + 1 WHERE id = :id;\n",
	mappedRead: randomAccount + "SELECT balance FROM account WHERE id = :id;\n",
}

var randomAccount = `\set id random(1, ` + strconv.Itoa(accounts) + ")\n"

// makeBase makes a database of this name on both servers.
func (d *duet) makeBase(ctx context.Context, name, source, target string) error {
	for server, tables := range map[*dbserver.Postgres]string{d.pair.Source: source, d.pair.Target: target} {
		if err := server.Exec(ctx, "postgres", "CREATE DATABASE "+name+" OWNER "+loadUser); err != nil {
			return err
		}
		for _, sql := range []string{tables, "GRANT ALL ON ALL TABLES IN SCHEMA public TO " + loadUser, "VACUUM ANALYZE", "CHECKPOINT"} {
			if err := server.Exec(ctx, name, sql); err != nil {
				return err
			}
		}
	}
	return nil
}

// mirrorOptions are what a proxy between two servers has that may mirror.
type mirrorOptions struct {
	database string // on both sides
	tables   string // migration.tables; "": nothing is mapped, and what follows does not count
	answer   string // mirror.answer
}

// mirrorConfig and mappedConfig are as small as crossfadeConfig.
const (
	mirrorConfig = `listeners:
  - {name: bench, address: "127.0.0.1:0"}
source: {address: %[1]q, database: %[3]s, service: {user: %[4]s, password: "env:%[5]s"}}
target: {address: %[2]q, database: %[3]s, service: {user: %[4]s, password: "env:%[5]s"}}
users:
  - {name: %[6]s, auth: trust}
state: {dir: %[7]q}
admin: {address: "127.0.0.1:0"}
`
	mappedConfig = `migration: {name: bench, tables: %s}
mirror: {answer: %s}
`
)

func (o proxyOptions) mirrorConfig(state string) string {
	text := fmt.Sprintf(mirrorConfig, o.source, o.target, o.mirror.database, serviceUser, passwordVariable, loadUser, state)
	if o.mirror.tables != "" {
		text += fmt.Sprintf(mappedConfig, o.mirror.tables, o.mirror.answer)
	}
	return text
}
