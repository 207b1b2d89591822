package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
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

// newShop is a stage with the shop on two real servers and a real proxy in
// front of them, which a program of the test commands.
func newShop(t *testing.T) *stage {
	t.Helper()
	const outer, inner = "outer", "inner"
	pair, err := openServers(t.Context(), inner)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pair.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	p := newProgram()
	server, err := proxy.Listen(proxy.Options{
		Listeners: []proxy.ListenerOptions{{Name: "shop", Network: "tcp", Address: "127.0.0.1:0"}},
		Live:      liveShop(t, pair, outer, inner), Policy: &p.policy, TargetChanged: p.targetChanged,
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	p.stats = server.Stats
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan struct{})
	go func() { defer close(served); server.Serve(ctx) }()
	t.Cleanup(func() { stop(); <-served })
	return &stage{
		out: t.Output(), servers: pair, password: outer, front: &front{clients: server.Addrs()[0].String()},
		operator: &operator{command: p.run, address: "http://127.0.0.1:1", token: "token"},
	}
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
	for side := range router.Sides {
		user.Logins[side] = proxy.Login{User: "shop", Password: inner}
		live.Sides[side] = proxy.Side{Network: "tcp", Address: serverAt(pair, router.Side(side)).Addr(), Database: "shop"}
	}
	return live
}

// program stands for the commands of the real one: it changes the policy of a
// proxy, and keeps the acts in memory.
type program struct {
	policy atomic.Pointer[router.Snapshot]
	stats  func() proxy.Stats

	mu     sync.Mutex
	acts   []admin.Record
	reason string // of the target's state
}

func newProgram() *program {
	p := &program{}
	key, pattern := router.Key("application_name"), router.Pattern{Key: "application_name", Glob: tillName}
	p.policy.Store(&router.Snapshot{
		Policy: router.Policy{Writes: router.WritesRefuse, Salt: salt, Keys: []router.Key{key}, ForceOut: []router.Pattern{pattern}},
		Target: router.TargetOpen,
	})
	return p
}

func (p *program) targetChanged(state router.TargetState, why string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reason = why
	p.acts = append(p.acts, admin.Record{Actor: "crossfade", Door: admin.DoorAuto, Act: breakerAct, Reason: why})
	p.change(func(s *router.Snapshot) { s.Target = state })
}

func (p *program) change(do func(*router.Snapshot)) {
	next := *p.policy.Load()
	do(&next)
	p.policy.Store(&next)
}

func (p *program) run(_ context.Context, args []string, out, talk io.Writer) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	reason := ""
	if at := slices.Index(args, "--reason"); at >= 0 {
		reason = args[at+1]
	}
	var answer any
	switch args[0] + " " + args[1] {
	case "status -o":
		answer = p.status()
	case "phase set":
		p.act("phase set", reason, func(s *router.Snapshot) { s.Phase = router.Canary })
	case "canary set":
		share, err := router.ParseShare(args[2])
		if err != nil {
			_, _ = fmt.Fprintln(talk, err)
			return 2
		}
		p.act("canary set", reason, func(s *router.Snapshot) { s.Share = share })
	case "abort --reason":
		p.act("abort", reason, func(s *router.Snapshot) { s.Share = 0 })
	case "audit list":
		answer = admin.Records{Records: p.acts}
	case "audit verify":
		answer = admin.Verdict{OK: true, Records: uint64(len(p.acts))}
	default:
		_, _ = fmt.Fprintf(talk, "unknown command %v\n", args)
		return 2
	}
	text, err := json.Marshal(answer)
	if err == nil {
		_, err = out.Write(text)
	}
	if err != nil {
		return 3
	}
	return 0
}

func (p *program) act(name, reason string, do func(*router.Snapshot)) {
	p.change(func(s *router.Snapshot) { s.Version++; do(s) })
	p.acts = append(p.acts, admin.Record{
		Act: name, Actor: "local", Reason: reason, Before: json.RawMessage("{}"), After: json.RawMessage("{}"),
		Runtime: admin.Point{Share: p.policy.Load().Share.Percent()},
	})
}

func (p *program) status() admin.Status {
	now, at := p.policy.Load(), p.stats()
	return admin.Status{
		Share: now.Share.Percent(), Version: now.Version, Applied: now.Version,
		Sessions: admin.Sessions{Source: at.Sessions[router.Source], Target: at.Sessions[router.Target], Pending: at.Pending},
		Target:   admin.Target{State: now.Target.String(), Reason: p.reason},
	}
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

func TestTheShareGoesUpAndDownAndTheTargetMayBeKilledMeanwhile(t *testing.T) {
	s := newShop(t)
	r, err := s.measure(t.Context(), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if words := broken(r.checks()); len(words) != 0 {
		t.Errorf("these do not hold: %q\n%s", words, r.text())
	}
	for k, work := range works {
		if len(r.load.tally.done[k]) == 0 {
			t.Errorf("no %s was done", work.name)
		}
	}
	if got := len(r.rows); got != 9 {
		t.Errorf("%d rows", got)
	}
}

func TestAMissingPaymentAMissingOrderAndAWriteAtTheTargetAreNoticed(t *testing.T) {
	s := newShop(t)
	r := &report{}
	var err error
	if r.before, err = readBothBooks(t.Context(), s.servers); err != nil {
		t.Fatal(err)
	}
	load, err := openLoad(t.Context(), s.place(), &span{})
	if err != nil {
		t.Fatal(err)
	}
	const lose = `DELETE FROM payments WHERE id = 7;
		DELETE FROM order_items WHERE order_id = 3;
		DELETE FROM orders WHERE id = 3 AND state = 'new'`
	err = errors.Join(s.servers.Source.Exec(t.Context(), "shop", lose),
		s.servers.Target.Exec(t.Context(), "shop", "INSERT INTO orders (customer_id, total) VALUES (1, 1)"))
	result, ended := load.end(t.Context())
	if err := errors.Join(err, ended); err != nil {
		t.Fatal(err)
	}
	r.load = result
	if r.after, err = readBothBooks(t.Context(), s.servers); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(broken(r.bookChecks()), " "); got != "orders money money target" {
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
