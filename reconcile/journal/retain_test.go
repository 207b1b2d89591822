package journal

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crossfade-db/crossfade/shadow"
)

func txOf(t failer, j *Journal) map[shadow.TxID]int {
	t.Helper()
	seen := map[shadow.TxID]int{}
	if err := j.Window(func(in *shadow.Intent) { seen[in.TxID]++ }); err != nil {
		t.Fatal(err)
	}
	return seen
}

func TestSegmentsGoWhenAllIsSettledAndTheWindowHasPassed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFakeDisk()
		j, _ := open(t, Options{FS: d, SegmentSize: 4 * kib})
		for i := range 40 {
			j.Settle(put(t, j, intent(i, keysOf("t", strings.Repeat("k", 500)))))
		}
		<-time.After(9 * time.Minute)
		if seen := txOf(t, j); len(seen) != 40 || len(d.files()) < 5 {
			t.Errorf("after 9 minutes %d intents are kept in %d segments", len(seen), len(d.files()))
		}
		<-time.After(2 * time.Minute)
		put(t, j, intent(100)) // the last segment ends by its age
		<-time.After(11 * time.Minute)
		if seen := txOf(t, j); len(seen) != 1 || len(d.files()) > 2 {
			t.Errorf("after the window %d intents are kept in %d segments", len(seen), len(d.files()))
		}
		<-time.After(24 * time.Hour)
		if n, _ := numberOf(filepath.Base(slices.Max(sortedKeys(d.files())))); n > 20 {
			t.Errorf("%d segments were made, most of them while nothing happened", n)
		}
		after := d.crash(3)
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		again, found := open(t, Options{FS: after})
		defer again.Close()
		if len(found) != 1 || found[0].Intent.TxID != 100 {
			t.Errorf("found %+v", found)
		}
	})
}

func TestAnIntentThatStaysOpenHoldsUpNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFakeDisk()
		j, _ := open(t, Options{FS: d, SegmentSize: 4 * kib})
		stuck := put(t, j, intent(7000, keysOf("t", "stuck")))
		for i := range 60 {
			j.Settle(put(t, j, intent(i, keysOf("t", strings.Repeat("k", 500)))))
			<-time.After(time.Minute)
		}
		if n := len(d.files()); n > 8 {
			t.Errorf("%d segments are there", n)
		}
		if seen := txOf(t, j); seen[7000] == 0 {
			t.Error("the open intent is not kept")
		}
		after := d.crash(5)
		j.Settle(stuck)
		<-time.After(30 * time.Minute)
		put(t, j, intent(8000))
		<-time.After(30 * time.Minute)
		if seen := txOf(t, j); seen[7000] != 0 {
			t.Error("it is kept long after it was settled")
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		again, found := open(t, Options{FS: after})
		defer again.Close()
		if len(found) != 1 || found[0].ID != stuck || found[0].Intent.Tables[0].Keys[0] != "stuck" {
			t.Errorf("found %+v", found)
		}
	})
}

func TestSettlesDoNotWaitForAnIntentForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFakeDisk()
		j, _ := open(t, Options{FS: d})
		j.Settle(put(t, j, intent(1)))
		<-time.After(2 * beat)
		after := d.crash(1)
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		again, found := open(t, Options{FS: after})
		defer again.Close()
		if len(found) != 0 {
			t.Errorf("found %+v", found)
		}
	})
}

func TestAFileThatCannotBeRemovedIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFakeDisk()
		j, _ := open(t, Options{FS: d})
		defer j.Close()
		j.Settle(put(t, j, intent(1)))
		<-time.After(6 * time.Minute)
		put(t, j, intent(2))
		d.fail(opRemove, fs.ErrPermission, 3)
		<-time.After(11 * time.Minute)
		if _, there := d.files()[j.path(1)]; there {
			t.Error("it is still there")
		}
	})
}

func TestFilesAreForTheirOwnerOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state", "journal")
	for _, durability := range []Durability{Fsync, Process} {
		j, found, err := Open(path, Options{Durability: durability})
		if err != nil {
			t.Fatal(err)
		}
		if durability == Process && len(found) != 1 {
			t.Errorf("found %+v", found)
		}
		put(t, j, intent(1, keysOf("t", "k")))
		if seen := txOf(t, j); seen[1] == 0 {
			t.Errorf("the window has %v", seen)
		}
		if s := j.Stats(); (s.Syncs > 0) != (durability == Fsync) {
			t.Errorf("%d fsyncs of batches", s.Syncs)
		}
		if err := errors.Join(j.Close(), j.Close()); err != nil {
			t.Fatal(err)
		}
	}
	err := filepath.Walk(path, func(name string, info os.FileInfo, err error) error {
		want := os.FileMode(0o600)
		if info.IsDir() {
			want = 0o700
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %v", name, info.Mode().Perm())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
