package schema

import (
	"context"
	"fmt"
	"strings"

	"github.com/crossfade-db/crossfade/rewrite"
)

// Rights are what a role may do with a table, by itself or by a role that it
// inherits from, the schema's USAGE included. Select, Insert and Update mean
// every column, generated ones aside for the writes.
type Rights struct {
	Select, Insert, Update, Delete, Truncate bool

	Owner bool // or inherits from the owner
	// RowSecurity says that policies choose the rows that the role sees and
	// writes; a table with row security and no policy shows it none.
	RowSecurity bool
}

// privilegeQuery asks for the rights of the role %s on the relations %s.
const privilegeQuery = `SELECT n.nspname, c.relname,
  pg_catalog.has_schema_privilege(r.oid, n.oid, 'USAGE'),
  pg_catalog.has_table_privilege(r.oid, c.oid, 'SELECT') OR coalesce(a.reads, false),
  pg_catalog.has_table_privilege(r.oid, c.oid, 'INSERT') OR coalesce(a.inserts, false),
  pg_catalog.has_table_privilege(r.oid, c.oid, 'UPDATE') OR coalesce(a.updates, false),
  pg_catalog.has_table_privilege(r.oid, c.oid, 'DELETE'), pg_catalog.has_table_privilege(r.oid, c.oid, 'TRUNCATE'),
  pg_catalog.pg_has_role(r.oid, c.relowner, 'USAGE'),
  c.relrowsecurity AND NOT r.rolsuper AND NOT r.rolbypassrls
    AND (c.relforcerowsecurity OR NOT pg_catalog.pg_has_role(r.oid, c.relowner, 'USAGE'))
FROM (VALUES %[2]s) AS w(nsp, rel)
JOIN pg_catalog.pg_namespace n ON n.nspname OPERATOR(pg_catalog.=) w.nsp::pg_catalog.name
JOIN pg_catalog.pg_class c ON c.relnamespace OPERATOR(pg_catalog.=) n.oid AND c.relname OPERATOR(pg_catalog.=) w.rel::pg_catalog.name
JOIN pg_catalog.pg_roles r ON r.rolname OPERATOR(pg_catalog.=) %[1]s
CROSS JOIN LATERAL (
  SELECT pg_catalog.bool_and(pg_catalog.has_column_privilege(r.oid, c.oid, a.attnum, 'SELECT')) AS reads,
    pg_catalog.bool_and(a.attgenerated OPERATOR(pg_catalog.<>) '' OR pg_catalog.has_column_privilege(r.oid, c.oid, a.attnum, 'INSERT')) AS inserts,
    pg_catalog.bool_and(a.attgenerated OPERATOR(pg_catalog.<>) '' OR pg_catalog.has_column_privilege(r.oid, c.oid, a.attnum, 'UPDATE')) AS updates
  FROM pg_catalog.pg_attribute a
  WHERE a.attrelid OPERATOR(pg_catalog.=) c.oid AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped
) a`

// Privileges reads the rights of a role on tables; those that do not exist have
// none and are not in the answer.
func Privileges(ctx context.Context, q Query, role string, tables []rewrite.Name) (map[rewrite.Name]Rights, error) {
	rights := map[rewrite.Name]Rights{}
	if len(tables) == 0 {
		return rights, nil
	}
	var wanted []string
	for _, t := range tables {
		wanted = append(wanted, "("+rewrite.Literal(t.Schema)+", "+rewrite.Literal(t.Name)+")")
	}
	sql := fmt.Sprintf(privilegeQuery, rewrite.Literal(role), strings.Join(wanted, ", "))
	err := each(ctx, q, sql, 10, func(f *fields) {
		name, usage := f.name(), f.flag()
		r := Rights{Select: f.flag(), Insert: f.flag(), Update: f.flag(), Delete: f.flag(), Truncate: f.flag(), Owner: f.flag(), RowSecurity: f.flag()}
		if !usage {
			r = Rights{Owner: r.Owner, RowSecurity: r.RowSecurity}
		}
		rights[name] = r
	})
	if err != nil {
		return nil, fmt.Errorf("read rights: %w", err)
	}
	return rights, nil
}
