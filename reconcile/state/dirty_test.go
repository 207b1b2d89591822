package state

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
)

var noon = time.Date(2026, 7, 1, 12, 0, 0, 123456000, time.UTC)

var aDirtyKey = DirtyKey{
	Table: `public."Ö"`, Key: "\x00\x00\x00\x01\xff", Epoch: 3, Cause: "failed", First: noon, Last: noon.Add(time.Second),
	Marks: []Mark{{TxID: 1 << 40, Incarnation: "734/1/99", Until: "transaction", Cause: "budget", Count: 2}, {Until: "", Cause: "crash", Count: 1}},
}

func dirtyKeys(t *testing.T, s *Store) []DirtyKey {
	t.Helper()
	var keys []DirtyKey
	if err := s.DirtyKeys(t.Context(), func(k DirtyKey) error { keys = append(keys, k); return nil }); err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(keys, func(a, b DirtyKey) int { return cmp.Or(cmp.Compare(a.Table, b.Table), cmp.Compare(a.Key, b.Key)) })
	return keys
}

func mustChange(t *testing.T, s *Store, c *Changes) {
	t.Helper()
	if err := s.Change(t.Context(), c); err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsDirtySurvives(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir)
	other := aDirtyKey
	other.Key, other.Marks = "", aDirtyKey.Marks[:1]
	ranges := []DirtyRange{
		{ID: 4, Table: "public.a", Epoch: 1, Cause: "new", Started: noon, Updated: noon, Marks: aDirtyKey.Marks},
		{ID: 9, Table: "public.a", Low: "\x00", High: "\xff", Rows: 7, Cause: "bulk", Started: noon, Updated: noon.Add(time.Hour), Marks: aDirtyKey.Marks[:1]},
	}
	mapped := []MappedTable{{"public.a", "abc", noon}, {"public.b", "", noon}}
	mustChange(t, s, &Changes{Keys: []DirtyKey{aDirtyKey, other}, Ranges: ranges, Mapped: mapped})
	mustClose(t, s)

	s = mustOpen(t, dir)
	if diff := gocmp.Diff([]DirtyKey{other, aDirtyKey}, dirtyKeys(t, s)); diff != "" {
		t.Error(diff)
	}
	got, err := s.DirtyRanges(t.Context())
	if diff := gocmp.Diff(ranges, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	tables, err := s.Mapped(t.Context())
	if diff := gocmp.Diff(mapped, tables); diff != "" || err != nil {
		t.Error(diff, err)
	}

	changed, gone := aDirtyKey, other
	changed.Cause, changed.Marks, gone.Marks = "lost", aDirtyKey.Marks[1:], nil
	ranges[1].Low = "\x01"
	mustChange(t, s, &Changes{Keys: []DirtyKey{changed, gone}, Ranges: ranges[1:], Finished: []uint64{4}, Unmapped: []string{"public.b"}})
	if diff := gocmp.Diff([]DirtyKey{changed}, dirtyKeys(t, s)); diff != "" {
		t.Error(diff)
	}
	got, err = s.DirtyRanges(t.Context())
	if diff := gocmp.Diff(ranges[1:], got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	mustChange(t, s, &Changes{Cleared: []string{aDirtyKey.Table}, Keys: []DirtyKey{other}})
	if diff := gocmp.Diff([]DirtyKey{other}, dirtyKeys(t, s)); diff != "" {
		t.Error("a table is cleared before its keys are written", diff)
	}
}

func TestAChangeIsWholeOrNotThere(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	faulty := aDirtyKey
	faulty.Key, faulty.Marks = "x", []Mark{{Until: "a\tb", Count: 1}}
	if err := s.Change(t.Context(), &Changes{Keys: []DirtyKey{aDirtyKey, faulty}}); err == nil {
		t.Error("a mark that cannot be read again was written")
	}
	if _, err := s.write.ExecContext(t.Context(), "PRAGMA max_page_count = 1"); err != nil { // not below what there is
		t.Fatal(err)
	}
	many := make([]DirtyKey, 5000)
	for i := range many {
		many[i] = aDirtyKey
		many[i].Key = strings.Repeat("k", 100+i)
	}
	err := s.Change(t.Context(), &Changes{Keys: many})
	if err == nil || !strings.Contains(err.Error(), "the disk is full") {
		t.Errorf("got %v", err)
	}
	if keys := dirtyKeys(t, s); len(keys) != 0 {
		t.Errorf("%d keys are there", len(keys))
	}
}

func TestMarksThatCannotBeRead(t *testing.T) {
	for _, text := range []string{"", "1", "1\t1\ta\tb", "1\t0\ta\tb\tc", "x\t1\ta\tb\tc", "1\t1\ta\tb\tc\td", "1\t1\ta\tb\tc\n"} {
		s := mustOpen(t, t.TempDir())
		mustChange(t, s, &Changes{Keys: []DirtyKey{aDirtyKey}})
		if _, err := s.write.ExecContext(t.Context(), "UPDATE dirty_keys SET marks = ?", text); err != nil {
			t.Fatal(err)
		}
		err := s.DirtyKeys(t.Context(), func(DirtyKey) error { return nil })
		if !errors.Is(err, ErrDamaged) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzMarks(f *testing.F) {
	f.Add([]byte("1099511627776\t2\ttransaction\tbudget\t734/1/99\n0\t1\t\tcrash\t"))
	f.Fuzz(func(t *testing.T, text []byte) {
		marks, err := marksOf(text, words{})
		if err != nil {
			return
		}
		again, err := marksText(marks)
		if err != nil {
			t.Fatal(err)
		}
		read, err := marksOf([]byte(again), words{})
		if diff := gocmp.Diff(marks, read); diff != "" || err != nil {
			t.Fatal(diff, err)
		}
	})
}
