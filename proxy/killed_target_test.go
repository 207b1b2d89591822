package proxy

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/crossfade-db/crossfade/internal/dbserver"
	"github.com/crossfade-db/crossfade/router"
)

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
	t.Parallel()
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

// The client has seen rows, so nothing can answer the statement again. It fails
// once, and the session goes on; only a row that was cut short, because it is
// too long to be held, ends it.
func TestTheTargetIsKilledInTheMiddleOfAResult(t *testing.T) {
	for _, width := range []int{10, 5000, 500_000} {
		t.Run(fmt.Sprintf("rows of %d bytes", width), func(t *testing.T) {
			t.Parallel()
			target := ownTarget(t, nil)
			proxy := before(t, target, nil)
			conn := proxy.as(t, "user-1")
			do(t, conn, "SET app.name = 'mine'")
			proxy.share(100)
			wantSide(t, conn, router.Target)
			failure := cutShort(t, conn, target, width)
			if width > largeBuffer && conn.IsClosed() {
				return
			}
			if code(failure) != "08006" || conn.IsClosed() {
				t.Fatalf("%v; the session is closed: %t", failure, conn.IsClosed())
			}
			wantSide(t, conn, router.Source)
			if got := one[string](t, conn, "SHOW app.name"); got != "mine" {
				t.Errorf("the session's setting is %q", got)
			}
		})
	}
}

// cutShort kills the target in the middle of a result and gives its error.
func cutShort(t *testing.T, conn *pgx.Conn, target *dbserver.Postgres, width int) error {
	t.Helper()
	rows, err := conn.Query(t.Context(), "SELECT side, repeat('x', $1) FROM whoami, generate_series(1, 1000000)", width)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for n := 0; rows.Next(); n++ {
		values := rows.RawValues()
		if string(values[0]) != "target" || len(values[1]) != width {
			t.Fatalf("row %d is of the %s and has %d bytes", n, values[0], len(values[1]))
		}
		if n != 5 {
			continue
		}
		if err := target.Kill(); err != nil {
			t.Fatal(err)
		}
	}
	return rows.Err()
}

// A COMMIT that fails has ended the transaction, as at every server.
func TestACommitThatFindsNoTargetEndsTheTransaction(t *testing.T) {
	t.Parallel()
	target := ownTarget(t, nil)
	proxy := before(t, target, nil)
	proxy.share(100)
	conn := proxy.as(t, "user-1")
	wantSide(t, conn, router.Target)
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wantSide(t, conn, router.Target)
	if err := target.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(t.Context()); err != nil { // it has only read, and all of that has arrived
		t.Errorf("COMMIT: %v", err)
	}
	if conn.IsClosed() {
		t.Fatal("the driver has closed the connection: the transaction was still open after COMMIT")
	}
	wantSide(t, conn, router.Source)
}
