package pgwire

import (
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

const (
	scramMasked = scramPlain + "$***"

	// scramDefaultIterations is PostgreSQL's scram_iterations.
	scramDefaultIterations = 4096
	// scramSaltSize is that of PostgreSQL's own verifiers, in bytes.
	scramSaltSize = 16
)

// Verifier is what a server keeps of a password (RFC 5802 section 3). It lets
// one check a login and prove oneself to a client, but not log in anywhere. It
// prints as SCRAM-SHA-256$*** under every verb; Encode gives the real text.
type Verifier struct {
	Iterations int    // of PBKDF2, at least 1
	Salt       []byte // 1 to 1024 bytes
	StoredKey  [sha256.Size]byte
	ServerKey  [sha256.Size]byte
}

// Keys log in without the password: the verifier, and the client key that a
// login recovered (ScramServer.ClientKey). Holding them is as good as holding
// the password at every server with this verifier. They print as the verifier.
type Keys struct {
	Verifier
	ClientKey [sha256.Size]byte
}

// NewVerifier computes the verifier of a password, prepared as PostgreSQL does.
// The salt is copied.
func NewVerifier(password string, salt []byte, iterations int) (Verifier, error) {
	keys, err := deriveKeys(password, salt, iterations)
	return keys.Verifier, err
}

// ParseVerifier reads the form that PostgreSQL keeps in pg_authid.rolpassword,
//
//	SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>
//
// with salt and keys in base64. Errors do not quote the text.
func ParseVerifier(text string) (Verifier, error) {
	rest, isScram := strings.CutPrefix(text, scramPlain+"$")
	params, keys, hasKeys := strings.Cut(rest, "$")
	iterations, salt, hasSalt := strings.Cut(params, ":")
	stored, server, hasServer := strings.Cut(keys, ":")
	if !isScram || !hasKeys || !hasSalt || !hasServer {
		return Verifier{}, errors.New("parse verifier: not of the form SCRAM-SHA-256$iterations:salt$key:key")
	}
	var v Verifier
	var ok [4]bool
	v.Iterations, ok[0] = scramIterations(iterations)
	v.Salt, ok[1] = scramBase64(salt)
	v.StoredKey, ok[2] = scramKey(stored)
	v.ServerKey, ok[3] = scramKey(server)
	if slices.Contains(ok[:], false) {
		return Verifier{}, errors.New("parse verifier: a field is malformed")
	}
	if err := checkSalting(v.Salt, v.Iterations); err != nil {
		return Verifier{}, fmt.Errorf("parse verifier: %w", err)
	}
	return v, nil
}

// Encode is the form that ParseVerifier reads. It is a secret.
func (v Verifier) Encode() string {
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("%s$%d:%s$%s:%s", scramPlain, v.Iterations, b64(v.Salt), b64(v.StoredKey[:]), b64(v.ServerKey[:]))
}

// String hides everything but the kind.
func (Verifier) String() string { return scramMasked }

// Format hides the keys from the verbs that pass String by.
func (Verifier) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, scramMasked) }

// MarshalText hides the keys from encoders and structured logs.
func (Verifier) MarshalText() ([]byte, error) { return []byte(scramMasked), nil }

// Wipe zeroes the keys. The salt, which is no secret, is let go.
func (k *Keys) Wipe() { *k = Keys{} }

// deriveKeys is RFC 5802 section 3 with the password prepared by saslprep.
func deriveKeys(password string, salt []byte, iterations int) (Keys, error) {
	if err := checkSalting(salt, iterations); err != nil {
		return Keys{}, fmt.Errorf("derive keys: %w", err)
	}
	raw, err := pbkdf2.Key(sha256.New, saslprep(password), salt, iterations, sha256.Size)
	if err != nil {
		return Keys{}, fmt.Errorf("derive keys: %w", err)
	}
	salted := [sha256.Size]byte(raw)
	defer clear(salted[:])
	clear(raw)

	keys := Keys{ClientKey: scramMAC(salted, "Client Key")}
	keys.Iterations, keys.Salt = iterations, slices.Clone(salt)
	keys.StoredKey = sha256.Sum256(keys.ClientKey[:])
	keys.ServerKey = scramMAC(salted, "Server Key")
	return keys, nil
}

func checkSalting(salt []byte, iterations int) error {
	if len(salt) == 0 || len(salt) > scramMaxSalt {
		return fmt.Errorf("salt of %d bytes, want 1 to %d", len(salt), scramMaxSalt)
	}
	if iterations < 1 || iterations > math.MaxInt32 {
		return fmt.Errorf("%d iterations, want 1 to %d", iterations, math.MaxInt32)
	}
	return nil
}
