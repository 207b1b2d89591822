package state

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Mark is one reason to wait before a dirty key or range is looked at: a
// transaction that may still be changing it. What the words mean is the
// caller's.
type Mark struct {
	TxID        uint64
	Incarnation string
	Until       string
	Cause       string
	Count       uint64
}

// marksText is a line for each mark, its fields parted by tabs. It is read once
// per dirty key at a start, which JSON makes twice as long.
func marksText(marks []Mark) (string, error) {
	var b []byte
	for i, m := range marks {
		if i > 0 {
			b = append(b, '\n')
		}
		b = strconv.AppendUint(b, m.TxID, 10)
		b = append(b, '\t')
		b = strconv.AppendUint(b, m.Count, 10)
		for _, text := range []string{m.Until, m.Cause, m.Incarnation} {
			if strings.ContainsAny(text, "\t\n") {
				return "", fmt.Errorf("a mark cannot have %q in it", text)
			}
			b = append(append(b, '\t'), text...)
		}
	}
	return string(b), nil
}

var errMarks = errors.New("marks that cannot be read")

func marksOf(text []byte, known words) ([]Mark, error) {
	marks := make([]Mark, 0, 1)
	for more := true; more; {
		var line []byte
		line, text, more = bytes.Cut(text, []byte{'\n'})
		var fields [5][]byte
		for i := range fields {
			var found bool
			if fields[i], line, found = bytes.Cut(line, []byte{'\t'}); found != (i < len(fields)-1) {
				return nil, errMarks
			}
		}
		id, idErr := strconv.ParseUint(string(fields[0]), 10, 64)
		count, countErr := strconv.ParseUint(string(fields[1]), 10, 64)
		if idErr != nil || countErr != nil || count == 0 {
			return nil, errMarks
		}
		marks = append(marks, Mark{
			TxID: id, Count: count, Until: known.word(fields[2]), Cause: known.word(fields[3]), Incarnation: known.word(fields[4]),
		})
	}
	return marks, nil
}

// words keeps one copy of what is in many rows.
type words map[string]string

func (w words) word(text []byte) string {
	if have, ok := w[string(text)]; ok {
		return have
	}
	own := string(text)
	w[own] = own
	return own
}
