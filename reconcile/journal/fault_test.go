package journal

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crossfade-db/crossfade/shadow"
)

func TestAFullDiskStopsAndGoesOnWhenThereIsRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		d := newFakeDisk()
		j, _ := open(t, Options{FS: d, Log: slog.New(slog.NewTextHandler(&log, nil))})
		kept := put(t, j, intent(1, keysOf("secret-table", "secret-key")))
		d.fail(opWrite, syscall.ENOSPC, 3)
		first := j.Append(intent(2)).Wait()
		later := j.Append(intent(3))
		for _, err := range []error{first, later.Wait(), j.Stats().Stopped} {
			if !errors.Is(err, ErrStopped) || !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "free space") {
				t.Errorf("it says %v", err)
			}
		}
		if later.ID() != 0 {
			t.Errorf("a refused intent has id %d", later.ID())
		}
		j.Settle(kept) // while nothing can be written
		<-time.After(lastRetry)
		id := put(t, j, intent(4))
		s := j.Stats()
		if s.Stopped != nil || s.Stops != 1 || s.Open != 1 || s.Segments != 2 {
			t.Errorf("%+v", s)
		}
		after := d.copy()
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		again, found := open(t, Options{FS: after})
		defer again.Close()
		if len(found) != 1 || found[0].ID != id || found[0].Intent.TxID != 4 {
			t.Errorf("found %+v", found)
		}
		if strings.Contains(log.String(), "secret") || strings.Count(log.String(), "level=") != 2 {
			t.Errorf("the log says %s", &log)
		}
	})
}

func TestAFileWhoseFsyncFailedIsNeverWrittenAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFakeDisk()
		j, _ := open(t, Options{FS: d})
		defer j.Close()
		put(t, j, intent(1))
		name := j.path(1)
		d.fail(opSync, syscall.EIO, 1)
		entries := []*Entry{j.Append(intent(2)), j.Append(intent(3))}
		for _, e := range entries {
			if err := e.Wait(); !errors.Is(err, syscall.EIO) {
				t.Fatalf("it says %v", err)
			}
		}
		size := d.files()[name]
		<-time.After(lastRetry)
		put(t, j, intent(4))
		if got := d.files()[name]; got != size {
			t.Errorf("%s grew from %d to %d", name, size, got)
		}
		_ = j.Window(func(in *shadow.Intent) {
			if in.TxID == 2 || in.TxID == 3 {
				t.Errorf("transaction %d was refused, and is in the window", in.TxID)
			}
		})
	})
}

func TestRetriesBackOffWhileTheDiskRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFakeDisk()
		j, _ := open(t, Options{FS: d})
		d.fail(opWrite, syscall.EIO, 1)
		d.fail(opCreate, syscall.EIO, 1000)
		_ = j.Append(intent(1)).Wait()
		<-time.After(time.Minute)
		d.mu.Lock()
		tries := 1000 - len(d.faults)
		d.mu.Unlock()
		if tries < 10 || tries > 25 {
			t.Errorf("%d tries in a minute", tries)
		}
		if err := j.Close(); !errors.Is(err, ErrStopped) {
			t.Errorf("Close says %v", err)
		}
		if err := j.Append(intent(2)).Wait(); !errors.Is(err, ErrClosed) {
			t.Errorf("it says %v", err)
		}
	})
}

func TestAppendBlocksWhenTheQueueIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFakeDisk()
		j, _ := open(t, Options{FS: d})
		hold := make(chan struct{})
		d.stall(hold)
		big := intent(1, keysOf("t", strings.Repeat("k", mib)))
		var taken []*Entry
		done := make(chan struct{})
		go func() {
			defer close(done)
			for range 20 {
				taken = append(taken, j.Append(big))
			}
		}()
		synctest.Wait()
		if n := len(taken); n < 3 || n > 6 { // one batch on its way, one queue full
			t.Errorf("%d MiB were taken while nothing is written", n)
		}
		close(hold)
		<-done
		for _, e := range taken {
			if err := e.Wait(); err != nil {
				t.Error(err)
			}
		}
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestWhoWaitsForRoomIsToldWhenTheDiskRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFakeDisk()
		j, _ := open(t, Options{FS: d})
		defer j.Close()
		hold := make(chan struct{})
		d.stall(hold)
		d.fail(opSync, syscall.EIO, 1)
		refused := make(chan error)
		for range 20 {
			go func() { refused <- j.Append(intent(1, keysOf("t", strings.Repeat("k", mib)))).Wait() }()
		}
		synctest.Wait()
		close(hold)
		for range 20 {
			if err := <-refused; !errors.Is(err, ErrStopped) {
				t.Errorf("it says %v", err)
			}
		}
	})
}

func TestAnIntentWithTooManyKeysIsRefused(t *testing.T) {
	j, _ := open(t, Options{FS: newFakeDisk()})
	defer j.Close()
	for size, ok := range map[int]bool{intentMax - 200: true, intentMax: false} {
		err := j.Append(intent(1, keysOf("t", strings.Repeat("k", size)))).Wait()
		if ok && err != nil || !ok && (!errors.Is(err, ErrTooLarge) || !strings.Contains(err.Error(), "as a whole")) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
	put(t, j, intent(2))
}

func TestAnUnreadableFileKeepsTheJournalShut(t *testing.T) {
	d := written(t)
	d.fail(opRead, syscall.EIO, 1)
	if _, _, err := Open(dir, Options{FS: d}); !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), ".journal") {
		t.Errorf("it says %v", err)
	}
}
