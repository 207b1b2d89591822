package parse

import (
	"github.com/crossfade-db/crossfade/rewrite"
	pg "github.com/pganalyze/pg_query_go/v6"
)

// kind reads a statement by its kind.
func (r *reader) kind(node *pg.Node) {
	switch n := node.GetNode().(type) {
	case *pg.Node_SelectStmt:
		r.read(n.SelectStmt)
	case *pg.Node_InsertStmt:
		r.insert(n.InsertStmt)
	case *pg.Node_UpdateStmt:
		r.update(n.UpdateStmt)
	case *pg.Node_DeleteStmt:
		r.remove(n.DeleteStmt)
	case *pg.Node_MergeStmt:
		r.merge(n.MergeStmt)
	case *pg.Node_TruncateStmt:
		r.truncate(n.TruncateStmt)
	case *pg.Node_CopyStmt:
		r.copy(n.CopyStmt)
	case *pg.Node_CallStmt, *pg.Node_DoStmt:
		r.statement.Kind = rewrite.Body
		r.each(node)
	case *pg.Node_TransactionStmt:
		r.statement.Kind = rewrite.Control
	case *pg.Node_VariableShowStmt:
		r.statement.Kind = rewrite.Read
	case *pg.Node_ExplainStmt:
		r.explain(n.ExplainStmt)
	default:
		r.command(node)
	}
}

// command reads the statements that write no rows by themselves: those of the
// session first, and all others as definitions. LOCK, VACUUM and ANALYZE are of
// the session, CLUSTER, REINDEX and REFRESH are definitions.
func (r *reader) command(node *pg.Node) {
	switch n := node.GetNode().(type) {
	case *pg.Node_PrepareStmt:
		r.prepared(n.PrepareStmt)
	case *pg.Node_ExecuteStmt:
		r.statement.Kind = rewrite.Session
		r.statement.Executes = n.ExecuteStmt.Name
		r.each(node)
	case *pg.Node_DeclareCursorStmt:
		r.statement.Kind = rewrite.Session
		r.statement.Declares = true
		r.each(node)
		if len(r.statement.Writes) > 0 {
			r.statement.Kind = rewrite.Unknown
		}
	case *pg.Node_FetchStmt:
		r.statement.Kind = rewrite.Session
		r.statement.Fetches = true
	case *pg.Node_LockStmt:
		r.statement.Kind = rewrite.Session
		r.names(n.LockStmt.Relations...)
	case *pg.Node_VacuumStmt:
		r.statement.Kind = rewrite.Session
		r.names(n.VacuumStmt.Rels...)
	case *pg.Node_VariableSetStmt, *pg.Node_DiscardStmt, *pg.Node_DeallocateStmt,
		*pg.Node_ClosePortalStmt, *pg.Node_ListenStmt, *pg.Node_UnlistenStmt, *pg.Node_NotifyStmt,
		*pg.Node_LoadStmt, *pg.Node_CheckPointStmt, *pg.Node_ConstraintsSetStmt:
		r.statement.Kind = rewrite.Session
	default:
		r.define(node)
	}
}

// read reads a query, which makes a table if it has INTO.
func (r *reader) read(node *pg.SelectStmt) {
	r.statement.Kind = rewrite.Read
	r.walk(node.ProtoReflect())
	if r.made != nil {
		r.statement.Kind = rewrite.Definition
		r.statement.Creates = true
		r.statement.Temporary = temporary(into(node).GetRel())
		r.statement.Target = *r.made
	}
}

func (r *reader) truncate(node *pg.TruncateStmt) {
	r.statement.Kind = rewrite.Truncate
	r.statement.Cascade = node.Behavior == pg.DropBehavior_DROP_CASCADE
	r.names(node.Relations...)
}

// names walks through the relations that a command names, the first of which is
// its target.
func (r *reader) names(nodes ...*pg.Node) {
	r.each(nodes...)
	if len(r.named) > 0 {
		r.statement.Target = r.named[0]
		r.statement.Also = append([]rewrite.Ref(nil), r.named[1:]...)
	}
}

// copy reads COPY. What COPY TO names is a relation that it reads.
func (r *reader) copy(node *pg.CopyStmt) {
	s := r.statement
	s.Kind = rewrite.CopyOut
	switch {
	case node.IsFrom:
		s.Kind = rewrite.CopyIn
		s.Target = *refTo(node.Relation)
		s.Copy = copyOf(node)
		for _, column := range node.Attlist {
			s.Assigned = append(s.Assigned, column.GetString_().GetSval())
		}
	case node.Relation != nil:
		s.Reads = adding(s.Reads, *refTo(node.Relation))
	}
	r.each(node.Query, node.WhereClause)
	if len(s.Writes) > 0 {
		s.Kind = rewrite.Unknown
	}
}
