package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/crossfade-db/crossfade/wire"
	"github.com/crossfade-db/crossfade/wire/pgwire"
)

// client is a connection that is logged in. It looks at message headers only,
// so that what it costs itself is small.
type client struct {
	conn net.Conn
	buf  []byte
}

// login is who logs in, and with what.
type login struct {
	user, password string
	keys           *pgwire.KeyCache // spares the client its key derivation
}

// dial connects to addr and logs in. bufferSize bounds one read, in bytes.
func dial(ctx context.Context, addr string, who login, bufferSize int) (*client, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	startup := wire.Startup{Version: pgwire.Version30}
	startup.Set("user", who.user)
	startup.Set("database", loadName)
	back, err := pgwire.Login(ctx, conn, pgwire.LoginOptions{Startup: startup, Secret: pgwire.Secret{Password: who.password}, Keys: who.keys})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("log in: %w", err), conn.Close())
	}
	if len(back.Rest) > 0 {
		return nil, errors.Join(errors.New("log in: bytes behind ReadyForQuery"), conn.Close())
	}
	return &client{conn: conn, buf: make([]byte, bufferSize)}, nil
}

// queryLimit bounds one query, so that a proxy that loses a byte is an error.
const queryLimit = 60 * time.Second

// query runs one simple query and returns the size of its answer in bytes. The
// answer ends with ReadyForQuery; an ErrorResponse is an error.
func (c *client) query(sql string) (int, error) {
	return c.exchange(appendMessage(nil, 'Q', append([]byte(sql), 0)))
}

// exchange sends messages that are answered with one ReadyForQuery and returns
// the size of the answer in bytes.
func (c *client) exchange(messages []byte) (int, error) {
	if err := c.conn.SetDeadline(time.Now().Add(queryLimit)); err != nil {
		return 0, fmt.Errorf("set a deadline: %w", err)
	}
	if _, err := c.conn.Write(messages); err != nil {
		return 0, fmt.Errorf("send the query: %w", err)
	}
	var s scanner
	size := 0
	for !s.ready {
		n, err := c.conn.Read(c.buf)
		if err != nil {
			return 0, fmt.Errorf("read the answer: %w", err)
		}
		size += n
		if err := s.scan(c.buf[:n]); err != nil {
			return 0, err
		}
	}
	return size, nil
}

// close says goodbye and hangs up.
func (c *client) close() error {
	_, err := c.conn.Write(appendMessage(nil, 'X', nil))
	return errors.Join(err, c.conn.Close())
}

// appendMessage frames a message (PostgreSQL manual, 54.7).
func appendMessage(dst []byte, kind byte, body []byte) []byte {
	n := len(body) + 4
	dst = append(dst, kind, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	return append(dst, body...)
}

// scanner finds the end of an answer in the bytes of a server, however they are
// cut. It keeps a header that is not whole, nothing else.
type scanner struct {
	head  [wire.HeaderSize]byte
	have  int // bytes in head
	rest  int // bytes of the present message that are still to come
	ready bool
	last  byte // type of the present message
}

var errAnswer = errors.New("read the answer: the server reports an error, or does not speak PostgreSQL")

func (s *scanner) scan(in []byte) error {
	for len(in) > 0 {
		if s.rest > 0 {
			n := min(s.rest, len(in))
			s.rest -= n
			in = in[n:]
			continue
		}
		if s.last == 'Z' {
			return errAnswer // nobody has asked for more
		}
		n := copy(s.head[s.have:], in)
		s.have += n
		in = in[n:]
		if s.have < len(s.head) {
			break
		}
		h := wire.Parse(s.head[:])
		if h.State == wire.Bad || h.Type == 'E' {
			return errAnswer
		}
		s.have, s.last, s.rest = 0, h.Type, h.Size-len(s.head)
	}
	s.ready = s.last == 'Z' && s.rest == 0 && s.have == 0
	return nil
}
