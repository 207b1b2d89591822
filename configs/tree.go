package configs

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// The bounds of a file. The parser recurses per level and copies the tail of a
// list per item, and gives each node the joined keys above it, so these also
// bound its time and memory: files at the bounds take half a second and keep
// some 110 MiB until they are decoded.
const (
	maxBytes  = 1 << 20
	maxTokens = 50_000 // some 3,000 users
	maxDepth  = 16     // the configuration needs 10
	maxKey    = 256    // the longest names of columns, with schema and table
)

// parseTree reads one YAML document. The node is nil for an empty one. A fault
// has neither file nor path.
func parseTree(data []byte) (ast.Node, *Fault) {
	if len(data) > maxBytes {
		return nil, &Fault{Line: 1, Column: 1, Message: "the file is larger than " + Size(maxBytes).String()}
	}
	data = bytes.TrimPrefix(data, []byte("\uFEFF"))
	if bad := invalidUTF8(data); bad >= 0 {
		return nil, &Fault{Line: 1 + bytes.Count(data[:bad], []byte("\n")), Column: 1, Message: "the line is not UTF-8 text"}
	}
	tokens := lexer.Tokenize(string(data))
	if fault := checkTokens(tokens); fault != nil {
		return nil, fault
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, syntaxFault(err)
	}
	for _, doc := range file.Docs {
		if doc.Body != nil {
			return doc.Body, nil
		}
	}
	return nil, nil
}

// invalidUTF8 is the offset of the first byte that is not UTF-8, or -1.
func invalidUTF8(data []byte) int {
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return -1
}

// syntaxFault keeps the parser's words and its position, and cuts what it
// quotes of the file, which may be a password.
func syntaxFault(err error) *Fault {
	var syntax *yaml.SyntaxError
	if !errors.As(err, &syntax) {
		return &Fault{Line: 1, Column: 1, Message: "the file is not YAML"}
	}
	message, _, _ := strings.Cut(syntax.Message, `"`)
	return tokenFault(syntax.Token, strings.TrimRight(message, ": "))
}

func tokenFault(t *token.Token, message string) *Fault {
	f := &Fault{Line: 1, Column: 1, Message: message}
	if t != nil && t.Position != nil {
		f.Line, f.Column = t.Position.Line, t.Position.Column
	}
	return f
}

// checkTokens refuses what the parser must not see: too much, too deep, and
// everything of YAML that a configuration does not need. Without aliases a
// file cannot say more than it contains.
func checkTokens(tokens token.Tokens) *Fault {
	if len(tokens) > maxTokens {
		return tokenFault(tokens[maxTokens], fmt.Sprintf("the file has more than %d keys, values and marks", maxTokens))
	}
	var depth nesting
	for _, t := range tokens {
		if message := unwanted(t); message != "" {
			return tokenFault(t, message)
		}
		depth.see(t)
		if depth.levels() > maxDepth {
			return tokenFault(t, fmt.Sprintf("the file is nested more than %d levels deep", maxDepth))
		}
	}
	return nil
}

// unwanted says why a token has no place in a configuration.
func unwanted(t *token.Token) string {
	switch t.Type {
	case token.AnchorType, token.AliasType, token.MergeKeyType:
		return "anchors, aliases and merge keys (&, *, <<) have no place in this file: write the value out"
	case token.TagType, token.DirectiveType, token.MappingKeyType:
		return "tags, directives and complex keys (!, %, ?) have no place in this file"
	case token.DocumentEndType:
		return "the file is one document: remove ..."
	case token.DocumentHeaderType:
		if !onlyComments(t) {
			return "the file is one document: remove ---"
		}
	case token.MappingValueType:
		if t.Prev != nil && len(t.Prev.Value) > maxKey {
			return fmt.Sprintf("the key is longer than %d bytes", maxKey)
		}
	case token.InvalidType:
		return syntaxFault(&yaml.SyntaxError{Message: t.Error, Token: t}).Message
	}
	return ""
}

// onlyComments reports whether nothing but comments stands before a token.
func onlyComments(t *token.Token) bool {
	for t = t.Prev; t != nil; t = t.Prev {
		if t.Type != token.CommentType {
			return false
		}
	}
	return true
}

// nesting follows the depth of a token stream. A level of block style stands
// further right than the one around it, so its column identifies it; a list
// may share the column of its key, which makes it half a level.
type nesting struct {
	columns []int
	flow    int
}

func (n *nesting) levels() int { return len(n.columns) + n.flow }

func (n *nesting) see(t *token.Token) {
	switch t.Type {
	case token.MappingStartType, token.SequenceStartType:
		n.flow++
	case token.MappingEndType, token.SequenceEndType:
		n.flow--
	case token.SequenceEntryType:
		n.block(t)
	case token.MappingValueType:
		if t.Prev != nil && n.flow == 0 {
			n.block(t.Prev)
		}
	}
}

func (n *nesting) block(t *token.Token) {
	column := t.Position.Column
	for len(n.columns) > 0 && n.columns[len(n.columns)-1] > column {
		n.columns = n.columns[:len(n.columns)-1]
	}
	if len(n.columns) == 0 || n.columns[len(n.columns)-1] < column {
		n.columns = append(n.columns, column)
	}
}
