package rewrite

import (
	"errors"
	"strings"
	"unicode"
)

// Why a text is no dotted name.
var (
	errNamePart  = errors.New("has a part without letters")
	errNameQuote = errors.New("has a double quote that is not closed, or in the middle of a part")
	errNameChar  = errors.New("has a character that needs double quotes around its part")
	errNameParts = errors.New("has too many parts: write schema.table")
)

// SplitName takes a dotted name apart as users write it in a mapping: a part is
// taken as it stands, capital letters too; one in double quotes may have any
// character, and two quotes for one.
func SplitName(text string) ([]string, error) {
	var parts []string
	for rest := text; ; {
		part, tail, err := firstPart(rest)
		if err != nil {
			return nil, err
		}
		parts = append(parts, part)
		if tail == "" {
			return parts, nil
		}
		rest = tail[1:]
	}
}

// firstPart is the first part of a name, and what follows it: nothing, or a dot
// and more.
func firstPart(text string) (part, tail string, err error) {
	if strings.HasPrefix(text, `"`) {
		return quotedPart(text)
	}
	part = text
	if i := strings.IndexByte(text, '.'); i >= 0 {
		part, tail = text[:i], text[i:]
	}
	switch {
	case part == "":
		return "", "", errNamePart
	case strings.Contains(part, `"`):
		return "", "", errNameQuote
	case strings.IndexFunc(part, needsQuotes) >= 0:
		return "", "", errNameChar
	}
	return part, tail, nil
}

func needsQuotes(r rune) bool {
	return r != '_' && r != '$' && r != '-' && !unicode.IsLetter(r) && !unicode.IsDigit(r)
}

func quotedPart(text string) (part, tail string, err error) {
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		if text[i] != '"' {
			b.WriteByte(text[i])
			continue
		}
		if i+1 < len(text) && text[i+1] == '"' {
			b.WriteByte('"')
			i++
			continue
		}
		tail = text[i+1:]
		switch {
		case b.Len() == 0:
			return "", "", errNamePart
		case tail != "" && tail[0] != '.':
			return "", "", errNameQuote
		}
		return b.String(), tail, nil
	}
	return "", "", errNameQuote
}

// ParseName reads schema.table; without a schema it is that of public.
func ParseName(text string) (Name, error) {
	parts, err := SplitName(text)
	switch {
	case err != nil:
		return Name{}, err
	case len(parts) == 1:
		return Name{Schema: "public", Name: parts[0]}, nil
	case len(parts) == 2:
		return Name{Schema: parts[0], Name: parts[1]}, nil
	}
	return Name{}, errNameParts
}

// ParseColumn reads the name of a column, in double quotes or not.
func ParseColumn(text string) (string, error) {
	parts, err := SplitName(text)
	switch {
	case err != nil:
		return "", err
	case len(parts) > 1:
		return "", errors.New("is the name of a column, without its table")
	}
	return parts[0], nil
}
