package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/crossfade-db/crossfade/configs"
	"github.com/crossfade-db/crossfade/proxy/catalog"
	"github.com/crossfade-db/crossfade/router"
)

// compare reports what the two sides are and how they differ.
func (c *comparison) compare(ctx context.Context, result *findings) {
	c.canary(result)
	if c.one {
		result.add(c.oneDatabaseFinding())
		return
	}
	var seen [router.Sides]*database
	for side, e := range c.ends {
		if !e.down {
			seen[side] = c.database(ctx, e, result)
		}
	}
	for side, d := range seen {
		if d != nil {
			result.add(finding{
				Severity: "info", Check: router.Side(side).String() + " version",
				Message: fmt.Sprintf("PostgreSQL %s, database %s", d.version, d.name),
			})
		}
	}
	source, target := seen[router.Source], seen[router.Target]
	if source == nil || target == nil {
		result.add(finding{
			Severity: "warning", Check: "two databases", Message: "were not compared: nobody could read both of them",
			Remedy: "correct the errors, or give service at both sides",
		})
		return
	}
	if source.started == target.started && source.oid == target.oid && source.name == target.name {
		result.add(finding{
			Severity: "error", Check: "two databases", Message: "source and target are the same database under two addresses",
			Remedy: "give both the same address and database name, or the target another database",
		})
		return
	}
	for _, one := range compareDatabases(source, target, c.config.Limits.Clients) {
		if c.config.Mapping() == nil || one.Check != "tables" && one.Check != "columns" { // which are the mapping's to judge
			result.add(one)
		}
	}
}

// oneDatabaseFinding is about two sides that are one database: with a mapping
// these are its two shapes.
func (c *comparison) oneDatabaseFinding() finding {
	if c.config.Mapping() == nil {
		return finding{
			Severity: "error", Check: "two databases", Remedy: "map tables with migration.tables, or give the target another address or database",
			Message: "source and target are the same database, and no table is mapped",
		}
	}
	return finding{
		Severity: "info", Check: "one database",
		Message: "source and target are the same database: both shapes of a row are committed at once",
	}
}

// database is what there is in one side's database.
type database struct {
	version, name, oid string
	started            string
	clients            int // connections that are not reserved
	extensions         map[string]string
	functions          []string // that may change a session unseen
	catalog            *catalog.Catalog
}

// database reads a side's database as its service user or, without one, as the
// first user that could log in everywhere.
func (c *comparison) database(ctx context.Context, e *end, result *findings) *database {
	as, whose, key := e.server.Service, "the service user", e.side.String()+".service"
	if as.User == "" {
		if c.first == nil { // what stood in the way has been told
			return nil
		}
		as, whose = loginOf(c.first, e.side), fmt.Sprintf("user %q", c.first.Name)
		key = fmt.Sprintf("users[%s].%s", c.first.Name, e.side)
	}
	f := finding{Severity: "info", Check: e.side.String() + " login", Message: whose + " logs in"}
	visitor, err := e.enter(ctx, as)
	if err != nil {
		result.add(e.failed(f, whose, key, err))
		return nil
	}
	defer visitor.close()
	if e.server.Service.User != "" {
		result.add(f)
	}
	d, err := visitor.database(ctx)
	if err != nil {
		result.add(finding{Severity: "error", Check: e.side.String() + " catalog", Message: fmt.Sprintf("%s: %v", whose, err)})
		return nil
	}
	return d
}

// enter is login within its own time; reading a catalog may then take longer.
func (e *end) enter(ctx context.Context, as configs.Login) (*visitor, error) {
	short, cancel := context.WithTimeout(ctx, visitTime)
	defer cancel()
	visitor, err := e.login(short, as)
	if err != nil {
		return nil, err
	}
	deadline, _ := ctx.Deadline()
	if err := visitor.Conn().SetDeadline(deadline); err != nil {
		visitor.close()
		return nil, err
	}
	return visitor, nil
}

const databaseQuery = `SELECT pg_catalog.current_setting('server_version'), d.datname, d.oid,
  pg_catalog.date_part('epoch', pg_catalog.pg_postmaster_start_time()),
  pg_catalog.current_setting('max_connections'), pg_catalog.current_setting('superuser_reserved_connections'),
  pg_catalog.current_setting('reserved_connections', true)
FROM pg_catalog.pg_database d WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()`

func (v *visitor) database(ctx context.Context) (*database, error) {
	row, err := v.one(ctx, databaseQuery, 7)
	if err != nil {
		return nil, fmt.Errorf("read the database: %w", err)
	}
	d := &database{version: row[0], name: row[1], oid: row[2], started: row[3], extensions: map[string]string{}}
	d.clients = number(row[4]) - number(row[5]) - number(row[6])
	extensions, err := v.rows(ctx, "SELECT e.extname, e.extversion FROM pg_catalog.pg_extension e", 2)
	if err != nil {
		return nil, fmt.Errorf("read extensions: %w", err)
	}
	for _, row := range extensions {
		d.extensions[row[0]] = row[1]
	}
	if d.functions, err = v.functions(ctx); err != nil {
		return nil, fmt.Errorf("read functions: %w", err)
	}
	if d.catalog, err = catalog.Load(ctx, v.query); err != nil {
		return nil, err
	}
	return d, nil
}

// number reads a number of a setting; a setting that a version lacks is 0.
func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0
	}
	return n
}

// functionsQuery finds the users' functions in whose source stands what changes
// a session where no text of a statement shows it. A body in SQL (from 14 on)
// has no source and is read as a definition.
const functionsQuery = `SELECT DISTINCT pg_catalog.concat(n.nspname, '.', p.proname)
FROM pg_catalog.pg_proc p
JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) p.pronamespace
JOIN pg_catalog.pg_language l ON l.oid OPERATOR(pg_catalog.=) p.prolang
WHERE p.oid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid
  AND p.prokind OPERATOR(pg_catalog.<>) 'a'::pg_catalog."char"
  AND l.lanname OPERATOR(pg_catalog.<>) ALL ('{c,internal}'::pg_catalog.name[])
  AND CASE WHEN p.prosrc OPERATOR(pg_catalog.=) '' THEN pg_catalog.pg_get_functiondef(p.oid) ELSE p.prosrc END
    OPERATOR(pg_catalog.~*) '\mset_config\M|\m_SHARED\M|\mGD\[|\msetseed\M|\mLOAD\M|\mLISTEN\M'
ORDER BY 1 LIMIT 100000`

func (v *visitor) functions(ctx context.Context) ([]string, error) {
	rows, err := v.rows(ctx, functionsQuery, 1)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, row := range rows {
		names = append(names, row[0])
	}
	return names, nil
}
