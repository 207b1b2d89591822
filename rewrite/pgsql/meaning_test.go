package pgsql_test

import (
	"slices"
	"strings"

	"github.com/crossfade-db/crossfade/rewrite/pgsql"
	pg_query "github.com/pganalyze/pg_query_go/v6"
)

// statement adds the effects of a statement by its kind.
func (o *oracle) statement(node any) {
	o.effects |= stateOf(node)
	if !plainRead(node) {
		o.effects |= pgsql.Writes
	}
}

// plainRead reports whether a statement has no effect on rows as far as its own
// node shows; its parts are visited.
func plainRead(node any) bool {
	switch n := node.(type) {
	case *pg_query.Node_SelectStmt, *pg_query.Node_VariableShowStmt, *pg_query.Node_VariableSetStmt,
		*pg_query.Node_ConstraintsSetStmt, nil:
		return true
	case *pg_query.Node_TransactionStmt:
		return n.TransactionStmt.Kind != pg_query.TransactionStmtKind_TRANS_STMT_PREPARE
	case *pg_query.Node_ExplainStmt:
		for _, option := range n.ExplainStmt.Options {
			if option.GetDefElem().GetDefname() == "analyze" {
				return false
			}
		}
		return plainRead(n.ExplainStmt.Query.GetNode())
	}
	return false
}

// stateOf returns what a statement changes of its session by its kind.
func stateOf(node any) pgsql.Effects {
	switch n := node.(type) {
	case *pg_query.Node_VariableSetStmt:
		return settingOf(n.VariableSetStmt)
	case *pg_query.Node_DiscardStmt:
		if n.DiscardStmt.Target <= pg_query.DiscardMode_DISCARD_PLANS {
			return pgsql.Prepares
		}
	case *pg_query.Node_PrepareStmt, *pg_query.Node_DeallocateStmt:
		return pgsql.Prepares
	case *pg_query.Node_DeclareCursorStmt:
		return cursorOf(n.DeclareCursorStmt)
	case *pg_query.Node_ClosePortalStmt:
		return pgsql.SetsState | pgsql.Executes
	case *pg_query.Node_FetchStmt, *pg_query.Node_ExecuteStmt:
		return pgsql.Executes
	case *pg_query.Node_LoadStmt:
		return pgsql.Loads
	case *pg_query.Node_NotifyStmt:
		return pgsql.ServerBound
	}
	return 0
}

func settingOf(n *pg_query.VariableSetStmt) pgsql.Effects {
	switch {
	case n.Kind == pg_query.VariableSetKind_VAR_RESET_ALL:
		return pgsql.SetsState
	case n.Name == "TRANSACTION":
		return 0
	case n.Name == "TRANSACTION SNAPSHOT":
		return pgsql.ServerBound
	case strings.EqualFold(n.Name, "seed"):
		return pgsql.Names | pgsql.Seeds
	}
	return pgsql.Names
}

// visit adds the effects of any node of a tree.
func (o *oracle) visit(node any) {
	switch n := node.(type) {
	case *pg_query.FuncCall:
		o.call(n.Funcname)
	case *pg_query.RangeTableSample:
		o.call(n.Method)
	case *pg_query.CallStmt, *pg_query.DoStmt, *pg_query.LoadStmt, *pg_query.CreateExtensionStmt,
		*pg_query.AlterExtensionStmt, *pg_query.ImportForeignSchemaStmt:
		o.effects |= pgsql.Opaque
	case *pg_query.ListenStmt:
		o.effects |= pgsql.Listens
	case *pg_query.UnlistenStmt, *pg_query.DiscardStmt:
		o.effects |= pgsql.Unlistens
	case *pg_query.TransactionStmt:
		o.transaction(n)
	case *pg_query.InsertStmt, *pg_query.UpdateStmt, *pg_query.DeleteStmt, *pg_query.MergeStmt,
		*pg_query.LockingClause:
		o.effects |= pgsql.Writes
	case *pg_query.IntoClause:
		o.effects |= pgsql.Writes
	case *pg_query.SelectStmt:
		if n.IntoClause != nil {
			o.effects |= pgsql.Temporary
		}
	case *pg_query.CurrentOfExpr, *pg_query.ExecuteStmt:
		o.effects |= pgsql.Executes
	case *pg_query.CopyStmt:
		o.copied(n)
	case *pg_query.RangeVar:
		o.relation(n)
	case *pg_query.TypeName:
		o.typeName(n)
	case *pg_query.ColumnRef:
		o.column(n)
	}
}

func (o *oracle) transaction(n *pg_query.TransactionStmt) {
	o.effects |= pgsql.Transaction
	switch n.Kind {
	case pg_query.TransactionStmtKind_TRANS_STMT_PREPARE:
		o.effects |= pgsql.ServerBound | pgsql.SetsState
	case pg_query.TransactionStmtKind_TRANS_STMT_COMMIT_PREPARED,
		pg_query.TransactionStmtKind_TRANS_STMT_ROLLBACK_PREPARED:
		o.effects |= pgsql.ServerBound
	default:
	}
	for _, option := range n.Options {
		d := option.GetDefElem()
		if d.GetDefname() == "transaction_read_only" && d.GetArg().GetAConst().GetIval().GetIval() == 0 {
			o.effects |= pgsql.ReadWrite
		}
	}
}

func cursorOf(n *pg_query.DeclareCursorStmt) pgsql.Effects {
	const binary, hold = 0x0001, 0x0020 // CURSOR_OPT_… of parsenodes.h
	effects := pgsql.SetsState
	if n.Options&hold != 0 {
		effects |= pgsql.Holds
	}
	if n.Options&binary != 0 {
		effects |= pgsql.Catalog
	}
	return effects
}

func (o *oracle) copied(n *pg_query.CopyStmt) {
	for _, option := range n.Options {
		d := option.GetDefElem()
		if d.GetDefname() == "format" && d.GetArg().GetString_().GetSval() == "binary" {
			o.effects |= pgsql.Catalog
		}
	}
}

func (o *oracle) relation(n *pg_query.RangeVar) {
	if n.Relpersistence == "t" || n.Schemaname == "pg_temp" {
		o.effects |= pgsql.Temporary
	}
	if n.Schemaname == "information_schema" || strings.HasPrefix(n.Relname, "pg_") {
		o.effects |= pgsql.Catalog
	}
}

func (o *oracle) typeName(n *pg_query.TypeName) {
	names := texts(n.Names)
	if len(names) == 2 && names[0] == "pg_catalog" {
		names = names[1:]
	}
	serverTypes := []string{
		"oid", "xid", "cid", "tid", "xid8", "regclass", "regtype", "regproc", "regprocedure",
		"regoper", "regoperator", "regrole", "regnamespace", "regconfig", "regdictionary",
		"regcollation", "pg_lsn", "pg_snapshot", "txid_snapshot", "oidvector", "_oid", "_regclass",
	}
	if len(names) == 1 && slices.Contains(serverTypes, names[0]) {
		o.effects |= pgsql.Catalog
	}
}

func (o *oracle) column(n *pg_query.ColumnRef) {
	names := texts(n.Fields)
	if len(names) == 0 {
		return
	}
	switch names[len(names)-1] {
	case "tableoid", "ctid", "xmin", "xmax", "cmin", "cmax", "oid":
		o.effects |= pgsql.Catalog
	}
}

// meanings are the effects of functions that are told by their names.
var meanings = map[string]pgsql.Effects{
	"set_config": pgsql.Names, "setseed": pgsql.Seeds,
	"nextval": pgsql.ServerBound, "currval": pgsql.ServerBound, "lastval": pgsql.ServerBound,
	"setval": pgsql.ServerBound, "pg_backend_pid": pgsql.ServerBound, "pg_notify": pgsql.ServerBound,
	"txid_current": pgsql.ServerBound, "pg_current_wal_lsn": pgsql.ServerBound,
	"pg_export_snapshot": pgsql.ServerBound, "lo_create": pgsql.ServerBound,
	"pg_advisory_xact_lock": pgsql.ServerBound,
	"pg_advisory_lock":      pgsql.ServerBound | pgsql.Advisory,
	"pg_try_advisory_lock":  pgsql.ServerBound | pgsql.Advisory,
	"pg_advisory_unlock":    pgsql.ServerBound | pgsql.Advisory,
	"pg_typeof":             pgsql.Catalog, "pg_get_serial_sequence": pgsql.Catalog,
	"to_regclass": pgsql.Catalog,
}

func (o *oracle) call(name []*pg_query.Node) {
	parts := texts(name)
	if len(parts) == 2 && parts[0] == "pg_catalog" {
		parts = parts[1:]
	}
	if len(parts) != 1 || !o.harmless[parts[0]] {
		o.effects |= pgsql.Opaque
	}
	if len(parts) == 1 {
		o.effects |= meanings[parts[0]]
	}
}

// texts returns the parts of a name that are not stars.
func texts(name []*pg_query.Node) (parts []string) {
	for _, part := range name {
		if s := part.GetString_(); s != nil {
			parts = append(parts, s.Sval)
		}
	}
	return parts
}
