package live

import (
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/crossfade-db/crossfade/router"
)

func TestSessionsAreThoseThatWereSaid(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := begin(t, Options{})
		defer l.Close()
		want := map[uint64]Session{}
		number := rapid.Uint64Range(0, 300)
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				s := Session{
					ID: number.Draw(t, "id"), User: rapid.String().Draw(t, "user"),
					Side: router.Side(rapid.IntRange(0, 1).Draw(t, "side")),
					Pin:  rapid.SampledFrom([]router.Reason{router.None, router.PinListen, router.PinTemporary}).Draw(t, "pin"),
				}
				want[s.ID] = s
				l.PutSession(s)
			},
			"delete": func(t *rapid.T) {
				n := number.Draw(t, "id")
				delete(want, n)
				l.DeleteSession(n)
			},
			"": func(t *rapid.T) {
				got, counts := map[uint64]Session{}, Counts{}
				for s := range l.Sessions() {
					got[s.ID] = *s
				}
				for _, s := range want {
					counts.Sides[s.Side]++
					if s.Pin != router.None {
						counts.Pins[s.Pin]++
					}
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatal(diff)
				}
				if diff := cmp.Diff(counts, l.CountSessions()); diff != "" {
					t.Fatal(diff)
				}
			},
		})
	})
}

func TestSessionsAreOfOneInstant(t *testing.T) {
	l := begin(t, Options{})
	defer l.Close()
	for n := range uint64(100) {
		l.PutSession(Session{ID: n})
	}
	next := uint64(0)
	for s := range l.Sessions() {
		if s.ID != next || s.Side != router.Source {
			t.Fatalf("want %d on the source, got %+v", next, s)
		}
		next++
		l.DeleteSession(s.ID + 1)
		l.PutSession(Session{ID: s.ID + 2, Side: router.Target})
	}
	if next != 100 {
		t.Errorf("%d sessions", next)
	}
	for range l.Sessions() {
		break // a look may end early
	}
}

func session(n int) Session {
	return Session{
		ID: uint64(n), User: "app", Key: "application_name", Bucket: uint16(n % 10000),
		Side: router.Side(n % 2), Since: time.Unix(int64(n), 0),
	}
}

func TestASessionTakesLittleMemory(t *testing.T) {
	const count, most = 10000, 700 // bytes
	l := begin(t, Options{})
	defer l.Close()
	used := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC() // what the first has only marked as free
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := used()
	for n := range count {
		l.PutSession(session(n))
	}
	for n := range count { // a change of side leaves nothing behind
		s := session(n)
		s.Side = 1 - s.Side
		l.PutSession(s)
	}
	each := (used() - before) / count
	t.Logf("%d bytes a session", each)
	if each > most {
		t.Errorf("a session takes %d bytes, and %d is the most", each, most)
	}
	for n := range count {
		l.DeleteSession(uint64(n))
	}
	if left := int64(used()) - int64(before); left > 64*1024 {
		t.Errorf("%d bytes are left when all sessions are over", left)
	}
}

func TestTheLatestActsAreKept(t *testing.T) {
	l := begin(t, Options{})
	defer l.Close()
	for n := range uint64(tail + 500) {
		l.AddAct(Act{Seq: n + 1, Act: "canary set"})
	}
	for _, c := range []struct{ ask, want int }{{0, 0}, {1, 1}, {20, 20}, {5000, tail}} {
		got := l.Acts(c.ask)
		if len(got) != c.want {
			t.Fatalf("of %d acts: %d, want %d", c.ask, len(got), c.want)
		}
		for i, a := range got {
			if want := uint64(tail + 500 - c.want + i + 1); a.Seq != want {
				t.Fatalf("act %d of %d is %d, want %d", i, c.want, a.Seq, want)
			}
		}
	}
}

func BenchmarkPutSession(b *testing.B) {
	l := begin(b, Options{})
	defer l.Close()
	for n := range 10000 {
		l.PutSession(session(n))
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n++
		l.PutSession(session(n % 10000))
	}
}

func BenchmarkCountSessions10000(b *testing.B) {
	l := begin(b, Options{})
	defer l.Close()
	for n := range 10000 {
		l.PutSession(session(n))
	}
	for b.Loop() {
		l.CountSessions()
	}
}
