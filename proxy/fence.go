package proxy

import (
	"strconv"
	"time"

	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/shadow"
	"github.com/crossfade-db/crossfade/wire"
	"github.com/crossfade-db/crossfade/wire/pgwire"
)

// applySettings are what a mirrored transaction sets for itself, whatever the
// session has set (ENGINE §6.4); the client's reads within it have theirs.
var applySettings = []applySetting{
	{"lock_timeout", ""},      // mirror.lock_timeout
	{"statement_timeout", ""}, // none, or the budget on the client's own leg
	{"idle_in_transaction_session_timeout", "0"},
	{"role", "none"},
	{"search_path", "pg_catalog"},
	{"DateStyle", "ISO, YMD"},
	{"IntervalStyle", "postgres"},
	{"TimeZone", "UTC"},
	{"client_encoding", "UTF8"},
	{"synchronous_commit", "on"},
	{"crossfade.mirror", "on"}, // for triggers that are not to fire for mirrored rows
}

type applySetting struct{ name, value string }

// fenceText begins a mirrored transaction: the fence, the session's settings and
// then those of the applies. What is asked for first is read first.
var fenceText, keepText = beginning("true"), beginning("false")

// epochText is the fence alone, on a leg whose session has the settings.
const epochText = "SELECT e.epoch, e.side FROM crossfade.epoch AS e WHERE e.one"

func beginning(local string) string {
	text := "SELECT e.epoch, e.side"
	for _, s := range applySettings {
		text += ", pg_catalog.current_setting('" + s.name + "', true)"
	}
	for _, s := range applySettings {
		value := "'" + s.value + "'"
		switch s.name {
		case "lock_timeout":
			value = "$1"
		case "statement_timeout":
			value = "$2"
		}
		text += ", pg_catalog.set_config('" + s.name + "', " + value + ", " + local + ")"
	}
	return text + " FROM crossfade.epoch AS e WHERE e.one"
}

// fences adds what begins every mirrored transaction: the fence's lock, its row
// and the settings. A statement may take as long as that; 0: any time.
func (o *otherLeg) fences(statement time.Duration) {
	o.say(nameLock, shadow.FenceLock, 'L', nil, nil, nil)
	args := [][]byte{milliseconds(o.s.server.opt.Mirror.LockTimeout), milliseconds(statement)}
	switch {
	case o.l.applies:
		o.say(nameEpoch, epochText, 'F', nil, nil, nil)
	case o.l.bare: // nobody else has settings there: the next transaction has them already
		o.keeps = true
		o.say(nameKeep, keepText, 'F', nil, nil, args)
	default:
		o.say(nameFence, fenceText, 'F', nil, nil, args)
	}
}

func milliseconds(d time.Duration) []byte { return strconv.AppendInt(nil, d.Milliseconds(), 10) }

// fence reads the row of the fence.
func (o *otherLeg) fence(message []byte) error {
	row, err := pgwire.DataRow(message[wire.HeaderSize:])
	if err != nil || len(o.owed) == 0 {
		return errTarget
	}
	switch o.owed[0].kind {
	case 'L':
		o.locked = len(row) == 1 && string(row[0]) == "t"
	case 'F':
		epoch := strconv.FormatUint(uint64(o.s.server.opt.Mirror.Epoch()), 10)
		o.fenced = o.locked && len(row) >= 2 && string(row[0]) == epoch && string(row[1]) == router.Source.String()
		if o.fenced && len(row) > 2+len(applySettings) {
			o.settings = row[2 : 2+len(applySettings)]
		}
	}
	return nil
}
