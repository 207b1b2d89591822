package demo

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/crossfade-db/crossfade/internal/dbserver"
	"github.com/crossfade-db/crossfade/internal/dbserver/dbtest"
	"github.com/crossfade-db/crossfade/proxy"
	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/wire/pgwire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newShop is the shop on a real server with a real proxy in front of it.
func newShop(t *testing.T) (*dbserver.Postgres, *stage) {
	t.Helper()
	const outer, inner = "outer", "inner"
	source := dbtest.Postgres(t, dbserver.Options{})
	counts, err := openShop(t.Context(), source, inner)
	if err != nil {
		t.Fatal(err)
	}
	if want := "1000 customers, 200 products, 3000 orders, 7500 order_items, 2000 payments"; counts != want {
		t.Errorf("the shop has %s, want %s", counts, want)
	}
	verifier, err := pgwire.NewVerifier(outer, []byte("0123456789abcdef"), 4096)
	if err != nil {
		t.Fatal(err)
	}
	user := &proxy.User{Name: "shop", Auth: proxy.Scram, Verifier: verifier}
	user.Logins[router.Source] = proxy.Login{User: "shop", Password: inner}
	live := &proxy.Live{
		Fronts: map[string]pgwire.FrontOptions{},
		Users:  map[string]*proxy.User{"shop": user},
		Limits: proxy.Limits{
			Clients: 100, LoginTimeout: 10 * time.Second, LoginPerAddress: 32, LoginTotal: 32,
			Memory: 64 << 20, Drain: 2 * time.Second,
		},
	}
	live.Sides[router.Source] = proxy.Side{Network: "tcp", Address: source.Addr(), Database: "shop"}
	server, err := proxy.Listen(proxy.Options{
		Listeners: []proxy.ListenerOptions{{Name: "shop", Network: "tcp", Address: "127.0.0.1:0"}}, Live: live,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan struct{})
	go func() { defer close(served); server.Serve(ctx) }()
	t.Cleanup(func() { stop(); <-served })
	return source, &stage{source: source, password: outer, front: &front{clients: server.Addrs()[0].String()}}
}

func TestTheShopsLoadThroughTheProxyKeepsItsBooks(t *testing.T) {
	source, s := newShop(t)
	r := &report{}
	var err error
	if r.before, err = readBooks(t.Context(), source); err != nil {
		t.Fatal(err)
	}
	r.load, err = runLoad(t.Context(), s.dsn(), time.Second, func(ctx context.Context) error {
		r.sessions, err = present(ctx, source)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := awaitNobody(t.Context(), source); err != nil {
		t.Fatal(err)
	}
	if r.after, err = readBooks(t.Context(), source); err != nil {
		t.Fatal(err)
	}
	for _, c := range r.checks() {
		if !c.holds {
			t.Errorf("does not hold: %s", c.claim)
		}
	}
	if want := shoppers + 2; r.sessions != want {
		t.Errorf("the server had %d sessions, want %d", r.sessions, want)
	}
	for k, work := range works {
		if len(r.load.tally.done[k]) == 0 {
			t.Errorf("no %s was done", work.name)
		}
	}
	work := 0
	for _, done := range r.load.tally.done {
		work += len(done)
	}
	if committed := r.after.committed - r.before.committed; committed < int64(work) {
		t.Errorf("the server committed %d transactions, the clients %d", committed, work)
	}
}

func TestAMissingPaymentAndAMissingOrderAreNoticed(t *testing.T) {
	source, s := newShop(t)
	r := &report{}
	var err error
	if r.before, err = readBooks(t.Context(), source); err != nil {
		t.Fatal(err)
	}
	const lose = `DELETE FROM payments WHERE id = 7;
		DELETE FROM order_items WHERE order_id = 3;
		DELETE FROM orders WHERE id = 3 AND state = 'new'`
	r.load, err = runLoad(t.Context(), s.dsn(), 200*time.Millisecond, func(ctx context.Context) error {
		return source.Exec(ctx, "shop", lose)
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.after, err = readBooks(t.Context(), source); err != nil {
		t.Fatal(err)
	}
	var broken []string
	for _, c := range r.checks() {
		if !c.holds {
			word, _, _ := strings.Cut(c.claim, ":")
			broken = append(broken, word)
		}
	}
	if got := strings.Join(broken, " "); got != "orders money money" {
		t.Errorf("the checks that do not hold are %q", got)
	}
}

func TestALostProxyIsSaid(t *testing.T) {
	broken := errors.New("out of descriptors")
	for name, serve := range map[string]func(context.Context, string, io.Writer, io.Writer) error{
		"before it is ready": func(context.Context, string, io.Writer, io.Writer) error { return broken },
		"when it is ready": func(_ context.Context, _ string, out, _ io.Writer) error {
			_, err := io.WriteString(out, "ready shop=127.0.0.1:1 admin=127.0.0.1:2\n")
			return errors.Join(err, broken)
		},
	} {
		t.Run(name, func(t *testing.T) {
			err := Run(t.Context(), Options{Serve: serve, Length: time.Second, Exit: true})
			if !errors.Is(err, broken) {
				t.Errorf("the error is %v, want %v", err, broken)
			}
		})
	}
}

func TestNothingIsLeftBehind(t *testing.T) {
	s := &stage{out: io.Discard}
	serve := func(ctx context.Context, file string, out, _ io.Writer) error {
		if _, err := os.Stat(file); err != nil {
			return err
		}
		if _, err := io.WriteString(out, "ready shop=127.0.0.1:1 admin=127.0.0.1:2\n"); err != nil {
			return err
		}
		<-ctx.Done()
		return nil
	}
	if err := s.open(t.Context(), Options{Serve: serve}, func(error) {}); err != nil {
		t.Fatal(err)
	}
	log := s.source.LogPath()
	if err := s.close(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{s.dir, log} {
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there: %v", path, err)
		}
	}
	select {
	case <-s.front.ended:
	default:
		t.Error("the proxy still runs")
	}
}

func TestOnlyTheFirstLineIsKept(t *testing.T) {
	w := &firstLine{found: make(chan string, 1)}
	for _, part := range []string{"ready shop=127.0.0.1:1", " admin=127.0.0.1:2\nmore", " text\n"} {
		if n, err := io.WriteString(w, part); n != len(part) || err != nil {
			t.Fatalf("%d bytes, %v", n, err)
		}
	}
	line := <-w.found
	if shop, admin := addressIn(line, "shop"), addressIn(line, "admin"); shop != "127.0.0.1:1" || admin != "127.0.0.1:2" {
		t.Errorf("addresses %q and %q in %q", shop, admin, line)
	}
	if other := addressIn(line, "other"); other != "" {
		t.Errorf("address %q of a word that is not there", other)
	}
}

func TestStayingEndsWellUnlessTheProxyIsLost(t *testing.T) {
	for name, c := range map[string]struct{ cause, want error }{
		"an end that was asked for": {context.Canceled, nil},
		"the proxy is lost":         {errLost, errLost},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			cancel(c.cause)
			var out strings.Builder
			s := &stage{out: &out, front: &front{clients: "127.0.0.1:1", admin: "127.0.0.1:2"}}
			if err := s.linger(ctx); !errors.Is(err, c.want) {
				t.Errorf("the error is %v, want %v", err, c.want)
			}
			if said := strings.Contains(out.String(), "nothing is left"); said != (c.want == nil) {
				t.Errorf("it says:\n%s", &out)
			}
		})
	}
}
