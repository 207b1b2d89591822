package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// StartupMost is the longest startup packet, its length word included
// (PostgreSQL libpq/pqcomm.h, MAX_STARTUP_PACKET_LENGTH).
const StartupMost = 10_000

// Param is one name and value of a startup packet.
type Param struct{ Name, Value string }

// Startup is what a client asks for when it connects: a protocol version
// (major in the upper 16 bits) and parameters. No name or value holds a NUL,
// no name is empty and none stands twice.
type Startup struct {
	Version uint32
	Params  []Param
}

var (
	errNUL       = errors.New("a startup parameter holds a NUL byte")
	errUnnamed   = errors.New("a startup parameter has no name")
	errUnended   = errors.New("the startup packet does not end with a terminator")
	errLong      = fmt.Errorf("the startup packet is longer than %d bytes", StartupMost)
	errNoVersion = errors.New("the startup packet has no protocol version")
)

// ParseStartup reads the body of a startup packet: version, then pairs of
// NUL-terminated strings, then one more NUL (manual, 54.7). A name that comes
// twice takes its last value, as in the server. Names are looked up in an index:
// a stranger may send 2,500 of them.
func ParseStartup(body []byte) (Startup, error) {
	if len(body) < 4 {
		return Startup{}, errNoVersion
	}
	s := Startup{Version: binary.BigEndian.Uint32(body)}
	index := map[string]int{} // of a name in s.Params
	for rest := body[4:]; ; {
		name, afterName, ok := bytes.Cut(rest, []byte{0})
		if !ok {
			return Startup{}, errUnended
		}
		if len(name) == 0 {
			if len(afterName) > 0 {
				return Startup{}, errUnnamed
			}
			return s, nil
		}
		value, afterValue, ok := bytes.Cut(afterName, []byte{0})
		if !ok {
			return Startup{}, errUnended
		}
		i, known := index[string(name)]
		if !known {
			i = len(s.Params)
			index[string(name)] = i
			s.Params = append(s.Params, Param{Name: string(name)})
		}
		s.Params[i].Value = string(value)
		rest = afterValue
	}
}

// Append appends the startup packet, length word included, to dst.
func (s Startup) Append(dst []byte) ([]byte, error) {
	start := len(dst)
	dst = binary.BigEndian.AppendUint32(dst, 0)
	dst = binary.BigEndian.AppendUint32(dst, s.Version)
	for _, p := range s.Params {
		if p.Name == "" {
			return nil, errUnnamed
		}
		if bytes.IndexByte([]byte(p.Name), 0) >= 0 || bytes.IndexByte([]byte(p.Value), 0) >= 0 {
			return nil, errNUL
		}
		dst = append(append(dst, p.Name...), 0)
		dst = append(append(dst, p.Value...), 0)
	}
	dst = append(dst, 0)
	if len(dst)-start > StartupMost {
		return nil, errLong
	}
	binary.BigEndian.PutUint32(dst[start:], uint32(len(dst)-start))
	return dst, nil
}

// Get returns the value of a parameter, "" when it is not there.
func (s Startup) Get(name string) string {
	for _, p := range s.Params {
		if p.Name == name {
			return p.Value
		}
	}
	return ""
}

// Set gives a parameter its value.
func (s *Startup) Set(name, value string) {
	for i := range s.Params {
		if s.Params[i].Name == name {
			s.Params[i].Value = value
			return
		}
	}
	s.Params = append(s.Params, Param{name, value})
}
