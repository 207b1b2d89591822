package reconcile

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/crossfade-db/crossfade/reconcile/state"
)

func TestTheRateOfDivergences(t *testing.T) {
	s, err := state.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	now := time.Unix(1000, 0)
	d := NewDivergences(s, DivergenceOptions{PerTable: 12, PerSecond: 5, Now: func() time.Time { return now }})
	kept := func(table string, n int, as state.DivergenceState) (kept int) {
		t.Helper()
		for i := range n {
			err := d.Diverge(state.Seen{
				Sighting: state.Sighting{Table: table, Key: fmt.Sprint(now.Unix(), i), Kind: state.Missing}, State: as, At: now,
			})
			switch {
			case err == nil:
				kept++
			case !errors.Is(err, ErrDropped):
				t.Fatal(err)
			}
		}
		return kept
	}
	for second, want := range []int{5, 5, 2, 0} { // there is room for twelve
		now = now.Add(time.Second)
		if n := kept("public.a", 20, state.Confirmed); n != want {
			t.Errorf("second %d: %d are kept", second, n)
		}
	}
	if n := kept("public.b", 3, state.Confirmed); n != 3 {
		t.Errorf("of another table %d are kept", n)
	}
	if diff := cmp.Diff(map[string]uint64{"public.a": 68}, d.Dropped()); diff != "" {
		t.Error(diff)
	}
	if n := kept("public.b", 3, state.Verified); n != 3 {
		t.Errorf("%d are verified", n)
	}
}

// slowSightings is a store whose first transaction waits.
type slowSightings struct {
	first, goOn chan struct{}
	once        sync.Once
	mu          sync.Mutex
	sizes       []int
	err         error
}

func (s *slowSightings) Diverge(_ context.Context, _ int, seen ...state.Seen) ([]error, error) {
	s.once.Do(func() { close(s.first); <-s.goOn })
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sizes = append(s.sizes, len(seen))
	fates := make([]error, len(seen))
	for i := range seen {
		if seen[i].Key == "bad" {
			fates[i] = &state.TransitionError{}
		}
	}
	return fates, s.err
}

func TestDivergencesAreWrittenTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slowSightings{first: make(chan struct{}), goOn: make(chan struct{})}
		d := newDivergences(s, DivergenceOptions{})
		results := make(chan error, 21)
		note := func(key string) {
			results <- d.Diverge(state.Seen{Sighting: state.Sighting{Table: "public.a", Key: key}, State: state.Confirmed})
		}
		go note("0")
		<-s.first
		for range 19 {
			go note("x")
		}
		go note("bad")
		synctest.Wait()
		close(s.goOn)
		faults := 0
		for range 21 {
			var refused *state.TransitionError
			if err := <-results; errors.As(err, &refused) {
				faults++
			} else if err != nil {
				t.Error(err)
			}
		}
		if diff := cmp.Diff([]int{1, 20}, s.sizes); diff != "" || faults != 1 {
			t.Errorf("%d faults, %s", faults, diff)
		}
		s.err = errFull
		if err := d.Diverge(state.Seen{Sighting: state.Sighting{Table: "public.a"}, State: state.Confirmed}); !errors.Is(err, errFull) {
			t.Errorf("got %v", err)
		}
	})
}

func TestAnExportHasNoFormulas(t *testing.T) {
	at := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	hostile := []string{"=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1", "＝1", "'=1", "|cmd", "%0A=1", "\ufeff=1"}
	var found []state.Divergence
	for i, text := range hostile {
		found = append(found, state.Divergence{
			ID: uint64(i), State: state.Waived, FirstSeen: at, LastSeen: at, Waiver: &state.Waiver{By: text, Reason: text, Until: at},
			Sighting: state.Sighting{Kind: state.Value, Table: text, KeyShown: text, Key: "secret", Columns: []string{text}, Digest: text, Cause: text},
		})
	}
	found = append(found, state.Divergence{
		ID: 99, State: state.Confirmed, FirstSeen: at, LastSeen: at, Count: 3,
		Sighting: state.Sighting{Kind: state.Value, Table: "public.a", KeyShown: `"a,b"`, Columns: []string{"x", "y"}, Epoch: 1, TxID: 7, Cause: "failed"},
	})
	var out bytes.Buffer
	w, err := NewDivergencesCSV(&out)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(found); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "secret") {
		t.Error("a key is in the clear")
	}
	rows, err := csv.NewReader(&out).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows[1 : len(rows)-1] {
		for _, i := range []int{3, 4, 5, 6, 12, 13, 14} {
			if !strings.HasPrefix(row[i], "'") {
				t.Errorf("%s is %q", rows[0][i], row[i])
			}
		}
	}
	want := []string{
		"99", "confirmed", "value", "public.a", `"a,b"`, "x y", "", "7", "2026-07-01T12:00:00Z", "2026-07-01T12:00:00Z", "3", "1", "failed", "", "", "",
	}
	if diff := cmp.Diff(want, rows[len(rows)-1]); diff != "" {
		t.Error(diff)
	}
}
