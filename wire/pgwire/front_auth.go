package pgwire

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/crossfade-db/crossfade/wire"
)

// Scram lets the client prove who it is (manual, 54.3). The exchange decides;
// the last message of a success leaves with Welcome. Every refusal has the
// same words (CVE-2015-6817, THREATS V28). A message that is not the client's
// answer ends the login, a second startup packet too (CVE-2026-107350).
func (f *Front) Scram(exchange *ScramServer, user string) error {
	if err := f.queue(&pgproto3.AuthenticationSASL{AuthMechanisms: exchange.Mechanisms()}); err != nil {
		return err
	}
	body, err := f.answer()
	if err != nil {
		return err
	}
	mechanism, data, err := initialResponse(body)
	if err != nil {
		return err
	}
	first, err := exchange.First(mechanism, data)
	if err != nil {
		return scramRefusal(err, user)
	}
	if err := f.queue(&pgproto3.AuthenticationSASLContinue{Data: first}); err != nil {
		return err
	}
	if body, err = f.answer(); err != nil {
		return err
	}
	final, err := exchange.Final(body)
	if err != nil {
		return scramRefusal(err, user)
	}
	return f.queue(&pgproto3.AuthenticationSASLFinal{Data: final})
}

// initialResponse reads the body of SASLInitialResponse: the mechanism, and data
// whose length is declared and must be what has come (manual, 54.7).
func initialResponse(body []byte) (mechanism string, data []byte, err error) {
	var m pgproto3.SASLInitialResponse
	if err := m.Decode(body); err != nil {
		return "", nil, violation("malformed SASL message")
	}
	declared := binary.BigEndian.Uint32(body[len(m.AuthMechanism)+1:])
	if int64(declared) != int64(len(m.Data)) {
		return "", nil, violation("malformed SASL message")
	}
	return m.AuthMechanism, m.Data, nil
}

// answer flushes and takes the client's next authentication message. Its type
// is looked at before its length: of a second startup packet both are nonsense,
// and the client is not waited for.
func (f *Front) answer() ([]byte, error) {
	if err := f.flush(); err != nil {
		return nil, err
	}
	kind, err := f.in.need(1)
	if err != nil {
		return nil, err
	}
	if kind[0] != 'p' {
		return nil, violation("expected SASL response, got message type %d", kind[0])
	}
	_, body, err := f.in.message()
	if errors.Is(err, errLength) || errors.Is(err, errMost) {
		return nil, violation("%v", err)
	}
	return body, err
}

// CertHash is the channel binding of this connection; nil without TLS or when
// its certificate has none.
func (f *Front) CertHash() []byte { return f.hash }

// KeySize is the length of the cancel key that fits the protocol version.
func (f *Front) KeySize() int {
	if f.vers >= Version32 {
		return 32
	}
	return keyLeast
}

// Welcome tells the client that it is logged in: greeting holds the server's
// own messages of its login as they came (parameters, notices).
func (f *Front) Welcome(greeting []byte, pid uint32, secret []byte) error {
	if err := f.queue(&pgproto3.AuthenticationOk{}); err != nil {
		return err
	}
	f.out = append(f.out, greeting...)
	if err := f.queue(&pgproto3.BackendKeyData{ProcessID: pid, SecretKey: secret}); err != nil {
		return err
	}
	if err := f.queue(&pgproto3.ReadyForQuery{TxStatus: 'I'}); err != nil {
		return err
	}
	return f.flush()
}

// WrongPassword is the refusal of every failed proof, of known and unknown
// users alike, in the server's own words (auth.c, auth_failed).
func WrongPassword(user string) *wire.Error {
	return &wire.Error{
		Fault: wire.ByClient, Code: CodeInvalidPassword,
		Message: fmt.Sprintf("password authentication failed for user %q", user),
	}
}

// scramRefusal is what the client is told of a SCRAM exchange that ended: a
// wrong proof and an unknown user look the same.
func scramRefusal(err error, user string) error {
	if errors.Is(err, ErrProof) {
		return WrongPassword(user)
	}
	return violation("%v", err)
}
