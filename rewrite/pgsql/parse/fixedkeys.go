package parse

import (
	"math"
	"strconv"
	"strings"

	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/rewrite/pgsql"
)

// KeyColumn is a column of a key.
type KeyColumn struct {
	Name     string
	Type     uint32
	Collated bool // by another collation than the database's, under which other words may be equal
}

// fixable are the types of which equal values are one value, and their names.
var fixable = map[uint32]string{
	17: "bytea", 20: "int8", 21: "int2", 23: "int4", 25: "text", 1043: "varchar", 1082: "date", 1114: "timestamp", 1184: "timestamptz", 2950: "uuid",
}

// FixedKey returns the query of the one key that the condition of an UPDATE can
// meet: of a conjunction that has "column = $n" or "column = constant" for each
// column of the key. It reads no table, so nobody can come between. Parameters
// are the types of those of the statement, and a parameter has to be of its
// column's type, as a cast could fail where a comparison does not.
func FixedKey(text []byte, s *rewrite.Statement, key []KeyColumn, parameters []uint32) ([]byte, bool) {
	if s.Kind != rewrite.Update || s.Several || s.CursorRow || len(key) == 0 || s.Where.Upto <= s.Where.From {
		return nil, false
	}
	terms, ok := conjunction(text, s)
	if !ok {
		return nil, false
	}
	out := []byte("SELECT ")
	for i, column := range key {
		value := ""
		for _, term := range terms {
			if value = fixes(text, s, term, column, parameters); value != "" {
				break
			}
		}
		if value == "" {
			return nil, false
		}
		if i > 0 {
			out = append(out, ", "...)
		}
		out = append(out, value...)
	}
	return out, true
}

// conjunction are the terms of the condition, each as its tokens.
func conjunction(text []byte, s *rewrite.Statement) (terms [][]pgsql.Token, ok bool) {
	c := begin(text[:s.Where.Upto])
	for c.next() && (c.token.Start < s.Where.From || c.depth > 0 || !c.is("where")) {
	}
	if !c.is("where") {
		return nil, false
	}
	var term []pgsql.Token
	for c.next() {
		switch {
		case c.depth > 0:
		case c.is("and"):
			terms, term = append(terms, term), nil
			continue
		case c.oneOf([]string{"or", "between", "case"}): // an AND may be another then
			return nil, false
		}
		term = append(term, c.token)
	}
	return append(terms, term), true
}

// fixes is the expression of the value that a term gives a column; empty: none.
func fixes(text []byte, s *rewrite.Statement, term []pgsql.Token, column KeyColumn, parameters []uint32) string {
	equal := func(t pgsql.Token) bool { return t.Kind == pgsql.KindOperator && string(text[t.Start:t.End]) == "=" }
	n := len(term)
	if n != 3 && n != 5 {
		return ""
	}
	value := pgsql.Token{}
	switch {
	case equal(term[n-2]) && names(text, s, term[:n-2], column):
		value = term[n-1]
	case equal(term[1]) && names(text, s, term[2:], column):
		value = term[0]
	default:
		return ""
	}
	return constant(string(text[value.Start:value.End]), value.Kind, column, parameters)
}

// names says that tokens are a column of the target.
func names(text []byte, s *rewrite.Statement, tokens []pgsql.Token, column KeyColumn) bool {
	if len(tokens) == 3 {
		target, known := identifier(text, tokens[0])
		if !known || rewrite.Quote(target) != s.TargetText || tokens[1].Kind != pgsql.KindDot {
			return false
		}
		tokens = tokens[2:]
	}
	word, known := identifier(text, tokens[0])
	return len(tokens) == 1 && known && word == column.Name
}

// identifier is the name that a token is; not known: of escapes, or none.
func identifier(text []byte, t pgsql.Token) (string, bool) {
	word := string(text[t.Start:t.End])
	switch t.Kind {
	case pgsql.KindWord:
		for _, r := range word {
			if r >= 0x80 {
				return "", false
			}
		}
		return strings.ToLower(word), true
	case pgsql.KindQuotedIdent:
		return strings.ReplaceAll(word[1:len(word)-1], `""`, `"`), true
	default:
		return "", false
	}
}

// constant is a value as it is compared with a column; empty: it is compared in
// another type.
func constant(word string, kind pgsql.Kind, column KeyColumn, parameters []uint32) string {
	name, known := fixable[column.Type]
	if !known || column.Collated {
		return ""
	}
	switch kind {
	case pgsql.KindParam:
		if n, err := strconv.Atoi(word[1:]); err != nil || n < 1 || n > len(parameters) || parameters[n-1] != column.Type {
			return ""
		}
		return word
	case pgsql.KindNumber:
		n, err := strconv.ParseInt(word, 10, 64)
		most := map[string]int64{"int2": math.MaxInt16, "int4": math.MaxInt32, "int8": math.MaxInt64}[name]
		if err != nil || n > most {
			return ""
		}
	case pgsql.KindString:
		if word[0] != '\'' {
			return ""
		}
	default:
		return ""
	}
	return "CAST(" + word + " AS pg_catalog." + name + ")"
}
