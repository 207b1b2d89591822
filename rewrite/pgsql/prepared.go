package pgsql

// Prepared returns the one statement of a text that is PREPARE of that name,
// without the semicolon, as a part of the text. The server keeps the whole text
// that a PREPARE came in (pg_prepared_statements), and whoever prepares the
// statement elsewhere must not run the rest of it again.
//
// It is not ok if no statement or several prepare that name, if a PREPARE has a
// name that its text alone does not tell, or if the text does not scan to its
// end.
func Prepared(text []byte, mode Mode, name string) (prepare []byte, ok bool) {
	found := 0
	sound := statements(text, mode, func(st *statement) bool {
		if !st.word("prepare") {
			return true
		}
		got, known := st.name()
		switch t := st.token(); {
		case !known:
			return false
		case got != name:
		case t.Kind == KindLeftParen, st.word("as"):
			prepare = text[st.start:st.end:st.end]
			found++
		}
		return true
	})
	if !sound || found != 1 {
		return nil, false
	}
	return prepare, true
}

// Deallocates returns the names of the prepared statements that a text may drop
// by DEALLOCATE, and whether it may drop all of them: by DEALLOCATE ALL, by
// DISCARD ALL, or by a name that the text alone does not tell.
func Deallocates(text []byte, mode Mode) (names []string, all bool) {
	statements(text, mode, func(st *statement) bool {
		switch {
		case st.words("discard", "all"):
			all = true
		case !st.word("deallocate"):
		default:
			if st.word("prepare") && st.done() {
				st.at-- // its name is prepare
			}
			if st.word("all") {
				all = true
				break
			}
			name, known := st.name()
			if !known {
				all = true
				break
			}
			names = append(names, name)
		}
		return true
	})
	return names, all
}
