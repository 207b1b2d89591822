package parse

import (
	"strings"

	"github.com/crossfade-db/crossfade/rewrite"
	pg "github.com/pganalyze/pg_query_go/v6"
)

// define reads a definition: Target and Also are the relations that it names,
// whatever it does with them. What the bodies of rules and functions would write
// is among them too, since nothing of it runs now.
func (r *reader) define(node *pg.Node) {
	s := r.statement
	s.Kind = rewrite.Definition
	switch n := node.GetNode().(type) {
	case *pg.Node_DropStmt:
		s.Cascade = n.DropStmt.Behavior == pg.DropBehavior_DROP_CASCADE
		for _, object := range n.DropStmt.Objects {
			r.object(n.DropStmt.RemoveType, object)
		}
	case *pg.Node_CommentStmt:
		r.object(n.CommentStmt.Objtype, n.CommentStmt.Object)
	case *pg.Node_SecLabelStmt:
		r.object(n.SecLabelStmt.Objtype, n.SecLabelStmt.Object)
	case *pg.Node_CreateStmt:
		s.Creates = len(n.CreateStmt.InhRelations) == 0 && n.CreateStmt.Partbound == nil
		s.Temporary = temporary(n.CreateStmt.Relation)
	case *pg.Node_ViewStmt:
		s.Creates = !n.ViewStmt.Replace
		s.Temporary = temporary(n.ViewStmt.View)
	case *pg.Node_CreateTableAsStmt:
		s.Creates = true
		s.Temporary = temporary(n.CreateTableAsStmt.Into.GetRel())
	case *pg.Node_CreateSeqStmt:
		s.Creates = true
		s.Temporary = temporary(n.CreateSeqStmt.Sequence)
	}
	s.Upkeep, s.Alone = upkeep(node), alone(node)
	s.Objects = objects(node)
	r.names(node)
	if made := node.GetCreateTableAsStmt(); made != nil {
		s.Target = *r.made
		s.Executes = made.Query.GetExecuteStmt().GetName()
		return
	}
	s.Also = adding(s.Also, s.Writes...)
	s.Writes = nil
}

// object notes the relation of an object that is named by a list of words.
func (r *reader) object(kind pg.ObjectType, node *pg.Node) {
	parts := node.GetList().GetItems()
	switch kind {
	case pg.ObjectType_OBJECT_TABLE, pg.ObjectType_OBJECT_VIEW, pg.ObjectType_OBJECT_MATVIEW,
		pg.ObjectType_OBJECT_SEQUENCE, pg.ObjectType_OBJECT_INDEX, pg.ObjectType_OBJECT_FOREIGN_TABLE:
	case pg.ObjectType_OBJECT_TRIGGER, pg.ObjectType_OBJECT_RULE, pg.ObjectType_OBJECT_POLICY,
		pg.ObjectType_OBJECT_COLUMN, pg.ObjectType_OBJECT_TABCONSTRAINT:
		parts = parts[:max(0, len(parts)-1)] // the last one is its own name
	default:
		return
	}
	if len(parts) > 0 {
		ref := qualified(parts)
		r.named = adding(r.named, ref)
	}
}

// explain reads EXPLAIN, which runs the statement only with ANALYZE; then only
// a read is one.
func (r *reader) explain(node *pg.ExplainStmt) {
	inner := reader{text: r.text, at: r.at, statement: &rewrite.Statement{}}
	inner.kind(node.Query)
	s := inner.statement
	mentioned := s.Reads
	if s.Target.Name != "" {
		mentioned = adding(mentioned, s.Target)
	}
	*r.statement = rewrite.Statement{Calls: s.Calls, Fields: s.Fields, Executes: s.Executes}
	if !analyses(node.Options) {
		r.statement.Kind = rewrite.Read
		if s.Executes != "" {
			r.statement.Kind = rewrite.Session
		}
		r.statement.Explains = true
		r.statement.Reads = adding(mentioned, s.Writes...)
		return
	}
	r.statement.Reads, r.statement.Writes, r.statement.Locking = s.Reads, s.Writes, s.Locking
	if s.Kind == rewrite.Read && len(s.Writes) == 0 {
		r.statement.Kind = rewrite.Read
		return
	}
	if s.Target.Name != "" {
		r.statement.Writes = adding(s.Writes, s.Target)
	}
}

// analyses reports whether EXPLAIN has ANALYZE that is not surely switched off.
func analyses(options []*pg.Node) (found bool) {
	for _, option := range options {
		element := option.GetDefElem()
		if element.GetDefname() == "analyze" && !off(element.GetArg()) {
			found = true
		}
	}
	return found
}

func off(value *pg.Node) bool {
	switch n := value.GetNode().(type) {
	case *pg.Node_Integer:
		return n.Integer.Ival == 0
	case *pg.Node_String_:
		word := strings.ToLower(n.String_.Sval)
		return word == "off" || word == "false"
	case *pg.Node_Boolean:
		return !n.Boolean.Boolval
	}
	return false
}
