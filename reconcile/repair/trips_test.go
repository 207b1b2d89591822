package repair

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/shadow"
)

// far is the worker's connections, each flight of which takes a while.
type far struct {
	trip  time.Duration
	trips [router.Sides]atomic.Int64
}

type farConn struct {
	net.Conn
	far  *far
	side router.Side
}

func (c *farConn) Write(b []byte) (int, error) {
	c.far.trips[c.side].Add(1)
	if c.far.trip > 0 {
		<-time.After(c.far.trip)
	}
	return c.Conn.Write(b)
}

func (f *field) farAway(trip time.Duration) *far {
	f.Helper()
	away := &far{trip: trip}
	f.opt.Connect = func(ctx context.Context, side router.Side) (*pgconn.PgConn, error) {
		config, err := pgconn.ParseConfig(server(side).DSN("service", "service", f.database))
		if err != nil {
			return nil, err
		}
		config.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
			return &farConn{Conn: conn, far: away, side: side}, err
		}
		return pgconn.ConnectConfig(ctx, config)
	}
	f.hand = f.newHand()
	f.must(f.hand.ready(f.Context()))
	return away
}

// took tells how often each side was asked since the last time.
func (f *far) took() [router.Sides]int64 {
	return [router.Sides]int64{f.trips[router.Source].Swap(0), f.trips[router.Target].Swap(0)}
}

func TestAChunkTakesFewTrips(t *testing.T) {
	f := newField(t, setup{both: plain})
	f.super(router.Source, "INSERT INTO t SELECT n, n FROM generate_series(1, 1000) n")
	away := f.farAway(0)
	chunk := func(why shadow.Cause) [router.Sides]int64 {
		t.Helper()
		f.walked("public.t", why)
		for f.hand.walk == nil || f.hand.walk.stage != copying {
			f.step()
		}
		f.hand.worker.tables.asked = time.Now().Add(time.Hour) // no look at the source's locks in between
		away.took()
		f.step()
		took := away.took()
		f.hand.leave()
		f.must(f.ledger.Finish(f.ledger.Ranges("public.t")[0].ID))
		return took
	}
	// The source: keys, locks, are they ours still, release. The target: begin,
	// fence and rows in one, commit.
	if took := chunk(shadow.CauseNew); took != [router.Sides]int64{4, 2} {
		t.Errorf("a chunk of new rows takes %v trips", took)
	}
	f.super(router.Target, "UPDATE t SET v = 0 WHERE id = 7")
	// The target: its keys, a comparison, what differs, commit.
	if took := chunk(shadow.CauseRequested); took != [router.Sides]int64{4, 4} {
		t.Errorf("a chunk that differs takes %v trips", took)
	}
	// The target: its keys, a comparison, release.
	if took := chunk(shadow.CauseRequested); took != [router.Sides]int64{3, 3} {
		t.Errorf("a chunk that is equal takes %v trips", took)
	}
}

func TestABatchOfKeysTakesFewTrips(t *testing.T) {
	f := newField(t, setup{both: plain})
	f.super(router.Source, "INSERT INTO t SELECT n, n FROM generate_series(1, 200) n")
	away := f.farAway(0)
	f.dirty("public.t", f.value(router.Source, "SELECT txid_current()"), shadow.CauseFailed, upTo(200)...)
	away.took()
	f.all(200, Wrote)
	// The source: marks, locks, are they ours still, release. The target: a
	// comparison, what differs, commit.
	if took := away.took(); took != [router.Sides]int64{4, 3} {
		t.Errorf("a batch takes %v trips", took)
	}
}

// BenchmarkWalkFar fills an empty table over trips of 2 ms.
func BenchmarkWalkFar(b *testing.B) {
	const rows = 100_000
	for b.Loop() {
		b.StopTimer()
		f := newField(b, setup{both: "CREATE TABLE t (id bigint PRIMARY KEY, b text)", lock: 25 * time.Millisecond})
		f.super(router.Source, "INSERT INTO t SELECT n, repeat(md5(n::text), 3) FROM generate_series(1, 100000) n", "ANALYZE t")
		f.walked("public.t", shadow.CauseNew)
		f.farAway(2 * time.Millisecond)
		var chunks, over atomic.Int64
		f.opt.Observe.Chunk = func(_ string, _, _ int, held time.Duration) {
			chunks.Add(1)
			if held > 25*time.Millisecond {
				over.Add(1)
			}
		}
		b.StartTimer()
		began := time.Now()
		f.drain()
		took := time.Since(began)
		b.StopTimer()
		f.expect(router.Target, "SELECT count(*) FROM t", "100000")
		b.ReportMetric(rows/took.Seconds(), "rows/s")
		b.ReportMetric(float64(chunks.Load()), "chunks")
		b.ReportMetric(float64(over.Load()), "chunks-over")
		b.StartTimer()
	}
}
