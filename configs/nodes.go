package configs

import (
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"github.com/crossfade-db/crossfade/rewrite"
)

// mark remembers where a path stands: at a key, or at a list item itself.
func (d *decoder) mark(path string, at, value ast.Node) {
	p := placeOf(at)
	d.at[path] = place{line: p.Line, column: p.Column, empty: isEmpty(value)}
}

// placeOf is where a node starts.
func placeOf(n ast.Node) rewrite.At {
	if t := start(n); t != nil && t.Position != nil {
		return rewrite.At{Line: t.Position.Line, Column: t.Position.Column}
	}
	return rewrite.At{Line: 1, Column: 1}
}

// start is the first token of a node. The parser gives a mapping in block style
// the position of its first colon.
func start(n ast.Node) *token.Token {
	if m, ok := n.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
		return m.Values[0].Key.GetToken()
	}
	return n.GetToken()
}

// entries are the values of a mapping by key, and whether there is one. Faults:
// not a mapping, a key that is no name, a key twice.
func (d *decoder) entries(n ast.Node, path string) (map[string]ast.Node, bool) {
	entries := map[string]ast.Node{}
	if n == nil {
		return entries, false
	}
	m, ok := n.(*ast.MappingNode)
	if !ok {
		d.add(path, "expected a mapping, got %s", kindOf(n))
		return entries, false
	}
	for _, pair := range m.Values {
		key, ok := plain(pair.Key)
		if !ok || key == "" || strings.ContainsRune(key, 0) {
			t := pair.Key.GetToken()
			d.faults = append(d.faults, Fault{d.file, t.Position.Line, t.Position.Column, path, "a key must be a name"})
			continue
		}
		at := join(path, key)
		_, twice := entries[key]
		first := d.at[at].line
		d.mark(at, pair.Key, pair.Value)
		entries[key] = pair.Value
		if twice {
			d.add(at, "is given twice, first in line %d", first)
		}
	}
	return entries, true
}

// items are the values of a list.
func (d *decoder) items(n ast.Node, path string) ([]ast.Node, bool) {
	s, ok := n.(*ast.SequenceNode)
	if !ok {
		d.add(path, "expected a list, got %s", kindOf(n))
		return nil, false
	}
	return s.Values, true
}

// text is the text of a string. A number or a true is none, since YAML readers
// disagree about what 010 and 1e3 are: those who mean the text quote it.
func (d *decoder) text(n ast.Node, path string) (string, bool) {
	switch n.(type) {
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode, *ast.BoolNode:
		d.add(path, "expected text, got %s: put it in quotes", kindOf(n))
		return "", false
	}
	return d.scalar(n, path)
}

// scalar is the text of a string or number as it is written, without NUL, which
// ends names in the protocols.
func (d *decoder) scalar(n ast.Node, path string) (string, bool) {
	text, ok := plain(n)
	if !ok {
		d.add(path, "expected text, got %s", kindOf(n))
		return "", false
	}
	if strings.ContainsRune(text, 0) {
		d.add(path, "contains a NUL byte")
		return "", false
	}
	return text, true
}

// plain is a scalar's text as the file has it: the parser's own values turn 01
// into 1.
func plain(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	}
	return "", false
}

// isEmpty reports whether a value says nothing: "", [] or {}.
func isEmpty(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.MappingNode:
		return len(n.Values) == 0
	case *ast.SequenceNode:
		return len(n.Values) == 0
	}
	text, _ := plain(n)
	return text == ""
}

// kindOf names what a node is, for a fault.
func kindOf(n ast.Node) string {
	switch n.(type) {
	case *ast.MappingNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.StringNode, *ast.LiteralNode:
		return "text"
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return "a number"
	case *ast.BoolNode:
		return "true or false"
	case *ast.NullNode:
		return "nothing (give a value or remove the key)"
	}
	return "something else"
}
