package parse

import (
	"bytes"
	"strings"

	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/rewrite/pgsql"
)

// OldKeys returns the query that reads, and locks, the keys of the rows that an
// UPDATE is about to change: with the same WITH list, FROM list and condition and
// the same numbers of parameters. The parameters of SET are not in it, so whoever
// prepares it must name the types of all. Key are expressions as they are to
// stand behind SELECT, qualified and quoted. A row that joins several others comes
// several times, and functions of the condition run once more.
//
// It is not ok where the query would do more than read, or read other rows: of a
// WITH list that writes or that hides the target, and of a cursor's row.
func OldKeys(text []byte, s *rewrite.Statement, key []string) ([]byte, bool) {
	if s.Kind != rewrite.Update || s.Several || s.CursorRow || s.Snapshot || len(key) == 0 {
		return nil, false
	}
	found := find(text, s.Kind)
	if found.target.Upto == 0 || found.end != s.End || hidden(text, s) {
		return nil, false
	}
	var out bytes.Buffer
	out.Write(text[s.With.From:s.With.Upto])
	separator := "SELECT "
	for _, column := range key {
		out.WriteString(separator)
		out.WriteString(column)
		separator = ", "
	}
	out.WriteString(" FROM ")
	out.Write(text[found.target.From:found.target.Upto])
	rest := text[s.Where.From:s.Where.Upto]
	if found.from {
		out.WriteByte(',')
		rest = rest[len("from"):]
	}
	out.WriteByte('\n')
	out.Write(rest)
	out.WriteString(" FOR UPDATE OF ")
	out.WriteString(s.TargetText)
	return out.Bytes(), true
}

// hidden reports whether the list of WITH may have a CTE of the target's name,
// which an UPDATE looks through and a SELECT does not.
func hidden(text []byte, s *rewrite.Statement) bool {
	if s.Target.Schema != "" {
		return false
	}
	c := begin(text[:s.With.Upto])
	for c.next() {
		if c.depth == 0 && mayName(text[c.token.Start:c.token.End], c.token.Kind, s.Target.Name) {
			return true
		}
	}
	return false
}

// mayName reports whether a token may be the identifier of that name. One of
// escapes, or longer than the server keeps, may be any.
func mayName(token []byte, kind pgsql.Kind, name string) bool {
	const longest = 63
	switch kind {
	case pgsql.KindWord:
		return len(token) > longest || string(bytes.ToLower(token)) == strings.ToLower(name)
	case pgsql.KindQuotedIdent:
		return len(token) > longest || strings.ReplaceAll(string(token[1:len(token)-1]), `""`, `"`) == name
	case pgsql.KindUnicodeIdent:
		return true
	default:
		return false
	}
}
