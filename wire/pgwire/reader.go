// Package pgwire speaks the parts of the PostgreSQL protocol (3.0 and 3.2;
// manual, chapter 54) that a proxy must understand: startup, TLS, logging in
// at both ends, cancelling, errors. Everything after the login is relayed as
// raw frames by others and is never decoded here.
//
// Front is our end of a client's login, Login is our own login at a server:
//
//	front := pgwire.NewFront(conn, pgwire.FrontOptions{TLS: tlsConfig})
//	request, err := front.Request()      // startup packet or cancel request
//	err = front.Scram(verifier, …)       // who is it
//	back, err := pgwire.Login(conn, …)   // the same one at the server
//	err = front.Welcome(back.Greeting, back.PID, key)
package pgwire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/crossfade-db/crossfade/wire"
)

const (
	kib = 1 << 10
	// clientMost bounds a client's message before it is logged in, in bytes.
	clientMost = 16 * kib
	// serverMost bounds a server's message while we log in, in bytes.
	serverMost = 64 * kib
	// greetingMost bounds what a server may send for the client, in bytes.
	greetingMost = 256 * kib
	// loginMessages bounds how many messages a server may send during a login.
	loginMessages = 1000
)

var (
	errLength = errors.New("invalid message length")
	errMost   = errors.New("message too long for a login")
)

// reader takes whole messages off a connection during a login. Its buffer
// grows with the bytes that have come, never with a length that was declared
// (THREATS V2), and never over most.
type reader struct {
	from io.Reader
	buf  []byte
	at   int
	most int
}

// buffered is what has been read and not taken yet; valid until the next read.
func (r *reader) buffered() []byte { return r.buf[r.at:] }

// need returns the next n bytes without taking them.
func (r *reader) need(n int) ([]byte, error) {
	for len(r.buf)-r.at < n {
		if err := r.fill(); err != nil {
			return nil, err
		}
	}
	return r.buf[r.at : r.at+n], nil
}

func (r *reader) fill() error {
	if r.at > 0 {
		r.buf = r.buf[:copy(r.buf, r.buf[r.at:])]
		r.at = 0
	}
	if len(r.buf) == cap(r.buf) {
		grown := make([]byte, len(r.buf), max(512, 2*cap(r.buf)))
		copy(grown, r.buf)
		r.buf = grown
	}
	n, err := r.from.Read(r.buf[len(r.buf):cap(r.buf)])
	r.buf = r.buf[:len(r.buf)+n]
	if n > 0 {
		return nil
	}
	if err == nil {
		return io.ErrNoProgress
	}
	return err
}

// message takes the next message; its body is valid until the next read.
func (r *reader) message() (kind byte, body []byte, err error) {
	head, err := r.need(wire.HeaderSize)
	if err != nil {
		return 0, nil, err
	}
	h := wire.Parse(head)
	if h.State == wire.Bad {
		return 0, nil, errLength
	}
	if h.Size > r.most {
		return 0, nil, errMost
	}
	whole, err := r.need(h.Size)
	if err != nil {
		return 0, nil, fmt.Errorf("read message %q: %w", h.Type, err)
	}
	r.at += h.Size
	return h.Type, whole[wire.HeaderSize:], nil
}

// startup takes the next packet without a type byte: a startup packet or one
// of the requests that stand in its place.
func (r *reader) startup() (body []byte, err error) {
	head, err := r.need(4)
	if err != nil {
		return nil, err
	}
	length := int64(binary.BigEndian.Uint32(head))
	if length < 8 || length > wire.StartupMost {
		return nil, errLength
	}
	whole, err := r.need(int(length))
	if err != nil {
		return nil, fmt.Errorf("read startup packet: %w", err)
	}
	r.at += int(length)
	return whole[4:], nil
}
