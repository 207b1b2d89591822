package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func seen(as DivergenceState, at time.Time) Seen {
	return Seen{
		Sighting: Sighting{
			Kind: Value, Table: "public.a", Key: "\x00secret", KeyShown: "hmac:12:6", Columns: []string{"mail"}, Digest: "d1", TxID: 1 << 40, Epoch: 2,
			Cause: "failed", Before: json.RawMessage(`{"mail":"hmac:1"}`), After: json.RawMessage(`{"mail":"hmac:2"}`),
		},
		State: as, At: at,
	}
}

func mustDiverge(t *testing.T, s *Store, all ...Seen) []error {
	t.Helper()
	fates, err := s.Diverge(t.Context(), 0, all...)
	if err != nil {
		t.Fatal(err)
	}
	return fates
}

func only(t *testing.T, s *Store) Divergence {
	t.Helper()
	all, err := s.Divergences(t.Context(), DivergenceQuery{})
	if err != nil || len(all) != 1 {
		t.Fatalf("%d divergences, %v", len(all), err)
	}
	return all[0]
}

func TestADivergenceIsKept(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir)
	first := seen(Suspected, noon)
	mustDiverge(t, s, first, seen(Confirmed, noon.Add(time.Minute)))
	mustClose(t, s)
	s = mustOpen(t, dir)
	got := only(t, s)
	want := Divergence{
		ID: got.ID, State: Confirmed, Sighting: first.Sighting, FirstSeen: noon, LastSeen: noon.Add(time.Minute), Count: 2,
		Life: Life{Confirmed: noon.Add(time.Minute)},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]any{}
	if err := json.Unmarshal(text, &keys); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"id", "state", "kind", "table", "key", "columns", "digest", "first_seen", "last_seen", "epoch", "cause"} {
		if _, there := keys[name]; !there {
			t.Errorf("%s has no %s", text, name)
		}
	}
	if keys["key"] != "hmac:12:6" {
		t.Errorf("the key is shown as %v", keys["key"])
	}
}

// TestTheLifeOfADivergence walks the whole table: from every state to every
// other, by SetState and by being seen.
func TestTheLifeOfADivergence(t *testing.T) {
	states := []DivergenceState{Suspected, Confirmed, Repaired, Verified, Waived}
	// Rows are where it is, columns what it is to become: . no, s only by SetState, b also by being seen, = stays so when seen.
	want := map[DivergenceState]string{
		Suspected: "=bbb.",
		Confirmed: "==bb.", // what is proven stays so
		Repaired:  "bb=b.",
		Verified:  "bbb=.",
		Waived:    "sssb.", // while its waiver lasts
	}
	for _, from := range states {
		for i, to := range states {
			t.Run(fmt.Sprintf("%s to %s", from, to), func(t *testing.T) {
				rule := want[from][i]
				s := mustOpen(t, t.TempDir())
				bring(t, s, from)
				err := s.SetState(t.Context(), only(t, s).ID, to, noon)
				var refused *TransitionError
				if allowed := rule == 's' || rule == 'b'; allowed != (err == nil) || err != nil && !errors.As(err, &refused) {
					t.Errorf("SetState: %v", err)
				}

				s = mustOpen(t, t.TempDir())
				bring(t, s, from)
				again := seen(to, noon)
				fate := mustDiverge(t, s, again)[0]
				now := only(t, s).State
				switch {
				case to == Waived:
					if fate == nil || now != from {
						t.Errorf("it was seen as waived: %v, %s", fate, now)
					}
				case rule == 'b' && (fate != nil || now != to):
					t.Errorf("seen so it is %s, %v", now, fate)
				case rule != 'b' && (fate != nil || now != from):
					t.Errorf("seen so it is %s, %v", now, fate)
				}
			})
		}
	}
}

// bring makes a divergence in a state.
func bring(t *testing.T, s *Store, to DivergenceState) {
	t.Helper()
	as := to
	if to == Waived {
		as = Confirmed
	}
	if fate := mustDiverge(t, s, seen(as, noon))[0]; fate != nil {
		t.Fatal(fate)
	}
	if to == Waived {
		if err := s.Waive(t.Context(), only(t, s).ID, Waiver{By: "ann", Reason: "old rows", Since: noon, Until: noon.Add(time.Hour)}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWaivers(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	bring(t, s, Waived)
	id := only(t, s).ID
	want := &Waiver{By: "ann", Reason: "old rows", Since: noon, Until: noon.Add(time.Hour), From: Confirmed}
	if diff := cmp.Diff(want, only(t, s).Waiver); diff != "" {
		t.Error(diff)
	}
	for _, w := range []Waiver{
		{Reason: "x", Since: noon, Until: noon.Add(1)}, {By: "x", Since: noon, Until: noon.Add(1)}, {By: "x", Reason: "x", Since: noon, Until: noon},
	} {
		if err := s.Waive(t.Context(), id, w); err == nil {
			t.Errorf("%+v waives", w)
		}
	}
	if err := s.Waive(t.Context(), id, Waiver{By: "bob", Reason: "longer", Since: noon, Until: noon.Add(2 * time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Expire(t.Context(), noon.Add(time.Hour)); n != 0 || err != nil {
		t.Errorf("%d ended early, %v", n, err)
	}
	if n, err := s.Expire(t.Context(), noon.Add(2*time.Hour)); n != 1 || err != nil {
		t.Errorf("%d ended, %v", n, err)
	}
	if d := only(t, s); d.State != Confirmed || d.Waiver.By != "bob" {
		t.Errorf("got %+v", d)
	}
	bringBack := Waiver{By: "ann", Reason: "again", Since: noon, Until: noon.Add(time.Hour)}
	if err := s.Waive(t.Context(), id, bringBack); err != nil {
		t.Fatal(err)
	}
	mustDiverge(t, s, seen(Repaired, noon.Add(2*time.Hour))) // after its end, also when nobody has called Expire
	if d := only(t, s); d.State != Repaired {
		t.Errorf("got %+v", d)
	}
	if err := s.SetState(t.Context(), id, Verified, noon); err != nil {
		t.Fatal(err)
	}
	var refused *TransitionError
	if err := s.Waive(t.Context(), id, bringBack); !errors.As(err, &refused) {
		t.Errorf("what is equal was waived: %v", err)
	}
	if err := s.Waive(t.Context(), id+1, bringBack); !errors.Is(err, ErrNoDivergence) {
		t.Errorf("got %v", err)
	}
	if _, ok, err := s.Divergence(t.Context(), id+1); ok || err != nil {
		t.Errorf("got %t, %v", ok, err)
	}
}

func TestAKeyThatIsEqualVerifiesAllThatItHad(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	missing, other := seen(Repaired, noon), seen(Repaired, noon)
	missing.Kind, other.Key = Missing, "other"
	mustDiverge(t, s, seen(Repaired, noon), missing, other)
	mustDiverge(t, s, Seen{Sighting: Sighting{Table: "public.a", Key: "\x00secret"}, State: Verified, At: noon.Add(time.Hour)})
	counts, err := s.CountDivergences(t.Context())
	want := []DivergenceCount{{"public.a", Missing, Verified, 1}, {"public.a", Value, Repaired, 1}, {"public.a", Value, Verified, 1}}
	if diff := cmp.Diff(want, counts); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

func TestDivergencesOfATableAreBounded(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	kept := func(table string, as DivergenceState, n int) (kept int) {
		t.Helper()
		for i := range n {
			one := seen(as, noon)
			one.Table, one.Key = table, fmt.Sprint(as, i)
			fates, err := s.Diverge(t.Context(), 10, one)
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case fates[0] == nil:
				kept++
			case !errors.Is(fates[0], ErrNoRoom):
				t.Fatal(fates[0])
			}
		}
		return kept
	}
	if n := kept("public.a", Suspected, 50); n != 5 {
		t.Errorf("%d suspicions are kept", n)
	}
	if n := kept("public.a", Confirmed, 50); n != 5 {
		t.Errorf("beside suspicions %d proven ones are kept", n)
	}
	if n := kept("public.a", Suspected, 5); n != 5 {
		t.Errorf("%d of those that are there are seen again", n)
	}
	if n := kept("public.b", Confirmed, 50); n != 10 {
		t.Errorf("of another table %d are kept", n)
	}
	large := seen(Confirmed, noon)
	large.Before = make(json.RawMessage, sightingMost+1)
	if fate := mustDiverge(t, s, large)[0]; !errors.Is(fate, ErrNoRoom) {
		t.Errorf("a large one: %v", fate)
	}
}

func TestWhatDivergencesAreAskedFor(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	for i := range 5 {
		one := seen(Confirmed, noon)
		one.Key = fmt.Sprint(i)
		if i == 3 {
			one.Table, one.Kind, one.State = "public.b", Extra, Suspected
		}
		mustDiverge(t, s, one)
	}
	for _, c := range []struct {
		q    DivergenceQuery
		want int
	}{
		{DivergenceQuery{}, 5},
		{DivergenceQuery{Limit: 2}, 2},
		{DivergenceQuery{After: 3}, 2},
		{DivergenceQuery{Table: "public.a"}, 4},
		{DivergenceQuery{Kind: Extra}, 1},
		{DivergenceQuery{State: Suspected}, 1},
		{DivergenceQuery{State: Suspected, Table: "public.a"}, 0},
		{DivergenceQuery{After: 1 << 63}, 0},
	} {
		if got, err := s.Divergences(t.Context(), c.q); len(got) != c.want || err != nil {
			t.Errorf("%+v: %d, %v", c.q, len(got), err)
		}
	}
}

func TestCoverageAddsUp(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	add := func(most int, c ...Coverage) {
		t.Helper()
		if err := s.AddCoverage(t.Context(), most, c); err != nil {
			t.Fatal(err)
		}
	}
	add(2, Coverage{Digest: "a", Kind: "update", Tables: []string{"public.a"}, Seen: 3, Mirrored: 2, Skipped: map[string]uint64{"breaker": 1}})
	add(2, Coverage{Digest: "a", Kind: "update", Seen: 1, Compared: 4, Matched: 3, Diverged: 1, Skipped: map[string]uint64{"breaker": 1, "budget": 2}},
		Coverage{Digest: "b", Kind: "select", Seen: 1}, Coverage{Digest: "c", Kind: "select", Seen: 1}, Coverage{Digest: "d", Kind: "insert", Seen: 5})
	got, err := s.Coverage(t.Context())
	want := []Coverage{
		{"a", "update", []string{"public.a"}, 4, 2, 4, 3, 1, map[string]uint64{"breaker": 2, "budget": 2}},
		{"b", "select", []string{}, 1, 0, 0, 0, 0, map[string]uint64{}},
		{Other, Other, []string{}, 6, 0, 0, 0, 0, map[string]uint64{}},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
}
