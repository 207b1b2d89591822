package drivers

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// message is one of the server's.
type message struct {
	kind byte
	body []byte
}

var errCut = errors.New("the server's bytes end within a message")

// messages splits what a server has sent, login included (manual, 55.7).
func messages(from []byte) ([]message, error) {
	var out []message
	for len(from) > 0 {
		if len(from) < 5 {
			return out, errCut
		}
		size := 1 + int(binary.BigEndian.Uint32(from[1:]))
		if size < 5 || len(from) < size {
			return out, errCut
		}
		out = append(out, message{from[0], from[5:size]})
		from = from[size:]
	}
	return out, nil
}

// answeredBy is how a row says which server it came from: by its port.
var answeredBy = regexp.MustCompile(`answered by (\d{5})\b`)

// anonymous hides it, with the same length.
func anonymous(text string) string { return answeredBy.ReplaceAllString(text, "answered by (who)") }

// Answers are the ports that rows name, in order, without repetition.
func Answers(text string) []string {
	var ports []string
	for _, m := range answeredBy.FindAllStringSubmatch(text, -1) {
		ports = append(ports, m[1])
	}
	slices.Sort(ports)
	return slices.Compact(ports)
}

// transcript writes each message on a line, so that two can be compared and
// read. The login's secrets and the cancel key are left out: they are each
// connection's own.
func transcript(from []byte) (string, error) {
	all, err := messages(from)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, m := range all {
		switch m.kind {
		case 'R', 'K', 'v':
		case 'T':
			b.WriteString(rowDescription(m.body))
		case 't':
			b.WriteString(parameterDescription(m.body))
		case 'D':
			b.WriteString(dataRow(m.body))
		default:
			fmt.Fprintf(&b, "%c %q\n", m.kind, m.body)
		}
	}
	return anonymous(b.String()), nil
}

// fieldSize is what follows a field's name in a RowDescription (manual, 55.7).
const fieldSize = 18

func rowDescription(body []byte) string {
	var b strings.Builder
	b.WriteString("T")
	if len(body) < 2 {
		return "T malformed\n"
	}
	for rest := body[2:]; len(rest) > 0; {
		name, after, found := bytes.Cut(rest, []byte{0})
		if !found || len(after) < fieldSize {
			return fmt.Sprintf("T malformed %q\n", body)
		}
		fmt.Fprintf(&b, " %s(table %d.%d type %d size %d typmod %d format %d)", name,
			binary.BigEndian.Uint32(after), binary.BigEndian.Uint16(after[4:]), binary.BigEndian.Uint32(after[6:]),
			int16(binary.BigEndian.Uint16(after[10:])), int32(binary.BigEndian.Uint32(after[12:])), binary.BigEndian.Uint16(after[16:]))
		rest = after[fieldSize:]
	}
	return b.String() + "\n"
}

func parameterDescription(body []byte) string {
	var b strings.Builder
	b.WriteString("t")
	if len(body) < 2 || len(body)%4 != 2 {
		return fmt.Sprintf("t malformed %q\n", body)
	}
	for rest := body[2:]; len(rest) > 0; rest = rest[4:] {
		fmt.Fprintf(&b, " %d", binary.BigEndian.Uint32(rest))
	}
	return b.String() + "\n"
}

func dataRow(body []byte) string {
	var b strings.Builder
	b.WriteString("D")
	if len(body) < 2 {
		return "D malformed\n"
	}
	for rest := body[2:]; len(rest) > 0; {
		if len(rest) < 4 {
			return fmt.Sprintf("D malformed %q\n", body)
		}
		size := int(int32(binary.BigEndian.Uint32(rest)))
		rest = rest[4:]
		if size < 0 {
			b.WriteString(" NULL")
			continue
		}
		if size > len(rest) {
			return fmt.Sprintf("D malformed %q\n", body)
		}
		fmt.Fprintf(&b, " %q", rest[:size])
		rest = rest[size:]
	}
	return b.String() + "\n"
}
