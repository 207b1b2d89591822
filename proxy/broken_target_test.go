package proxy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

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
		if change != nil {
			change(o)
		}
	})
}

// as logs in as app through the proxy under an application name, which places
// the session.
func (s *shared) as(t testing.TB, application string) *pgx.Conn {
	t.Helper()
	conn, err := s.dialAs(t.Context(), application)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func (s *shared) dialAs(ctx context.Context, application string) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig("sslmode=disable user=app database=app")
	if err != nil {
		return nil, err
	}
	host, port, _ := strings.Cut(s.addr, ":")
	config.Host, config.Password = host, appPassword
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

// worker is one session that works until it is told to stop.
type worker struct {
	conn     *pgx.Conn
	name     string
	inside   bool // it works in transactions
	below    bool // it belongs to the canary
	answered atomic.Int64
	side     atomic.Value // that has answered last
	failed   []error
}

// work runs reads, alone or in transactions, until stop is closed. A failure
// is kept; in a transaction it is followed by ROLLBACK, as applications do.
func (w *worker) work(ctx context.Context, stop chan struct{}) {
	for i := 0; ; i++ {
		select {
		case <-stop:
			return
		default:
		}
		err := w.round(ctx, i)
		if err == nil {
			w.answered.Add(1)
			continue
		}
		w.failed = append(w.failed, err)
		if w.conn.IsClosed() || len(w.failed) > 5 {
			return
		}
		if w.inside {
			if _, err := w.conn.Exec(ctx, "ROLLBACK"); err != nil {
				w.failed = append(w.failed, fmt.Errorf("roll back: %w", err))
			}
		}
	}
}

func (w *worker) round(ctx context.Context, i int) error {
	if !w.inside {
		return w.read(ctx, i)
	}
	for _, sql := range []string{"BEGIN", "", "", "COMMIT"} {
		if sql == "" {
			if err := w.read(ctx, i); err != nil {
				return err
			}
			continue
		}
		if _, err := w.conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return nil
}

// read checks that a result is of one side, whole, and under the session's own
// settings.
func (w *worker) read(ctx context.Context, i int) error {
	mode := []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeExec}[i%3]
	rows, err := w.conn.Query(ctx, "SELECT side, current_setting('app.name') FROM whoami WHERE n > $1", mode, 0)
	if err != nil {
		return err
	}
	defer rows.Close()
	sides, n := map[string]bool{}, 0
	for rows.Next() {
		var side, name string
		if err := rows.Scan(&side, &name); err != nil {
			return err
		}
		if name != w.name {
			return fmt.Errorf("the session's setting is %q at the %s, want %q", name, side, w.name)
		}
		sides[side] = true
		n++
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if len(sides) != 1 || n != 10 {
		return fmt.Errorf("%d rows of %d sides", n, len(sides))
	}
	for side := range sides {
		w.side.Store(side)
	}
	return nil
}

// crew is sessions on both sides of share 50, half of each in transactions.
func (s *shared) crew(t testing.TB, each int) []*worker {
	t.Helper()
	var crew []*worker
	below, above := named(each, 5000)
	for i, name := range append(below, above...) {
		w := &worker{name: name, inside: i%2 == 0, below: i < each, conn: s.as(t, name)}
		do(t, w.conn, "SELECT set_config('app.name', $1, false)", name)
		crew = append(crew, w)
	}
	return crew
}

// rounds waits until each of the crew has been answered n more times.
func rounds(t testing.TB, crew []*worker, n int64) {
	t.Helper()
	start := make([]int64, len(crew))
	for i, w := range crew {
		start[i] = w.answered.Load()
	}
	for i, w := range crew {
		eventually(t, w.name+" goes on", func() bool { return w.answered.Load() >= start[i]+n })
	}
}

func TestTheTargetIsKilledUnderLoad(t *testing.T) {
	target := ownTarget(t, nil)
	proxy := before(t, target, nil)
	crew := proxy.crew(t, 12)
	proxy.share(100)
	for _, w := range crew {
		wantSide(t, w.conn, router.Target)
	}
	proxy.share(50)
	stop := make(chan struct{})
	var working sync.WaitGroup
	for _, w := range crew {
		working.Go(func() { w.work(t.Context(), stop) })
	}
	halt := sync.OnceFunc(func() { close(stop); working.Wait() })
	defer halt()
	rounds(t, crew, 5)
	if b := proxy.Stats().Backends; b != [router.Sides]int{24, 24} {
		t.Errorf("%v legs are open", b)
	}
	if err := target.Kill(); err != nil {
		t.Fatal(err)
	}
	proxy.targetIs(t, router.TargetBroken)
	rounds(t, crew, 5)
	for _, w := range crew {
		if side := w.side.Load(); side != router.Source.String() {
			t.Errorf("%s is answered by the %v", w.name, side)
		}
	}
	if err := target.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	proxy.targetIs(t, router.TargetOpen)
	for _, w := range crew {
		if w.below {
			eventually(t, w.name+" is answered by the target again", func() bool { return w.side.Load() == router.Target.String() })
		}
	}
	halt()
	for _, w := range crew {
		judgeKilled(t, w)
	}
}

// judgeKilled: what a session may have noticed of the end of the target.
func judgeKilled(t testing.TB, w *worker) {
	t.Helper()
	most := 0
	if w.inside && w.below {
		most = 1
	}
	if len(w.failed) > most || w.conn.IsClosed() {
		t.Errorf("%s (below the share: %t, in transactions: %t, closed: %t): %q", w.name, w.below, w.inside, w.conn.IsClosed(), w.failed)
		return
	}
	for _, err := range w.failed {
		if class := code(err); !strings.HasPrefix(class, "08") && !strings.HasPrefix(class, "57") {
			t.Errorf("%s: %v", w.name, err)
		}
	}
}

// fatal says that an error ended the connection.
func fatal(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Severity == "FATAL"
}

const patience = 30 * time.Second
