package pgwire

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// ScramServerOptions say whom a ScramServer expects. They print as ***.
type ScramServerOptions struct {
	scramHidden
	// User is the name of the startup message; the one inside SCRAM is ignored,
	// as PostgreSQL does. It only salts the mock of an unknown user.
	User string
	// Verifier is nil when there is no such user. The exchange then runs to its
	// end like any other, with a mock, and fails with ErrProof.
	Verifier *Verifier
	// CertHash is that of our own certificate when the client came over TLS.
	// SCRAM-SHA-256-PLUS is offered only with it.
	CertHash []byte
	// MockSecret keys the salts of unknown users. It should outlive restarts and
	// be the same on all instances, since a salt that changes gives a mock away.
	// Empty is a random one of this process.
	MockSecret []byte
	// MockIterations should be what real verifiers have; 0 is 4096.
	MockIterations int
}

// ScramServer is the server's end of one SCRAM-SHA-256 login (RFC 5802, RFC
// 7677; PostgreSQL manual, 54.3). It does no I/O:
//
//	First(SASLInitialResponse) -> AuthenticationSASLContinue
//	Final(SASLResponse)        -> AuthenticationSASLFinal
//
// Any error ends the exchange. The zero value refuses every login. It is not
// safe for concurrent use. It prints as ***.
type ScramServer struct {
	scramHidden
	step     scramStep
	known    int // 1 if the verifier is a real user's
	verifier Verifier
	certHash []byte
	nonce    string // our half, then both halves

	channel     string // the c= attribute that the client owes us
	bare        string // client-first-message-bare
	serverFirst string
	clientKey   [sha256.Size]byte
}

var scramProcessSecret = sync.OnceValue(func() []byte {
	secret := make([]byte, sha256.Size)
	_, _ = rand.Read(secret)
	return secret
})

// NewScramServer begins one login. It keeps opts.CertHash until Final.
func NewScramServer(opts ScramServerOptions) *ScramServer {
	s := &ScramServer{verifier: mockVerifier(opts), certHash: opts.CertHash, nonce: scramNonce()}
	if v := opts.Verifier; v != nil && checkSalting(v.Salt, v.Iterations) == nil {
		s.verifier, s.known = *v, 1
	}
	return s
}

// mockVerifier is computed for known users too, so that both take as long. Its
// keys stay zero: known, not they, decides.
func mockVerifier(opts ScramServerOptions) Verifier {
	secret, iterations := opts.MockSecret, opts.MockIterations
	if len(secret) == 0 {
		secret = scramProcessSecret()
	}
	if iterations < 1 {
		iterations = scramDefaultIterations
	}
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(opts.User))
	return Verifier{Iterations: iterations, Salt: mac.Sum(nil)[:scramSaltSize]}
}

// Mechanisms is what AuthenticationSASL offers, the best first.
func (s *ScramServer) Mechanisms() []string {
	if len(s.certHash) == 0 {
		return []string{scramPlain}
	}
	return []string{scramPlus, scramPlain}
}

// First reads mechanism and data of SASLInitialResponse and gives the data of
// AuthenticationSASLContinue. An initial response without data is refused:
// PostgreSQL would ask for it again, but no driver does that.
func (s *ScramServer) First(mechanism string, clientFirst []byte) ([]byte, error) {
	if err := s.step.enter(scramIdle); err != nil {
		return nil, err
	}
	if !slices.Contains(s.Mechanisms(), mechanism) {
		return nil, scramViolation("mechanism is not among the offered")
	}
	text, err := scramText(clientFirst)
	if err != nil {
		return nil, err
	}
	if err := s.readHeader(mechanism == scramPlus, text); err != nil {
		return nil, err
	}
	clientNonce, err := readClientFirst(s.bare)
	if err != nil {
		return nil, err
	}
	s.nonce = clientNonce + s.nonce
	s.serverFirst = fmt.Sprintf("r=%s,s=%s,i=%d", s.nonce,
		base64.StdEncoding.EncodeToString(s.verifier.Salt), s.verifier.Iterations)
	s.step = scramOpened
	return []byte(s.serverFirst), nil
}

// readHeader checks the gs2-header (RFC 5802 section 6) by the rules of
// read_client_first_message in PostgreSQL's auth-scram.c.
func (s *ScramServer) readHeader(plus bool, text string) error {
	flag, rest, ok1 := strings.Cut(text, ",")
	authzid, bare, ok2 := strings.Cut(rest, ",")
	if !ok1 || !ok2 {
		return scramViolation("incomplete header")
	}
	if authzid != "" {
		return scramViolation("authorization identity is not supported")
	}
	switch flag {
	case "n", "y":
		if plus {
			return scramViolation("SCRAM-SHA-256-PLUS without channel binding data")
		}
		if flag == "y" && len(s.certHash) > 0 {
			return scramViolation("the client supports channel binding and was told that we do not")
		}
	case scramEndPoint:
		if !plus {
			return scramViolation("channel binding data without SCRAM-SHA-256-PLUS")
		}
	default:
		return scramViolation("unsupported channel binding")
	}
	header := []byte(flag + ",,")
	if plus {
		header = append(header, s.certHash...)
	}
	s.bare, s.channel = bare, base64.StdEncoding.EncodeToString(header)
	return nil
}

// readClientFirst takes the nonce out of client-first-message-bare. Extensions
// after it are ignored, as PostgreSQL does, if they are well-formed.
func readClientFirst(bare string) (nonce string, err error) {
	fields := scramFields{rest: bare}
	if _, err := fields.want('n'); err != nil {
		return "", err
	}
	if nonce, err = fields.want('r'); err != nil {
		return "", err
	}
	for !fields.done {
		if _, _, err := fields.next(); err != nil {
			return "", err
		}
	}
	return nonce, scramCheckNonce(nonce)
}

// Final reads the data of SASLResponse, checks the proof and gives the data of
// AuthenticationSASLFinal. Its error is ErrProof for a wrong password and for
// an unknown user, else a *ScramProtocolError.
func (s *ScramServer) Final(clientFinal []byte) ([]byte, error) {
	if err := s.step.enter(scramOpened); err != nil {
		return nil, err
	}
	text, err := scramText(clientFinal)
	if err != nil {
		return nil, err
	}
	final, err := readClientFinal(text)
	if err != nil {
		return nil, err
	}
	if final.channel != s.channel {
		return nil, scramViolation("channel binding check failed")
	}
	if final.nonce != s.nonce {
		return nil, scramViolation("nonce mismatch")
	}
	auth := s.bare + "," + s.serverFirst + "," + final.withoutProof
	if !s.prove(auth, final.proof) {
		return nil, ErrProof
	}
	signature := scramMAC(s.verifier.ServerKey, auth)
	return []byte("v=" + base64.StdEncoding.EncodeToString(signature[:])), nil
}

// prove recovers the client's key from its proof and keeps it if it is right.
func (s *ScramServer) prove(auth string, proof [sha256.Size]byte) bool {
	signature := scramMAC(s.verifier.StoredKey, auth)
	var key [sha256.Size]byte
	subtle.XORBytes(key[:], proof[:], signature[:])
	stored := sha256.Sum256(key[:])
	proven := subtle.ConstantTimeCompare(stored[:], s.verifier.StoredKey[:])&s.known == 1
	if proven {
		s.clientKey = key
	}
	clear(key[:])
	return proven
}

// scramClientFinal is client-final-message (RFC 5802 section 7).
type scramClientFinal struct {
	channel, nonce, withoutProof string
	proof                        [sha256.Size]byte
}

func readClientFinal(text string) (final scramClientFinal, err error) {
	fields := scramFields{rest: text}
	if final.channel, err = fields.want('c'); err != nil {
		return final, err
	}
	if final.nonce, err = fields.want('r'); err != nil {
		return final, err
	}
	var name byte
	var value string
	for name != 'p' {
		if name, value, err = fields.next(); err != nil {
			return final, err
		}
	}
	if err := fields.end(); err != nil {
		return final, err
	}
	var ok bool
	if final.proof, ok = scramKey(value); !ok {
		return final, scramViolation("malformed proof")
	}
	final.withoutProof = strings.TrimSuffix(text, ",p="+value)
	return final, nil
}

// ClientKey is the key recovered from the proof (ClientProof XOR
// ClientSignature) once Final has succeeded, else zero. With the verifier it
// makes the Keys that log in to a backend of the same verifier.
func (s *ScramServer) ClientKey() [sha256.Size]byte { return s.clientKey }

// Wipe zeroes the keys and ends the exchange.
func (s *ScramServer) Wipe() { *s = ScramServer{step: scramClosed} }
