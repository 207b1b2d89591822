package state

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// members are the members of a JSON object, their values in canonical form.
type members map[string][]byte

// maxDepth bounds how deep before and after nest, so that every verifier can
// follow.
const maxDepth = 32

var errNoObject = errors.New("it is not one JSON object")

// canonical brings JSON into the form that is hashed: no white space, members
// sorted by the bytes of their names, strings as UTF-8 with the fewest escapes,
// numbers as they were written. A name that occurs twice is an error.
func canonical(text []byte) ([]byte, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	value, err := canonicalValue(d, 0)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more than one JSON value")
	}
	return value, nil
}

// parseObject reads one JSON object.
func parseObject(text []byte) (members, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errNoObject
	}
	m, err := readMembers(d, 0)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errNoObject
	}
	return m, nil
}

func canonicalValue(d *json.Decoder, depth int) ([]byte, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("it nests deeper than %d", maxDepth)
	}
	token, err := d.Token()
	if err != nil {
		return nil, fmt.Errorf("it is not JSON: %w", err)
	}
	switch t := token.(type) {
	case json.Delim:
		if t == '{' {
			m, err := readMembers(d, depth)
			return m.text(), err
		}
		return canonicalArray(d, depth)
	case string:
		return quote(t), nil
	case json.Number:
		return []byte(t.String()), nil
	case bool:
		return fmt.Append(nil, t), nil
	default:
		return []byte("null"), nil
	}
}

func readMembers(d *json.Decoder, depth int) (members, error) {
	m := members{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("it is not JSON: %w", err)
		}
		name, _ := token.(string) // the decoder lets no other token be a name
		if _, twice := m[name]; twice {
			return nil, errors.New("it has one name twice")
		}
		if m[name], err = canonicalValue(d, depth+1); err != nil {
			return nil, err
		}
	}
	if _, err := d.Token(); err != nil {
		return nil, fmt.Errorf("it is not JSON: %w", err)
	}
	return m, nil
}

func canonicalArray(d *json.Decoder, depth int) ([]byte, error) {
	var values [][]byte
	for d.More() {
		value, err := canonicalValue(d, depth+1)
		if err != nil {
			return nil, err
		}
		values = append(values, value)
	}
	if _, err := d.Token(); err != nil {
		return nil, fmt.Errorf("it is not JSON: %w", err)
	}
	return fmt.Appendf(nil, "[%s]", bytes.Join(values, []byte(","))), nil
}

// text is the canonical form of the object.
func (m members) text() []byte {
	out := []byte{'{'}
	for i, name := range slices.Sorted(maps.Keys(m)) {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(append(out, quote(name)...), ':')
		out = append(out, m[name]...)
	}
	return append(out, '}')
}

// sum is the hash of a record: of all its members but hash itself.
func (m members) sum() string {
	all := maps.Clone(m)
	delete(all, "hash")
	sum := sha256.Sum256(all.text())
	return hex.EncodeToString(sum[:])
}

// quote writes a string as RFC 8785 does: the two that must be escaped and the
// control characters, nothing else.
func quote(s string) []byte {
	const short = "\b\f\n\r\t"
	out := []byte{'"'}
	for _, r := range s {
		switch at := strings.IndexRune(short, r); {
		case r == '"' || r == '\\':
			out = append(out, '\\', byte(r))
		case at >= 0:
			out = append(out, '\\', "bfnrt"[at])
		case r < 0x20:
			out = fmt.Appendf(out, `\u%04x`, r)
		default:
			out = utf8.AppendRune(out, r) // what is not UTF-8 becomes U+FFFD
		}
	}
	return append(out, '"')
}
