package proxy

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"strings"

	"github.com/crossfade-db/crossfade/wire"
	"github.com/crossfade-db/crossfade/wire/pgwire"
)

// reworded is an error of the source in the client's words: its statement's name
// in place of ours, and a position in the text that it has sent. locks says that
// it is about the rows that the client's UPDATE would have met next.
func (c *conversation) reworded(message []byte, locks bool) []byte {
	ours := bytes.Contains(message, []byte(pgwire.Reserved))
	if c.ahead == 0 && !ours && !locks {
		return message
	}
	out := append([]byte(nil), message[:wire.HeaderSize]...)
	for fields := message[wire.HeaderSize:]; len(fields) > 0 && fields[0] != 0; {
		end := bytes.IndexByte(fields, 0)
		if end < 0 {
			return message
		}
		value := c.field(fields[0], fields[1:end])
		if locks {
			value = updates.Replace(value)
		}
		out = append(append(out, fields[0]), value...)
		out = append(out, 0)
		fields = fields[end+1:]
	}
	out = append(out, 0)
	binary.BigEndian.PutUint32(out[1:], uint32(len(out)-1))
	return out
}

// updates are the words of an UPDATE in place of those of a lock.
var updates = strings.NewReplacer("cannot execute SELECT FOR UPDATE in", "cannot execute UPDATE in", "while locking tuple", "while updating tuple")

func (c *conversation) field(kind byte, value []byte) string {
	switch kind {
	case 'P':
		if at, err := strconv.Atoi(string(value)); err == nil {
			return strconv.Itoa(at + c.ahead)
		}
	case 'M', 'D', 'H', 'W':
		for ours, name := range c.names {
			value = bytes.ReplaceAll(value, []byte(ours), []byte(name))
		}
	}
	return string(value)
}
