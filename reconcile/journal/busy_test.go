package journal

import (
	"sync"
	"testing"

	"github.com/crossfade-db/crossfade/shadow"
)

// Many sessions, a walk of the window and somebody who looks at the figures, on
// the real disk.
func TestManyUseAJournalAtTheSameTime(t *testing.T) {
	const writers, each = 16, 50
	path := t.TempDir()
	j, _, err := Open(path, Options{SegmentSize: 8 * kib})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range each {
				e := j.Append(intent(w*each+i+1, keysOf("t", "key")))
				if err := e.Wait(); err != nil {
					t.Error(err)
				}
				if i%2 == 0 {
					j.Settle(e.ID())
				}
			}
		})
	}
	all.Go(func() {
		for range 20 {
			if err := j.Window(func(*shadow.Intent) {}); err != nil {
				t.Error(err)
			}
			_ = j.Stats()
		}
	})
	all.Wait()
	if seen := txOf(t, j); len(seen) != writers*each {
		t.Errorf("the window has %d intents, want %d", len(seen), writers*each)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j, found, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	if len(found) != writers*each/2 {
		t.Errorf("%d intents are open, want %d", len(found), writers*each/2)
	}
}
