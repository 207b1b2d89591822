package journal

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/shadow"
)

const dir = "/var/journal"

func intent(tx int, tables ...shadow.TableKeys) *shadow.Intent {
	return &shadow.Intent{Epoch: 7, TxID: shadow.TxID(tx), Incarnation: "7301-1", Tables: tables}
}

func keysOf(table string, keys ...string) shadow.TableKeys {
	t := shadow.TableKeys{Table: table}
	for _, k := range keys {
		t.Keys = append(t.Keys, rewrite.RowKey(k))
	}
	return t
}

type failer interface {
	Helper()
	Fatalf(string, ...any)
	Fatal(...any)
}

func open(t failer, o Options) (*Journal, []OpenIntent) {
	t.Helper()
	j, open, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return j, open
}

func put(t failer, j *Journal, in *shadow.Intent) uint64 {
	t.Helper()
	e := j.Append(in)
	if err := e.Wait(); err != nil {
		t.Fatal(err)
	}
	return e.ID()
}

// written is a disk with a journal of several segments: an intent each batch,
// every third one settled, the last one of zeros.
func written(t failer) *fakeDisk {
	t.Helper()
	d := newFakeDisk()
	j, _ := open(t, Options{FS: d, SegmentSize: 2 * kib})
	for i := range 30 {
		id := put(t, j, intent(i, keysOf("t"+string(rune('a'+i)), strings.Repeat("k", 20*i))))
		if i%3 == 0 {
			j.Settle(id)
		}
	}
	put(t, j, intent(99, keysOf("zeros", string(make([]byte, 1800)))))
	after := d.copy()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return after
}

// An end that a crash can leave has its last batch short, or sectors of it
// zero. No flipped bit looks like that, not even in a key of zeros.
func TestNoFlippedBitIsAccepted(t *testing.T) {
	whole := written(t)
	names := sortedKeys(whole.names)
	rapid.Check(t, func(rt *rapid.T) {
		d := whole.copy()
		name := rapid.SampledFrom(names).Draw(rt, "file")
		data := d.names[name].data
		at := rapid.IntRange(0, len(data)-1).Draw(rt, "byte")
		data[at] ^= 1 << rapid.IntRange(0, 7).Draw(rt, "bit")
		wantCorrupt(rt, d, name)
	})
	if testing.Short() {
		return
	}
	last := names[len(names)-1]
	for at := range whole.names[last].data { // every byte of the last batch, and what is before it
		d := whole.copy()
		d.names[last].data[at] ^= 0x10
		wantCorrupt(t, d, last)
	}
}

func wantCorrupt(t failer, d *fakeDisk, name string) {
	t.Helper()
	before := d.copy()
	j, _, err := Open(dir, Options{FS: d})
	if err == nil {
		_ = j.Close()
		t.Fatalf("a damaged journal was opened; cut: %d", j.Stats().Cut)
	}
	var c *Corruption
	if !errors.Is(err, ErrCorrupt) || !errors.As(err, &c) || c.File != name {
		t.Fatalf("it says %v, want a corruption of %s", err, name)
	}
	for n, f := range d.names {
		if !slices.Equal(f.data, before.names[n].data) {
			t.Fatalf("%s was changed", n)
		}
	}
	if len(d.names) != len(before.names) {
		t.Fatalf("files were made or removed")
	}
}

func TestCorruptions(t *testing.T) {
	nth := func(d *fakeDisk, i int) (string, *fakeFile) {
		names := sortedKeys(d.names)
		name := names[(i+len(names))%len(names)]
		return name, d.names[name]
	}
	cases := []struct {
		name   string
		damage func(*fakeDisk) string // returns the file that is to be named
	}{
		{"the oldest segment is gone", func(d *fakeDisk) string { n, _ := nth(d, 0); delete(d.names, n); return n }},
		{"a segment in the middle is gone", func(d *fakeDisk) string { n, _ := nth(d, 2); delete(d.names, n); return n }},
		{"an earlier segment ends early", func(d *fakeDisk) string { n, f := nth(d, 1); f.data = f.data[:len(f.data)-30]; return n }},
		{"an earlier segment ends early, after a record", func(d *fakeDisk) string {
			n, f := nth(d, 1)
			f.data = f.data[:boundaries(f.data)[1]]
			return n
		}},
		{"an earlier segment has lost a sector", func(d *fakeDisk) string { n, f := nth(d, 1); clear(f.data[512:1024]); return n }},
		{"a lost sector before intact batches of the last segment", func(d *fakeDisk) string {
			n, f := nth(d, -2) // the last with several batches
			last, _ := nth(d, -1)
			delete(d.names, last)
			clear(f.data[headSize+prefixSize : headSize+prefixSize+1])
			clear(f.data[512:1024])
			return n
		}},
		{"a record is there twice", func(d *fakeDisk) string {
			n, f := nth(d, -1)
			f.data = append(f.data, f.data[headSize:]...)
			return n
		}},
		{"a batch is taken out of the middle", func(d *fakeDisk) string {
			n, f := nth(d, 0)
			b := boundaries(f.data)
			f.data = slices.Delete(f.data, b[0], b[1])
			return n
		}},
		{"two segments change places", func(d *fakeDisk) string {
			a, x := nth(d, 0)
			b, y := nth(d, 1)
			d.names[a], d.names[b] = y, x
			return a
		}},
		{"the head of a segment without records is damaged", func(d *fakeDisk) string {
			j, _, _ := Open(dir, Options{FS: d.copy()}) // its newest segment is what a process leaves that is killed at once
			defer j.Close()
			n := j.path(j.tail.number)
			d.names[n] = &fakeFile{data: slices.Clone(j.o.FS.(*fakeDisk).names[n].data)}
			d.names[n].data[20] ^= 1
			return n
		}},
		{"something is written behind the last batch", func(d *fakeDisk) string {
			n, f := nth(d, -1)
			f.data = append(f.data, strings.Repeat("garbage", 10)...)
			return n
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			d := written(t)
			wantCorrupt(t, d, c.damage(d))
		})
	}
}

// boundaries are where the records of a segment end.
func boundaries(data []byte) []int {
	h, _ := decodeHead(data)
	s := newScan(&h, slices.Clone(data))
	var ends []int
	for {
		if r, _ := s.next(); r == nil {
			return ends
		}
		ends = append(ends, int(s.at))
	}
}

func TestACorruptionNamesTheTablesOfAllThatCanBeRead(t *testing.T) {
	d := written(t)
	first := sortedKeys(d.names)[0]
	d.names[first].data[headSize+prefixSize+3] ^= 1 // the first record, of table ta
	_, readable, err := Open(dir, Options{FS: d})
	var c *Corruption
	if !errors.As(err, &c) {
		t.Fatal(err)
	}
	if c.Offset != headSize || len(c.Tables) != 30 || slices.Contains(c.Tables, "ta") || !slices.Contains(c.Tables, "tb") {
		t.Errorf("at %d, tables %v", c.Offset, c.Tables)
	}
	if len(readable) == 0 || !strings.Contains(err.Error(), first) || !strings.Contains(err.Error(), "walked as a whole") {
		t.Errorf("%d intents and %q", len(readable), err)
	}
}

func TestATornTailIsCutAndReported(t *testing.T) {
	whole := written(t)
	names := sortedKeys(whole.names)
	last := names[len(names)-1]
	ends := boundaries(whole.names[last].data)
	begin := append([]int{headSize}, ends...)[len(ends)-1] // of the last batch
	for size := begin + 1; size < len(whole.names[last].data); size++ {
		for _, zeros := range []int{0, 700} { // written ahead
			d := whole.copy()
			d.names[last].data = append(d.names[last].data[:size], make([]byte, zeros)...)
			want := len(bytes.TrimRight(d.names[last].data, "\x00")) - begin
			j, open := open(t, Options{FS: d})
			if cut := j.Stats().Cut; cut != int64(want) || len(open) != 20 || open[19].Intent.TxID == 99 {
				t.Fatalf("cut at %d before %d zeros: %d bytes, %d intents", size, zeros, cut, len(open))
			}
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestZerosThatWereWrittenAhead: they stay behind a process that is killed, are no
// corruption, and go when the journal is closed.
func TestZerosThatWereWrittenAhead(t *testing.T) {
	dir, killed := t.TempDir(), t.TempDir()
	var log bytes.Buffer
	j, _ := openIn(t, dir, Options{})
	for n := range 3000 { // more than one stretch of them
		put(t, j, intent(n, keysOf("public.a", strings.Repeat("k", 100))))
	}
	want := j.Stats().Disk
	name := fileName(1)
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil || int64(len(data)) <= want || !zero(data[want:]) {
		t.Fatalf("%d bytes of %d that were written, %v", len(data), want, err)
	}
	if err := os.WriteFile(filepath.Join(killed, name), data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() != want {
		t.Errorf("%d bytes when it is closed, %d were written; %v", info.Size(), want, err)
	}
	for _, dir := range []string{dir, killed} {
		again, found := openIn(t, dir, Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
		if s := again.Stats(); len(found) != 3000 || s.Cut != 0 || log.Len() > 0 {
			t.Errorf("%d intents, %+v, %s", len(found), s, &log)
		}
		if err := again.Close(); err != nil {
			t.Error(err)
		}
	}
}

func openIn(t *testing.T, dir string, o Options) (*Journal, []OpenIntent) {
	t.Helper()
	j, found, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return j, found
}

func TestAJournalIsReadAsItWasWritten(t *testing.T) {
	d := newFakeDisk()
	j, _ := open(t, Options{FS: d, SegmentSize: 80}) // a segment each
	want := []*shadow.Intent{
		intent(1, keysOf("a", "k1", "", "k2"), shadow.TableKeys{Table: "b", Whole: true}),
		{},
		{Epoch: 1<<64 - 1, TxID: 1<<64 - 1, Incarnation: "x"},
	}
	for _, in := range want {
		put(t, j, in)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if err := j.Append(want[0]).Wait(); !errors.Is(err, ErrClosed) {
		t.Errorf("a closed journal says %v", err)
	}
	j, got := open(t, Options{FS: d})
	defer j.Close()
	if s := j.Stats(); s.Cut != 0 || s.Segments != 4 || s.Open != 3 {
		t.Errorf("%+v", s)
	}
	for i, in := range want {
		if !reflect.DeepEqual(&got[i].Intent, in) {
			t.Errorf("got %+v, want %+v", got[i].Intent, in)
		}
	}
}

func TestOtherFilesOfTheDirectoryAreLeftAlone(t *testing.T) {
	d := newFakeDisk()
	for _, name := range []string{"README", "0000000000000000.journal", "1.journal", "000000000000000G.journal", "0000000000000001.journal.old"} {
		d.names[filepath.Join(dir, name)] = &fakeFile{data: []byte("x")}
	}
	j, _ := open(t, Options{FS: d})
	defer j.Close()
	if len(d.files()) != 6 {
		t.Errorf("%v", sortedKeys(d.files()))
	}
}
