// Package schema reads what the catalog of one side says into a
// rewrite.Schema, and what a role may do there:
//
//	conn, err := schema.Connect(ctx, schema.Side{Network: "tcp", Address: "127.0.0.1:5432", …})
//	source, err := schema.Load(ctx, schema.Of(conn))
//	rights, err := schema.Privileges(ctx, schema.Of(conn), "app", tables)
//
// It reads PostgreSQL 12 to 18, as any role: the catalog is open to all. It
// takes no lock on a user's table, so that it never waits behind an ALTER TABLE.
package schema
