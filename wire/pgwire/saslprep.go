package pgwire

import (
	"unicode/utf8"

	"github.com/xdg-go/stringprep"
)

// saslprepCheck maps and checks but does not normalize, and maps non-ASCII
// spaces before it drops what maps to nothing: the order of PostgreSQL, which
// matters for U+200B, a member of both tables.
var saslprepCheck = stringprep.Profile{
	Mappings:  []stringprep.Mapping{stringprep.SASLprep.Mappings[1], stringprep.SASLprep.Mappings[0]},
	Prohibits: stringprep.SASLprep.Prohibits,
	CheckBiDi: true,
}

var saslprepNormalize = stringprep.Profile{Normalize: true}

// saslprep prepares a password as PostgreSQL does on both ends (pg_saslprep in
// saslprep.c), which differs from RFC 4013 twice: prohibited and bidirectional
// characters are looked for before normalization, not after it; and a password
// that cannot be prepared (not UTF-8, a prohibited character, nothing left) is
// used as it is, byte for byte.
func saslprep(password string) string {
	if !utf8.ValidString(password) {
		return password
	}
	mapped, err := saslprepCheck.Prepare(password)
	if err != nil || mapped == "" {
		return password
	}
	prepared, _ := saslprepNormalize.Prepare(mapped) // prohibits nothing
	return prepared
}
