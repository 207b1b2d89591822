package proxy

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/crossfade-db/crossfade/internal/dbserver"
	"github.com/crossfade-db/crossfade/router"
)

// crowd is how many sessions the test of stickiness has.
const crowd = 1000

// roomyPair is two servers for a crowd at each.
func roomyPair(t testing.TB) dbserver.Pair {
	t.Helper()
	roomy, err := dbserver.StartPair(t.Context(), dbserver.Options{
		Settings: map[string]string{"max_connections": "1100", "shared_buffers": "16MB", "autovacuum": "off"},
		HBA:      []string{"host all trusted 127.0.0.1/32 trust"},
	}, func(ctx context.Context, p *dbserver.Postgres) error {
		return p.Exec(ctx, "postgres", "CREATE ROLE trusted LOGIN")
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := roomy.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return roomy
}

// everybody does something with all, a few at a time.
func everybody(t testing.TB, n int, do func(i int) error) {
	t.Helper()
	const workers = 16
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			for i := w; i < n; i += workers {
				if err := do(i); err != nil {
					t.Errorf("session %d: %v", i, err)
					return
				}
			}
		})
	}
	all.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

// ports asks every session who answers it: the port of the server is nobody's
// word but the server's.
func ports(t testing.TB, conns []*pgx.Conn) []int {
	t.Helper()
	got := make([]int, len(conns))
	everybody(t, len(conns), func(i int) error {
		return conns[i].QueryRow(t.Context(), "SELECT inet_server_port()").Scan(&got[i])
	})
	return got
}

func TestTheShareIsStickyAndMonotone(t *testing.T) {
	roomy := roomyPair(t)
	proxy := newShared(t, func(o *Options) {
		for side, p := range sidesOf(roomy) {
			o.Live.Sides[side] = Side{Network: "tcp", Address: p.Addr(), Database: "postgres"}
		}
		o.Live.Limits.Clients = crowd
	})
	conns := make([]*pgx.Conn, crowd)
	everybody(t, crowd, func(i int) (err error) {
		conns[i], err = pgx.Connect(t.Context(), fmt.Sprintf("postgres://trusted@%s/app?sslmode=disable&application_name=user-%d", proxy.addr, i))
		return err
	})
	t.Cleanup(func() {
		for _, conn := range conns {
			_ = conn.Close(context.Background())
		}
	})
	port := [router.Sides]int{roomy.Source.Port(), roomy.Target.Port()}
	before, was := ports(t, conns), 0.0
	for _, percent := range []float64{5, 50, 50, 5, 100, 5, 0} {
		proxy.share(percent)
		start := time.Now()
		now := ports(t, conns)
		t.Logf("share %v to %v: %v, %d sessions at the target", was, percent, time.Since(start), portCount(now, port[router.Target]))
		for i, got := range now {
			bucket := router.Share(router.Bucket("test", "application_name", fmt.Sprintf("user-%d", i)))
			want := port[router.Source]
			if bucket < router.Share(percent*100) {
				want = port[router.Target]
			}
			if got != want {
				t.Errorf("share %v: user-%d with bucket %d is answered by port %d, want %d", percent, i, bucket, got, want)
			}
			if added := got == port[router.Target]; got != before[i] && added != (percent > was) {
				t.Errorf("share %v to %v: user-%d moved the wrong way", was, percent, i)
			}
		}
		before, was = now, percent
	}
	moveWithState(t, proxy, conns, port[router.Target])
}

// moveWithState times moves of sessions whose legs are dialled and which carry
// a setting each.
func moveWithState(t testing.TB, proxy *shared, conns []*pgx.Conn, target int) {
	t.Helper()
	everybody(t, len(conns), func(i int) error {
		_, err := conns[i].Exec(t.Context(), "SELECT set_config('app.number', $1, false)", fmt.Sprint(i))
		return err
	})
	start := time.Now()
	plain := ports(t, conns)
	before := time.Since(start)
	proxy.share(100)
	start = time.Now()
	moved := ports(t, conns)
	t.Logf("%d sessions with dialled legs and a setting each move and answer in %v; without a move they answer in %v", len(conns), time.Since(start), before)
	if portCount(plain, target) != 0 || portCount(moved, target) != len(conns) {
		t.Errorf("%d sessions were at the target, then %d", portCount(plain, target), portCount(moved, target))
	}
	everybody(t, len(conns), func(i int) error {
		var got string
		err := conns[i].QueryRow(t.Context(), "SELECT current_setting('app.number')").Scan(&got)
		if err == nil && got != fmt.Sprint(i) {
			return fmt.Errorf("its setting is %q", got)
		}
		return err
	})
}

func portCount(all []int, port int) (n int) {
	for _, p := range all {
		if p == port {
			n++
		}
	}
	return n
}
