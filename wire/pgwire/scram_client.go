package pgwire

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// scramMaxIterations bounds the PBKDF2 that a server can make us run: a hostile
// one asks for billions and holds a core for minutes (pgjdbc CVE-2026-42198).
// PostgreSQL's default is 4,096; 100,000 take some 30 ms.
const scramMaxIterations = 100_000

// ErrVerifierDiffers says that Keys do not fit this server.
var ErrVerifierDiffers = errors.New("the stored verifier at this server differs from the configured one (salt or iterations)")

// ScramClientOptions say what a ScramClient logs in with, and where. They print
// as ***.
type ScramClientOptions struct {
	scramHidden
	// Keys log in without the password; they are borrowed until Final. Nil
	// means that Password does. Go strings cannot be zeroed: a password lives as
	// long as the configuration.
	Keys     *Keys
	Password string
	Cache    *KeyCache // of derived keys; may be nil

	Offered []string // the mechanisms of AuthenticationSASL
	OverTLS bool
	// CertHash is that of the server's certificate. Empty, where none is
	// defined for it, means no channel binding.
	CertHash []byte
}

// ScramClient is the client's end of one SCRAM-SHA-256 login (RFC 5802, RFC
// 7677; PostgreSQL manual, 54.3). It does no I/O:
//
//	First()                           -> SASLInitialResponse
//	Final(AuthenticationSASLContinue) -> SASLResponse
//	Verify(AuthenticationSASLFinal)
//
// The server is not trusted. Whoever takes AuthenticationOk before Verified
// talks to an impostor. Any error ends the exchange. It is not safe for
// concurrent use. It prints as ***.
type ScramClient struct {
	scramHidden
	step      scramStep
	opts      ScramClientOptions
	nonce     string // our half
	channel   string // the c= attribute
	bare      string // client-first-message-bare
	auth      string // AuthMessage
	serverKey [sha256.Size]byte
}

// NewScramClient begins one login.
func NewScramClient(opts ScramClientOptions) *ScramClient {
	nonce := scramNonce()
	// The user name stays empty: PostgreSQL takes that of the startup message.
	return &ScramClient{opts: opts, nonce: nonce, bare: "n=,r=" + nonce}
}

// First gives mechanism and data of SASLInitialResponse. The login is bound to
// the TLS channel if the mechanism is SCRAM-SHA-256-PLUS and Verify succeeds.
func (c *ScramClient) First() (mechanism string, clientFirst []byte, err error) {
	if err := c.step.enter(scramIdle); err != nil {
		return "", nil, err
	}
	if c.opts.Keys == nil && c.opts.Password == "" {
		return "", nil, errors.New("begin SCRAM: neither keys nor password")
	}
	mechanism, header, err := c.choose()
	if err != nil {
		return "", nil, err
	}
	input := []byte(header)
	if mechanism == scramPlus {
		input = append(input, c.opts.CertHash...)
	}
	c.channel = base64.StdEncoding.EncodeToString(input)
	c.step = scramOpened
	return mechanism, []byte(header + c.bare), nil
}

// choose gives the best mechanism and its gs2-header (RFC 5802 section 6).
func (c *ScramClient) choose() (mechanism, header string, err error) {
	plus := slices.Contains(c.opts.Offered, scramPlus)
	binds := c.opts.OverTLS && len(c.opts.CertHash) > 0
	switch {
	case plus && !c.opts.OverTLS: // libpq refuses it too
		return "", "", scramViolation("the server offers channel binding without TLS")
	case plus && binds:
		return scramPlus, scramEndPoint + ",,", nil
	case !slices.Contains(c.opts.Offered, scramPlain):
		return "", "", scramViolation("the server offers no mechanism that we can use")
	case binds:
		// A server that can bind, whose offer was cut short on the way, sees the
		// lie in this flag and refuses.
		return scramPlain, "y,,", nil
	default:
		return scramPlain, "n,,", nil
	}
}

// Final reads the data of AuthenticationSASLContinue and gives the data of
// SASLResponse. With a password that the cache does not know it runs PBKDF2.
func (c *ScramClient) Final(serverFirst []byte) ([]byte, error) {
	if err := c.step.enter(scramOpened); err != nil {
		return nil, err
	}
	text, err := scramText(serverFirst)
	if err != nil {
		return nil, err
	}
	challenge, err := readServerFirst(text, c.nonce)
	if err != nil {
		return nil, err
	}
	keys, err := c.keys(challenge)
	if err != nil {
		return nil, err
	}
	defer keys.Wipe()

	withoutProof := "c=" + c.channel + ",r=" + challenge.nonce
	c.auth = c.bare + "," + text + "," + withoutProof
	signature := scramMAC(keys.StoredKey, c.auth)
	var proof [sha256.Size]byte
	subtle.XORBytes(proof[:], keys.ClientKey[:], signature[:])
	c.serverKey = keys.ServerKey
	c.step = scramProved
	return []byte(withoutProof + ",p=" + base64.StdEncoding.EncodeToString(proof[:])), nil
}

// keys are the given ones if no other salting is asked for, else derived.
func (c *ScramClient) keys(challenge scramChallenge) (Keys, error) {
	given := c.opts.Keys
	switch {
	case given == nil && challenge.iterations > scramMaxIterations:
		return Keys{}, scramViolation("iteration count too high")
	case given == nil:
		return c.opts.Cache.derive(c.opts.Password, challenge.salt, challenge.iterations)
	case given.Iterations != challenge.iterations || !slices.Equal(given.Salt, challenge.salt):
		return Keys{}, ErrVerifierDiffers
	default:
		return *given, nil
	}
}

// scramChallenge is server-first-message (RFC 5802 section 7).
type scramChallenge struct {
	nonce      string
	salt       []byte
	iterations int
}

// readServerFirst takes no extensions, like libpq. The nonce must go on from
// ours.
func readServerFirst(text, ours string) (challenge scramChallenge, err error) {
	fields := scramFields{rest: text}
	var values [3]string
	for i, name := range []byte("rsi") {
		if values[i], err = fields.want(name); err != nil {
			return challenge, err
		}
	}
	if err := fields.end(); err != nil {
		return challenge, err
	}
	challenge.nonce = values[0]
	if err := scramCheckNonce(challenge.nonce); err != nil {
		return challenge, err
	}
	if !strings.HasPrefix(challenge.nonce, ours) || len(challenge.nonce) == len(ours) {
		return challenge, scramViolation("nonce does not extend ours")
	}
	var ok bool
	if challenge.salt, ok = scramBase64(values[1]); !ok || len(challenge.salt) == 0 || len(challenge.salt) > scramMaxSalt {
		return challenge, scramViolation("malformed, empty or too long salt")
	}
	if challenge.iterations, ok = scramIterations(values[2]); !ok {
		return challenge, scramViolation("malformed iteration count")
	}
	return challenge, nil
}

// Verify reads the data of AuthenticationSASLFinal. Nil means that the server
// has proven that it holds the verifier of our secret.
func (c *ScramClient) Verify(serverFinal []byte) error {
	if err := c.step.enter(scramProved); err != nil {
		return err
	}
	text, err := scramText(serverFinal)
	if err != nil {
		return err
	}
	if refusal, ok := strings.CutPrefix(text, "e="); ok {
		return scramServerError(refusal)
	}
	fields := scramFields{rest: text}
	value, err := fields.want('v')
	if err != nil {
		return err
	}
	if err := fields.end(); err != nil {
		return err
	}
	got, ok := scramKey(value)
	if !ok {
		return scramViolation("malformed server signature")
	}
	want := scramMAC(c.serverKey, c.auth)
	if subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
		return fmt.Errorf("check server signature: %w", ErrProof)
	}
	c.step = scramVerified
	return nil
}

// Verified says whether Verify has succeeded.
func (c *ScramClient) Verified() bool { return c.step == scramVerified }

// scramServerError maps server-error (RFC 5802 section 7). A value that the RFC
// does not name counts as other-error and is not repeated.
func scramServerError(text string) error {
	value, _, _ := strings.Cut(text, ",")
	switch value {
	case "invalid-proof", "unknown-user":
		return fmt.Errorf("server says %s: %w", value, ErrProof)
	case "invalid-encoding", "extensions-not-supported", "channel-bindings-dont-match",
		"server-does-support-channel-binding", "channel-binding-not-supported",
		"unsupported-channel-binding-type", "invalid-username-encoding", "no-resources":
		return scramViolation("server says " + value)
	default:
		return scramViolation("server says other-error")
	}
}

// Wipe zeroes the keys and ends the exchange. Keys that it borrowed stay.
func (c *ScramClient) Wipe() { *c = ScramClient{step: scramClosed} }
