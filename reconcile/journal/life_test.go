package journal

import (
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// What a killed process has left in the memory of the system is on the disk
// before the next one builds upon it.
func TestALossOfPowerAfterARestartIsNoCorruption(t *testing.T) {
	d := newFakeDisk()
	j, _ := open(t, Options{FS: d, Durability: Process})
	for i := range 5 {
		put(t, j, intent(i))
	}
	killed := d.copy()
	_ = j.Close()
	j, _ = open(t, Options{FS: killed, Durability: Process})
	for seed := range uint64(20) {
		again, found := open(t, Options{FS: killed.crash(seed)})
		if len(found) != 5 {
			t.Errorf("found %+v", found)
		}
		_ = again.Close()
	}
	_ = j.Close()
}

func TestAProcessJournalIsSyncedWhereASegmentEnds(t *testing.T) {
	d := newFakeDisk()
	j, _ := open(t, Options{FS: d, Durability: Process, SegmentSize: kib})
	for i := range 5 {
		put(t, j, intent(i, keysOf("t", strings.Repeat("k", 700))))
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(20) {
		again, found := open(t, Options{FS: d.crash(seed)})
		if len(found) != 5 {
			t.Errorf("found %+v", found)
		}
		_ = again.Close()
	}
	name := sortedKeys(d.names)[1]
	clear(d.names[name].data[sector:])
	wantCorrupt(t, d, name)
}

// What was acknowledged in a segment before its disk failed is not allowed to
// be torn.
func TestAnAbandonedSegmentIsWholeUpToItsLastFsync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFakeDisk()
		j, _ := open(t, Options{FS: d})
		put(t, j, intent(1, keysOf("t", strings.Repeat("k", 700))))
		d.fail(opSync, syscall.EIO, 1)
		_ = j.Append(intent(2)).Wait()
		<-time.After(lastRetry)
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		clear(d.names[j.path(1)].data[sector:])
		wantCorrupt(t, d, j.path(1))
	})
}

// A segment whose head could not be synced may look whole until the power is
// lost: nothing may hang on it.
func TestNoSegmentHangsOnAHeadThatWasNotSynced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFakeDisk()
		j, _ := open(t, Options{FS: d, SegmentSize: 80})
		put(t, j, intent(1))
		d.fail(opSync, syscall.EIO, 1)
		d.fail(opRemove, syscall.EIO, 1)
		if err := j.Append(intent(2)).Wait(); err == nil {
			t.Fatal("it was accepted")
		}
		killed := d.copy()
		_ = j.Close()
		j, _ = open(t, Options{FS: killed})
		put(t, j, intent(3))
		for seed := range uint64(50) {
			again, found := open(t, Options{FS: killed.crash(seed)})
			if len(found) != 2 {
				t.Errorf("found %+v", found)
			}
			_ = again.Close()
		}
		_ = j.Close()
	})
}

func TestTheWindowBeginsWithTheSettling(t *testing.T) {
	for _, restart := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			d := newFakeDisk()
			o := Options{FS: d, SegmentSize: 300}
			j, _ := open(t, o)
			id := put(t, j, intent(1))
			put(t, j, intent(2, keysOf("t", strings.Repeat("k", 400)))) // the segment ends
			<-time.After(9 * time.Minute)
			j.Settle(id)
			put(t, j, intent(3, keysOf("t", strings.Repeat("k", 400))))
			<-time.After(time.Second)
			if restart {
				d = d.copy()
				_ = j.Close()
				o.FS = d
				j, _ = open(t, o)
			}
			<-time.After(9 * time.Minute)
			if txOf(t, j)[1] == 0 {
				t.Errorf("restart %v: an intent that was settled 9 minutes ago is not kept", restart)
			}
			<-time.After(2 * time.Minute)
			if txOf(t, j)[1] != 0 {
				t.Errorf("restart %v: it is kept for more than the window", restart)
			}
			_ = j.Close()
		})
	}
}

func TestNoIDIsGivenAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFakeDisk()
		j, _ := open(t, Options{FS: d})
		var last uint64
		for i := range 5 {
			last = put(t, j, intent(i))
			j.Settle(last)
			<-time.After(11 * time.Minute)
		}
		for range 3 {
			_ = j.Close()
			j, _ = open(t, Options{FS: d})
			<-time.After(time.Hour)
		}
		if id := put(t, j, intent(9)); id != last+1 {
			t.Errorf("the id is %d, want %d", id, last+1)
		}
		_ = j.Close()
	})
}

func TestAnIntentMayBeSettledBeforeItIsDurable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFakeDisk()
		j, _ := open(t, Options{FS: d})
		hold := make(chan struct{})
		d.stall(hold)
		first := j.Append(intent(1))
		synctest.Wait()
		second := j.Append(intent(2))
		j.Settle(first.ID())
		j.Settle(second.ID())
		j.Settle(second.ID()) // again: of no effect
		j.Settle(12345)       // nobody's
		close(hold)
		if err := second.Wait(); err != nil {
			t.Fatal(err)
		}
		if s := j.Stats(); s.Open != 0 {
			t.Errorf("%+v", s)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		again, found := open(t, Options{FS: d})
		defer again.Close()
		if len(found) != 0 {
			t.Errorf("found %+v", found)
		}
	})
}
