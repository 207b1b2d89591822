package parse

import (
	"errors"

	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/rewrite/pgsql"
	pg "github.com/pganalyze/pg_query_go/v6"
	"github.com/pganalyze/pg_query_go/v6/parser"
)

// Analyse says what a text does. The statement is never nil; with an error, which
// is ErrLimits or ErrSyntax, nothing is known of it.
func Analyse(text []byte, limits Limits) (*rewrite.Statement, error) {
	limits = limits.orDefaults()
	if limits.Mode != Standard {
		return &rewrite.Statement{}, nil
	}
	blanked, err := limits.guard(text)
	if err != nil {
		return &rewrite.Statement{}, err
	}
	tree, err := pg.Parse(string(blanked))
	if err != nil {
		return &rewrite.Statement{}, fault(err)
	}
	switch len(tree.Stmts) {
	case 0:
		return &rewrite.Statement{Kind: rewrite.Read}, nil
	case 1:
		return statement(text, 0, tree.Stmts[0].Stmt), nil
	}
	return several(text, tree.Stmts), nil
}

// fault tells a text that the grammar refused from a tree too deep to be read.
// Messages of the grammar quote the text and go no further.
func fault(err error) error {
	var refused *parser.Error
	if errors.As(err, &refused) {
		return ErrSyntax
	}
	return ErrLimits
}

// statement reads the tree of one statement, whose text begins at that place of
// what was parsed.
func statement(text []byte, at int, node *pg.Node, scope ...string) *rewrite.Statement {
	r := reader{text: text, at: at, statement: &rewrite.Statement{}, scope: scope}
	r.kind(node)
	if r.statement.Kind == rewrite.Read && len(r.statement.Writes) > 0 {
		r.statement.Kind = rewrite.Unknown
	}
	if agreed := r.place(); r.ambiguous || !agreed {
		r.doubt()
	}
	r.statement.Snapshot = len(r.statement.Writes) > 0
	if r.statement.Snapshot && !r.ambiguous {
		r.ctes(node)
	}
	return r.statement
}

// doubt makes a statement Unknown that the text alone does not explain.
func (r *reader) doubt() {
	s := r.statement
	if s.Target.Name != "" && writes(s.Kind) {
		s.Writes = append(s.Writes, s.Target)
	}
	s.Kind = rewrite.Unknown
	s.Where = rewrite.Span{}
}

// writes reports whether a statement of that kind writes rows of its target.
func writes(kind rewrite.Kind) bool {
	switch kind {
	case rewrite.Insert, rewrite.Update, rewrite.Delete, rewrite.Merge, rewrite.Truncate, rewrite.CopyIn:
		return true
	case rewrite.Unknown, rewrite.Read, rewrite.CopyOut, rewrite.Control, rewrite.Session, rewrite.Definition, rewrite.Body:
	}
	return false
}

// place notes the offsets, and reports whether the scanner and the tree agree
// on them.
func (r *reader) place() bool {
	s := r.statement
	found := find(r.text, s.Kind)
	s.End, s.With, s.Where = found.end, found.with, found.where
	switch s.Kind {
	case rewrite.Insert, rewrite.Merge:
		return found.name == r.name && found.returning == s.Returning
	case rewrite.Update, rewrite.Delete:
		return found.name == r.name && found.returning == s.Returning &&
			found.from == r.joined && found.filtered == r.filtered
	default:
		return true
	}
}

// several reads a text of more than one statement.
func several(text []byte, raw []*pg.RawStmt) *rewrite.Statement {
	whole := &rewrite.Statement{Several: true}
	for _, stmt := range raw {
		from, upto := int(stmt.StmtLocation), len(text)
		if stmt.StmtLen > 0 {
			upto = from + int(stmt.StmtLen)
		}
		inner := find(text[from:upto], rewrite.Unknown)
		span := rewrite.Span{From: from + inner.begin, Upto: from + inner.end}
		part := statement(text[span.From:span.Upto], span.From, stmt.Stmt)
		part.At = span
		gather(whole, part)
	}
	whole.End = find(text, rewrite.Unknown).end
	return whole
}

// gather adds a part to the statement of the whole text.
func gather(whole, part *rewrite.Statement) {
	if len(whole.Parts) == 0 {
		whole.Kind = part.Kind
	}
	if whole.Kind != part.Kind {
		whole.Kind = rewrite.Unknown
	}
	whole.Parts = append(whole.Parts, part)
	whole.Reads = adding(whole.Reads, part.Reads...)
	whole.Calls = adding(whole.Calls, part.Calls...)
	whole.Fields = append(whole.Fields, part.Fields...)
	whole.Writes = adding(whole.Writes, part.Writes...)
	if writes(part.Kind) {
		whole.Writes = adding(whole.Writes, part.Target)
		whole.Writes = adding(whole.Writes, part.Also...)
	}
	whole.Locking = whole.Locking || part.Locking
	whole.Snapshot = whole.Snapshot || part.Snapshot
}

// adding appends what is not there yet.
func adding(refs []rewrite.Ref, more ...rewrite.Ref) []rewrite.Ref {
next:
	for _, ref := range more {
		for _, known := range refs {
			if known == ref {
				continue next
			}
		}
		refs = append(refs, ref)
	}
	return refs
}

// prepared reads the statement inside of a PREPARE: behind the first AS outside
// of the types' parentheses.
func (r *reader) prepared(node *pg.PrepareStmt) {
	s := r.statement
	s.Kind, s.PreparedName = rewrite.Session, node.Name
	c := begin(r.text)
	for c.next() && (c.depth > 0 || !c.is("as")) {
	}
	if !c.next() || c.token.Kind == pgsql.KindSemicolon {
		r.ambiguous = true
		return
	}
	from := c.token.Start
	span := rewrite.Span{From: from, Upto: from + find(r.text[from:], rewrite.Unknown).end}
	s.Prepared = statement(r.text[span.From:span.Upto], r.at+from, node.Query)
	s.Prepared.At = span
}
