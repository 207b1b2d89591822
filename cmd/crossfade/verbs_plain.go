package main

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
)

// unprintable is what can do something to a terminal, or turn a line around;
// the end of a line is none.
func unprintable(r rune) bool {
	return r != '\n' && (!unicode.IsPrint(r) || unicode.Is(unicode.Bidi_Control, r))
}

// printable is a text with all of that escaped, and the ends of lines too: it
// does nothing to the columns of a table.
func printable(text string) string {
	var b strings.Builder
	for _, r := range text {
		if r != '\n' && !unprintable(r) {
			b.WriteRune(r)
			continue
		}
		quoted := strconv.QuoteRuneToASCII(r)
		b.WriteString(quoted[1 : len(quoted)-1])
	}
	return b.String()
}

// escaped is the same for JSON, where it changes no value.
func escaped(text []byte) []byte {
	if !bytes.ContainsFunc(text, unprintable) {
		return text
	}
	var b bytes.Buffer
	for _, r := range string(text) {
		switch high, low := utf16.EncodeRune(r); {
		case !unprintable(r):
			b.WriteRune(r)
		case high != unicode.ReplacementChar:
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.Bytes()
}
