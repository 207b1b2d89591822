package parse

import (
	"sync"

	"github.com/crossfade-db/crossfade/rewrite"
	pg "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// reader collects what a syntax tree says into a statement.
type reader struct {
	text      []byte // of this statement alone
	at        int    // where it begins in the text that was parsed
	statement *rewrite.Statement

	scope   []string // names of the CTEs in sight
	queries int      // how many queries are open: relations outside of any are named by a command
	named   []rewrite.Ref
	made    *rewrite.Ref // by SELECT INTO, CREATE TABLE AS

	name      int  // where the target's name begins, as an offset into text
	joined    bool // the target is joined with a list of FROM or USING
	filtered  bool // it has a WHERE
	ambiguous bool // versions understand the text differently
}

// fields are, by type of node, the fields that hold further nodes.
var fields = sync.OnceValue(func() map[protoreflect.FullName][]protoreflect.FieldDescriptor {
	all := map[protoreflect.FullName][]protoreflect.FieldDescriptor{}
	messages := pg.File_pg_query_proto.Messages()
	for i := range messages.Len() {
		message := messages.Get(i)
		for j := range message.Fields().Len() {
			field := message.Fields().Get(j)
			if field.Kind() == protoreflect.MessageKind {
				all[message.FullName()] = append(all[message.FullName()], field)
			}
		}
	}
	return all
})

// walk goes through a node and all below it, in the order of the grammar's
// declarations.
func (r *reader) walk(m protoreflect.Message) {
	switch node := m.Interface().(type) {
	case *pg.Node:
		descend(m, r.walk)
	case *pg.RangeVar:
		r.relation(node)
	case *pg.LockingClause: // what it names are aliases
		r.statement.Locking = true
	case *pg.FuncCall, *pg.A_Expr, *pg.SubLink, *pg.SortBy, *pg.CaseExpr, *pg.JoinExpr, *pg.TypeName, *pg.ColumnRef, *pg.A_Indirection:
		r.called(node)
		descend(m, r.walk)
	case *pg.IntoClause:
		r.made = refTo(node.Rel)
	case *pg.SelectStmt:
		r.query(m, node.WithClause, "")
	case *pg.InsertStmt, *pg.UpdateStmt, *pg.DeleteStmt, *pg.MergeStmt:
		target := r.write(m)
		r.statement.Writes = adding(r.statement.Writes, target)
	default:
		descend(m, r.walk)
	}
}

// each walks through a list of nodes.
func (r *reader) each(nodes ...*pg.Node) {
	for _, node := range nodes {
		if node != nil {
			r.walk(node.ProtoReflect())
		}
	}
}

// descend visits the nodes directly below one.
func descend(m protoreflect.Message, visit func(protoreflect.Message)) {
	if node, ok := m.Interface().(*pg.Node); ok {
		if field := m.WhichOneof(m.Descriptor().Oneofs().Get(0)); field != nil && node.Node != nil {
			visit(m.Get(field).Message())
		}
		return
	}
	descendBut(m, "", visit)
}

// descendBut is descend without the one field of that name.
func descendBut(m protoreflect.Message, but protoreflect.Name, visit func(protoreflect.Message)) {
	for _, field := range fields()[m.Descriptor().FullName()] {
		switch {
		case field.Name() == but || !m.Has(field):
		case field.IsList():
			list := m.Get(field).List()
			for i := range list.Len() {
				visit(list.Get(i).Message())
			}
		default:
			visit(m.Get(field).Message())
		}
	}
}

// query walks through a query, whose CTEs are in sight inside of it.
func (r *reader) query(m protoreflect.Message, with *pg.WithClause, but protoreflect.Name) {
	outer := len(r.scope)
	r.queries++
	r.with(with)
	descendBut(m, but, func(below protoreflect.Message) {
		if _, again := below.Interface().(*pg.WithClause); !again {
			r.walk(below)
		}
	})
	r.queries--
	r.scope = r.scope[:outer]
}

// with walks through a list of WITH and brings its names in sight: a CTE sees
// those before it, with RECURSIVE all of them.
func (r *reader) with(clause *pg.WithClause) {
	for _, node := range clause.GetCtes() {
		if clause.Recursive {
			r.scope = append(r.scope, node.GetCommonTableExpr().GetCtename())
		}
	}
	for _, node := range clause.GetCtes() {
		r.each(node)
		if !clause.Recursive {
			r.scope = append(r.scope, node.GetCommonTableExpr().GetCtename())
		}
	}
}

// relation notes a relation that is not the target of a write.
func (r *reader) relation(node *pg.RangeVar) {
	ref := *refTo(node)
	if r.queries == 0 {
		r.named = adding(r.named, ref)
		return
	}
	if ref.Schema == "" {
		for _, name := range r.scope {
			if name == ref.Name {
				return
			}
		}
	}
	r.statement.Reads = adding(r.statement.Reads, ref)
}

// refTo returns a relation as written; a database before the schema can only be
// this one.
func refTo(node *pg.RangeVar) *rewrite.Ref {
	return &rewrite.Ref{
		Schema: node.GetSchemaname(), Name: node.GetRelname(),
		Alias: node.GetAlias().GetAliasname(), Only: node != nil && !node.Inh,
	}
}

// qualified makes a name of a list of its parts.
func qualified(parts []*pg.Node) (ref rewrite.Ref) {
	if n := len(parts); n > 0 {
		ref.Name = parts[n-1].GetString_().GetSval()
		if n > 1 {
			ref.Schema = parts[n-2].GetString_().GetSval()
		}
	}
	return ref
}
