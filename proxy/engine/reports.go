package engine

import (
	"bytes"
	"strings"
	"unique"

	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/wire"
)

// reports says whether a ParameterStatus of the target goes to the client: it
// has the names of its login, and never that the leg is read-only.
func (m *Mobile) reports(message []byte) bool {
	name, _, _ := bytes.Cut(message[wire.HeaderSize:], []byte{0})
	_, told := m.Reported[string(name)]
	return told && string(name) != "default_transaction_read_only"
}

// reported follows ParameterStatus: two settings decide how the session's
// texts are to be read. Under a client encoding whose characters contain ASCII
// bytes no text can be read, and each may listen.
func (e *Postgres) reported(body []byte) {
	name, rest, _ := bytes.Cut(body, []byte{0})
	value, _, ended := bytes.Cut(rest, []byte{0})
	if ended && e.mobile != nil && e.busy == router.Source {
		e.mobile.reported(name)
	}
	switch {
	case !ended:
	case string(name) == "standard_conforming_strings":
		e.flags &^= backslashes
		if string(value) != "on" {
			e.flags |= backslashes
		}
	case string(name) == "client_encoding":
		e.encoding = unique.Make(string(value)).Value()
		if hidesASCII[e.encoding] {
			e.flags |= listens
		}
	}
}

// Heard follows a ParameterStatus of the source that came in an exchange of the
// driver's own.
func (e *Postgres) Heard(message []byte) { e.reported(message[wire.HeaderSize:]) }

// ownReports are reports that no session can set.
var ownReports = map[string]bool{
	"server_version": true, "server_encoding": true, "integer_datetimes": true, "is_superuser": true, "in_hot_standby": true,
	"session_authorization": true, "default_transaction_read_only": true, "scram_iterations": true,
}

// hidesASCII are the client encodings in which a byte below 0x80 can be the
// second half of a character (manual, 24.3: those not allowed in a server).
var hidesASCII = map[string]bool{
	"BIG5": true, "GB18030": true, "GBK": true, "JOHAB": true, "SHIFT_JIS_2004": true, "SJIS": true, "UHC": true,
}

// reported notes a setting whose value has changed: by a text, or as the server
// has read its configuration again. The other leg has to follow in both cases.
func (m *Mobile) reported(name []byte) {
	if !ownReports[string(name)] {
		m.Version++
		m.add(strings.ToLower(string(name)))
	}
}
