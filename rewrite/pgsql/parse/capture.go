package parse

import (
	"bytes"

	"github.com/crossfade-db/crossfade/rewrite"
)

// Capture returns the text with columns added to what it returns, behind those
// of its own: expressions as they are to stand there, qualified and quoted
// (TargetText is how the statement calls its target). Everything else stays,
// comments included. A text that returns no rows of a write, or that is not to
// return any, is returned as it is.
func Capture(text []byte, s *rewrite.Statement, columns []string) []byte {
	switch s.Kind {
	case rewrite.Insert, rewrite.Update, rewrite.Delete, rewrite.Merge:
	default:
		return text
	}
	if s.Several || len(columns) == 0 {
		return text
	}
	separator := " RETURNING "
	if s.Returning {
		separator = ", "
	}
	size := len(text) + len(separator)
	for _, column := range columns {
		size += len(column) + len(", ")
	}
	out := bytes.NewBuffer(make([]byte, 0, size))
	out.Write(text[:s.End])
	for _, column := range columns {
		out.WriteString(separator)
		out.WriteString(column)
		separator = ", "
	}
	out.Write(text[s.End:])
	return out.Bytes()
}

// Resplice returns the statement for another text with the same Key: all of it
// is the same but the places where texts of ours go. It is not ok for a text
// whose tokens cannot be those of the statement.
func Resplice(text []byte, s *rewrite.Statement) (*rewrite.Statement, bool) {
	if s.Several || s.Prepared != nil {
		return nil, false
	}
	found := find(text, s.Kind)
	switch s.Kind {
	case rewrite.Insert, rewrite.Update, rewrite.Delete, rewrite.Merge:
		if found.name == 0 || found.returning != s.Returning {
			return nil, false
		}
	default:
	}
	other := *s
	other.End, other.With, other.Where = found.end, found.with, found.where
	if s.CTEs == nil {
		return &other, true
	}
	list, ok := listed(text, found.with)
	if !ok {
		return nil, false
	}
	other.CTEs = make([]rewrite.CTE, len(s.CTEs))
	for i, cte := range s.CTEs {
		if cte.Index >= len(list) {
			return nil, false
		}
		is := list[cte.Index]
		if is.Statement, ok = Resplice(text[is.Body.From:is.Body.Upto], cte.Statement); !ok {
			return nil, false
		}
		other.CTEs[i] = is
	}
	return &other, true
}
