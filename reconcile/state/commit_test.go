package state

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestANewDirectoryBeginsInObserve(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	got, err := s.Runtime(t.Context())
	if err != nil || got != (Runtime{Phase: "observe"}) {
		t.Fatalf("got %+v, %v", got, err)
	}
	if v := mustVerify(t, s); v != (Verdict{Head: origin}) {
		t.Errorf("got %+v", v)
	}
}

func TestACommitIsThereAfterReopening(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir)
	want := Runtime{Version: 1, Phase: "canary", Share: 25}
	r, err := s.Commit(t.Context(), want, Act{Actor: "ops", Door: "cli", Act: "canary set", Object: "share", Reason: "<first> & \"step\"", Result: "done"})
	if err != nil {
		t.Fatal(err)
	}
	if got := string(r.Before); got != `{"phase":"observe","share":0,"version":0}` {
		t.Errorf("before: %s", got)
	}
	if got := string(r.After); got != `{"phase":"canary","share":0.25,"version":1}` {
		t.Errorf("after: %s", got)
	}
	mustClose(t, s)

	s = mustOpen(t, dir)
	if got, err := s.Runtime(t.Context()); err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	records, err := s.Records(t.Context(), Query{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Record{r}, records); diff != "" {
		t.Errorf("what Commit returned is not what is stored:\n%s", diff)
	}
	text, err := json.Marshal(records[0])
	if err != nil {
		t.Fatal(err)
	}
	var back Record
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r, back); diff != "" {
		t.Errorf("a record changes on its way through JSON:\n%s", diff)
	}
}

func TestAnActLeavesTheRuntimeAsItIs(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	fill(t, s, 2)
	before, _ := s.Runtime(t.Context())
	r, err := s.Record(t.Context(), Act{Actor: "aud", Act: "audit list"})
	if err != nil {
		t.Fatal(err)
	}
	after, _ := s.Runtime(t.Context())
	if before != after || r.Runtime != after || r.Seq != 3 || string(r.Before) != "null" {
		t.Errorf("before %+v, after %+v, record %+v", before, after, r)
	}
}

func TestAVersionThatDoesNotFollowIsStale(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	fill(t, s, 2)
	for _, version := range []uint64{0, 1, 2, 4} {
		_, err := s.Commit(t.Context(), Runtime{Version: version, Phase: "canary"}, Act{Actor: "ops", Act: "canary set"})
		if !errors.Is(err, ErrStale) {
			t.Errorf("version %d after 2: %v", version, err)
		}
	}
	if v := mustVerify(t, s); v.Records != 2 || v.Broken != 0 {
		t.Errorf("refused commits left %+v", v)
	}
}

func TestOfCommitsAtOnceExactlyOneWins(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	for version := uint64(1); version <= 10; version++ {
		const rivals = 8
		errs := make([]error, rivals)
		var wg sync.WaitGroup
		for i := range rivals {
			wg.Go(func() {
				next := Runtime{Version: version, Phase: "canary", Share: uint16(i)}
				_, errs[i] = s.Commit(t.Context(), next, Act{Actor: "ops", Act: "canary set"})
			})
		}
		wg.Wait()
		winner, won := 0, 0
		for i, err := range errs {
			switch {
			case err == nil:
				winner, won = i, won+1
			case !errors.Is(err, ErrStale):
				t.Errorf("rival %d: %v", i, err)
			}
		}
		now, err := s.Runtime(t.Context())
		if err != nil || won != 1 || now != (Runtime{Version: version, Phase: "canary", Share: uint16(winner)}) {
			t.Fatalf("%d won, the last is %d, in force is %+v, %v", won, winner, now, err)
		}
	}
	if v := mustVerify(t, s); v.Records != 10 || v.Broken != 0 {
		t.Errorf("got %+v", v)
	}
}

func TestActsThatAreRefused(t *testing.T) {
	deep := json.RawMessage(strings.Repeat("[", 40) + strings.Repeat("]", 40))
	cases := []struct {
		name string
		act  Act
		says string
	}{
		{"nobody did it", Act{Act: "abort"}, "needs an actor"},
		{"nothing was done", Act{Actor: "ops"}, "needs an actor and a name"},
		{"one name twice", Act{Actor: "ops", Act: "abort", Before: json.RawMessage(`{"a":1,"a":2}`)}, "before of act \"abort\": it has one name twice"},
		{"not JSON", Act{Actor: "ops", Act: "abort", After: json.RawMessage(`{`)}, "after of act \"abort\""},
		{"too deep", Act{Actor: "ops", Act: "abort", After: deep}, "nests deeper"},
		{"too long", Act{Actor: "ops", Act: "abort", Reason: strings.Repeat("x", maxAct)}, "65536 is the most"},
	}
	s := mustOpen(t, t.TempDir())
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if _, err := s.Record(t.Context(), c.act); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want %q", err, c.says)
			}
		})
	}
	if _, err := s.Commit(t.Context(), Runtime{Version: 1}, Act{Actor: "ops", Act: "abort"}); err == nil {
		t.Error("a runtime without a phase was taken")
	}
	if v := mustVerify(t, s); v.Records != 0 || v.Broken != 0 {
		t.Errorf("got %+v", v)
	}
}

func TestACancelledCommitChangesNothing(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Commit(ctx, Runtime{Version: 1, Phase: "canary"}, Act{Actor: "ops", Act: "x"}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if now, err := s.Runtime(t.Context()); err != nil || now.Version != 0 {
		t.Errorf("got %+v, %v", now, err)
	}
}

func TestRecordsAreFoundByWhatIsAsked(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	fill(t, s, 9) // 3, 6 and 9 are by crossfade
	cases := []struct {
		name  string
		query Query
		want  []uint64
	}{
		{"all", Query{}, []uint64{1, 2, 3, 4, 5, 6, 7, 8, 9}},
		{"after", Query{After: 7}, []uint64{8, 9}},
		{"limit", Query{After: 2, Limit: 2}, []uint64{3, 4}},
		{"actor", Query{Actor: "crossfade"}, []uint64{3, 6, 9}},
		{"act", Query{Act: "canary set", After: 4}, []uint64{5, 7, 8}},
		{"both and limit", Query{Act: "start", Actor: "crossfade", After: 3, Limit: 1}, []uint64{6}},
		{"neither", Query{Act: "start", Actor: "ops"}, nil},
		{"after the end", Query{After: 1<<64 - 1}, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			records, err := s.Records(t.Context(), c.query)
			if err != nil {
				t.Fatal(err)
			}
			var got []uint64
			for _, r := range records {
				got = append(got, r.Seq)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func BenchmarkCommit(b *testing.B) {
	s, err := Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	for b.Loop() {
		if _, err := step(b.Context(), s); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify10000(b *testing.B) {
	s, err := Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	for range 10000 {
		if _, err := s.Record(b.Context(), Act{Actor: "ops", Act: "note"}); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if v, err := s.Verify(b.Context()); err != nil || v.Records != 10000 {
			b.Fatal(v, err)
		}
	}
}
