package proxy

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/crossfade-db/crossfade/internal/dbserver"
	"github.com/crossfade-db/crossfade/router"
)

// pair is the two real servers of the tests of the share: an old source and a
// new target. Their rows differ by side, and so do the numbers of their types
// and tables, which are made in another order.
var pair dbserver.Pair

// schemas are made on both sides; %s is the side.
var sourceSchema = []string{
	"CREATE TYPE mood AS ENUM ('sad', 'ok')",
	"CREATE TYPE size AS ENUM ('s', 'l')",
	"CREATE TABLE whoami (side text NOT NULL, n int NOT NULL)",
	"CREATE TABLE moods (id int PRIMARY KEY, m mood NOT NULL)",
}

var targetSchema = []string{
	"CREATE TABLE filler (id int)",
	"CREATE TYPE size AS ENUM ('s', 'l')",
	"CREATE TYPE mood AS ENUM ('sad', 'ok')",
	"CREATE TABLE moods (gone int, id int PRIMARY KEY, m mood NOT NULL)",
	"ALTER TABLE moods DROP COLUMN gone",
	"CREATE TABLE whoami (gone text, side text NOT NULL, n int NOT NULL)",
	"ALTER TABLE whoami DROP COLUMN gone",
}

func startPair(ctx context.Context) error {
	var err error
	pair, err = dbserver.StartPair(ctx, dbserver.Options{
		Settings: map[string]string{"max_connections": "400"},
		HBA:      []string{"host all,replication trusted 127.0.0.1/32 trust", "host all all 127.0.0.1/32 scram-sha-256"},
	}, func(ctx context.Context, p *dbserver.Postgres) error {
		for _, sql := range []string{
			"CREATE ROLE app LOGIN SUPERUSER PASSWORD '" + strings.ReplaceAll(appPassword, "'", "''") + "'",
			"CREATE ROLE trusted LOGIN SUPERUSER", "CREATE ROLE plain LOGIN", "CREATE DATABASE app",
		} {
			if err := p.Exec(ctx, "postgres", sql); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for side, p := range sidesOf(pair) {
		statements := sourceSchema
		if router.Side(side) == router.Target {
			statements = targetSchema
		}
		statements = append(statements,
			fmt.Sprintf("INSERT INTO whoami SELECT '%s', n FROM generate_series(1, 10) n", router.Side(side)),
			"INSERT INTO moods VALUES (1, 'ok')", "GRANT ALL ON ALL TABLES IN SCHEMA public TO PUBLIC")
		for _, sql := range statements {
			if err := p.Exec(ctx, "app", sql); err != nil {
				return fmt.Errorf("%s: %w", sql, err)
			}
		}
	}
	return nil
}

func sidesOf(p dbserver.Pair) [router.Sides]*dbserver.Postgres {
	return [router.Sides]*dbserver.Postgres{p.Source, p.Target}
}

// shared is a proxy with two sides whose policy a test sets.
type shared struct {
	*ours
	policy atomic.Pointer[router.Snapshot]
	mu     sync.Mutex
	fell   map[router.Reason]int
	pins   map[router.Reason]int
	moves  [router.Sides]int
}

// newShared runs a proxy between the pair: phase canary, writes refused, share
// 0, placed by application_name.
func newShared(t testing.TB, change func(*Options)) *shared {
	t.Helper()
	s := &shared{fell: map[router.Reason]int{}, pins: map[router.Reason]int{}}
	s.policy.Store(&router.Snapshot{
		Policy: router.Policy{Phase: router.Canary, Writes: router.WritesRefuse, Salt: "test", Keys: []router.Key{"application_name", "user"}},
		Target: router.TargetOpen,
	})
	s.ours = newProxy(t, func(o *Options) {
		for side, p := range sidesOf(pair) {
			o.Live.Sides[side] = Side{Network: "tcp", Address: p.Addr()}
		}
		o.Live.Limits.RetryKeep = 64 << 10
		for _, u := range o.Live.Users {
			u.Logins[router.Target] = u.Logins[router.Source]
		}
		o.Live.Users["plain"] = &User{Name: "plain", Auth: Trust}
		o.Live.Users["plain"].Auth = Trust
		o.Policy = &s.policy
		o.probeTime = time.Minute // a busy machine is no broken target; tests of that say otherwise
		o.TargetChanged = func(state router.TargetState, _ string) {
			s.change(func(p *router.Snapshot) { p.Target = state })
		}
		o.Observer.Moved = func(_ uint64, side router.Side) { s.note(func() { s.moves[side]++ }) }
		o.Observer.FellBack = func(why router.Reason) { s.note(func() { s.fell[why]++ }) }
		o.Observer.Pinned = func(why router.Reason) { s.note(func() { s.pins[why]++ }) }
		if change != nil {
			change(o)
		}
	})
	return s
}

func (s *shared) note(do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	do()
}

func (s *shared) change(do func(*router.Snapshot)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := *s.policy.Load()
	next.Version++
	do(&next)
	s.policy.Store(&next)
}

// share sets the share in percent.
func (s *shared) share(percent float64) {
	s.change(func(p *router.Snapshot) { p.Share = router.Share(percent * 100) })
}

// reasons is how often the source answered statements of the canary, and why.
func (s *shared) reasons() map[router.Reason]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[router.Reason]int{}
	for k, v := range s.fell {
		out[k] = v
	}
	return out
}

// side is where a plain read of the connection is answered, by the server's
// own rows.
func sideOf(t testing.TB, conn *pgx.Conn) string {
	t.Helper()
	var side string
	if err := conn.QueryRow(t.Context(), "SELECT side FROM whoami LIMIT 1").Scan(&side); err != nil {
		t.Fatal(err)
	}
	return side
}

func wantSide(t testing.TB, conn *pgx.Conn, want router.Side) {
	t.Helper()
	if got := sideOf(t, conn); got != want.String() {
		t.Errorf("answered by the %s, want the %s", got, want)
	}
}

func one[T any](t testing.TB, conn *pgx.Conn, sql string, args ...any) T {
	t.Helper()
	var v T
	if err := conn.QueryRow(t.Context(), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

func do(t testing.TB, conn *pgx.Conn, sql string, args ...any) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

const bounded = 2 * time.Minute
