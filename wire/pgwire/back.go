package pgwire

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/crossfade-db/crossfade/wire"
)

// LoginOptions say how to log in at a server. The server is not trusted
// (THREATS V11): lengths, message counts, iterations and nonces are bounded,
// and a state that the protocol does not have ends the login.
type LoginOptions struct {
	scramHidden
	Startup wire.Startup // version 3.0, user, database and settings
	TLS     *tls.Config  // nil: none; else required, verified as the config says
	Secret  Secret
	Keys    *KeyCache
}

// Secret is what we can prove to a server: a password, or the keys learnt
// from a client's own login (SCRAM pass-through), or nothing.
type Secret struct {
	scramHidden
	Password string
	Keys     *Keys
}

// Back is a session at a server that is ready for its first statement. It holds
// the key that cancels its statements, and prints as ***.
type Back struct {
	scramHidden
	Conn     net.Conn
	Greeting []byte // ParameterStatus and notices as they came
	PID      uint32
	Key      []byte
	Rest     []byte // bytes beyond ReadyForQuery
}

type login struct {
	conn  net.Conn
	in    reader
	opt   LoginOptions
	back  Back
	scr   *ScramClient
	asked bool // the server has chosen how we prove who we are
	ok    bool // AuthenticationOk has come
}

// Login logs in over conn, which the caller closes on error. A refusal by the
// server is a *ServerError.
func Login(ctx context.Context, conn net.Conn, opt LoginOptions) (*Back, error) {
	l := &login{conn: conn, opt: opt}
	if opt.TLS != nil {
		if err := l.startTLS(ctx); err != nil {
			return nil, err
		}
	}
	l.in = reader{from: l.conn, most: serverMost}
	packet, err := opt.Startup.Append(nil)
	if err != nil {
		return nil, err
	}
	if _, err := l.conn.Write(packet); err != nil {
		return nil, fmt.Errorf("send startup packet: %w", err)
	}
	for range loginMessages {
		kind, body, err := l.in.message()
		if err != nil {
			return nil, fmt.Errorf("read login answer: %w", err)
		}
		if kind == 'Z' {
			return l.ready(body)
		}
		if err := l.step(kind, body); err != nil {
			return nil, err
		}
	}
	return nil, errEndless
}

var (
	errServer  = errors.New("unexpected message from the server during the login")
	errEndless = errors.New("the server sends messages without end during the login")
)

func (l *login) ready(body []byte) (*Back, error) {
	if !l.ok || len(body) != 1 {
		return nil, errServer
	}
	l.back.Conn, l.back.Rest = l.conn, l.in.buffered()
	return &l.back, nil
}

// step takes one message. The table is closed: what the protocol does not have
// at this point ends the login.
func (l *login) step(kind byte, body []byte) error {
	switch {
	case kind == 'E':
		return serverError(body)
	case kind == 'N', kind == 'S' && l.ok:
		return l.greet(kind, body)
	case kind == 'K' && l.ok:
		return l.cancelKey(body)
	case kind == 'R' && !l.ok:
		return l.authenticate(body)
	case kind == 'v' && !l.ok: // of the options of the protocol we use none
		return nil
	default:
		return errServer
	}
}

// greet keeps what the server tells the client, up to greetingMost.
func (l *login) greet(kind byte, body []byte) error {
	if len(l.back.Greeting)+wire.HeaderSize+len(body) > greetingMost {
		return errEndless
	}
	l.back.Greeting = appendMessage(l.back.Greeting, kind, body)
	return nil
}

func (l *login) cancelKey(body []byte) error {
	if len(body) < 4+keyLeast || len(body) > 4+keyMost {
		return errServer
	}
	l.back.PID = binary.BigEndian.Uint32(body)
	l.back.Key = bytes.Clone(body[4:])
	return nil
}

func (l *login) authenticate(body []byte) error {
	if len(body) < 4 {
		return errServer
	}
	switch method, data := binary.BigEndian.Uint32(body), body[4:]; method {
	case pgproto3.AuthTypeOk:
		if l.scr != nil && !l.scr.Verified() {
			return errServer
		}
		l.ok = true
		return nil
	case pgproto3.AuthTypeSASLContinue:
		return l.saslGoOn(data)
	case pgproto3.AuthTypeSASLFinal:
		if l.scr == nil {
			return errServer
		}
		return l.scr.Verify(data)
	default:
		return l.prove(method, body)
	}
}

// prove begins what the server asks for. It has one choice: asked for SCRAM
// first and for less then, we would give away more than we meant to.
func (l *login) prove(method uint32, body []byte) error {
	if l.asked {
		return errServer
	}
	l.asked = true
	switch method {
	case pgproto3.AuthTypeCleartextPassword:
		return l.cleartext()
	case pgproto3.AuthTypeMD5Password:
		return l.md5(body[4:])
	case pgproto3.AuthTypeSASL:
		return l.saslStart(body)
	default:
		return fmt.Errorf("the server asks for authentication method %d, which is not supported", method)
	}
}

func (l *login) cleartext() error {
	if l.opt.TLS == nil {
		return errors.New("the server asks for the password in clear, which is sent over TLS only")
	}
	return l.password(l.opt.Secret.Password)
}

func (l *login) md5(salt []byte) error {
	if len(salt) != 4 {
		return errServer
	}
	return l.password(MD5Response(l.opt.Startup.Get("user"), l.opt.Secret.Password, [4]byte(salt)))
}

func (l *login) password(answer string) error {
	if l.opt.Secret.Password == "" {
		return errors.New("the server asks for a password and none is configured for this user")
	}
	return l.send(&pgproto3.PasswordMessage{Password: answer})
}

func (l *login) saslStart(body []byte) error {
	var offer pgproto3.AuthenticationSASL
	if err := offer.Decode(body); err != nil {
		return errServer
	}
	if l.opt.Secret.Password == "" && l.opt.Secret.Keys == nil {
		return errors.New("the server asks for SCRAM and neither a password nor a verifier is configured for this user")
	}
	l.scr = NewScramClient(ScramClientOptions{
		Password: l.opt.Secret.Password, Keys: l.opt.Secret.Keys, Cache: l.opt.Keys,
		CertHash: l.peerCertHash(), OverTLS: l.opt.TLS != nil, Offered: offer.AuthMechanisms,
	})
	mechanism, first, err := l.scr.First()
	if err != nil {
		return err
	}
	return l.send(&pgproto3.SASLInitialResponse{AuthMechanism: mechanism, Data: first})
}

func (l *login) saslGoOn(data []byte) error {
	if l.scr == nil {
		return errServer
	}
	final, err := l.scr.Final(data)
	if err != nil {
		return err
	}
	return l.send(&pgproto3.SASLResponse{Data: final})
}

func (l *login) send(m pgproto3.FrontendMessage) error {
	out, err := m.Encode(nil)
	if err != nil {
		return fmt.Errorf("encode login message: %w", err)
	}
	if _, err := l.conn.Write(out); err != nil {
		return fmt.Errorf("write to the server: %w", err)
	}
	return nil
}

// startTLS asks for TLS. One byte answers; anything behind it would pass as if
// it had come encrypted (CVE-2021-23222).
func (l *login) startTLS(ctx context.Context) error {
	conn, err := StartTLS(ctx, l.conn, l.opt.TLS)
	if err != nil {
		return err
	}
	l.conn = conn
	return nil
}

// StartTLS negotiates TLS with a server by SSLRequest.
func StartTLS(ctx context.Context, conn net.Conn, config *tls.Config) (net.Conn, error) {
	request := []byte{0, 0, 0, 8, 0, 0, 0, 0}
	binary.BigEndian.PutUint32(request[4:], codeSSL)
	if _, err := conn.Write(request); err != nil {
		return nil, fmt.Errorf("ask for TLS: %w", err)
	}
	var answer [16]byte
	n, err := conn.Read(answer[:])
	if err != nil {
		return nil, fmt.Errorf("read answer to TLS request: %w", err)
	}
	switch {
	case n > 1:
		return nil, errors.New("the server sent unencrypted data after its answer to the TLS request")
	case answer[0] != 'S':
		return nil, errors.New("the server does not offer TLS")
	}
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("TLS handshake with the server: %w", err)
	}
	return secure, nil
}

// peerCertHash is the channel binding of the server's certificate, nil
// without TLS or where none is defined for it.
func (l *login) peerCertHash() []byte {
	secure, ok := l.conn.(*tls.Conn)
	if !ok {
		return nil
	}
	certs := secure.ConnectionState().PeerCertificates
	if len(certs) == 0 {
		return nil
	}
	hash, ok := CertHash(certs[0])
	if !ok {
		return nil
	}
	return hash
}

// SendCancel asks the server to cancel what the session of pid runs, and
// waits until the server has closed the connection, as it does when it has
// passed the request on (manual, 54.2.8).
func SendCancel(conn net.Conn, pid uint32, key []byte) error {
	packet := binary.BigEndian.AppendUint32(nil, uint32(12+len(key)))
	packet = binary.BigEndian.AppendUint32(packet, codeCancel)
	packet = binary.BigEndian.AppendUint32(packet, pid)
	packet = append(packet, key...)
	if _, err := conn.Write(packet); err != nil {
		return fmt.Errorf("send cancel request: %w", err)
	}
	var end [1]byte
	_, err := conn.Read(end[:])
	switch {
	case err == nil:
		return errServer
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("wait for the end of the cancel request: %w", err)
	}
	return nil
}
