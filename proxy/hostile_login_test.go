package proxy

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/wire/pgwire"
)

// logIn logs in with the real driver and logs out; it gives the SQLSTATE of a
// refusal and its words.
func logIn(t testing.TB, addr, user, database, password string) (sqlstate, words string) {
	t.Helper()
	config, err := pgconn.ParseConfig("sslmode=disable host=127.0.0.1 user=x password=x dbname=x")
	if err != nil {
		t.Fatal(err)
	}
	to, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	config.Port, config.User, config.Database, config.Password = uint16(to.Port), user, database, password
	conn, err := pgconn.ConnectConfig(t.Context(), config)
	if err == nil {
		_ = conn.Close(t.Context())
		return "", ""
	}
	if code(err) == "" {
		return "no answer", err.Error()
	}
	return code(err), err.Error()
}

// Nobody gets in by a way that the configuration does not name, and nobody
// gets in as another.
func TestV09WhoIsNotLetIn(t *testing.T) {
	proxy := newProxy(t, func(o *Options) {
		users := o.Live.Users
		users["denied"] = &User{Name: "denied"}
		users["certified"] = &User{Name: "certified", Auth: Certificate}
		users["no verifier"] = &User{Name: "no verifier", Auth: Scram}
		users["no keys"] = &User{Name: "no keys", Auth: ScramPassThrough}
		users["of another kind"] = &User{Name: "of another kind", Auth: Auth(99)}
		users["postgres"] = &User{Name: "postgres", Auth: Deny, Logins: [router.Sides]Login{{User: "trusted"}}}
	})
	for _, c := range []struct{ name, user, database, password, want string }{
		{"right password", "app", "app", appPassword, ""},
		{"trusted on loopback", "trusted", "app", "", ""},
		{"wrong password", "app", "app", "wrong", "28P01"},
		{"empty password", "app", "app", "", "28P01"},
		{"half the password", "app", "app", appPassword[:4], "28P01"},
		{"unknown user", "nobody", "app", appPassword, "28P01"},
		{"unknown user with an empty password", "nobody", "app", "", "28P01"},
		{"no user", "", "app", appPassword, "28000"},
		{"user in another case", "APP", "app", appPassword, "28P01"},
		{"trusted user in another case", "Trusted", "app", "", "28P01"},
		{"trusted user with a space", "trusted ", "app", "", "28P01"},
		{"user without a way to log in", "denied", "app", "", "28P01"},
		{"user without a way whose side would trust it", "postgres", "app", "", "28P01"},
		{"user without a verifier", "no verifier", "app", "", "28P01"},
		{"user without keys", "no keys", "app", "", "28P01"},
		{"user of a kind that there is not", "of another kind", "app", "", "28P01"},
		{"user without its certificate", "certified", "app", "", "28000"},
		{"wrong database", "app", "nosuch", appPassword, "3D000"},
		{"database of an unknown user", "nobody", "nosuch", "", "28P01"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, words := logIn(t, proxy.addr, c.user, c.database, c.password); got != c.want {
				t.Errorf("got %s (%s), want %q", got, words, c.want)
			}
		})
	}
}

// A user that is trusted is so from loopback and unix sockets only, and looks
// like an unknown one from elsewhere.
func TestV09TrustEndsAtLoopback(t *testing.T) {
	proxy := newProxy(t, nil)
	for from, in := range map[string]bool{
		"127.0.0.1": true, "127.255.0.9": true, "::1": true, "": true, // a unix socket
		"192.0.2.1": false, "10.0.0.1": false, "2001:db8::1": false, "0.0.0.0": false, "fe80::1": false,
	} {
		t.Run("from "+from, func(t *testing.T) {
			addr, _ := netip.ParseAddr(from)
			said := refusedAt(t, proxy, addr, "trusted")
			if !in {
				if diff := cmp.Diff(refusedAt(t, proxy, addr, "unknown"), said); diff != "" {
					t.Errorf("it differs from an unknown user (-unknown +trusted):\n%s", diff)
				}
			} else if len(said) != 0 {
				t.Errorf("got %q", said)
			}
		})
	}
}

// refusedAt proves with a wrong password who one is, from any address, and gives
// what was said until the refusal.
func refusedAt(t *testing.T, proxy *ours, from netip.Addr, user string) []string {
	t.Helper()
	client, server := net.Pipe()
	for _, c := range []net.Conn{client, server} {
		t.Cleanup(func() { _ = c.Close() })
		deadline(t, c)
	}
	said := make(chan []string, 1)
	go func() { said <- refusal(client, user) }()
	l := &login{server: proxy.Server, live: proxy.live.Load(), front: pgwire.NewFront(server, pgwire.FrontOptions{}), from: from}
	if _, err := l.front.Request(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err := l.authenticate(user)
	if err != nil {
		l.refuse(server, err)
	}
	_ = server.Close()
	return <-said
}

// refusal logs in with a wrong password and gives the messages heard, with what
// is random or names the user taken out.
func refusal(conn net.Conn, user string) (said []string) {
	out := pgproto3.NewFrontend(conn, conn)
	out.Send(&pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersionNumber, Parameters: map[string]string{"user": user}})
	scram := pgwire.NewScramClient(pgwire.ScramClientOptions{Password: "wrong", Offered: []string{"SCRAM-SHA-256"}})
	for out.Flush() == nil {
		m, err := out.Receive()
		if err != nil {
			return said
		}
		text := fmt.Sprintf("%T %+v", m, m)
		switch m := m.(type) {
		case *pgproto3.AuthenticationSASL:
			mechanism, data, _ := scram.First()
			out.Send(&pgproto3.SASLInitialResponse{AuthMechanism: mechanism, Data: data})
		case *pgproto3.AuthenticationSASLContinue:
			data, _ := scram.Final(m.Data)
			out.Send(&pgproto3.SASLResponse{Data: data})
			text = fmt.Sprintf("challenge of %d bytes and %s iterations", len(m.Data), m.Data[bytes.LastIndexByte(m.Data, '=')+1:])
		}
		said = append(said, strings.ReplaceAll(text, `"`+user+`"`, "<user>"))
	}
	return said
}

// A client cannot tell by our answers which users there are.
func TestV28UnknownUserAndWrongPasswordLookTheSame(t *testing.T) {
	proxy := newProxy(t, func(o *Options) {
		o.Live.Users["known"] = scramUser(t, "known", "right")
		o.Live.Users["passed"] = scramUser(t, "passed", "right")
		o.Live.Users["passed"].Auth = ScramPassThrough
		o.Live.Users["denied"] = &User{Name: "denied"}
	})
	ask := func(user string) []string {
		conn, err := net.Dial("tcp", proxy.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		deadline(t, conn)
		return refusal(conn, user)
	}
	unknown := ask("stranger")
	if len(unknown) != 3 || !strings.Contains(unknown[2], "password authentication failed for user <user>") {
		t.Fatalf("an unknown user hears %q", unknown)
	}
	for _, user := range []string{"known", "passed", "denied"} {
		if diff := cmp.Diff(unknown, ask(user)); diff != "" {
			t.Errorf("%s (-unknown +%s):\n%s", user, user, diff)
		}
	}
}

// A side that is down is not the client's fault: whoever tries all the while is
// let in as soon as it is back.
func TestV28ASideThatIsDownLocksNobodyOut(t *testing.T) {
	proxy := newProxy(t, func(o *Options) {
		o.Live.Limits.LoginPerAddress, o.Live.Limits.LoginTotal, o.Live.Limits.Clients = 2, 2, 2
		o.Live.Sides[router.Source].Address = "127.0.0.1:1"
	})
	for range 50 {
		if got, words := logIn(t, proxy.addr, "app", "app", appPassword); got != pgwire.CodeConnectionFailure || strings.Contains(words, "127.0.0.1:1)") || !strings.Contains(words, "the source database cannot be reached") {
			t.Fatalf("got %s (%s)", got, words)
		}
	}
	live := *proxy.live.Load()
	live.Sides[router.Source].Address = postgres.Addr()
	proxy.Reload(&live)
	if got, words := logIn(t, proxy.addr, "app", "app", appPassword); got != "" {
		t.Errorf("got %s (%s)", got, words)
	}
}

// Names are data: they arrive at the server as they are, whatever they would
// mean in a connection string (Teleport CVE-2021-41395).
func TestV20NamesArriveLiterally(t *testing.T) {
	names := []string{
		"x host=evil", "a?sslmode=disable", "a' password='b", `a\`, `"quoted"`, "with space ", "-c role=root", "a;b", "a%00b",
		"postgres://evil/db", "a\nuser=root", "ünïcode", "\xff\xfe", "a=b", "$user",
	}
	seen := make(chan map[string]string, 1)
	addr := fakeServer(t, func(s *fakeSession) { seen <- s.params })
	proxy := newProxy(t, func(o *Options) {
		o.Live.Sides[router.Source].Address = addr
		for _, name := range names {
			o.Live.Users[name] = &User{Name: name, Auth: Trust}
		}
	})
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			want := map[string]string{"user": name, "database": "db " + name, "application_name": name, "options": "-c a=" + strings.ReplaceAll(name, " ", `\ `)}
			if name == "a\nuser=root" || strings.HasSuffix(name, " ") || name == `a\` {
				delete(want, "options") // white space there is not kept byte for byte
			}
			_ = dialRaw(t, proxy.addr, want).Close()
			if diff := cmp.Diff(want, <-seen); diff != "" {
				t.Errorf("startup packet (-sent +arrived):\n%s", diff)
			}
		})
	}
}

// What is refused before or inside the login is said in clear words, then the
// connection ends: the client is not left to guess, nor to wait.
func TestV10RefusalsReachTheClient(t *testing.T) {
	proxy := newProxy(t, nil)
	packet := func(code uint32, rest string) string {
		head := binary.BigEndian.AppendUint32(nil, uint32(8+len(rest)))
		return string(binary.BigEndian.AppendUint32(head, code)) + rest
	}
	startup := packet(3<<16, "user\x00app\x00\x00")
	for _, c := range []struct{ name, sent, want string }{
		{"query behind SSLRequest", packet(80877103, "") + "Q\x00\x00\x00\x0dSELECT 1\x00", "C08P01\x00Mreceived unencrypted data after SSL request\x00"},
		{"second startup inside SCRAM", startup + packet(3<<16, "user\x00trusted\x00\x00"), "C08P01\x00Mexpected SASL response, got message type 0\x00"},
		{"SSLRequest inside SCRAM", startup + packet(80877103, ""), "C08P01\x00Mexpected SASL response, got message type 0\x00"},
		{"query inside SCRAM", startup + "Q\x00\x00\x00\x0dSELECT 1\x00", "C08P01\x00Mexpected SASL response, got message type 81\x00"},
		{"first packet of 2 GiB", "\x80\x00\x00\x00abc", "C08P01\x00Minvalid length of startup packet\x00"},
		{"flood behind a first packet of 2 GiB", "\x80\x00\x00\x00" + strings.Repeat("flood", 20*kib), "C08P01\x00Minvalid length of startup packet\x00"},
		{"another protocol", packet(2<<16, "\x00"), "C0A000\x00Munsupported frontend protocol 2.0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn, err := net.Dial("tcp", proxy.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			deadline(t, conn)
			if _, err := io.WriteString(conn, c.sent); err != nil {
				t.Fatal(err)
			}
			all, err := io.ReadAll(conn)
			if err != nil || strings.Count(string(all), "SFATAL") != 1 || !strings.Contains(string(all), c.want) {
				t.Errorf("got %q, %v", all, err)
			}
		})
	}
}

// A panic in one login is the end of that login: sessions and later logins do
// not notice.
func TestV03APanicInALoginEndsThatLoginAlone(t *testing.T) {
	var panics atomic.Bool
	proxy := newProxy(t, func(o *Options) {
		o.Live.Limits.LoginTotal, o.Live.Limits.LoginPerAddress = 1, 1
		o.Observer.Dialled = func(router.Side, error) {
			if panics.Load() {
				panic("a hostile packet")
			}
		}
	})
	neighbour := proxy.connect(t)
	panics.Store(true)
	for range 3 {
		if got, words := logIn(t, proxy.addr, "app", "app", appPassword); got != pgwire.CodeInternal || strings.Contains(words, "hostile") {
			t.Errorf("got %s (%s)", got, words)
		}
	}
	panics.Store(false)
	if _, err := neighbour.Exec(t.Context(), "SELECT 1"); err != nil {
		t.Errorf("the neighbour: %v", err)
	}
	if got, words := logIn(t, proxy.addr, "app", "app", appPassword); got != "" {
		t.Errorf("the next login: %s (%s)", got, words)
	}
}
