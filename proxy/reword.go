package proxy

import (
	"bytes"
	"encoding/binary"
	"strconv"

	"github.com/crossfade-db/crossfade/wire"
	"github.com/crossfade-db/crossfade/wire/pgwire"
)

// reworded is an error of the source in the client's words: its statement's name
// in place of ours, and a position in the text that it has sent.
func (c *conversation) reworded(message []byte) []byte {
	ours := bytes.Contains(message, []byte(pgwire.Reserved))
	if c.ahead == 0 && !ours {
		return message
	}
	out := append([]byte(nil), message[:wire.HeaderSize]...)
	for fields := message[wire.HeaderSize:]; len(fields) > 0 && fields[0] != 0; {
		end := bytes.IndexByte(fields, 0)
		if end < 0 {
			return message
		}
		out = append(append(out, fields[0]), c.field(fields[0], fields[1:end])...)
		out = append(out, 0)
		fields = fields[end+1:]
	}
	out = append(out, 0)
	binary.BigEndian.PutUint32(out[1:], uint32(len(out)-1))
	return out
}

func (c *conversation) field(kind byte, value []byte) []byte {
	switch kind {
	case 'P':
		if at, err := strconv.Atoi(string(value)); err == nil {
			return strconv.AppendInt(nil, int64(at+c.ahead), 10)
		}
	case 'M', 'D', 'H', 'W':
		for ours, name := range c.names {
			value = bytes.ReplaceAll(value, []byte(ours), []byte(name))
		}
	}
	return value
}
