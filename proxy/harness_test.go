package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"go.uber.org/goleak"

	"github.com/crossfade-db/crossfade/internal/dbserver"
	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/wire/pgwire"
)

// postgres is the one real server of this package's tests. Its role app has a
// password and may do what a test needs; trusted needs none.
var postgres *dbserver.Postgres

const appPassword = "app's \"password\" ünd mehr"

func TestMain(m *testing.M) {
	code, err := withPostgres(m)
	if err == nil && code == 0 {
		err = goleak.Find()
	}
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func withPostgres(m *testing.M) (code int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	postgres, err = dbserver.Start(ctx, dbserver.Options{
		Settings: map[string]string{"max_connections": "300"},
		HBA: []string{
			"host all,replication trusted 127.0.0.1/32 trust",
			"host all all 127.0.0.1/32 scram-sha-256",
		},
	})
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, postgres.Stop(context.Background())) }()
	for _, sql := range []string{
		"CREATE ROLE app LOGIN SUPERUSER PASSWORD '" + "app''s \"password\" ünd mehr" + "'",
		"CREATE ROLE trusted LOGIN SUPERUSER",
		"CREATE DATABASE app",
	} {
		if err := postgres.Exec(ctx, "postgres", sql); err != nil {
			return 1, err
		}
	}
	if err := startPair(ctx); err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, pair.Stop(context.Background())) }()
	return m.Run(), nil
}

// ours is a proxy under test.
type ours struct {
	*Server
	addr string
	stop context.CancelFunc
	done chan struct{}
}

// newProxy runs a proxy in front of the server; change may alter its options.
// It ends with the test.
func newProxy(t testing.TB, change func(*Options)) *ours {
	t.Helper()
	opt := Options{
		Listeners: []ListenerOptions{{Name: "app", Network: "tcp", Address: "127.0.0.1:0"}},
		Live: &Live{
			Fronts: map[string]pgwire.FrontOptions{},
			Users:  map[string]*User{"app": scramUser(t, "app", appPassword), "trusted": {Name: "trusted", Auth: Trust}},
			Limits: Limits{
				Clients: 1000, LoginTimeout: 20 * time.Second, LoginPerAddress: 64, LoginTotal: 256,
				Memory: 64 << 20, Drain: 10 * time.Second,
			},
		},
	}
	opt.Live.Sides[router.Source] = Side{Network: "tcp", Address: postgres.Addr()}
	if change != nil {
		change(&opt)
	}
	server, err := Listen(opt)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	o := &ours{Server: server, addr: server.Addrs()[0].String(), stop: stop, done: make(chan struct{})}
	go func() { defer close(o.done); server.Serve(ctx) }()
	t.Cleanup(func() {
		stop()
		server.Kill()
		<-o.done
	})
	return o
}

func scramUser(t testing.TB, name, password string) *User {
	t.Helper()
	verifier, err := pgwire.NewVerifier(password, []byte("0123456789abcdef"), 4096)
	if err != nil {
		t.Fatal(err)
	}
	u := &User{Name: name, Auth: Scram, Verifier: verifier}
	u.Logins[router.Source] = Login{User: name, Password: password}
	return u
}

// connect logs in as app through the proxy with the real driver.
func (o *ours) connect(t testing.TB) *pgx.Conn {
	t.Helper()
	return connectTo(t, o.addr)
}

func connectTo(t testing.TB, addr string) *pgx.Conn {
	t.Helper()
	config, err := pgx.ParseConfig("sslmode=disable user=app database=app")
	if err != nil {
		t.Fatal(err)
	}
	config.Password = appPassword
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	config.Host = host
	if _, err := fmt.Sscan(port, &config.Port); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// raw is a client that sends and reads messages as they are.
type raw struct {
	net.Conn
	*pgproto3.Frontend
}

// dialRaw logs in as trusted at addr, which is a proxy or the server itself.
func dialRaw(t testing.TB, addr string, params map[string]string) *raw {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	deadline(t, conn)
	r := &raw{conn, pgproto3.NewFrontend(conn, conn)}
	all := map[string]string{"user": "trusted", "database": "app"}
	for k, v := range params {
		all[k] = v
	}
	r.Send(&pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersionNumber, Parameters: all})
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	r.until(t, 'Z')
	return r
}

// deadline keeps a test that waits for what never comes from waiting for ever.
func deadline(t testing.TB, conn net.Conn) {
	t.Helper()
	if err := conn.SetDeadline(time.Now().Add(60 * time.Second)); err != nil {
		t.Fatal(err)
	}
}

// until reads messages up to the first one of a type and returns its text.
func (r *raw) until(t testing.TB, kind byte) (seen []pgproto3.BackendMessage) {
	t.Helper()
	for {
		m, err := r.Receive()
		if err != nil {
			t.Fatalf("waiting for %q after %d messages: %v", kind, len(seen), err)
		}
		copied, err := m.Encode(nil)
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, m)
		if copied[0] == kind {
			return seen
		}
	}
}

// rest reads until the other end closes.
func (r *raw) rest(t testing.TB) []byte {
	t.Helper()
	all, err := io.ReadAll(r.Conn)
	if err != nil {
		t.Fatalf("after %d bytes: %v", len(all), err)
	}
	return all
}

// code is the SQLSTATE of an error that a driver returned, "" for none.
func code(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	return ""
}

// eventually waits until a condition holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(20 * time.Second)
	for !holds() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("never happened: %s", what)
		}
	}
}

// runs waits until the server itself says that it runs this statement. That
// it has been sent is not enough for what must meet it in the middle: a server
// forgets a cancel request that comes before it has begun.
func runs(t testing.TB, sql string) {
	t.Helper()
	eventually(t, "the statement runs", func() bool { return sleepers(t, sql) == "1" })
}

// sleepers is how many sessions of the server run this statement.
func sleepers(t testing.TB, sql string) string {
	t.Helper()
	n, err := postgres.Query(context.Background(), "app", "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND query = '"+sql+"'")
	if err != nil {
		t.Fatal(err)
	}
	return n
}
