package repair

import (
	"testing"
	"time"

	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/shadow"
)

// BenchmarkWalk copies rows of about 100 bytes into an empty table, with the
// locks at the source as they are in life.
func BenchmarkWalk(b *testing.B) {
	const rows = 1_000_000
	for b.Loop() {
		b.StopTimer()
		f := newField(b, setup{
			both: "CREATE TABLE t (id bigint PRIMARY KEY, a int, b text, c timestamptz, d numeric(12,2))", lock: 25 * time.Millisecond,
		})
		f.super(router.Source, "INSERT INTO t SELECT n, n % 1000, repeat(md5(n::text), 2), now(), n / 7.0 FROM generate_series(1, 1000000) n", "ANALYZE t")
		f.walked("public.t", shadow.CauseNew)
		var locked, longest time.Duration
		chunks := 0
		f.opt.Workers = 1
		f.opt.Observe.Chunk = func(_ string, _, _ int, held time.Duration) {
			chunks++
			locked += held
			longest = max(longest, held)
		}
		b.StartTimer()
		began := time.Now()
		f.drain()
		took := time.Since(began)
		b.StopTimer()
		f.expect(router.Target, "SELECT count(*) FROM t", "1000000")
		b.ReportMetric(rows/took.Seconds(), "rows/s")
		b.ReportMetric(float64(chunks), "chunks")
		b.ReportMetric(float64(locked.Microseconds())/float64(chunks)/1000, "ms/chunk")
		b.ReportMetric(float64(longest.Microseconds())/1000, "ms/longest")
		b.StartTimer()
	}
}

// BenchmarkKeys repairs rows that the target lacks, one by one, and looks at
// them again.
func BenchmarkKeys(b *testing.B) {
	const rows = 5000
	for b.Loop() {
		b.StopTimer()
		f := newField(b, setup{both: plain, lock: 25 * time.Millisecond})
		f.super(router.Source, "INSERT INTO t SELECT n, n FROM generate_series(1, 5000) n", "ANALYZE t")
		keys := make([]rewrite.RowKey, rows)
		for n := range keys {
			keys[n] = key(n + 1)
		}
		f.dirty("public.t", "", shadow.CauseRequested, keys...)
		b.StartTimer()
		began := time.Now()
		w := f.drainWith(f.opt)
		took := time.Since(began)
		b.StopTimer()
		f.same("SELECT count(*) FROM t")
		b.ReportMetric(float64(w.Status().Repaired+w.Status().Equal)/took.Seconds(), "keys/s")
		b.StartTimer()
	}
}
