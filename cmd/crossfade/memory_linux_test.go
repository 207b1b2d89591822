package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

const (
	kib = 1 << 10
	mib = 1 << 20
)

// memory is a figure of /proc/PID/status in bytes (proc(5)): VmRSS, VmHWM.
func (c *child) memory(t testing.TB, name string) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n * kib
		}
	}
	t.Fatalf("there is no %s", name)
	return 0
}

// newPeak lets VmHWM begin again at the present VmRSS, which it returns.
func (c *child) newPeak(t testing.TB) int64 {
	t.Helper()
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", c.Process.Pid), []byte("5"), 0); err != nil {
		t.Fatal(err)
	}
	return c.memory(t, "VmRSS")
}

// raw is a client that chooses itself when it reads.
type raw struct {
	net.Conn
	*pgproto3.Frontend
}

// login is that of trusted, in at most a minute for all that the client does.
func login(addr, application string) (*raw, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	r := &raw{conn, pgproto3.NewFrontend(conn, conn)}
	r.Send(&pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersionNumber, Parameters: map[string]string{
		"user": "trusted", "database": "shop", "application_name": application,
	}})
	if err = errors.Join(conn.SetDeadline(time.Now().Add(time.Minute)), r.Flush(), r.ready()); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return r, nil
}

// ready reads until the server waits for the next statement.
func (r *raw) ready() error {
	for {
		m, err := r.Receive()
		if err != nil {
			return err
		}
		switch m := m.(type) {
		case *pgproto3.ErrorResponse:
			return pgconn.ErrorResponseToPgError(m)
		case *pgproto3.ReadyForQuery:
			return nil
		}
	}
}

func (r *raw) ask(sql string) error {
	r.Send(&pgproto3.Query{String: sql})
	return r.Flush()
}

const (
	resultRows = 600
	rowBytes   = 1_000_000
	bigResult  = "SELECT repeat('x', 1000000) FROM generate_series(1, 600)"
	// mostGrowth is what one stream may cost the proxy beside the sockets' own
	// buffers, which are the kernel's.
	mostGrowth = 16 * mib
)

// paced gives size bytes at each tick, until it may go at full speed.
type paced struct {
	io.Reader
	size int
	tick <-chan time.Time
	free <-chan time.Time
}

func (p *paced) Read(b []byte) (int, error) {
	if p.tick == nil {
		return p.Reader.Read(b)
	}
	select {
	case <-p.free:
		p.tick = nil
		return p.Reader.Read(b)
	case <-p.tick:
		return p.Reader.Read(b[:min(len(b), p.size)])
	}
}

// drainResult reads messages up to ReadyForQuery and keeps none: each is a type,
// a length that counts itself, and a body (manual, 54.7).
func drainResult(r *bufio.Reader) (rows, size int64, err error) {
	for {
		header, err := r.Peek(5)
		if err != nil {
			return rows, size, err
		}
		kind, length := header[0], 1+int(binary.BigEndian.Uint32(header[1:]))
		if _, err := r.Discard(length); err != nil {
			return rows, size, err
		}
		size += int64(length)
		switch kind {
		case 'D':
			rows++
		case 'Z':
			return rows, size, nil
		}
	}
}

// bigReader is a session to which a big result is on its way, and the memory
// of the proxy before.
func (c *child) bigReader(t testing.TB, application string) (r *raw, before int64) {
	t.Helper()
	r, err := login(c.addr, application)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	before = c.newPeak(t)
	if err := r.ask(bigResult); err != nil {
		t.Fatal(err)
	}
	return r, before
}

// grewLittle compares the peak of memory since bigReader with what is allowed.
func (c *child) grewLittle(t testing.TB, before int64) {
	t.Helper()
	grown := c.memory(t, "VmHWM") - before
	t.Logf("at the peak %d KiB more than before", grown/kib)
	if grown > mostGrowth {
		t.Errorf("want at most %d KiB", mostGrowth/kib)
	}
}

func TestASlowReaderOf600MBCostsNoMemory(t *testing.T) {
	c := start(t, settings{users: "[{name: trusted, auth: trust}]"})
	r, before := c.bigReader(t, "slow_reader")
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	slow := &paced{Reader: r.Conn, size: 16 * kib, tick: tick.C, free: time.After(3 * time.Second)}
	rows, size, err := drainResult(bufio.NewReaderSize(slow, 64*kib))
	if err != nil || rows != resultRows || size < resultRows*rowBytes {
		t.Errorf("%d rows, %d bytes, %v", rows, size, err)
	}
	c.grewLittle(t, before)
}

func TestAReaderOfAKilobytePerSecondThatGivesUpLeavesNothing(t *testing.T) {
	c := start(t, settings{users: "[{name: trusted, auth: trust}]"})
	r, before := c.bigReader(t, "gives_up")
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	if _, err := io.CopyN(io.Discard, &paced{Reader: r.Conn, size: 100, tick: tick.C}, 5*1000); err != nil {
		t.Fatal(err)
	}
	if n := backends(t, "gives_up"); n != "1" {
		t.Errorf("%s sessions at the server while the client reads", n)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	noBackends(t, "gives_up")
	c.grewLittle(t, before)
}
