package pgwire

import (
	"encoding/pem"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// psql is libpq, the client that all others are measured by. It must be there:
// a test that was skipped has shown nothing.
func TestV12Psql(t *testing.T) {
	if _, err := exec.LookPath("psql"); err != nil {
		t.Fatal("psql is missing (apt-get install postgresql-client)")
	}
	id, odd, stranger := ecdsaIdentity(), ed25519Identity(), ed25519Identity()
	for _, c := range []struct {
		name     string
		front    FrontOptions
		trusted  identity
		settings string
		want     string // in what psql complains of; "": it logs in
	}{
		{"sslmode=disable", id.front(TLSPrefer), id, "sslmode=disable", ""},
		{"sslmode=prefer and no TLS", FrontOptions{}, id, "sslmode=prefer", ""},
		{"sslmode=require", id.front(TLSRequire), id, "sslmode=require", ""},
		{"sslmode=verify-full", id.front(TLSRequire), id, "sslmode=verify-full", ""},
		{"channel_binding=require", id.front(TLSRequire), id, "sslmode=verify-full channel_binding=require", ""},
		{"channel_binding=disable", id.front(TLSRequire), id, "sslmode=require channel_binding=disable", ""},
		{"Ed25519 without a binding", odd.front(TLSRequire), odd, "sslmode=verify-full", ""},
		{"gssencmode=prefer", FrontOptions{}, id, "sslmode=disable gssencmode=prefer", ""},
		{"sslmode=require and no TLS", FrontOptions{}, id, "sslmode=require", "server does not support SSL, but SSL was required"},
		{"sslmode=disable where TLS is required", id.front(TLSRequire), id, "sslmode=disable", "this listener takes connections with TLS only"},
		{"certificate of a stranger", id.front(TLSRequire), stranger, "sslmode=verify-full", "certificate verify failed"},
		{"channel_binding=require and Ed25519", odd.front(TLSRequire), odd, "sslmode=verify-full channel_binding=require", "channel binding is required"},
		{"channel_binding=require without TLS", FrontOptions{}, id, "sslmode=disable channel_binding=require", "channel binding required"},
		{"wrong password", id.front(TLSPrefer), id, "sslmode=require password=pen", `password authentication failed for user "alice"`},
		{"unknown user", id.front(TLSPrefer), id, "sslmode=require user=nobody", `password authentication failed for user "nobody"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			address := listen(t, c.front)
			said, err := psql(t, address, c.trusted, c.settings)
			if (err == nil) != (c.want == "") || !strings.Contains(said, c.want) {
				t.Errorf("got %v, %s", err, said)
			}
		})
	}
}

func psql(t *testing.T, address string, trusted identity, settings string) (said string, err error) {
	t.Helper()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	ca := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: trusted.leaf.Raw})
	if err := os.WriteFile(ca, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(settings, "sslmode=verify") {
		settings += " sslrootcert=" + ca
	}
	command := exec.CommandContext(t.Context(), "psql", "-X", "-w", "-c", ";",
		"user=alice password=pencil dbname=shop host=localhost hostaddr=127.0.0.1 port="+port+" connect_timeout=10 "+settings)
	command.Env = append(os.Environ(), "LC_ALL=C", "HOME="+t.TempDir())
	out, err := command.CombinedOutput()
	return string(out), err
}

// listen serves clients that ask for nothing, one after the other.
func listen(t *testing.T, opt FrontOptions) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if err := conn.SetDeadline(time.Now().Add(patience)); err == nil {
				answer(conn, opt)
			}
			_ = conn.Close()
		}
	}()
	return l.Addr().String()
}

// answer lets a client in and answers its queries with nothing.
func answer(conn net.Conn, opt FrontOptions) {
	front, _, err := serve(conn, opt)
	if err != nil {
		return
	}
	backend := pgproto3.NewBackend(front.Conn(), front.Conn())
	for {
		m, err := backend.Receive()
		var query *pgproto3.Query
		if query, _ = m.(*pgproto3.Query); err != nil || query == nil {
			return
		}
		backend.Send(&pgproto3.EmptyQueryResponse{})
		backend.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
		if err := backend.Flush(); errors.Is(err, net.ErrClosed) {
			return
		}
	}
}
