package parse

import (
	"github.com/crossfade-db/crossfade/rewrite"
	pg "github.com/pganalyze/pg_query_go/v6"
)

// objects are what a definition changes or drops beside relations, where tables
// change with it: a schema with all that is in it, a type, what others are made
// of and CASCADE takes along.
func objects(node *pg.Node) []rewrite.Object {
	switch n := node.GetNode().(type) {
	case *pg.Node_DropStmt:
		return dropped(n.DropStmt)
	case *pg.Node_DropOwnedStmt:
		return []rewrite.Object{{}}
	case *pg.Node_RenameStmt:
		if n.RenameStmt.RenameType == pg.ObjectType_OBJECT_SCHEMA {
			return []rewrite.Object{{Kind: rewrite.SchemaObject, Ref: rewrite.Ref{Name: n.RenameStmt.Subname}}}
		}
		if n.RenameStmt.RenameType == pg.ObjectType_OBJECT_ATTRIBUTE {
			return ofType(*refTo(n.RenameStmt.Relation))
		}
		return altered(n.RenameStmt.RenameType, n.RenameStmt.Object)
	case *pg.Node_AlterObjectSchemaStmt:
		return altered(n.AlterObjectSchemaStmt.ObjectType, n.AlterObjectSchemaStmt.Object)
	case *pg.Node_AlterEnumStmt:
		return ofType(qualified(n.AlterEnumStmt.TypeName))
	case *pg.Node_AlterTypeStmt:
		return ofType(qualified(n.AlterTypeStmt.TypeName))
	case *pg.Node_AlterDomainStmt:
		return ofType(qualified(n.AlterDomainStmt.TypeName))
	case *pg.Node_AlterTableStmt:
		if n.AlterTableStmt.Objtype == pg.ObjectType_OBJECT_TYPE {
			return ofType(*refTo(n.AlterTableStmt.Relation))
		}
	}
	return nil
}

func ofType(ref rewrite.Ref) []rewrite.Object {
	return []rewrite.Object{{Kind: rewrite.NamedObject, Ref: rewrite.Ref{Schema: ref.Schema, Name: ref.Name}}}
}

// altered are types that get another name, or schema.
func altered(kind pg.ObjectType, object *pg.Node) []rewrite.Object {
	switch kind {
	case pg.ObjectType_OBJECT_TYPE, pg.ObjectType_OBJECT_DOMAIN, pg.ObjectType_OBJECT_DOMCONSTRAINT:
		return ofType(objectName(object))
	default:
		return nil
	}
}

// dropped are the objects of DROP … CASCADE; without CASCADE the server refuses
// what anything is made of.
func dropped(node *pg.DropStmt) (objects []rewrite.Object) {
	if node.Behavior != pg.DropBehavior_DROP_CASCADE {
		return nil
	}
	for _, object := range node.Objects {
		switch node.RemoveType {
		case pg.ObjectType_OBJECT_SCHEMA:
			objects = append(objects, rewrite.Object{Kind: rewrite.SchemaObject, Ref: objectName(object)})
		case pg.ObjectType_OBJECT_TYPE, pg.ObjectType_OBJECT_DOMAIN, pg.ObjectType_OBJECT_FUNCTION, pg.ObjectType_OBJECT_PROCEDURE,
			pg.ObjectType_OBJECT_ROUTINE, pg.ObjectType_OBJECT_AGGREGATE, pg.ObjectType_OBJECT_OPERATOR,
			pg.ObjectType_OBJECT_TABLE, pg.ObjectType_OBJECT_VIEW, pg.ObjectType_OBJECT_MATVIEW, pg.ObjectType_OBJECT_FOREIGN_TABLE:
			objects = append(objects, rewrite.Object{Kind: rewrite.NamedObject, Ref: objectName(object)})
		case pg.ObjectType_OBJECT_EXTENSION, pg.ObjectType_OBJECT_LANGUAGE, pg.ObjectType_OBJECT_COLLATION, pg.ObjectType_OBJECT_CAST,
			pg.ObjectType_OBJECT_OPCLASS, pg.ObjectType_OBJECT_OPFAMILY, pg.ObjectType_OBJECT_ACCESS_METHOD,
			pg.ObjectType_OBJECT_TSCONFIGURATION, pg.ObjectType_OBJECT_TSDICTIONARY, pg.ObjectType_OBJECT_TSPARSER, pg.ObjectType_OBJECT_TSTEMPLATE:
			objects = append(objects, rewrite.Object{})
		default:
		}
	}
	return objects
}

// objectName is the name that an object is called by in a list.
func objectName(node *pg.Node) rewrite.Ref {
	switch n := node.GetNode().(type) {
	case *pg.Node_List:
		return qualified(n.List.Items)
	case *pg.Node_TypeName:
		return qualified(n.TypeName.Names)
	case *pg.Node_ObjectWithArgs:
		return qualified(n.ObjectWithArgs.Objname)
	case *pg.Node_String_:
		return rewrite.Ref{Name: n.String_.Sval}
	}
	return rewrite.Ref{}
}

// upkeep reports whether a definition changes neither columns of tables nor what
// a write of them does.
func upkeep(node *pg.Node) bool {
	switch n := node.GetNode().(type) {
	case *pg.Node_IndexStmt, *pg.Node_ReindexStmt, *pg.Node_ClusterStmt, *pg.Node_RefreshMatViewStmt, *pg.Node_CommentStmt,
		*pg.Node_SecLabelStmt, *pg.Node_CreateStatsStmt, *pg.Node_AlterStatsStmt, *pg.Node_GrantStmt, *pg.Node_GrantRoleStmt,
		*pg.Node_AlterDefaultPrivilegesStmt, *pg.Node_CreatePublicationStmt, *pg.Node_AlterPublicationStmt:
		return true
	case *pg.Node_DropStmt:
		return n.DropStmt.RemoveType == pg.ObjectType_OBJECT_STATISTIC_EXT
	case *pg.Node_RenameStmt:
		return n.RenameStmt.RenameType == pg.ObjectType_OBJECT_INDEX
	case *pg.Node_AlterTableStmt:
		return n.AlterTableStmt.Objtype == pg.ObjectType_OBJECT_INDEX
	}
	return false
}

// alone reports whether the server refuses a definition in a transaction block.
func alone(node *pg.Node) bool {
	switch n := node.GetNode().(type) {
	case *pg.Node_IndexStmt:
		return n.IndexStmt.Concurrent
	case *pg.Node_DropStmt:
		return n.DropStmt.Concurrent
	case *pg.Node_AlterTableStmt:
		for _, cmd := range n.AlterTableStmt.Cmds {
			if cmd.GetAlterTableCmd().GetDef().GetPartitionCmd().GetConcurrent() {
				return true
			}
		}
	case *pg.Node_ReindexStmt, *pg.Node_ClusterStmt, *pg.Node_CreatedbStmt, *pg.Node_DropdbStmt, *pg.Node_AlterDatabaseStmt,
		*pg.Node_CreateTableSpaceStmt, *pg.Node_DropTableSpaceStmt, *pg.Node_AlterSystemStmt,
		*pg.Node_CreateSubscriptionStmt, *pg.Node_AlterSubscriptionStmt, *pg.Node_DropSubscriptionStmt:
		return true
	}
	return false
}

// temporary reports whether a relation that is created is gone with the session.
func temporary(node *pg.RangeVar) bool {
	return node.GetRelpersistence() == "t" || node.GetSchemaname() == "pg_temp"
}

// into is the INTO of a query, which the first arm of a set operation may have.
func into(node *pg.SelectStmt) *pg.IntoClause {
	for node != nil {
		if node.IntoClause != nil {
			return node.IntoClause
		}
		node = node.Larg
	}
	return nil
}
