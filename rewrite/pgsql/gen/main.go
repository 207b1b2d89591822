// Command gen writes words.txt of package pgsql: every keyword of a PostgreSQL
// server with its category, and every built-in function that is harmless, from
// the catalogs of a real server of any supported version:
//
//	cd rewrite/pgsql && go run ./gen 'host=127.0.0.1 user=postgres' > words.txt
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// keywords lists pg_get_keywords (manual appendix C) with the category letter
// of the catalog: U unreserved, C column name, T type or function name,
// R reserved.
const keywords = `
SELECT word, catcode::text AS flag FROM pg_catalog.pg_get_keywords()`

// functions lists, with flag f, the built-in functions that SQL can call, less
// those that are not harmless. Left off are:
//
//   - what takes or returns internal, cstring, triggers or handlers: no
//     statement calls it, except input and output functions, which none needs;
//   - what runs SQL text or a cursor that it is given, and so any function:
//     query_to_xml and its family (which also reads views by name), ts_stat,
//     ts_rewrite;
//   - what loads or checks code: the language validators;
//   - what changes the session beyond its own transaction: set_config, setseed,
//     session advisory locks, replication origins, a started backup,
//     pg_reload_conf, binary_upgrade_*.
const functions = `
SELECT p.proname, 'f'
FROM pg_catalog.pg_proc p
WHERE p.pronamespace = 'pg_catalog'::pg_catalog.regnamespace
AND p.oid < 16384 -- of initdb, not of an extension
AND NOT EXISTS (
    SELECT FROM pg_catalog.unnest(p.prorettype || p.proargtypes::pg_catalog.oid[]) AS a (type)
    WHERE a.type IN (
        SELECT t.oid FROM pg_catalog.pg_type t
        WHERE t.typname IN ('internal', 'cstring', 'trigger', 'event_trigger')
        OR t.typname LIKE '%\_handler'))
AND p.proname !~ '^(query|cursor|table|schema|database)_to_xml'
AND p.proname !~ '_validator$'
AND p.proname !~ '^binary_upgrade_'
AND p.proname !~ '^pg_(try_)?advisory_lock'
AND p.proname !~ '^pg_replication_origin_(session|xact)_'
AND p.proname NOT IN ('ts_stat', 'ts_rewrite', 'set_config', 'setseed',
    'pg_backup_start', 'pg_start_backup', 'pg_reload_conf')`

const list = `
SELECT word || ' ' || pg_catalog.string_agg(DISTINCT flag, '' ORDER BY flag)
FROM (` + keywords + ` UNION ALL ` + functions + `) AS w (word, flag)
GROUP BY word ORDER BY word COLLATE "C"`

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: gen DSN > words.txt")
		os.Exit(2)
	}
	if err := run(context.Background(), os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, dsn string) error {
	conn, err := pgconn.Connect(ctx, dsn)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Close(ctx)
	result := conn.ExecParams(ctx, list, nil, nil, nil, nil).Read()
	if result.Err != nil {
		return fmt.Errorf("read the catalogs: %w", result.Err)
	}
	version, _, _ := strings.Cut(conn.ParameterStatus("server_version"), " ")
	out := bufio.NewWriter(os.Stdout)
	fmt.Fprintf(out, "# Written by gen from PostgreSQL %s; see words.go for the letters.\n", version)
	for _, row := range result.Rows {
		fmt.Fprintf(out, "%s\n", row[0])
	}
	return out.Flush()
}
