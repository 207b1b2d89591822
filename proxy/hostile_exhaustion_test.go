package proxy

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/wire/pgwire"
)

// Nine thousand connections that say nothing take the places of each other and
// of nobody else: what the proxy keeps of them is bounded, and who has
// something to say is let in.
func TestV24HalfOpenConnectionsKeepNobodyOut(t *testing.T) {
	const attackers, places, most = 9_000, 8, 32
	proxy := newProxy(t, func(o *Options) {
		o.Live.Limits.LoginTotal, o.Live.Limits.LoginPerAddress = places, places
		o.Live.Limits.Clients = most
		o.Live.Limits.LoginTimeout = 10 * time.Minute // nobody leaves by themselves
	})
	before := runtime.NumGoroutine()
	conns := make([]net.Conn, attackers)
	defer func() {
		for _, c := range conns {
			if c != nil {
				_ = c.Close()
			}
		}
	}()
	for i := range conns {
		var err error
		if conns[i], err = net.Dial("tcp", proxy.addr); err != nil {
			t.Fatal(err)
		}
	}
	// Until all have been accepted it is chance whom of those that have not said
	// a word yet the next one takes the place of.
	eventually(t, "the silent ones are few", func() bool {
		proxy.sessions.mu.Lock()
		defer proxy.sessions.mu.Unlock()
		return len(proxy.sessions.logins) <= most && runtime.NumGoroutine() <= before+2*most
	})
	if got, words := logIn(t, proxy.addr, "app", "app", appPassword); got != "" {
		t.Errorf("an honest client: %s (%s)", got, words)
	}
	var memory runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&memory)
	if memory.HeapInuse+memory.StackInuse > 128<<20 {
		t.Errorf("%d MiB in use", (memory.HeapInuse+memory.StackInuse)>>20)
	}
}

// A client that sends a byte now and then has as long as any other.
func TestV24SlowClientsAreCutAtTheLoginTimeout(t *testing.T) {
	const limit = 300 * time.Millisecond
	outcomes := make(chan LoginOutcome, 10)
	certificate := selfSigned(t)
	proxy := newProxy(t, func(o *Options) {
		o.Live.Limits.LoginTimeout = limit
		o.Observer.Login = func(outcome LoginOutcome) { outcomes <- outcome }
		o.Live.Fronts["app"] = pgwire.FrontOptions{Mode: pgwire.TLSPrefer, TLS: &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}}
	})
	const ssl = "\x00\x00\x00\x08\x04\xd2\x16\x2f"
	const startup = "\x00\x00\x00\x12\x00\x03\x00\x00user\x00app\x00\x00"
	for name, c := range map[string]struct{ atOnce, slowly string }{
		"nothing at all":       {"", ""},
		"startup packet":       {"", startup[:8]},
		"startup of 10,000":    {"\x00\x00\x27\x10\x00\x03\x00\x00", "user"},
		"handshake of TLS":     {ssl, "\x16\x03\x01\x01\x00\x01"},
		"direct TLS":           {"\x16\x03", "\x01\x01\x00\x01"},
		"answer inside SCRAM":  {startup, "p\x00\x00\x00\x40S"},
		"silence inside SCRAM": {startup, ""},
	} {
		cut := t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", proxy.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			begun := time.Now()
			if err := conn.SetDeadline(begun.Add(limit + 5*time.Second)); err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(conn, c.atOnce); err != nil {
				t.Fatal(err)
			}
			drip(t, conn, c.slowly)
			if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatal("it is not cut")
			}
			if took := time.Since(begun); took < limit/2 {
				t.Errorf("cut after %v", took)
			}
			if got := <-outcomes; got != LoginGone {
				t.Errorf("outcome %q", got)
			}
		})
		if !cut {
			return // the others would wait in vain as well
		}
	}
}

// drip sends a byte every 30 ms, as long as it is taken.
func drip(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	tick := time.NewTicker(30 * time.Millisecond)
	defer tick.Stop()
	for i := range len(text) {
		<-tick.C
		if _, err := io.WriteString(conn, text[i:i+1]); err != nil {
			return
		}
	}
}

// The places to log in, one by one: those of an address, those of all, and
// what becomes of them when their holders leave or give up.
func TestV24PlacesToLogIn(t *testing.T) {
	const total, each = 5, 2
	a := newAdmission(total, each, 100)
	gaveUp, giveUp := context.WithCancelCause(t.Context())
	giveUp(errLoginTime)
	patient, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	address := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}) }
	// A select among what is ready chooses at random: once is not enough.
	refused := func(who int) {
		t.Helper()
		for range 40 {
			if _, err := a.enter(gaveUp, address(who)); !errors.Is(err, errLoginTime) {
				t.Fatalf("address %d: got %v", who, err)
			}
		}
	}
	enter := func(who int) (leave func()) {
		t.Helper()
		leave, err := a.enter(patient, address(who))
		if err != nil {
			t.Fatal(err)
		}
		return leave
	}
	leaves := []func(){enter(1), enter(1)}
	refused(1)
	leaves = append(leaves, enter(2), enter(2))
	refused(2)
	leaves = append(leaves, enter(3))
	refused(3) // has a place of its own left, there is none of all
	leaves[0]()
	refused(2)
	leaves[0] = enter(3)
	for _, leave := range leaves {
		leave()
	}
	if len(a.address) != 0 || len(a.places) != 0 || a.inside != 0 {
		t.Errorf("%d addresses, %d places and %d inside are kept", len(a.address), len(a.places), a.inside)
	}
}

func TestV24ThoseWhoWaitAreBounded(t *testing.T) {
	const most = 3
	a := newAdmission(1, 1, most)
	ctx, cancel := context.WithCancel(t.Context())
	leave, err := a.enter(ctx, netip.Addr{})
	if err != nil {
		t.Fatal(err)
	}
	results := make(chan error, most)
	for range most - 1 {
		go func() {
			_, err := a.enter(ctx, netip.Addr{})
			results <- err
		}()
	}
	eventually(t, "they wait", func() bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		return a.inside == most
	})
	soon, stop := context.WithTimeout(ctx, time.Second)
	defer stop()
	if _, err := a.enter(soon, netip.Addr{}); !errors.Is(err, errCrowd) {
		t.Errorf("one more: %v", err)
	}
	cancel()
	for range most - 1 {
		if err := <-results; err == nil {
			t.Error("one got in beside the one who is in")
		}
	}
	leave()
}

// As many logins go on at a side as the limit allows; the others wait, and are
// refused when their time is over and nobody has made room.
func TestV24LoginsAtOnce(t *testing.T) {
	const clients = 12
	for name, limits := range map[string]struct{ total, each, want int }{
		"per address": {total: 100, each: 3, want: 3},
		"in total":    {total: 4, each: 100, want: 4},
	} {
		t.Run(name, func(t *testing.T) {
			var reached atomic.Int64
			room := make(chan struct{})
			proxy := newProxy(t, func(o *Options) {
				o.Live.Limits.LoginTotal, o.Live.Limits.LoginPerAddress = limits.total, limits.each
				o.Live.Limits.LoginTimeout = 2 * time.Second
				o.Observer.Dialled = func(router.Side, error) {
					reached.Add(1)
					<-room
				}
			})
			refused := make(chan string, clients)
			var done sync.WaitGroup
			for range clients {
				done.Go(func() {
					sqlstate, _ := logIn(t, proxy.addr, "trusted", "app", "")
					refused <- sqlstate
				})
			}
			patience := time.After(10 * time.Second)
			for range clients - limits.want {
				select {
				case got := <-refused:
					if got != pgwire.CodeTooMany {
						t.Errorf("got %s", got)
					}
				case <-patience:
					t.Error("one that should wait is not refused")
				}
			}
			if got := int(reached.Load()); got != limits.want {
				t.Errorf("%d logins at once, want %d", got, limits.want)
			}
			close(room)
			done.Wait()
		})
	}
}

// The limit of clients is told in the server's words, counts those who are in
// and gives back the places of those who were refused.
func TestV24ClientsAtOnce(t *testing.T) {
	proxy := newProxy(t, func(o *Options) { o.Live.Limits.Clients = 2 })
	for range 5 { // refused by the server: no place is lost
		if got, words := logIn(t, proxy.addr, "app", "nosuch", appPassword); got != "3D000" {
			t.Fatalf("got %s (%s)", got, words)
		}
	}
	first, second := proxy.connect(t), proxy.connect(t)
	for range 3 {
		if got, words := logIn(t, proxy.addr, "app", "app", appPassword); got != pgwire.CodeTooMany {
			t.Errorf("the third: %s (%s)", got, words)
		}
	}
	if got, _ := logIn(t, proxy.addr, "app", "app", "wrong"); got != pgwire.CodeInvalidPassword {
		t.Errorf("a stranger learns that it is full: %s", got)
	}
	if err := first.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "there is a place again", func() bool {
		got, _ := logIn(t, proxy.addr, "app", "app", appPassword)
		return got == ""
	})
	if _, err := second.Exec(t.Context(), "SELECT 1"); err != nil {
		t.Errorf("the second: %v", err)
	}
}

// selfSigned is a certificate that nobody trusts, for handshakes that do not
// come to an end.
func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: private}
}
