package parse

import (
	"github.com/crossfade-db/crossfade/rewrite"
	pg "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/proto"
)

// called notes what a part of an expression calls: a function, the function of an
// operator or of a type.
func (r *reader) called(node proto.Message) {
	switch n := node.(type) {
	case *pg.FuncCall:
		r.calls(qualified(n.Funcname))
	case *pg.A_Expr:
		r.calls(operators(n)...)
	case *pg.SubLink:
		switch {
		case len(n.OperName) > 0:
			r.calls(qualified(n.OperName))
		case n.Testexpr != nil: // IN
			r.calls(rewrite.Ref{Name: "="})
		}
	case *pg.SortBy:
		if len(n.UseOp) > 0 {
			r.calls(qualified(n.UseOp))
		}
	case *pg.CaseExpr:
		if n.Arg != nil {
			r.calls(rewrite.Ref{Name: "="})
		}
	case *pg.JoinExpr:
		if n.IsNatural || len(n.UsingClause) > 0 {
			r.calls(rewrite.Ref{Name: "="})
		}
	case *pg.TypeName:
		if ref := qualified(n.Names); ref.Schema != "pg_catalog" && !n.PctType {
			r.calls(ref)
		}
	case *pg.ColumnRef:
		if len(n.Fields) > 1 {
			r.field(n.Fields)
		}
	case *pg.A_Indirection:
		r.field(n.Indirection)
	}
}

func (r *reader) calls(refs ...rewrite.Ref) {
	r.statement.Calls = adding(r.statement.Calls, refs...)
}

// field notes the last word of a path, which may be a function of the row before it.
func (r *reader) field(path []*pg.Node) {
	name := path[len(path)-1].GetString_().GetSval()
	for _, known := range r.statement.Fields {
		if known == name {
			return
		}
	}
	if name != "" {
		r.statement.Fields = append(r.statement.Fields, name)
	}
}

// operators are those that an expression applies; the grammar has words for some.
func operators(n *pg.A_Expr) []rewrite.Ref {
	switch n.Kind {
	case pg.A_Expr_Kind_AEXPR_BETWEEN, pg.A_Expr_Kind_AEXPR_BETWEEN_SYM:
		return []rewrite.Ref{{Name: ">="}, {Name: "<="}}
	case pg.A_Expr_Kind_AEXPR_NOT_BETWEEN, pg.A_Expr_Kind_AEXPR_NOT_BETWEEN_SYM:
		return []rewrite.Ref{{Name: "<"}, {Name: ">"}}
	default:
		return []rewrite.Ref{qualified(n.Name)}
	}
}
