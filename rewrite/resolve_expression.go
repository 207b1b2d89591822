package rewrite

import (
	"errors"
	"strings"

	"github.com/crossfade-db/crossfade/rewrite/pgsql"
)

// Why a text cannot stand where one expression is meant.
var (
	errEmpty      = errors.New("is empty")
	errComment    = errors.New("has a comment")
	errSeveral    = errors.New("is more than one expression")
	errParameter  = errors.New("has a parameter ($1): nothing gives it a value")
	errBrackets   = errors.New("has brackets that do not match")
	errSubquery   = errors.New("has a subquery: an expression may use the columns of its own row only")
	errUnicode    = errors.New(`has a name written as U&"…": write its letters`)
	errCharacters = errors.New("has characters that no SQL is made of")
)

// CheckExpression says what keeps a text from being one SQL expression, as far
// as its tokens tell: it can be put between brackets and nothing gets out of
// them. The error has no part of the text.
func CheckExpression(sql string) error {
	_, err := readExpression(sql)
	return err
}

// isDefault says that an initial value is left to the database.
func isDefault(sql string) bool { return strings.EqualFold(strings.TrimSpace(sql), "default") }

// dotted is a name in an expression that may be a column.
type dotted struct {
	parts []string
	word  bool // it may be a word of the grammar
}

// readExpression finds the names in an expression that may be columns: neither
// functions nor types, as far as their places tell.
func readExpression(sql string) ([]dotted, error) {
	tokens, err := tokensOf(sql)
	if err != nil {
		return nil, err
	}
	if err := sound(tokens); err != nil {
		return nil, err
	}
	var names []dotted
	for i := 0; i < len(tokens); {
		if !tokens[i].name() {
			i++
			continue
		}
		next := chainEnd(tokens, i)
		if n := dottedOf(tokens[i:next]); columnAt(tokens, i, next) {
			names = append(names, n)
		}
		i = next
	}
	return names, nil
}

// lexeme is a token with its text; a name's is what it means.
type lexeme struct {
	kind pgsql.Kind
	text string
}

func (l lexeme) name() bool { return l.kind == pgsql.KindWord || l.kind == pgsql.KindQuotedIdent }

func (l lexeme) is(word string) bool { return l.kind == pgsql.KindWord && l.text == word }

func tokensOf(sql string) ([]lexeme, error) {
	var s pgsql.Scanner
	s.Reset([]byte(sql), 0)
	var tokens []lexeme
	end := 0
	for s.Next() {
		t := s.Token()
		if strings.ContainsAny(sql[end:t.Start], "-/") {
			return nil, errComment
		}
		end = t.End
		text := sql[t.Start:t.End]
		switch t.Kind {
		case pgsql.KindWord:
			text = fold(text)
		case pgsql.KindQuotedIdent:
			text = strings.ReplaceAll(text[1:len(text)-1], `""`, `"`)
		case pgsql.KindUnicodeIdent:
			return nil, errUnicode
		case pgsql.KindOther:
			return nil, errCharacters
		default:
		}
		tokens = append(tokens, lexeme{t.Kind, text})
	}
	switch {
	case s.Err() != nil:
		return nil, errors.New("has an " + s.Err().Error())
	case strings.ContainsAny(sql[end:], "-/"):
		return nil, errComment
	case len(tokens) == 0:
		return nil, errEmpty
	}
	return tokens, nil
}

// fold makes the letters of ASCII small, as the server does with names that
// have no quotes.
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, name)
}

// sound says why tokens are not one expression.
func sound(tokens []lexeme) error {
	var open []pgsql.Kind
	for _, t := range tokens {
		switch t.kind {
		case pgsql.KindLeftParen:
			open = append(open, pgsql.KindRightParen)
		case pgsql.KindLeftBracket:
			open = append(open, pgsql.KindRightBracket)
		case pgsql.KindRightParen, pgsql.KindRightBracket:
			if len(open) == 0 || open[len(open)-1] != t.kind {
				return errBrackets
			}
			open = open[:len(open)-1]
		case pgsql.KindSemicolon:
			return errSeveral
		case pgsql.KindComma:
			if len(open) == 0 {
				return errSeveral
			}
		case pgsql.KindParam:
			return errParameter
		case pgsql.KindWord:
			if t.text == "select" || t.text == "table" {
				return errSubquery
			}
		default:
		}
	}
	if len(open) > 0 {
		return errBrackets
	}
	return nil
}

// chainEnd is where a dotted name ends.
func chainEnd(tokens []lexeme, i int) int {
	for i+2 < len(tokens) && tokens[i+1].kind == pgsql.KindDot && tokens[i+2].name() {
		i += 2
	}
	return i + 1
}

func dottedOf(chain []lexeme) dotted {
	n := dotted{word: len(chain) == 1 && chain[0].kind == pgsql.KindWord && grammarWords[chain[0].text]}
	for _, t := range chain {
		if t.name() {
			n.parts = append(n.parts, t.text)
		}
	}
	return n
}

// columnAt says whether the name at tokens[i:next] stands where a column may.
func columnAt(tokens []lexeme, i, next int) bool {
	at := func(i int) lexeme {
		if i < 0 || i >= len(tokens) {
			return lexeme{}
		}
		return tokens[i]
	}
	before, after := at(i-1), at(next)
	switch {
	case tokens[i].kind == pgsql.KindWord && reservedWords[tokens[i].text]:
		return false
	case before.kind == pgsql.KindTypecast, before.kind == pgsql.KindDot, before.is("as"), before.is("collate"):
		return false // of a type, a field, a collation
	case after.kind == pgsql.KindLeftParen, after.kind == pgsql.KindDot:
		return false // a function, or a type with its length; the schema of an operator
	case after.kind == pgsql.KindString, after.kind == pgsql.KindArrow:
		return false // the type of a constant; an argument's name
	case tokens[i].is("time") && after.is("zone"), tokens[i].is("zone") && before.is("time"):
		return false
	case tokens[i].is("at") && after.is("time"), tokens[i].is("without") && after.is("time"):
		return false
	case tokens[i].is("precision") && before.is("double"), tokens[i].is("varying") && (before.is("character") || before.is("bit")):
		return false
	}
	return true
}
