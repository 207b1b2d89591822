package demo

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/crossfade-db/crossfade/internal/admin"
	"github.com/crossfade-db/crossfade/internal/dbserver"
	"github.com/crossfade-db/crossfade/proxy"
	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/wire/pgwire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newShop is a stage with the shop on two real servers, and a real proxy in
// front of the source.
func newShop(t *testing.T) *stage {
	t.Helper()
	const outer, inner = "outer", "inner"
	pair := newServers(t, secrets{inner, "service"})
	server, err := proxy.Listen(proxy.Options{
		Listeners: []proxy.ListenerOptions{{Name: "shop", Network: "tcp", Address: "127.0.0.1:0"}},
		Live:      liveShop(t, pair, outer, inner),
		Log:       slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan struct{})
	go func() { defer close(served); server.Serve(ctx) }()
	t.Cleanup(func() { stop(); <-served })
	return &stage{out: t.Output(), servers: pair, password: outer, front: &front{clients: server.Addrs()[0].String()}}
}

func newServers(t *testing.T, passwords secrets) dbserver.Pair {
	t.Helper()
	pair, err := openServers(t.Context(), passwords)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pair.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return pair
}

func liveShop(t *testing.T, pair dbserver.Pair, outer, inner string) *proxy.Live {
	t.Helper()
	verifier, err := pgwire.NewVerifier(outer, []byte("0123456789abcdef"), 4096)
	if err != nil {
		t.Fatal(err)
	}
	user := &proxy.User{Name: "shop", Auth: proxy.Scram, Verifier: verifier}
	live := &proxy.Live{
		Fronts: map[string]pgwire.FrontOptions{},
		Users:  map[string]*proxy.User{"shop": user},
		Limits: proxy.Limits{
			Clients: 200, LoginTimeout: 10 * time.Second, LoginPerAddress: 32, LoginTotal: 32,
			Memory: 256 << 20, Drain: 2 * time.Second, RetryKeep: 64 << 10,
		},
	}
	user.Logins[router.Source] = proxy.Login{User: "shop", Password: inner}
	live.Sides[router.Source] = proxy.Side{Network: "tcp", Address: pair.Source.Addr(), Database: "shop"}
	return live
}

func broken(checks []check) (words []string) {
	for _, c := range checks {
		if !c.holds {
			word, _, _ := strings.Cut(c.claim, ":")
			words = append(words, word)
		}
	}
	return words
}

func TestAMissingPaymentAndAMissingOrderAreNoticed(t *testing.T) {
	s := newShop(t)
	r := &report{}
	var err error
	if r.before, err = readBooks(t.Context(), s.servers.Source); err != nil {
		t.Fatal(err)
	}
	now := &span{}
	load, err := openLoad(t.Context(), s.place(), now)
	if err != nil {
		t.Fatal(err)
	}
	for seen := now.seen(); seen.orders < 20 || !everybody(&seen) || seen.shaped[router.Source] == 0; seen = now.seen() {
		if err := pause(t.Context(), lookAgain); err != nil {
			t.Fatal(err)
		}
	}
	const lose = `DELETE FROM payments WHERE id = 7;
		DELETE FROM order_items WHERE order_id = 3;
		DELETE FROM orders WHERE id = 3 AND state = 'new'`
	err = s.servers.Source.Exec(t.Context(), "shop", lose)
	result, ended := load.end(t.Context())
	if err := errors.Join(err, ended); err != nil {
		t.Fatal(err)
	}
	r.load = result
	if r.after, err = readBooks(t.Context(), s.servers.Source); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(broken(r.bookChecks()), " "); got != "orders money money" {
		t.Errorf("the checks that do not hold are %q", got)
	}
	if seen := now.seen(); seen.failed != 0 || seen.worst == 0 {
		t.Errorf("%d errors (%v), the longest piece of work took %v", seen.failed, seen.first, seen.worst)
	}
}

// A few rows of each table, and the same in the target's shape.
const (
	fewSQL = `TRUNCATE visits, customers, products, orders, order_items, payments;
		INSERT INTO visits SELECT n, n FROM generate_series(1, 9) AS n;
		INSERT INTO customers OVERRIDING SYSTEM VALUE SELECT n, 'm' || n, 'c' || n, 'Bern', '2026-01-02 03:04:05.678+00' FROM generate_series(1, 9) AS n;
		INSERT INTO products OVERRIDING SYSTEM VALUE SELECT n, 's' || n, 'p' || n, n, n FROM generate_series(1, 9) AS n;
		INSERT INTO orders OVERRIDING SYSTEM VALUE SELECT n, n, 'paid', n, '2026-01-02 03:04:05+00' FROM generate_series(1, 9) AS n;
		INSERT INTO order_items SELECT n, n, 1, n FROM generate_series(1, 9) AS n;`
	fewPayments = `INSERT INTO payments OVERRIDING SYSTEM VALUE
		SELECT n, n, n, (ARRAY['c', 'k', 'v'])[1 + n % 3], '2026-01-02 03:04:05+00' FROM generate_series(1, 9) AS n`
	fewReceipts = `INSERT INTO receipts SELECT n, n, n, 'EUR', '2026-01-02 03:04:05+00' FROM generate_series(1, 9) AS n;
		INSERT INTO receipt_methods SELECT n, (ARRAY['card', 'cash', 'voucher'])[1 + n % 3] FROM generate_series(1, 9) AS n`
)

func TestTheDumpNoticesEachDifferenceAndNoOther(t *testing.T) {
	pair := newServers(t, secrets{"shop", "service"})
	few := strings.ReplaceAll(fewSQL, "order_items, payments", "order_items, receipts, receipt_methods")
	err := errors.Join(pair.Source.Exec(t.Context(), "shop", fewSQL+fewPayments), pair.Target.Exec(t.Context(), "shop", few+fewReceipts))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ change, back, want string }{
		{"SELECT 1", "SELECT 1", ""},
		{"UPDATE customers SET name = 'x' WHERE id = 5", "UPDATE customers SET name = 'c5' WHERE id = 5", "customers"},
		{"UPDATE products SET stock = 0 WHERE id = 5", "UPDATE products SET stock = 5 WHERE id = 5", "products"},
		{
			"UPDATE orders SET placed_at = placed_at + interval '1 us' WHERE id = 5",
			"UPDATE orders SET placed_at = placed_at - interval '1 us' WHERE id = 5", "orders",
		},
		{"DELETE FROM order_items WHERE order_id = 5", "INSERT INTO order_items VALUES (5, 5, 1, 5)", "order_items"},
		{"INSERT INTO order_items VALUES (5, 6, 1, 5)", "DELETE FROM order_items WHERE product_id = 6 AND order_id = 5", "order_items"},
		{"UPDATE visits SET pages = 6 WHERE browser = 5", "UPDATE visits SET pages = 5 WHERE browser = 5", "visits"},
		{"UPDATE receipts SET total = 6 WHERE id = 5", "UPDATE receipts SET total = 5 WHERE id = 5", "payments"},
		{"UPDATE receipts SET currency = 'CHF' WHERE id = 5", "UPDATE receipts SET currency = 'EUR' WHERE id = 5", "payments"},
		{"UPDATE receipt_methods SET method = 'card' WHERE receipt_id = 5", "UPDATE receipt_methods SET method = 'voucher' WHERE receipt_id = 5", "payments"},
		{"DELETE FROM receipt_methods WHERE receipt_id = 5", "INSERT INTO receipt_methods VALUES (5, 'voucher')", "payments"},
	} {
		if err := pair.Target.Exec(t.Context(), "shop", c.change); err != nil {
			t.Fatal(err)
		}
		all, err := dumpAll(t.Context(), pair)
		if err != nil {
			t.Fatal(err)
		}
		var differ []string
		for i := range all {
			if !all[i].equal() {
				differ = append(differ, all[i].name)
			}
		}
		if got := strings.Join(differ, " "); got != c.want {
			t.Errorf("after %s these differ: %q, want %q", c.change, got, c.want)
		}
		if err := pair.Target.Exec(t.Context(), "shop", c.back); err != nil {
			t.Fatal(err)
		}
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
		dir := filepath.Join(filepath.Dir(file), stateDir)
		if err := os.Mkdir(dir, 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, admin.TokenFile), []byte("token\n"), 0o600); err != nil {
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
	if s.operator.token != "token" {
		t.Errorf("the token is %q", s.operator.token)
	}
	paths := []string{s.dir, s.servers.Source.LogPath(), s.servers.Target.LogPath()}
	if err := s.close(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
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
			s := &stage{
				out: &out, front: &front{clients: "127.0.0.1:1"}, operator: &operator{},
				servers: dbserver.Pair{Source: &dbserver.Postgres{}, Target: &dbserver.Postgres{}},
			}
			if err := s.linger(ctx); !errors.Is(err, c.want) {
				t.Errorf("the error is %v, want %v", err, c.want)
			}
			if said := strings.Contains(out.String(), "nothing is left"); said != (c.want == nil) {
				t.Errorf("it says:\n%s", &out)
			}
		})
	}
}
