package configs

import (
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

// redacted is how every Secret prints, a given one and an absent one.
const redacted = "***"

// Secret is a password, key or token. It prints as *** in every way there is
// and gives its value only by Reveal. The zero Secret is absent.
//
// The value lies behind a pointer, so that fmt prints an address where it finds
// a Secret in an unexported field and does not ask its methods.
type Secret struct{ value *string }

func newSecret(value string) Secret { return Secret{&value} }

// Reveal is the value itself, empty if absent. What it returns must not be
// formatted, logged or kept.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// IsZero reports whether the secret is absent; a given one is never empty.
func (s Secret) IsZero() bool { return s.value == nil }

// Equal compares values without telling by its time where they differ.
func (s Secret) Equal(other Secret) bool {
	return s.IsZero() == other.IsZero() &&
		subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(other.Reveal())) == 1
}

// String is ***.
func (Secret) String() string { return redacted }

// GoString is ***.
func (Secret) GoString() string { return redacted }

// Format writes *** for every verb and flag.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText is ***; JSON, XML and YAML encoders and flag use it.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON is "***".
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalYAML is ***.
func (Secret) MarshalYAML() (any, error) { return redacted, nil }

// LogValue is ***.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }
