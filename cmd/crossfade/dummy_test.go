package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// dummyVariable makes the test binary a dummy server instead of running tests:
// with thousands of sessions, the two ends of a proxy need a process each for
// their descriptors.
const dummyVariable = "CROSSFADE_TEST_DUMMY"

// startDummy runs a server that lets everybody in and answers each simple query
// with one row. It ends with the test.
func startDummy(t testing.TB) (addr string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), dummyVariable+"=1")
	cmd.Stderr = os.Stderr
	// The dummy ends when its standard input does, so also when this process
	// ends in any way.
	hold, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = hold.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the dummy server: %v", err)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("read the dummy server's address: %v", err)
	}
	return strings.TrimSpace(line)
}

// serveDummy is the dummy server's process.
func serveDummy() (code int) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(listener.Addr())
	go acceptDummies(listener)
	_, _ = bufio.NewReader(os.Stdin).ReadByte() // until the owner lets go
	return 0
}

func acceptDummies(listener net.Listener) {
	var last atomic.Uint32
	for {
		conn, err := listener.Accept()
		if err != nil {
			_, _ = fmt.Fprintln(os.Stderr, err)
			return
		}
		go func() {
			defer conn.Close()
			answerDummy(conn, last.Add(1))
		}()
	}
}

// answerDummy talks to one client until that goes away.
func answerDummy(conn net.Conn, pid uint32) {
	b := pgproto3.NewBackend(conn, conn)
	if _, err := b.ReceiveStartupMessage(); err != nil {
		return
	}
	b.Send(&pgproto3.AuthenticationOk{})
	b.Send(&pgproto3.ParameterStatus{Name: "server_version", Value: "15.0"})
	b.Send(&pgproto3.BackendKeyData{ProcessID: pid, SecretKey: []byte{1, 2, 3, 4}})
	b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	for b.Flush() == nil {
		m, err := b.Receive()
		if err != nil {
			return
		}
		if _, ok := m.(*pgproto3.Query); !ok {
			return
		}
		b.Send(&pgproto3.RowDescription{Fields: []pgproto3.FieldDescription{{Name: []byte("one"), DataTypeOID: 23, DataTypeSize: 4}}})
		b.Send(&pgproto3.DataRow{Values: [][]byte{[]byte("1")}})
		b.Send(&pgproto3.CommandComplete{CommandTag: []byte("SELECT 1")})
		b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	}
}
