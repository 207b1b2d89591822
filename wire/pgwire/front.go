package pgwire

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/crossfade-db/crossfade/wire"
)

// Protocol versions and request codes (manual, 54.7; libpq/pqcomm.h).
const (
	Version30    = 3 << 16
	Version32    = 3<<16 | 2
	codeCancel   = 80877102
	codeSSL      = 80877103
	codeGSS      = 80877104
	tlsHandshake = 0x16
	// ALPN is the name of the protocol for TLS (libpq/pqcomm.h, PG_ALPN_PROTOCOL).
	ALPN          = "postgresql"
	keyLeast      = 4
	keyMost       = 256
	unknownPrefix = "_pq_."
)

// TLSMode says what a listener does about TLS.
type TLSMode uint8

const (
	// TLSDisable answers SSLRequest with N.
	TLSDisable TLSMode = iota
	// TLSPrefer takes clients with and without TLS.
	TLSPrefer
	// TLSRequire refuses clients without TLS.
	TLSRequire
)

// FrontOptions configure our end of a login.
type FrontOptions struct {
	Mode TLSMode
	TLS  *tls.Config // nil only with TLSDisable
	// CertHash is the channel binding of the certificate that TLS presents
	// (RFC 5929); nil when it has none.
	CertHash []byte
}

// ErrHandshake is a TLS handshake with a client that did not work out: the
// client can no longer be told why, the log can.
var ErrHandshake = errors.New("TLS handshake with the client")

// Request is what a client wants: to log in, or to cancel what another
// session of its runs.
type Request struct {
	Startup *wire.Startup
	Cancel  *CancelKey
}

// CancelKey names the session to cancel. Secret has 4 to 256 bytes. It prints
// as ***.
type CancelKey struct {
	scramHidden
	PID    uint32
	Secret []byte
}

// Front is our end of the login of one client.
type Front struct {
	conn net.Conn
	in   reader
	out  []byte
	opt  FrontOptions
	tls  *tls.Conn
	ssl  bool // asked
	gss  bool // asked
	hash []byte
	vers uint32
}

// NewFront begins a login. The caller sets deadlines on conn and closes it.
func NewFront(conn net.Conn, opt FrontOptions) *Front {
	return &Front{conn: conn, in: reader{from: conn, most: clientMost}, opt: opt}
}

// Conn is the connection to go on with: the TLS one, if the client asked.
func (f *Front) Conn() net.Conn { return f.conn }

// Rest is what the client has sent beyond the login. Valid until the next read.
func (f *Front) Rest() []byte { return f.in.buffered() }

// PeerCommonName is the common name of the client's verified certificate, ""
// without one.
func (f *Front) PeerCommonName() string {
	if f.tls == nil {
		return ""
	}
	chains := f.tls.ConnectionState().VerifiedChains
	if len(chains) == 0 {
		return ""
	}
	return chains[0][0].Subject.CommonName
}

// Version is the protocol version agreed on.
func (f *Front) Version() uint32 { return f.vers }

// Request reads up to the startup packet or cancel request: TLS is negotiated
// by SSLRequest or directly (ALPN), encryption by GSSAPI is refused. Errors of
// type *wire.Error are for the client as well.
func (f *Front) Request(ctx context.Context) (Request, error) {
	first, err := f.in.need(1)
	if err != nil {
		return Request{}, err
	}
	if first[0] == tlsHandshake && f.opt.TLS != nil {
		if err := f.directTLS(ctx); err != nil {
			return Request{}, err
		}
	}
	for {
		body, err := f.in.startup()
		if errors.Is(err, errLength) {
			return Request{}, violation("invalid length of startup packet")
		}
		if err != nil {
			return Request{}, err
		}
		switch code := binary.BigEndian.Uint32(body); {
		case code == codeSSL:
			err = f.sslRequest(ctx)
		case code == codeGSS:
			err = f.gssRequest()
		case code == codeCancel:
			return cancelRequest(body[4:])
		case code>>16 == 3:
			return f.startup(body)
		default:
			return Request{}, &wire.Error{
				Fault: wire.ByClient, Code: CodeNotSupported,
				Message: fmt.Sprintf("unsupported frontend protocol %d.%d: server supports 3.0 to 3.2", code>>16, code&0xffff),
			}
		}
		if err != nil {
			return Request{}, err
		}
	}
}

// sslRequest answers SSLRequest. Nothing may have been sent behind it: bytes
// kept from before the handshake would pass as if they had come encrypted
// (CVE-2021-23214).
func (f *Front) sslRequest(ctx context.Context) error {
	if f.ssl || f.tls != nil {
		return violation("SSL request repeated")
	}
	f.ssl = true
	if len(f.in.buffered()) > 0 {
		return violation("received unencrypted data after SSL request")
	}
	if f.opt.Mode == TLSDisable || f.opt.TLS == nil {
		return f.write([]byte{'N'})
	}
	if err := f.write([]byte{'S'}); err != nil {
		return err
	}
	return f.handshake(ctx, f.conn)
}

func (f *Front) gssRequest() error {
	if f.gss || f.tls != nil {
		return violation("GSSAPI encryption request not allowed here")
	}
	f.gss = true
	if len(f.in.buffered()) > 0 {
		return violation("received unencrypted data after GSSAPI encryption request")
	}
	return f.write([]byte{'N'})
}

// directTLS takes a client that begins with TLS (sslnegotiation=direct, from
// 17 on); it must have agreed on the protocol by ALPN.
func (f *Front) directTLS(ctx context.Context) error {
	seen := bytes.Clone(f.in.buffered())
	f.in = reader{most: clientMost}
	if err := f.handshake(ctx, &replay{Conn: f.conn, seen: seen}); err != nil {
		return err
	}
	if f.tls.ConnectionState().NegotiatedProtocol != ALPN {
		return violation("received direct SSL connection request without ALPN protocol negotiation extension")
	}
	return nil
}

func (f *Front) handshake(ctx context.Context, under net.Conn) error {
	f.tls = tls.Server(under, f.opt.TLS)
	if err := f.tls.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("%w: %w", ErrHandshake, err)
	}
	f.conn, f.in.from, f.hash = f.tls, f.tls, f.opt.CertHash
	return nil
}

// replay gives back what was read before it was known to be TLS.
type replay struct {
	net.Conn
	seen []byte
}

// NetConn is the connection below, as of tls.Conn.
func (r *replay) NetConn() net.Conn { return r.Conn }

func (r *replay) Read(p []byte) (int, error) {
	if len(r.seen) == 0 {
		return r.Conn.Read(p)
	}
	n := copy(p, r.seen)
	r.seen = r.seen[n:]
	return n, nil
}

func cancelRequest(body []byte) (Request, error) {
	if len(body) < 4+keyLeast || len(body) > 4+keyMost {
		return Request{}, violation("invalid length of cancel request")
	}
	return Request{Cancel: &CancelKey{PID: binary.BigEndian.Uint32(body), Secret: bytes.Clone(body[4:])}}, nil
}

// startup reads the startup packet and agrees on a version: ours alone, as it
// changes only the length of a key that is ours. Options of the protocol that
// we do not know are listed to the client (NegotiateProtocolVersion).
func (f *Front) startup(body []byte) (Request, error) {
	s, err := wire.ParseStartup(body)
	if err != nil {
		return Request{}, violation("invalid startup packet layout: %v", err)
	}
	if f.opt.Mode == TLSRequire && f.tls == nil {
		return Request{}, &wire.Error{
			Fault: wire.ByClient, Code: CodeInvalidAuth, Message: "this listener takes connections with TLS only",
			Hint: "connect with sslmode=require",
		}
	}
	f.vers = min(s.Version, Version32)
	known := s.Params[:0]
	var unknown []string
	for _, p := range s.Params {
		if strings.HasPrefix(p.Name, unknownPrefix) {
			unknown = append(unknown, p.Name)
			continue
		}
		known = append(known, p)
	}
	s.Params = known
	if s.Version > Version32 || len(unknown) > 0 {
		m := pgproto3.NegotiateProtocolVersion{NewestMinorProtocol: f.vers, UnrecognizedOptions: unknown}
		if err := f.queue(&m); err != nil {
			return Request{}, err
		}
	}
	return Request{Startup: &s}, nil
}

// queue encodes a message to leave with the next flush.
func (f *Front) queue(m pgproto3.BackendMessage) error {
	out, err := m.Encode(f.out)
	if err != nil {
		return fmt.Errorf("encode login message: %w", err)
	}
	f.out = out
	return nil
}

func (f *Front) flush() error {
	if len(f.out) == 0 {
		return nil
	}
	err := f.write(f.out)
	f.out = f.out[:0]
	return err
}

func (f *Front) write(p []byte) error {
	if _, err := f.conn.Write(p); err != nil {
		return fmt.Errorf("write to client: %w", err)
	}
	return nil
}

// Await waits for the client's first byte.
func (f *Front) Await() error {
	_, err := f.in.need(1)
	return err
}
