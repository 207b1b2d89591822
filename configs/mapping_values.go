package configs

import (
	"regexp"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"github.com/crossfade-db/crossfade/rewrite"
)

// canonical are the numbers of which everybody knows what they are: 01, 0x1F,
// 1_000 and 1.50 are 1, 31, 1000 and 1.5 for one reader and words for another.
var canonical = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]*[1-9])?$`)

// number is what some reader of YAML takes for a number where ours does not.
var number = regexp.MustCompile(`^[-+]?(0[xob][0-9a-fA-F_]+|[0-9][0-9_]*\.?[0-9_]*([eE][-+]?[0-9]+)?|\.[0-9][0-9_]*([eE][-+]?[0-9]+)?)$`)

const rewritten = "%s is a number that YAML readers write in another way: put it in quotes"

// isNull says that a node is the bare word null, and not ~, NULL or nothing.
func isNull(n *ast.NullNode) bool {
	t := n.GetToken()
	return t.Type == token.NullType && t.Value == "null"
}

// values are the words of a map. They are what the file says, letter by letter;
// only the bare word null is NULL.
func (e entry) values() []rewrite.ValueMap {
	n := e.nodes["values"]
	if n == nil {
		return nil
	}
	m, ok := n.(*ast.MappingNode)
	if !ok || len(m.Values) == 0 {
		e.add(e.at("values"), "expected a mapping of words, {of the source: of the target}, got %s", kindOf(n))
		return nil
	}
	var all []rewrite.ValueMap
	seen := map[rewrite.ValueMap]int{}
	for _, pair := range m.Values {
		v := rewrite.ValueMap{}
		var ok, too bool
		v.Source, v.SourceNull, ok = e.word(pair.Key)
		v.Target, v.TargetNull, too = e.word(pair.Value)
		if !ok || !too {
			continue
		}
		at := placeOf(pair.Key)
		from := rewrite.ValueMap{Source: v.Source, SourceNull: v.SourceNull}
		if first, twice := seen[from]; twice {
			e.addAt(at, e.at("values"), "%s is listed twice, first in line %d", word(v.Source, v.SourceNull), first)
			continue
		}
		seen[from] = at.Line
		all = append(all, v)
	}
	return all
}

// word is one word of values, as the file has it.
func (e entry) word(n ast.Node) (text string, null, ok bool) {
	fault := func(format string, args ...any) (string, bool, bool) {
		e.addAt(placeOf(n), e.at("values"), format, args...)
		return "", false, false
	}
	switch n := n.(type) {
	case *ast.NullNode:
		if isNull(n) {
			return "", true, true
		}
		return fault(`expected a word: write null for NULL, and "" for the empty text`)
	case *ast.StringNode:
		text := n.GetToken().Value
		switch {
		case strings.ContainsRune(text, 0):
			return fault("contains a NUL byte")
		case n.GetToken().Type == token.StringType && number.MatchString(text):
			return fault(rewritten, quote(text))
		}
		return text, false, true
	case *ast.IntegerNode, *ast.FloatNode:
		text := n.GetToken().Value
		if !canonical.MatchString(text) {
			return fault(rewritten, quote(text))
		}
		return text, false, true
	case *ast.BoolNode:
		text := n.GetToken().Value
		if text != "true" && text != "false" {
			return fault("%s: write true or false, or put it in quotes", quote(text))
		}
		return text, false, true
	}
	return fault("expected a word, got %s", kindOf(n))
}

// otherwise says what becomes of a word that is not listed.
func (e entry) otherwise() rewrite.Else {
	n := e.nodes["else"]
	if n == nil {
		return rewrite.ElseError
	}
	text, ok := plain(n)
	if null, is := n.(*ast.NullNode); is {
		text, ok = null.GetToken().Value, isNull(null)
	}
	switch {
	case ok && text == "error":
		return rewrite.ElseError
	case ok && text == "same":
		return rewrite.ElseSame
	case ok && text == "null":
		return rewrite.ElseNull
	case ok:
		e.add(e.at("else"), "%s is not one of error, same, null%s", quote(text), suggest(text, []string{"error", "same"}))
	default:
		e.add(e.at("else"), "expected error, same or null, got %s", kindOf(n))
	}
	return rewrite.ElseError
}
