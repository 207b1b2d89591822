package router

import (
	"fmt"
	"math"
	"strconv"
	"testing"

	"pgregory.net/rapid"
)

// The five vectors of docs/reference.md. docs/bucket.py computes them without
// this code, and they never change.
var vectors = []struct {
	salt   string
	key    Key
	value  string
	bucket uint16
}{
	{"shop-v2", "user", "app", 1468},
	{"shop-v2", "application_name", "checkout", 8899},
	{"shop-v2", "startup:user_id", "42", 3754},
	{"", "client_address", "192.0.2.1", 4741},
	{"Ümläut", "user", "日本", 9382},
}

func TestBucketsAreThoseOfTheVectors(t *testing.T) {
	for _, v := range vectors {
		if got := Bucket(v.salt, v.key, v.value); got != v.bucket {
			t.Errorf("%q %q %q: bucket %d, want %d", v.salt, v.key, v.value, got, v.bucket)
		}
	}
}

// canary is a policy that sends a share to the target by user.
func canary(share Share) *Snapshot {
	return &Snapshot{
		Policy: Policy{Phase: Canary, Share: share, Writes: WritesRefuse, Salt: "s", Keys: []Key{keyUser}},
		Target: TargetOpen,
	}
}

func TestAZeroPolicySendsEverythingToTheSource(t *testing.T) {
	var none *Snapshot
	for name, s := range map[string]*Snapshot{"nil": none, "zero": {}, "a target and nothing else": {Target: TargetOpen}} {
		for bucket := range uint16(Whole) {
			if side, _ := s.Decide(Place{Bucket: bucket, Forced: ForcedIn}, None); side != Source {
				t.Fatalf("%s: bucket %d goes to the %s", name, bucket, side)
			}
		}
	}
}

func TestDecide(t *testing.T) {
	in, out := Place{Bucket: 0}, Place{Bucket: 9999}
	with := func(change func(*Snapshot)) *Snapshot {
		s := canary(5000)
		change(s)
		return s
	}
	cases := []struct {
		name    string
		s       *Snapshot
		at      Place
		against Reason
		side    Side
		why     Reason
	}{
		{"below the share", canary(1), in, None, Target, InShare},
		{"at the share", canary(1), Place{Bucket: 1}, None, Source, OutOfShare},
		{"not below the share", canary(9999), out, None, Source, OutOfShare},
		{"everybody", canary(Whole), out, None, Target, InShare},
		{"forced in", canary(1), Place{Bucket: 9999, Forced: ForcedIn}, None, Target, ListedIn},
		{"forced out", canary(Whole), Place{Forced: ForcedOut}, None, Source, ListedOut},
		{"a share of 0 is nobody, forced or not", canary(0), Place{Forced: ForcedIn}, None, Source, OutOfShare},
		{"another phase", with(func(s *Snapshot) { s.Phase = Mirror }), in, None, Source, WrongPhase},
		{"nobody has said what becomes of writes", with(func(s *Snapshot) { s.Writes = WritesUnset }), in, None, Source, WrongPhase},
		{"no target", with(func(s *Snapshot) { s.Target = TargetNone }), in, None, Source, NoTarget},
		{"a broken target", with(func(s *Snapshot) { s.Target = TargetBroken }), in, None, Source, Broken},
		{"something against it", canary(5000), in, Catalog, Source, Catalog},
		{"out of the share comes before what is against it", canary(1), out, Catalog, Source, OutOfShare},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if side, why := c.s.Decide(c.at, c.against); side != c.side || why != c.why {
				t.Errorf("%s, %s, want %s, %s", side, why, c.side, c.why)
			}
		})
	}
}

// Raising the share only adds sessions, lowering it only removes some, and the
// same session has the same side whenever it is asked.
func TestSharesAreStableAndMonotone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		session := Session{User: rapid.StringN(1, 20, -1).Draw(t, "user")}
		small := Share(rapid.IntRange(1, int(Whole)).Draw(t, "small"))
		large := Share(rapid.IntRange(int(small), int(Whole)).Draw(t, "large"))
		a, b := canary(small), canary(large)
		first, _ := a.Decide(a.Place(&session), None)
		again, _ := a.Decide(a.Place(&session), None)
		wider, _ := b.Decide(b.Place(&session), None)
		if first != again {
			t.Fatal("two sides for one session")
		}
		if first == Target && wider != Target {
			t.Fatalf("in at %s, out at %s", small, large)
		}
	})
}

// Each share gets its part of 100,000 sessions within 0.3 points.
func TestSharesAreEven(t *testing.T) {
	const sessions = 100_000
	for _, key := range []Key{keyUser, keyAddress} {
		var buckets [Whole]int
		for i := range sessions {
			value := "user-" + strconv.Itoa(i)
			if key == keyAddress {
				value = fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255)
			}
			buckets[Bucket("salt", key, value)]++
		}
		in := 0
		for share := Share(1); share <= Whole; share++ {
			in += buckets[share-1]
			if got := 100 * float64(in) / sessions; math.Abs(got-share.Percent()) > 0.3 {
				t.Fatalf("%s: a share of %s%% is %.2f%% of sessions", key, share, got)
			}
		}
	}
}

func TestTheFirstKeyThatASessionHasPlacesIt(t *testing.T) {
	p := Policy{Salt: "s", Keys: []Key{"startup:user_id", keyApplication, keyUser}}
	cases := []struct {
		name    string
		session Session
		key     Key
		value   string
	}{
		{"a startup parameter", Session{User: "u", Application: "a", Startup: []Param{{"user_id", "7"}}}, "startup:user_id", "7"},
		{"an empty one is none", Session{User: "u", Application: "a", Startup: []Param{{"user_id", ""}}}, keyApplication, "a"},
		{"the last resort", Session{User: "u"}, keyUser, "u"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			place := p.Place(&c.session)
			if place.Key != c.key || place.Bucket != Bucket("s", c.key, c.value) {
				t.Errorf("placed by %q in %d", place.Key, place.Bucket)
			}
		})
	}
	if place := p.Place(&Session{}); place.Bucket != uint16(Whole)-1 || place.Key != "" {
		t.Errorf("without any key: %+v", place)
	}
}

func TestForcedListsMatchByPattern(t *testing.T) {
	pattern := func(text string) Pattern {
		p, err := ParsePattern(text)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	p := Policy{ForceIn: []Pattern{pattern("user=qa*")}, ForceOut: []Pattern{pattern("user=qa-bad"), pattern("client_address=10.*")}}
	for want, session := range map[Forced]Session{
		ForcedIn: {User: "qa-1"}, Free: {User: "app"}, ForcedOut: {User: "qa-bad"},
	} {
		if got := p.Place(&session).Forced; got != want {
			t.Errorf("%s is forced %d, want %d", session.User, got, want)
		}
	}
	p.ForceIn = append(p.ForceIn, pattern("startup:tenant=*"))
	if got := p.Place(&Session{User: "app"}).Forced; got != Free {
		t.Errorf("a session without the key is forced %d", got)
	}
	if got := p.Place(&Session{User: "qa-1", Address: "10.1.2.3"}).Forced; got != ForcedOut {
		t.Error("out comes before in")
	}
}

func TestWhatIsRefused(t *testing.T) {
	for _, text := range []string{"", "user", "users=x", "=x", "startup:=x", "user=[a"} {
		if _, err := ParsePattern(text); err == nil {
			t.Errorf("pattern %q is taken", text)
		}
	}
	for _, text := range []string{"", "User", "startup:", "comment:x"} {
		if _, err := ParseKey(text); err == nil {
			t.Errorf("key %q is taken", text)
		}
	}
	for _, text := range []string{"", "-1", "100.01", "0.005", "NaN", "Inf", "five", "1e3"} {
		if s, err := ParseShare(text); err == nil {
			t.Errorf("share %q is taken as %s", text, s)
		}
	}
	for text, want := range map[string]Share{"0": 0, "5": 500, "0.25": 25, "100": Whole, "33.33%": 3333, " 7 ": 700} {
		if got, err := ParseShare(text); err != nil || got != want {
			t.Errorf("share %q: %s, %v", text, got, err)
		}
	}
}

func TestEveryReasonHasAWordOfItsOwn(t *testing.T) {
	seen := map[string]Reason{}
	for r := range Reasons {
		if other, taken := seen[r.String()]; taken || r.String() == "" {
			t.Errorf("reasons %d and %d are both %q", r, other, r)
		}
		seen[r.String()] = r
	}
}

func TestDecidingAllocatesNothing(t *testing.T) {
	s, session := canary(5000), &Session{User: "app"}
	n := testing.AllocsPerRun(1000, func() {
		place := s.Place(session)
		s.Decide(place, None)
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkDecide(b *testing.B) {
	s, place := canary(5000), Place{Bucket: 4999}
	for b.Loop() {
		s.Decide(place, None)
	}
}

func BenchmarkPlace(b *testing.B) {
	s, session := canary(5000), &Session{User: "application"}
	for b.Loop() {
		s.Place(session)
	}
}
