package admin

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func verb(t *testing.T, name string) Verb {
	t.Helper()
	for _, v := range Verbs() {
		if v.Name == name {
			return v
		}
	}
	t.Fatalf("there is no verb %s", name)
	return Verb{}
}

func client(t *testing.T, address, token string) *Client {
	t.Helper()
	c, err := NewClient(address, token)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestTheClientSpeaksAsTheDoorListens(t *testing.T) {
	h := open(t)
	c := client(t, h.base, secrets[Operator])
	for _, v := range Verbs() {
		call := Call{Change: Change{Reason: "a test"}, Args: map[string]string{}}
		for _, a := range v.Args {
			if a.Required {
				call.Args[a.Name] = rightArgs[a.Name]
			}
		}
		if _, err := c.Do(t.Context(), v, call); err != nil {
			t.Errorf("%s: %v", v.Name, err)
		}
	}
	old := uint64(1)
	_, err := c.Do(t.Context(), verb(t, "canary set"), Call{Change: Change{Reason: "a test", IfVersion: &old}, Args: map[string]string{"share": "5"}})
	var refusal *Refusal
	if !errors.As(err, &refusal) || refusal.Why() != Stale {
		t.Errorf("an old version: %v", err)
	}
	for _, share := range []string{"five", "NaN", "Inf", "", "5 5", `5, "force": true`} {
		if _, err := c.Do(t.Context(), verb(t, "canary set"), Call{Change: Change{Reason: "x"}, Args: map[string]string{"share": share}}); !errors.As(err, &refusal) || refusal.Why() != Invalid {
			t.Errorf("share %q: %v", share, err)
		}
	}
}

func TestWhatIsNoCrossfadeIsNotReached(t *testing.T) {
	pages := map[string]http.HandlerFunc{
		"a page":     func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<html>", http.StatusNotFound) },
		"other JSON": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, `{"status": 1}`, http.StatusBadRequest) },
		"a hang up":  func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	}
	for name, page := range pages {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(page)
			defer server.Close()
			_, err := client(t, server.URL, "x").Do(t.Context(), verb(t, "status"), Call{})
			var unreached *Unreached
			if !errors.As(err, &unreached) || !strings.Contains(err.Error(), server.URL) {
				t.Errorf("%v", err)
			}
		})
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	var unreached *Unreached
	if _, err := client(t, "http://"+listener.Addr().String(), "x").Do(t.Context(), verb(t, "status"), Call{}); !errors.As(err, &unreached) {
		t.Errorf("nobody: %v", err)
	}
}

func TestTheTokenGoesNowhereElse(t *testing.T) {
	var got []string
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got = append(got, r.Header.Get("Authorization"))
	}))
	defer elsewhere.Close()
	server := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer server.Close()
	c := client(t, server.URL, secrets[Operator])
	if transport, ok := c.http.Transport.(*http.Transport); !ok || transport.Proxy != nil {
		t.Error("the client asks by way of a proxy of the environment")
	}
	_, err := c.Do(t.Context(), verb(t, "status"), Call{})
	var unreached *Unreached
	if !errors.As(err, &unreached) || len(got) != 0 {
		t.Errorf("error %v; the other server got %q", err, got)
	}
	for _, address := range []string{"http://192.0.2.1:7432", "http://proxy.example", "http://u:p@127.0.0.1", "127.0.0.1:7432", "", "ftp://127.0.0.1", "http://"} {
		if _, err := NewClient(address, "x"); err == nil {
			t.Errorf("%q is taken", address)
		}
	}
	for _, address := range []string{"http://127.0.0.1:7432", "http://localhost", "http://[::1]:7432", "https://proxy.example:7432"} {
		if _, err := NewClient(address, "x"); err != nil {
			t.Errorf("%q: %v", address, err)
		}
	}
}

func TestWhereADoorIs(t *testing.T) {
	for address, want := range map[string]string{
		"127.0.0.1:7432": "http://127.0.0.1:7432", ":7432": "http://127.0.0.1:7432", "0.0.0.0:7432": "http://127.0.0.1:7432",
		"[::]:7432": "http://127.0.0.1:7432", "[::1]:7432": "http://[::1]:7432",
	} {
		if got := Resolve(address, false); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
	if got := Resolve("proxy.example:1", true); got != "https://proxy.example:1" {
		t.Errorf("with tls: %s", got)
	}
}
