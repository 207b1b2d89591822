package parse

import (
	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/rewrite/pgsql"
)

// places are the offsets of one statement, as the scanner alone finds them: two
// texts with the same tokens have the same ones, token by token.
type places struct {
	begin, end int // of its first token, behind its last one
	with       rewrite.Span
	name       int          // where the target's name begins
	target     rewrite.Span // UPDATE: from ONLY or the name up to SET, its alias among it
	where      rewrite.Span
	from       bool // where begins with FROM or USING
	filtered   bool // where has a WHERE
	returning  bool
}

// finder walks over one statement and notes its places.
type finder struct {
	places
	cursor
	kind   rewrite.Kind
	stage  stage
	behind int // the end of the token before, that is not a semicolon
}

// stage is what of the statement the finder has seen.
type stage uint8

const (
	inFront    stage = iota
	inWith           // the list of WITH
	inVerb           // from the verb up to the name of its target
	inTarget         // from there up to SET, or to what ends the target
	inSet            // the list of SET
	inWhere          // FROM, USING, WHERE
	inRest           // nothing more is looked for but RETURNING
	inReturned       // RETURNING
)

// find returns the places of a statement of that kind.
func find(text []byte, kind rewrite.Kind) places {
	f := finder{cursor: begin(text), kind: kind}
	for f.next() {
		if f.token.Kind == pgsql.KindSemicolon && f.depth == 0 {
			continue
		}
		f.step()
		f.behind = f.token.End
	}
	f.end = f.behind
	switch {
	case f.name == 0 || f.kind == rewrite.Insert || f.kind == rewrite.Merge:
		f.where = rewrite.Span{}
	case f.where.From == 0:
		f.where = rewrite.Span{From: f.end, Upto: f.end}
	case f.where.Upto == 0:
		f.where.Upto = f.end
	}
	return f.places
}

// mainWords are those that a statement behind a list of WITH begins with.
var mainWords = []string{"insert", "update", "delete", "merge", "select", "values", "table"}

// nameWords are those in a list of WITH behind which a name comes.
var nameWords = []string{"with", "recursive", "by", "set", "cycle", "to", "default", "using"}

func (f *finder) step() {
	switch f.stage {
	case inFront:
		f.begin = f.token.Start
		if f.is("with") {
			f.stage = inWith
			return
		}
		f.verb()
	case inWith:
		if f.beginsMain() {
			f.with = rewrite.Span{From: f.begin, Upto: f.token.Start}
			f.verb()
		}
	case inVerb:
		f.reach()
	case inTarget, inSet, inWhere, inRest:
		f.clause()
	case inReturned:
	}
}

// beginsMain reports whether the token is the first behind the list of WITH: a
// verb that is not the name of something in it, or a parenthesis behind one.
func (f *finder) beginsMain() bool {
	if f.depth > 0 {
		return false
	}
	if f.token.Kind == pgsql.KindLeftParen {
		return f.prev.Kind == pgsql.KindRightParen
	}
	return f.oneOf(mainWords) && f.prev.Kind != pgsql.KindComma && !f.wasOneOf(nameWords)
}

// verb begins the statement proper.
func (f *finder) verb() {
	switch f.kind {
	case rewrite.Insert, rewrite.Update, rewrite.Delete, rewrite.Merge:
		f.stage = inVerb
	default:
		f.stage = inReturned
	}
}

// reach looks for the name of the target.
func (f *finder) reach() {
	only := f.is("only")
	if f.target.From == 0 && !f.is("into") && !f.is("from") {
		f.target.From = f.token.Start
	}
	if f.is("into") || f.is("from") || only || f.token.Kind == pgsql.KindLeftParen {
		return
	}
	f.name = f.token.Start
	f.stage = inTarget
}

// clause looks for what ends the part of the statement that the finder is in.
func (f *finder) clause() {
	label := f.prev.Kind == pgsql.KindDot || f.was("as")
	if f.depth > 0 || f.token.Kind != pgsql.KindWord || label {
		return
	}
	switch {
	case f.stage == inTarget && f.kind == rewrite.Update:
		if f.is("set") {
			f.target.Upto = f.behind
			f.stage = inSet
		}
	case f.is("returning"):
		f.returning = true
		if f.where.From != 0 {
			f.where.Upto = f.behind
		} else {
			f.where = rewrite.Span{From: f.behind, Upto: f.behind}
		}
		f.stage = inReturned
	case f.kind == rewrite.Insert || f.kind == rewrite.Merge:
	case f.stage == inWhere && f.is("where"):
		f.filtered = true
		f.stage = inRest
	case f.stage == inRest || f.stage == inWhere:
	case f.is("where"), f.beginsFrom():
		f.where.From = f.token.Start
		f.from, f.filtered = !f.is("where"), f.is("where")
		f.stage = inWhere
		if f.filtered {
			f.stage = inRest
		}
	}
}

// beginsFrom tells the list of FROM or USING from IS DISTINCT FROM.
func (f *finder) beginsFrom() bool {
	if f.kind == rewrite.Delete {
		return f.is("using")
	}
	return f.is("from") && !f.was("distinct")
}
