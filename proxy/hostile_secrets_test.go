package proxy

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/wire"
	"github.com/crossfade-db/crossfade/wire/pgwire"
)

const (
	markerOfClient = "marker-of-the-client"
	markerOfSide   = "marker-of-the-side"
	markerOfGuess  = "marker-of-a-guess"
)

// record is everything that leaves the proxy as text.
type record struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

// betrays says which marker stands in the record, in whatever writing.
func (r *record) betrays() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, marker := range []string{markerOfClient, markerOfSide, markerOfGuess} {
		for _, form := range []string{
			marker, hex.EncodeToString([]byte(marker)), strings.ToUpper(hex.EncodeToString([]byte(marker))),
			base64.StdEncoding.EncodeToString([]byte(marker))[:len(marker)], strings.Trim(fmt.Sprint([]byte(marker)), "[]"),
		} {
			if strings.Contains(r.text.String(), form) {
				return form
			}
		}
	}
	return ""
}

// asking is a server that asks for a password in one way, hears the answer and
// hangs up.
func asking(t *testing.T, methods ...pgproto3.BackendMessage) (addr string) {
	t.Helper()
	return listening(t, func(conn net.Conn) {
		backend := pgproto3.NewBackend(conn, conn)
		if _, err := backend.ReceiveStartupMessage(); err != nil {
			return
		}
		for _, m := range methods {
			backend.Send(m)
		}
		if backend.Flush() == nil && len(methods) > 0 {
			_, _ = backend.Receive()
		}
	})
}

// Everything that can go wrong in a login goes wrong, with everything logged:
// no password is in what is logged, told or printed.
func TestV25NoSecretLeavesALogin(t *testing.T) {
	var all record
	proxy := newProxy(t, func(o *Options) {
		o.Log = slog.New(slog.NewJSONHandler(&all, &slog.HandlerOptions{Level: slog.LevelDebug, AddSource: true}))
		user := scramUser(t, "app", markerOfClient)
		user.Logins[router.Source] = Login{User: "app", Password: markerOfSide}
		o.Live.Users["app"] = user
	})
	for name, addr := range map[string]string{
		"real server, wrong password": postgres.Addr(),
		"nobody there":                "127.0.0.1:1",
		"server that asks in clear":   asking(t, &pgproto3.AuthenticationCleartextPassword{}),
		"server that asks for MD5":    asking(t, &pgproto3.AuthenticationMD5Password{Salt: [4]byte{1, 2, 3, 4}}),
		"server that forges SCRAM":    asking(t, &pgproto3.AuthenticationSASL{AuthMechanisms: []string{"SCRAM-SHA-256"}}, &pgproto3.AuthenticationSASLContinue{Data: []byte("r=x,s=AAAA,i=1")}),
		"server that hangs up":        asking(t),
		"server that lets us in":      fakeServer(t, func(s *fakeSession) { s.expect('X') }),
	} {
		live := *proxy.live.Load()
		live.Sides[router.Source].Address = addr
		proxy.Reload(&live)
		for _, password := range []string{markerOfClient, markerOfGuess} {
			sqlstate, words := logIn(t, proxy.addr, "app", "app", password)
			_, _ = fmt.Fprintln(&all, name, sqlstate, words)
		}
	}
	proxy.stop()
	<-proxy.done // all is written
	if !strings.Contains(all.text.String(), "login refused") || strings.Count(all.text.String(), "SASL") == 0 {
		t.Errorf("the record is too short to be true:\n%s", all.text.String())
	}
	if form := all.betrays(); form != "" {
		t.Errorf("%q is in:\n%s", form, all.text.String())
	}
}

// Options hold passwords; none of their parts prints them, by whatever way.
func TestV25OptionsDoNotPrintTheirSecrets(t *testing.T) {
	user := scramUser(t, "app", markerOfClient)
	user.Logins[router.Source] = Login{User: "app", Password: markerOfSide}
	live := &Live{Users: map[string]*User{"app": user}}
	opt := Options{Live: live}
	for name, value := range map[string]any{
		"options": opt, "live": live, "live itself": *live, "user": user, "user itself": *user, "logins": user.Logins,
		"login": user.Logins[router.Source], "login's address": &user.Logins[router.Source],
		"wire options": pgwire.LoginOptions{Startup: wire.Startup{}, Secret: pgwire.Secret{Password: markerOfSide}},
	} {
		t.Run(name, func(t *testing.T) {
			var all record
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
				_, _ = fmt.Fprintf(&all, verb+"\n", value)
			}
			slog.New(slog.NewTextHandler(&all, nil)).Info("text", "value", value)
			slog.New(slog.NewJSONHandler(&all, nil)).Info("json", "value", value)
			if text, err := json.Marshal(value); err == nil {
				_, _ = all.Write(text)
			}
			if form := all.betrays(); form != "" {
				t.Errorf("%q is in:\n%s", form, all.text.String())
			}
		})
	}
}
