package pgwire

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// The mechanisms of PostgreSQL (manual, 54.3.1), and the one channel binding
// that it knows (RFC 5929 section 4).
const (
	scramPlain     = "SCRAM-SHA-256"
	scramPlus      = "SCRAM-SHA-256-PLUS"
	scramEndPoint  = "p=tls-server-end-point"
	scramNonceSize = 18 // random bytes, as in PostgreSQL (SCRAM_RAW_NONCE_LEN)
)

// What a peer may make us hold or compute. Real messages have under 200 bytes.
const (
	scramMaxMessage = 4 << 10 // bytes of one message
	scramMaxNonce   = 1 << 10 // bytes of one nonce
	scramMaxSalt    = 1 << 10 // bytes of one decoded salt
)

// ErrProof says that the other end did not prove that it knows the secret. In
// the server role the password is wrong or the user is unknown, which are the
// same to a client (SQLSTATE 28P01). In the client role the server refused our
// proof or gave none of its own.
var ErrProof = errors.New("authentication failed")

// ScramProtocolError says that the peer broke the protocol (SQLSTATE 08P01).
// Reason is a fixed text of ours, never the peer's bytes, so it may be shown.
type ScramProtocolError struct {
	Reason string
}

// Error is the reason after the name of the protocol.
func (e *ScramProtocolError) Error() string { return "SCRAM: " + e.Reason }

func scramViolation(reason string) error { return &ScramProtocolError{Reason: reason} }

// scramHidden makes whatever embeds it print as *** under every verb, and in
// encoders and structured logs.
type scramHidden struct{}

// Format writes the stars.
func (scramHidden) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "***") }

// MarshalText gives the stars.
func (scramHidden) MarshalText() ([]byte, error) { return []byte("***"), nil }

// scramStep is where an exchange stands. Both roles go through it once.
type scramStep uint8

const (
	scramIdle     scramStep = iota
	scramOpened             // the first message of this role has gone out
	scramProved             // the client's proof has gone out
	scramVerified           // the server has proven itself to the client
	scramClosed             // over
)

// enter closes the exchange, and is an error if it did not stand at want. The
// caller moves it on when all went well, so a failure is always the end.
func (s *scramStep) enter(want scramStep) error {
	at := *s
	*s = scramClosed
	if at != want {
		return scramViolation("message out of order")
	}
	return nil
}

// scramText admits a message: not empty, not long, and free of NUL, on which
// PostgreSQL would see a shorter message than we do.
func scramText(message []byte) (string, error) {
	switch {
	case len(message) == 0:
		return "", scramViolation("empty message")
	case len(message) > scramMaxMessage:
		return "", scramViolation("message too long")
	}
	text := string(message)
	if strings.IndexByte(text, 0) >= 0 {
		return "", scramViolation("NUL in message")
	}
	return text, nil
}

// scramFields reads "k=value,k=value" from left to right (RFC 5802 section
// 5.1). The attribute m, a mandatory extension, is refused wherever it stands.
type scramFields struct {
	rest string
	done bool
}

func (f *scramFields) next() (name byte, value string, err error) {
	if f.done {
		return 0, "", scramViolation("attribute missing")
	}
	field, rest, more := strings.Cut(f.rest, ",")
	f.rest, f.done = rest, !more
	if len(field) < 2 || field[1] != '=' || !scramLetter(field[0]) {
		return 0, "", scramViolation("malformed attribute")
	}
	if field[0] == 'm' {
		return 0, "", scramViolation("mandatory extension is not supported")
	}
	return field[0], field[2:], nil
}

// want reads the next attribute, which must be the named one.
func (f *scramFields) want(name byte) (string, error) {
	got, value, err := f.next()
	if err != nil {
		return "", err
	}
	if got != name {
		return "", scramViolation("attribute " + string(name) + "= expected")
	}
	return value, nil
}

// end is an error unless everything has been read.
func (f *scramFields) end() error {
	if !f.done {
		return scramViolation("data after the last attribute")
	}
	return nil
}

func scramLetter(b byte) bool { return b|0x20 >= 'a' && b|0x20 <= 'z' }

// scramCheckNonce demands the printable characters of RFC 5802 section 7.
func scramCheckNonce(nonce string) error {
	if nonce == "" || len(nonce) > scramMaxNonce {
		return scramViolation("nonce is empty or too long")
	}
	for i := range len(nonce) {
		if nonce[i] < 0x21 || nonce[i] > 0x7e || nonce[i] == ',' {
			return scramViolation("nonce is not printable")
		}
	}
	return nil
}

// scramNonce is our half of the nonce. crypto/rand does not fail.
func scramNonce() string {
	var raw [scramNonceSize]byte
	_, _ = rand.Read(raw[:])
	return base64.StdEncoding.EncodeToString(raw[:])
}

// scramBase64 decodes what PostgreSQL would: padded, without the line breaks
// that encoding/base64 passes over.
func scramBase64(text string) ([]byte, bool) {
	raw, err := base64.StdEncoding.Strict().DecodeString(text)
	return raw, err == nil && base64.StdEncoding.EncodedLen(len(raw)) == len(text)
}

// scramKey decodes a key, proof or signature.
func scramKey(text string) (key [sha256.Size]byte, ok bool) {
	raw, ok := scramBase64(text)
	if !ok || len(raw) != len(key) {
		return key, false
	}
	return [sha256.Size]byte(raw), true
}

// scramIterations reads a posit-number (RFC 5802 section 7) that fits
// PostgreSQL's int.
func scramIterations(text string) (int, bool) {
	n, err := strconv.ParseUint(text, 10, 31)
	return int(n), err == nil && text[0] != '0'
}

func scramMAC(key [sha256.Size]byte, text string) [sha256.Size]byte {
	mac := hmac.New(sha256.New, key[:])
	mac.Write([]byte(text))
	return [sha256.Size]byte(mac.Sum(nil))
}
