package image

import (
	"testing"

	"github.com/crossfade-db/crossfade/rewrite"
)

// batchRows is what a chunk of a walk brings at once.
const batchRows = 2500

// BenchmarkBatch brings and compares rows of seven columns, at a key that the
// target has indexed, in arrays of 2,500.
func BenchmarkBatch(b *testing.B) {
	columns := "(id bigint PRIMARY KEY, customer int, amount numeric(12,2), state text, created timestamptz, note text, data jsonb)"
	j := open(b, "CREATE TABLE t "+columns+`; INSERT INTO t SELECT i, i % 1000, i / 7.0, 'new', '2024-01-01'::timestamptz + i * interval '1 second',
		repeat('note ', 8), '{"a": 1, "b": [1, 2]}' FROM generate_series(1, 40000) i`, "CREATE TABLE t "+columns).
		journey(shape{table: "t", key: "id", targets: []into{{table: "t"}}})
	images, x := j.images(), j.texts[0]
	upsert := func(rows []rewrite.Image) { j.batch(x.UpsertAll, rows) }
	b.Run("upsert/empty", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			j.exec(target, "TRUNCATE t")
			b.StartTimer()
			every(images, func(rows []rewrite.Image) { upsert(rows) })
		}
		perSecond(b, len(images))
	})
	b.Run("upsert/full", func(b *testing.B) {
		for b.Loop() {
			every(images, func(rows []rewrite.Image) { upsert(rows) })
		}
		perSecond(b, len(images))
	})
	j.exec(target, "VACUUM FULL ANALYZE t")
	b.Run("update/full", func(b *testing.B) {
		for b.Loop() {
			every(images, func(rows []rewrite.Image) { j.batch(x.UpdateAll, rows) })
		}
		perSecond(b, len(images))
	})
	j.exec(target, "VACUUM FULL ANALYZE t")
	b.Run("diff", func(b *testing.B) {
		j.exec(target, "BEGIN")
		j.exec(target, Pin([]*rewrite.Pair{j.p}))
		for b.Loop() {
			every(images, func(rows []rewrite.Image) { j.batch(x.Diff, rows) })
		}
		j.exec(target, "COMMIT")
		perSecond(b, len(images))
	})
	b.Run("array", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			every(images, func(rows []rewrite.Image) { j.arrays(rows) })
		}
		perSecond(b, len(images))
	})
}

func every(images []rewrite.Image, f func([]rewrite.Image)) {
	for from := 0; from < len(images); from += batchRows {
		f(images[from:min(from+batchRows, len(images))])
	}
}

func perSecond(b *testing.B, rows int) {
	b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}
