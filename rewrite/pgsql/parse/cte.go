package parse

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/rewrite/pgsql"
	pg "github.com/pganalyze/pg_query_go/v6"
)

// ctes notes the data-modifying CTEs, which stand in the leading list of WITH and
// nowhere else (manual, 7.8.4).
func (r *reader) ctes(node *pg.Node) {
	s := r.statement
	var clause *pg.WithClause
	switch n := node.GetNode().(type) {
	case *pg.Node_SelectStmt:
		clause, s.Queries = n.SelectStmt.WithClause, r.made == nil
	case *pg.Node_InsertStmt:
		clause = n.InsertStmt.WithClause
	case *pg.Node_UpdateStmt:
		clause = n.UpdateStmt.WithClause
	case *pg.Node_DeleteStmt:
		clause = n.DeleteStmt.WithClause
	}
	list, ok := listed(r.text, s.With)
	if !ok || len(list) != len(clause.GetCtes()) || !s.Queries && !writes(s.Kind) {
		return
	}
	ours := func(name string) bool { return strings.HasPrefix(name, ctePrefix) }
	var scope []string
	for _, node := range clause.Ctes {
		if ours(node.GetCommonTableExpr().GetCtename()) {
			return
		}
		if clause.Recursive {
			scope = append(scope, node.GetCommonTableExpr().GetCtename())
		}
	}
	var found []rewrite.CTE
	for i, node := range clause.Ctes {
		expr := node.GetCommonTableExpr()
		cte := list[i]
		switch expr.GetCtequery().GetNode().(type) {
		case *pg.Node_InsertStmt, *pg.Node_UpdateStmt, *pg.Node_DeleteStmt:
			cte.Statement = statement(r.text[cte.Body.From:cte.Body.Upto], r.at+cte.Body.From, expr.Ctequery, scope...)
			if !writes(cte.Kind) || cte.Snapshot {
				return
			}
			found = append(found, cte)
		case *pg.Node_MergeStmt:
			return
		}
		if !clause.Recursive {
			scope = append(scope, expr.GetCtename())
		}
	}
	for _, ref := range s.Reads { // ours would hide it
		if ours(ref.Name) {
			return
		}
	}
	s.CTEs = found
}

// listed returns where the members of a list of WITH stand. It is not ok where
// something else stands between them.
func listed(text []byte, with rewrite.Span) (list []rewrite.CTE, ok bool) {
	c := begin(text[:with.Upto])
	for c.next() && !c.is("with") {
	}
	if !c.next() || c.is("recursive") && !c.next() {
		return nil, false
	}
	for {
		cte := rewrite.CTE{Index: len(list)}
		cte.Name = rewrite.Span{From: c.token.Start, Upto: c.token.End}
		for c.next() && (c.depth > 0 || !c.is("as")) {
		}
		if !c.next() || c.is("not") && !c.next() || c.is("materialized") && !c.next() || c.token.Kind != pgsql.KindLeftParen {
			return nil, false
		}
		cte.Body.From = c.token.End
		for c.next() && c.depth > 0 {
		}
		if c.token.Kind != pgsql.KindRightParen {
			return nil, false
		}
		cte.Body.Upto, cte.Whole = c.token.Start, rewrite.Span{From: cte.Name.From, Upto: c.token.End}
		list = append(list, cte)
		if !c.next() {
			return list, true
		}
		if c.token.Kind != pgsql.KindComma || !c.next() {
			return nil, false
		}
	}
}

// CTENames returns a text that has the columns of one of the statement's CTEs.
func CTENames(text []byte, s *rewrite.Statement, cte int) []byte {
	name := s.CTEs[cte].Name
	out := append([]byte(nil), text[:s.With.Upto]...)
	return append(append(out, " SELECT * FROM "...), text[name.From:name.Upto]...)
}

// Added is what a CTE that writes, or the statement itself, returns more.
type Added struct {
	Row   []string // expressions, which become one record; nil: nothing
	Names []string // of the columns that it returns already
}

// ctePrefix begins the names of CTEs of ours.
const ctePrefix = "crossfade_cte"

// CaptureCTEs returns the text with what its CTEs and its main statement add: rows
// of its own columns, then of a number and a record. 0 is the number of the main
// statement's rows, whose record may be NULL; the others belong to the CTE of that
// number, from 1 on, and have no columns of the client's. Which order they come in
// is the same as without, as no part of a UNION ALL begins before the one in front
// of it has ended.
func CaptureCTEs(text []byte, s *rewrite.Statement, ctes []Added, main Added, own int) []byte {
	var out bytes.Buffer
	from := 0
	for i, cte := range s.CTEs {
		if ctes[i].Row == nil {
			continue
		}
		out.Write(text[from:cte.Whole.From])
		from = cte.Whole.Upto
		name := quote(ctePrefix + strconv.Itoa(i+1))
		columns := numbered(len(ctes[i].Names))
		out.WriteString(name + "(" + listOf(columns, `"r"`) + ") AS (")
		out.Write(Capture(text[cte.Body.From:cte.Body.Upto], cte.Statement, []string{record(ctes[i].Row)}))
		out.WriteString("\n)") // it may end in a comment
		if cte.Returning {
			out.WriteString(", ")
			out.Write(text[cte.Name.From:cte.Name.Upto])
			quoted := make([]string, len(columns))
			for n, column := range ctes[i].Names {
				quoted[n] = quote(column)
			}
			out.WriteString("(" + listOf(quoted) + ") AS (SELECT " + listOf(columns) + " FROM " + name + ")")
		}
	}
	out.Write(text[from:s.With.Upto])
	if s.Queries {
		out.WriteString(`SELECT "q".*, 0, CAST(NULL AS record) FROM (`)
		out.Write(text[s.With.Upto:s.End])
		out.WriteString("\n) AS \"q\"")
	} else {
		cut := bytes.TrimRight(out.Bytes(), " \t\r\n\f\v")
		out.Truncate(len(cut))
		columns := numbered(own)
		out.WriteString(", " + quote(ctePrefix) + "(" + listOf(columns, `"r"`) + ") AS (")
		out.Write(text[s.With.Upto:s.End])
		if s.Returning {
			out.WriteString(", ")
		} else {
			out.WriteString(" RETURNING ")
		}
		out.WriteString(record(main.Row) + "\n) SELECT " + listOf(columns, "0", `"r"`) + " FROM " + quote(ctePrefix))
	}
	for i := range s.CTEs {
		if ctes[i].Row == nil {
			continue
		}
		nulls := make([]string, own)
		for n := range nulls {
			nulls[n] = "NULL"
		}
		number := strconv.Itoa(i + 1)
		out.WriteString(" UNION ALL SELECT " + listOf(nulls, number, `"r"`) + " FROM " + quote(ctePrefix+number))
	}
	return out.Bytes()
}

// record makes a record of expressions; NULL of none.
func record(row []string) string {
	if row == nil {
		return "CAST(NULL AS record)"
	}
	return "ROW(" + strings.Join(row, ", ") + ")"
}

func numbered(n int) []string {
	columns := make([]string, n)
	for i := range columns {
		columns[i] = `"c` + strconv.Itoa(i) + `"`
	}
	return columns
}

func listOf(columns []string, more ...string) string {
	return strings.Join(append(columns[:len(columns):len(columns)], more...), ", ")
}
