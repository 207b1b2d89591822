package state

import "testing"

func TestASightingOfWhatIsKnownOnly(t *testing.T) {
	s, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	of := func(key string, as DivergenceState, known bool) Seen {
		return Seen{Sighting: Sighting{Kind: Uncertain, Table: "public.a", Key: key}, State: as, At: noon, Known: known}
	}
	mustDiverge(t, s, of("1", Suspected, false))
	mustDiverge(t, s, of("1", Verified, true))
	mustDiverge(t, s, of("2", Verified, true))
	mustDiverge(t, s, of("3", Repaired, true))
	found, err := s.Divergences(t.Context(), DivergenceQuery{})
	if err != nil || len(found) != 1 || found[0].State != Verified || found[0].Key != "1" {
		t.Errorf("found %+v, %v", found, err)
	}
}
