package proxy

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/crossfade-db/crossfade/internal/dbserver"
	"github.com/crossfade-db/crossfade/router"
)

// ownTarget is a target that a test may kill, stop and fill. The source beside
// it is that of the pair.
func ownTarget(t testing.TB, settings map[string]string) *dbserver.Postgres {
	t.Helper()
	install, err := dbserver.FindMajor(dbserver.TargetMajor)
	if err != nil {
		t.Fatal(err)
	}
	target, err := dbserver.Start(t.Context(), dbserver.Options{
		Install: install, Settings: settings,
		HBA: []string{"host all trusted 127.0.0.1/32 trust", "host all all 127.0.0.1/32 scram-sha-256"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = target.Continue()
		if err := target.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	superuser(t, target, "postgres", "CREATE ROLE app LOGIN SUPERUSER PASSWORD '"+strings.ReplaceAll(appPassword, "'", "''")+"'",
		"CREATE ROLE trusted LOGIN SUPERUSER", "CREATE ROLE plain LOGIN", "CREATE DATABASE app")
	superuser(t, target, "app", targetSchema...)
	superuser(t, target, "app", "INSERT INTO whoami SELECT 'target', n FROM generate_series(1, 10) n",
		"INSERT INTO moods VALUES (1, 'ok')", "GRANT ALL ON ALL TABLES IN SCHEMA public TO PUBLIC")
	return target
}

func superuser(t testing.TB, server *dbserver.Postgres, database string, statements ...string) {
	t.Helper()
	for _, sql := range statements {
		if err := server.Exec(t.Context(), database, sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

// before runs a proxy between the source of the pair and target.
func before(t testing.TB, target *dbserver.Postgres, change func(*Options)) *shared {
	t.Helper()
	return newShared(t, func(o *Options) {
		o.Live.Sides[router.Target] = Side{Network: "tcp", Address: target.Addr()}
		o.probeTime = 0 // as it is outside of tests
		if change != nil {
			change(o)
		}
	})
}

// as logs in as app through the proxy under an application name, which places
// the session.
func (s *shared) as(t testing.TB, application string) *pgx.Conn {
	t.Helper()
	return s.asIn(t, application, pgx.QueryExecModeCacheStatement)
}

// asIn is as, with a driver that runs its statements in that mode.
func (s *shared) asIn(t testing.TB, application string, mode pgx.QueryExecMode) *pgx.Conn {
	t.Helper()
	conn, err := s.dialAs(t.Context(), application, mode)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func (s *shared) dialAs(ctx context.Context, application string, mode pgx.QueryExecMode) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig("sslmode=disable user=app database=app")
	if err != nil {
		return nil, err
	}
	host, port, _ := strings.Cut(s.addr, ":")
	config.Host, config.Password = host, appPassword
	config.DefaultQueryExecMode = mode
	config.RuntimeParams["application_name"] = application
	if _, err := fmt.Sscan(port, &config.Port); err != nil {
		return nil, err
	}
	return pgx.ConnectConfig(ctx, config)
}

// named gives names of n sessions that are below a share, and n that are not.
func named(n int, share router.Share) (below, above []string) {
	for i := 0; len(below) < n || len(above) < n; i++ {
		name := fmt.Sprintf("user-%d", i)
		switch in := router.Share(router.Bucket("test", "application_name", name)) < share; {
		case in && len(below) < n:
			below = append(below, name)
		case !in && len(above) < n:
			above = append(above, name)
		}
	}
	return below, above
}

// targetIs waits until the breaker has found the target to be so.
func (s *shared) targetIs(t testing.TB, want router.TargetState) {
	t.Helper()
	eventually(t, "the target is "+want.String(), func() bool { return s.policy.Load().Target == want })
}

// A client neither fails to log in nor to read because of the target.
func TestATargetThatTakesNobody(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(t *testing.T, target *dbserver.Postgres, o *Options)
	}{
		{"down at start", func(t *testing.T, target *dbserver.Postgres, _ *Options) {
			if err := target.Kill(); err != nil {
				t.Fatal(err)
			}
		}},
		{"refuses logins", func(t *testing.T, target *dbserver.Postgres, _ *Options) {
			if err := target.RefuseLogins(t.Context(), true); err != nil {
				t.Fatal(err)
			}
		}},
		{"hung", func(t *testing.T, target *dbserver.Postgres, _ *Options) {
			if err := target.Pause(); err != nil {
				t.Fatal(err)
			}
		}},
		{"wrong password", func(_ *testing.T, _ *dbserver.Postgres, o *Options) {
			o.Live.Users["app"].Logins[router.Target].Password = "wrong"
		}},
		{"no such database", func(_ *testing.T, _ *dbserver.Postgres, o *Options) {
			o.Live.Sides[router.Target].Database = "nowhere"
		}},
		{"nobody at its address", func(_ *testing.T, _ *dbserver.Postgres, o *Options) {
			o.Live.Sides[router.Target].Address = "127.0.0.1:1"
		}},
	}
	for _, writes := range []router.Writes{router.WritesRefuse, router.WritesTarget} {
		for _, test := range tests {
			t.Run(test.name+", writes "+writes.String(), func(t *testing.T) {
				t.Parallel()
				target := ownTarget(t, nil)
				proxy := before(t, target, func(o *Options) { test.spoil(t, target, o) })
				proxy.change(func(p *router.Snapshot) { p.Writes = writes; p.Share = router.Whole })
				readsThere(t, proxy, 6)
			})
		}
	}
}

// readsThere: n sessions of the canary log in and are answered by the source.
func readsThere(t *testing.T, proxy *shared, n int) {
	ctx, cancel := context.WithTimeout(t.Context(), bounded)
	defer cancel()
	slowest := make([]time.Duration, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			start := time.Now()
			conn, err := proxy.dialAs(ctx, fmt.Sprintf("user-%d", i), pgx.QueryExecModeCacheStatement)
			if err != nil {
				t.Errorf("log in: %v", err)
				return
			}
			defer func() { _ = conn.Close(context.Background()) }()
			for range 3 {
				var side string
				if err := conn.QueryRow(ctx, "SELECT side FROM whoami LIMIT 1").Scan(&side); err != nil || side != router.Source.String() {
					t.Errorf("answered by the %s: %v", side, err)
				}
			}
			slowest[i] = time.Since(start)
		})
	}
	all.Wait()
	t.Logf("a login and three reads take at most %v", slices.Max(slowest))
}

func TestATargetThatIsFull(t *testing.T) {
	t.Parallel()
	target := ownTarget(t, map[string]string{
		"max_connections": "6", "superuser_reserved_connections": "1", "autovacuum": "off", "max_wal_senders": "0",
	})
	proxy := before(t, target, nil)
	proxy.share(100)
	var all []*pgx.Conn
	sides := map[string]int{}
	for i := range 12 {
		conn := proxy.as(t, fmt.Sprintf("user-%d", i))
		sides[sideOf(t, conn)]++
		all = append(all, conn)
	}
	if sides["target"] == 0 || sides["source"] == 0 {
		t.Errorf("answered by %v", sides)
	}
	for _, conn := range all {
		sideOf(t, conn)
		do(t, conn, "SELECT count(*) FROM whoami")
	}
	for _, conn := range all[:6] {
		_ = conn.Close(t.Context())
	}
	proxy.targetIs(t, router.TargetOpen)
}

func TestATargetThatHangs(t *testing.T) {
	t.Parallel()
	target := ownTarget(t, nil)
	proxy := before(t, target, nil)
	below, above := named(4, 5000)
	here, there, asleep := proxy.as(t, above[0]), proxy.as(t, below[0]), proxy.as(t, below[1])
	inside, undialled := proxy.as(t, below[2]), proxy.as(t, below[3])
	proxy.share(50)
	for _, conn := range []*pgx.Conn{there, asleep, inside} {
		wantSide(t, conn, router.Target)
	}
	do(t, inside, "BEGIN")
	wantSide(t, inside, router.Target)
	answers := make(chan string, 9)
	ask := func(name string, conn *pgx.Conn, sql string) {
		start := time.Now()
		var side string
		err := conn.QueryRow(context.Background(), sql).Scan(&side)
		answers <- fmt.Sprintf("%s: %s %s", name, side, code(err))
		t.Logf("%s: %v", name, time.Since(start))
	}
	go ask("in the middle of a statement", asleep, "SELECT side FROM whoami, pg_sleep(CASE side WHEN 'target' THEN 600 ELSE 0 END) LIMIT 1")
	eventually(t, "the statement runs", func() bool { return busyAt(t, target) == "2" })
	if err := target.Pause(); err != nil {
		t.Fatal(err)
	}
	go ask("outside of a transaction", there, "SELECT side FROM whoami LIMIT 1")
	go ask("without a leg", undialled, "SELECT side FROM whoami LIMIT 1")
	go ask("in a transaction", inside, "SELECT side FROM whoami LIMIT 1")
	n := 0
	for ; proxy.policy.Load().Target == router.TargetOpen; n++ {
		wantSide(t, here, router.Source)
	}
	if n < 100 {
		t.Errorf("a session at the source was answered %d times while the target hung", n)
	}
	var got []string
	for range 4 {
		got = append(got, <-answers)
	}
	slices.Sort(got)
	want := []string{
		"in a transaction:  08006", "in the middle of a statement: source ",
		"outside of a transaction: source ", "without a leg: source ",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	do(t, inside, "ROLLBACK")
	for _, conn := range []*pgx.Conn{here, there, asleep, inside, undialled} {
		wantSide(t, conn, router.Source)
	}
	if err := target.Continue(); err != nil {
		t.Fatal(err)
	}
	proxy.targetIs(t, router.TargetOpen)
	wantSide(t, here, router.Source)
	for _, conn := range []*pgx.Conn{there, asleep, inside, undialled} {
		wantSide(t, conn, router.Target)
	}
}

// Whoever reads the catalogs of a target that hangs does not hold up the others,
// one after the other.
func TestSessionsDoNotQueueForAHungTarget(t *testing.T) {
	t.Parallel()
	target := ownTarget(t, nil)
	proxy := before(t, target, nil)
	const n = 12
	var conns []*pgx.Conn
	proxy.share(100)
	for i := range n {
		conn := proxy.as(t, fmt.Sprintf("user-%d", i))
		wantSide(t, conn, router.Target)
		conns = append(conns, conn)
	}
	proxy.share(0)
	for _, conn := range conns {
		wantSide(t, conn, router.Source)
	}
	proxy.numbers.mu.Lock()
	for _, numbers := range proxy.numbers.all {
		numbers.loaded.Store(0)
		numbers.outdated()
	}
	proxy.numbers.mu.Unlock()
	if err := target.Pause(); err != nil {
		t.Fatal(err)
	}
	proxy.share(100)
	start := time.Now()
	var all sync.WaitGroup
	for _, conn := range conns {
		all.Go(func() {
			var side string
			if err := conn.QueryRow(t.Context(), "SELECT side FROM whoami LIMIT 1").Scan(&side); err != nil || side != router.Source.String() {
				t.Errorf("answered by the %s: %v", side, err)
			}
		})
	}
	all.Wait()
	took := time.Since(start)
	t.Logf("%d sessions have their answers after %v", n, took)
	if took > 3*talkTime {
		t.Errorf("%d sessions waited for one another: %v", n, took)
	}
}
