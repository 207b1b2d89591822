package pgsql

import "bytes"

// statement is one statement of a text, for the questions that are asked
// seldom: its place, and the tokens that it begins with.
type statement struct {
	text       []byte
	start, end int
	head       []Token // the first of its tokens, valid until the next statement
	at         int     // of the head that is read next
	folder     *folder
}

// maxHead is enough for every statement that is looked into.
const maxHead = 12

// statements calls yield for every statement that is not empty until it returns
// false, and reports whether the text scans to its end.
func statements(text []byte, mode Mode, yield func(*statement) bool) (sound bool) {
	var s Scanner
	var tokens [maxHead]Token
	st := statement{text: text, folder: new(folder)}
	for s.Reset(text, mode); s.Next(); {
		t := s.Token()
		if t.Kind == KindSemicolon {
			if len(st.head) > 0 && !yield(&st) {
				return false
			}
			st.head, st.at = nil, 0
			continue
		}
		switch {
		case len(st.head) == 0:
			st.start = t.Start
			st.head = append(tokens[:0], t)
		case len(st.head) < maxHead:
			st.head = append(st.head, t)
		}
		st.end = t.End
	}
	if len(st.head) > 0 && !yield(&st) {
		return false
	}
	return s.fault == 0
}

// token returns the token that is read next, the zero Token past the head.
func (st *statement) token() Token {
	if st.at < len(st.head) {
		return st.head[st.at]
	}
	return Token{}
}

// word reads the unquoted word, or nothing.
func (st *statement) word(word string) bool {
	t := st.token()
	if t.Kind != KindWord || string(st.folder.fold(st.text[t.Start:t.End])) != word {
		return false
	}
	st.at++
	return true
}

// words reads both words one behind the other, or nothing.
func (st *statement) words(first, second string) bool {
	from := st.at
	if st.word(first) && st.word(second) {
		return true
	}
	st.at = from
	return false
}

// done reports whether the statement has no more tokens.
func (st *statement) done() bool { return st.at >= len(st.head) }

// assigned reports whether what comes makes the name before it that of a
// setting, without reading it.
func (st *statement) assigned() bool {
	switch t := st.token(); t.Kind {
	case KindDot:
		return true
	case KindOperator:
		return string(st.text[t.Start:t.End]) == "="
	default:
		from := st.at
		found := st.word("to") || st.word("from")
		st.at = from
		return found
	}
}

// name reads an identifier as the server understands it: folded or unquoted,
// and cut to the length of a name. It is not ok, and read all the same, if the
// text alone does not say what name it is: of escapes, and of a name too long
// that has more than ASCII.
func (st *statement) name() (name string, ok bool) {
	t := st.token()
	st.at++
	text := st.text[t.Start:t.End]
	switch t.Kind {
	case KindWord:
		text = lowered(text)
	case KindQuotedIdent:
		text = bytes.ReplaceAll(text[1:len(text)-1], []byte(`""`), []byte(`"`))
	default:
		return "", false
	}
	if len(text) <= maxName {
		return string(text), true
	}
	for _, c := range text {
		if c >= 0x80 {
			return "", false
		}
	}
	return string(text[:maxName]), true
}

// lowered returns a folded copy: ASCII letters only, as in names of settings
// and, where the encoding has several bytes a character, in identifiers.
func lowered(text []byte) []byte {
	folded := bytes.Clone(text)
	for i, c := range folded {
		if 'A' <= c && c <= 'Z' {
			folded[i] = c + 'a' - 'A'
		}
	}
	return folded
}
