package parse

import (
	"strings"

	"github.com/crossfade-db/crossfade/rewrite"
	pg "github.com/pganalyze/pg_query_go/v6"
)

// copyOf reads how COPY FROM understands its data. What the server refuses need
// not be told here.
func copyOf(node *pg.CopyStmt) *rewrite.Copy {
	c := &rewrite.Copy{
		Stdin: node.Filename == "" && !node.IsProgram,
		Where: node.WhereClause != nil,
	}
	given := options{}
	for _, option := range node.Options {
		def := option.GetDefElem()
		if def == nil || given[def.Defname] != nil {
			c.Strange = true
			continue
		}
		given[def.Defname] = def
	}
	c.Format = given.format(c)
	given.separators(c)
	for name, def := range given {
		c.Strange = !copyOption(c, name, def) || c.Strange
	}
	return c
}

// options are those of a command by name.
type options map[string]*pg.DefElem

func (o options) format(c *rewrite.Copy) rewrite.CopyFormat {
	switch word(o["format"]) {
	case "", "text":
		return rewrite.CopyText
	case "csv":
		return rewrite.CopyCSV
	case "binary":
		return rewrite.CopyBinary
	}
	c.Strange = true
	return rewrite.CopyText
}

// separators are those of the format, where none are given (manual, COPY).
func (o options) separators(c *rewrite.Copy) {
	delimiter, null := "\t", `\N`
	if c.Format == rewrite.CopyCSV {
		delimiter, null = ",", ""
	}
	c.Null = o.text(c, "null", null)
	c.Default = o.text(c, "default", "")
	c.Strange = c.Strange || o["default"] != nil && c.Default == ""
	c.Delimiter = o.letter(c, "delimiter", delimiter)
	if c.Format == rewrite.CopyCSV {
		c.Quote = o.letter(c, "quote", `"`)
		c.Escape = o.letter(c, "escape", string(c.Quote))
	}
}

// text is an option that is a string; the server takes numbers, too.
func (o options) text(c *rewrite.Copy, name, otherwise string) string {
	if o[name] == nil {
		return otherwise
	}
	c.Strange = c.Strange || o[name].Arg.GetString_() == nil
	return word(o[name])
}

// letter is an option of one byte.
func (o options) letter(c *rewrite.Copy, name, otherwise string) byte {
	text := o.text(c, name, otherwise)
	if len(text) != 1 {
		c.Strange = true
		return 0
	}
	return text[0]
}

// copyOption reads one of the other options, and reports whether it is known.
func copyOption(c *rewrite.Copy, name string, def *pg.DefElem) bool {
	switch name {
	case "format", "delimiter", "null", "default", "quote", "escape", "log_verbosity":
		return true
	case "header":
		on, known := truth(def)
		c.Header = on || word(def) == "match"
		return known || c.Header
	case "freeze":
		on, known := truth(def)
		c.Freeze = on
		return known
	case "encoding":
		c.Encoding = word(def)
		return true
	case "force_not_null":
		return columnList(c, def, &c.NotNull)
	case "force_null":
		return columnList(c, def, &c.ForceNull)
	case "on_error":
		return word(def) == "stop"
	default:
		return false
	}
}

// columnList reads a list of columns, or the star for all.
func columnList(c *rewrite.Copy, def *pg.DefElem, into *[]string) bool {
	if def.Arg.GetAStar() != nil {
		c.AllForced = true
		return true
	}
	list := def.Arg.GetList()
	for _, item := range list.GetItems() {
		*into = append(*into, item.GetString_().GetSval())
	}
	return list != nil
}

// word is the value of an option in lower case where case does not matter: its
// text, or nothing.
func word(def *pg.DefElem) string {
	if def == nil {
		return ""
	}
	text := def.Arg.GetString_().GetSval()
	switch def.Defname {
	case "format", "header", "on_error":
		return strings.ToLower(text)
	default:
		return text
	}
}

// truth reads a switch, which is on without a value.
func truth(def *pg.DefElem) (on, known bool) {
	switch arg := def.Arg.GetNode().(type) {
	case nil:
		return true, true
	case *pg.Node_Boolean:
		return arg.Boolean.Boolval, true
	case *pg.Node_Integer:
		return arg.Integer.Ival == 1, arg.Integer.Ival == 0 || arg.Integer.Ival == 1
	case *pg.Node_String_:
		switch strings.ToLower(arg.String_.Sval) {
		case "true", "on":
			return true, true
		case "false", "off":
			return false, true
		}
	}
	return false, false
}
