package main

import (
	"context"
	"fmt"

	"github.com/crossfade-db/crossfade/reconcile/schema"
	"github.com/crossfade-db/crossfade/rewrite"
)

// pathSetting is what a login's search_path is at the start of a session: of the
// role in the database, of the role, of the database, of all (manual, 20.1.3);
// else the server's own. "$user" is the login.
const pathSetting = `SELECT pg_catalog.replace(coalesce((
  SELECT pg_catalog.substr(u.text, 13) FROM pg_catalog.pg_db_role_setting d
  CROSS JOIN LATERAL pg_catalog.unnest(d.setconfig) AS u(text)
  LEFT JOIN pg_catalog.pg_roles r ON r.oid OPERATOR(pg_catalog.=) d.setrole
  LEFT JOIN pg_catalog.pg_database b ON b.oid OPERATOR(pg_catalog.=) d.setdatabase
  WHERE pg_catalog.starts_with(u.text, 'search_path=')
    AND (d.setrole OPERATOR(pg_catalog.=) 0::pg_catalog.oid OR r.rolname OPERATOR(pg_catalog.=) %[1]s::pg_catalog.name)
    AND (d.setdatabase OPERATOR(pg_catalog.=) 0::pg_catalog.oid OR b.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())
  ORDER BY r.oid IS NULL, b.oid IS NULL LIMIT 1), (
  SELECT s.reset_val FROM pg_catalog.pg_settings s WHERE s.name OPERATOR(pg_catalog.=) 'search_path' AND s.source OPERATOR(pg_catalog.!~~) '%%user'),
  '"$user", public'), '"$user"', pg_catalog.quote_ident(%[1]s))`

// schemasQuery are the schemas of the path in force that the login may use.
const schemasQuery = `SELECT s.name FROM pg_catalog.unnest(pg_catalog.current_schemas(true)) WITH ORDINALITY AS s(name, n)
WHERE s.name OPERATOR(pg_catalog.!~~) 'pg\_temp%%' AND EXISTS (SELECT FROM pg_catalog.pg_roles r
  WHERE r.rolname OPERATOR(pg_catalog.=) %[1]s::pg_catalog.name AND pg_catalog.has_schema_privilege(r.oid, s.name::pg_catalog.text, 'USAGE'))
ORDER BY s.n`

// loginPath are the schemas that a session of the login at the source looks
// names up in when it has just begun. Empty: there is no such login.
func loginPath(ctx context.Context, ask schema.Query, login string) ([]string, error) {
	rows, err := ask(ctx, fmt.Sprintf(pathSetting, rewrite.Literal(login)))
	if err == nil && len(rows) == 1 && rows[0][0] != nil {
		_, err = ask(ctx, "SELECT pg_catalog.set_config('search_path', "+rewrite.Literal(*rows[0][0])+", false)")
	}
	if err == nil {
		rows, err = ask(ctx, fmt.Sprintf(schemasQuery, rewrite.Literal(login)))
	}
	if err != nil {
		return nil, fmt.Errorf("read the search_path of %q: %w", login, err)
	}
	var path []string
	for _, row := range rows {
		path = append(path, *row[0])
	}
	return path, nil
}
