package parse

import (
	"strings"

	"github.com/crossfade-db/crossfade/rewrite"
	pg "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// write walks through INSERT, UPDATE, DELETE or MERGE, whose target no CTE can
// be, and returns the target.
func (r *reader) write(m protoreflect.Message) rewrite.Ref {
	const target = "relation"
	switch node := m.Interface().(type) {
	case *pg.InsertStmt:
		r.olden(node.ReturningList, node.Relation)
		r.query(m, node.WithClause, target)
		return *refTo(node.Relation)
	case *pg.UpdateStmt:
		r.olden(node.ReturningList, node.Relation, node.FromClause...)
		r.query(m, node.WithClause, target)
		return *refTo(node.Relation)
	case *pg.DeleteStmt:
		r.olden(node.ReturningList, node.Relation, node.UsingClause...)
		r.query(m, node.WithClause, target)
		return *refTo(node.Relation)
	case *pg.MergeStmt:
		r.olden(node.ReturningList, node.Relation, node.SourceRelation)
		r.query(m, node.WithClause, target)
		return *refTo(node.Relation)
	}
	return rewrite.Ref{}
}

// olden looks for old and new in a list of RETURNING: from version 18 on they are
// the row before and after, unless a relation bears that name.
func (r *reader) olden(returning []*pg.Node, target *pg.RangeVar, joined ...*pg.Node) {
	if len(returning) == 0 {
		return
	}
	names := namesOf(target)
	for _, node := range joined {
		if node != nil {
			names = append(names, relationNames(node.ProtoReflect())...)
		}
	}
	for _, node := range returning {
		if refersTo(node.ProtoReflect(), "old", names) || refersTo(node.ProtoReflect(), "new", names) {
			r.ambiguous = true
		}
	}
}

func namesOf(node *pg.RangeVar) []string {
	if alias := node.GetAlias().GetAliasname(); alias != "" {
		return []string{alias}
	}
	return []string{node.GetRelname()}
}

// relationNames lists the names under which the relations of a FROM list are
// known, and further ones.
func relationNames(m protoreflect.Message) (names []string) {
	switch node := m.Interface().(type) {
	case *pg.RangeVar:
		return namesOf(node)
	case *pg.Alias:
		return []string{node.Aliasname}
	case *pg.SelectStmt:
		return nil
	}
	descend(m, func(below protoreflect.Message) { names = append(names, relationNames(below)...) })
	return names
}

// refersTo reports whether an expression has a reference that begins with a name
// of none of the relations.
func refersTo(m protoreflect.Message, name string, relations []string) (found bool) {
	for _, relation := range relations {
		if relation == name {
			return false
		}
	}
	if ref, ok := m.Interface().(*pg.ColumnRef); ok {
		return ref.Fields[0].GetString_().GetSval() == name
	}
	descend(m, func(below protoreflect.Message) { found = found || refersTo(below, name, relations) })
	return found
}

func (r *reader) insert(node *pg.InsertStmt) {
	s := r.statement
	s.Kind = rewrite.Insert
	r.target(node.Relation)
	r.write(node.ProtoReflect())
	s.Assigned = columns(node.Cols)
	s.Returning = len(node.ReturningList) > 0
	if conflict := node.OnConflictClause; conflict != nil {
		s.Conflict = true
		s.Upsert = conflict.Action == pg.OnConflictAction_ONCONFLICT_UPDATE
		s.Reassigned = columns(conflict.TargetList)
	}
}

func (r *reader) update(node *pg.UpdateStmt) {
	s := r.statement
	s.Kind = rewrite.Update
	r.target(node.Relation)
	r.write(node.ProtoReflect())
	s.Assigned = columns(node.TargetList)
	s.Returning = len(node.ReturningList) > 0
	r.condition(node.FromClause, node.WhereClause)
}

func (r *reader) remove(node *pg.DeleteStmt) {
	r.statement.Kind = rewrite.Delete
	r.target(node.Relation)
	r.write(node.ProtoReflect())
	r.statement.Returning = len(node.ReturningList) > 0
	r.condition(node.UsingClause, node.WhereClause)
}

func (r *reader) merge(node *pg.MergeStmt) {
	s := r.statement
	s.Kind = rewrite.Merge
	r.target(node.Relation)
	r.write(node.ProtoReflect())
	s.Returning = len(node.ReturningList) > 0
	all := false
	for _, when := range node.MergeWhenClauses {
		clause := when.GetMergeWhenClause()
		switch listed := columns(clause.GetTargetList()); clause.GetCommandType() {
		case pg.CmdType_CMD_INSERT:
			all = all || listed == nil
			s.Assigned = append(s.Assigned, listed...)
		case pg.CmdType_CMD_UPDATE:
			s.Reassigned = append(s.Reassigned, listed...)
		default:
		}
	}
	if all {
		s.Assigned = nil
	}
}

func (r *reader) condition(from []*pg.Node, where *pg.Node) {
	r.joined, r.filtered = len(from) > 0, where != nil
	r.statement.CursorRow = where.GetCurrentOfExpr() != nil
}

// target notes the relation that a write names.
func (r *reader) target(node *pg.RangeVar) {
	r.statement.Target = *refTo(node)
	r.statement.TargetText = quote(namesOf(node)[0])
	r.name = int(node.GetLocation()) - r.at
}

// quote makes a quoted identifier.
func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// columns lists the names of assigned columns; nil for none.
func columns(targets []*pg.Node) (names []string) {
	for _, node := range targets {
		names = append(names, node.GetResTarget().GetName())
	}
	return names
}
