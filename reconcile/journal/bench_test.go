package journal

import (
	"sync"
	"testing"
)

// BenchmarkAppend is durable appends on the real disk, one intent with one key
// each, settled at once: `go test -bench Append ./reconcile/journal`, TMPDIR
// says on which disk.
func BenchmarkAppend(b *testing.B) {
	for _, c := range []struct {
		name       string
		durability Durability
		writers    int
	}{
		{"fsync/1", Fsync, 1},
		{"fsync/64", Fsync, 64},
		{"process/1", Process, 1},
		{"process/64", Process, 64},
	} {
		b.Run(c.name, func(b *testing.B) {
			j, _, err := Open(b.TempDir(), Options{Durability: c.durability})
			if err != nil {
				b.Fatal(err)
			}
			defer j.Close()
			b.ReportAllocs()
			b.ResetTimer()
			var all sync.WaitGroup
			for w := range c.writers {
				all.Go(func() {
					in := intent(w, keysOf("public.users", "\x00\x00\x00\x08abcdefgh"))
					for range (b.N - w + c.writers - 1) / c.writers {
						e := j.Append(in)
						if err := e.Wait(); err != nil {
							b.Error(err)
							return
						}
						j.Settle(e.ID())
					}
				})
			}
			all.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "intents/s")
			if s := j.Stats(); s.Syncs > 0 {
				b.ReportMetric(float64(b.N)/float64(s.Syncs), "intents/fsync")
			}
		})
	}
}
