package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/crossfade-db/crossfade/wire"
)

// dummy speaks just enough PostgreSQL to be at the other end of idle sessions:
// it lets everybody in and answers each simple query with the tag of a
// statement that returns nothing. Thousands of real backends would cost
// gigabytes.
type dummy struct {
	listener net.Listener
	work     sync.WaitGroup
	mu       sync.Mutex
	conns    []net.Conn
	closed   bool
}

func startDummy(ctx context.Context) (*dummy, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start the dummy server: %w", err)
	}
	d := &dummy{listener: listener}
	d.work.Go(d.accept)
	return d, nil
}

func (d *dummy) addr() string { return d.listener.Addr().String() }

func (d *dummy) accept() {
	for {
		conn, err := d.listener.Accept()
		if err != nil {
			return
		}
		if d.keep(conn) {
			d.work.Go(func() { defer conn.Close(); _ = serveDummy(conn) })
		}
	}
}

// keep notes a connection for close; false: it is too late for it.
func (d *dummy) keep(conn net.Conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		_ = conn.Close()
		return false
	}
	d.conns = append(d.conns, conn)
	return true
}

// close hangs up on everybody and returns when all are gone.
func (d *dummy) close() error {
	err := d.listener.Close()
	d.mu.Lock()
	d.closed = true
	for _, conn := range d.conns {
		_ = conn.Close()
	}
	d.mu.Unlock()
	d.work.Wait()
	return err
}

// welcome is AuthenticationOk, a setting that every driver asks for,
// BackendKeyData and ReadyForQuery (PostgreSQL manual, 54.7).
var welcome = func() []byte {
	m := appendMessage(nil, 'R', make([]byte, 4))
	m = appendMessage(m, 'S', []byte("standard_conforming_strings\x00on\x00"))
	m = appendMessage(m, 'K', []byte("pid.key."))
	return appendMessage(m, 'Z', []byte("I"))
}()

// nothing is CommandComplete and ReadyForQuery.
var nothing = appendMessage(appendMessage(nil, 'C', []byte("LISTEN\x00")), 'Z', []byte("I"))

var errDummy = errors.New("the dummy server was sent what it does not know")

// serveDummy is one session, until the other end hangs up.
func serveDummy(conn io.ReadWriter) error {
	var head [wire.HeaderSize]byte
	if _, err := io.ReadFull(conn, head[:4]); err != nil {
		return err
	}
	length := int64(binary.BigEndian.Uint32(head[:4]))
	if length < 8 || length > wire.StartupMost {
		return errDummy
	}
	if _, err := io.CopyN(io.Discard, conn, length-4); err != nil {
		return err
	}
	if _, err := conn.Write(welcome); err != nil {
		return err
	}
	for {
		if _, err := io.ReadFull(conn, head[:]); err != nil {
			return err
		}
		h := wire.Parse(head[:])
		if h.State == wire.Bad || h.Type != 'Q' {
			return errDummy
		}
		if _, err := io.CopyN(io.Discard, conn, int64(h.Size-len(head))); err != nil {
			return err
		}
		if _, err := conn.Write(nothing); err != nil {
			return err
		}
	}
}
