package journal

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestTheWindowGivesWayToTheDisk: beyond Keep settled intents go early, the
// oldest first, and the journal says so; open ones stay whatever happens.
func TestTheWindowGivesWayToTheDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFakeDisk()
		j, _ := open(t, Options{FS: d, SegmentSize: 4 * kib, Keep: 20 * kib})
		stuck := put(t, j, intent(7000, keysOf("t", "stuck")))
		for i := range 100 {
			j.Settle(put(t, j, intent(i, keysOf("t", strings.Repeat("k", 500)))))
			<-time.After(3 * time.Second)
		}
		s := j.Stats()
		if s.Disk > 24*kib || s.Disk < 12*kib {
			t.Errorf("%d bytes are kept", s.Disk)
		}
		if s.Window < time.Minute || s.Window >= 5*time.Minute {
			t.Errorf("the window is said to be %v", s.Window)
		}
		seen := txOf(t, j)
		for i := 100 - int(s.Window/(3*time.Second)); i < 100; i++ {
			if seen[intent(i).TxID] == 0 {
				t.Errorf("intent %d of the last %v is gone", i, s.Window)
			}
		}
		if seen[intent(0).TxID] != 0 || seen[7000] == 0 {
			t.Errorf("the first settled intent is kept: %v; the open one: %v", seen[intent(0).TxID] != 0, seen[7000] != 0)
		}
		after := d.crash(3)
		<-time.After(11 * time.Minute)
		if s := j.Stats(); s.Window != 10*time.Minute {
			t.Errorf("the window is said to be %v, long after", s.Window)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		again, found := open(t, Options{FS: after})
		defer again.Close()
		if len(found) == 0 || found[0].ID != stuck {
			t.Errorf("found %+v", found)
		}
	})
}

// TestOpenIntentsAreNotWrittenAgainAndAgain: where most of a segment is open there
// is nothing to be had by carrying it.
func TestOpenIntentsAreNotWrittenAgainAndAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFakeDisk()
		j, _ := open(t, Options{FS: d, SegmentSize: 4 * kib, Keep: 8 * kib})
		defer j.Close()
		for i := range 60 {
			put(t, j, intent(i, keysOf("t", strings.Repeat("k", 500))))
		}
		<-time.After(5 * time.Second)
		before := j.Stats()
		<-time.After(time.Minute)
		if after := j.Stats(); after.Bytes != before.Bytes || len(txOf(t, j)) != 60 || after.Window != 10*time.Minute {
			t.Errorf("%d bytes were written while nothing happened, %d intents are kept", after.Bytes-before.Bytes, len(txOf(t, j)))
		}
	})
}
