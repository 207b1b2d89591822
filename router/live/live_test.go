package live

import (
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/crossfade-db/crossfade/router"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fataler is a test or a property.
type fataler interface {
	Helper()
	Fatal(args ...any)
}

func begin(t fataler, o Options) *Live {
	t.Helper()
	l, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// all is a place that any share above 0 has in.
var all = router.Place{Bucket: 0}

func TestAZeroLiveSendsEverythingToTheSource(t *testing.T) {
	var zero Live
	made := begin(t, Options{})
	defer made.Close()
	defer zero.Close()
	for name, l := range map[string]*Live{"zero": &zero, "made": made} {
		place := l.Snapshot().Place(&router.Session{User: "app"})
		for _, at := range []router.Place{place, all, {Forced: router.ForcedIn}} {
			if side, why := l.Snapshot().Decide(at, router.None); side != router.Source || why != router.NoTarget {
				t.Errorf("%s: %+v goes to %s because of %s", name, at, side, why)
			}
		}
		if l.Pointer().Load() != l.Snapshot() {
			t.Errorf("%s: the pointer is not the snapshot", name)
		}
		if c := l.CountSessions(); c != (Counts{}) || l.Acts(10) != nil || l.Backend(router.Target).State != router.TargetNone {
			t.Errorf("%s: it holds something", name)
		}
	}
}

func TestTheSnapshotIsWhatWasSetLast(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := router.Snapshot{
			Policy: router.Policy{Share: 10, Salt: "s", Keys: []router.Key{"user"}},
			Target: router.TargetOpen,
		}
		l := begin(t, Options{Policy: want.Policy, Target: want.Target})
		defer l.Close()
		compare := func() {
			if diff := cmp.Diff(&want, l.Pointer().Load()); diff != "" {
				t.Fatalf("the hot path reads another snapshot:\n%s", diff)
			}
		}
		compare()
		t.Repeat(map[string]func(*rapid.T){
			"": func(*rapid.T) { compare() },
			"policy": func(t *rapid.T) {
				want.Version++
				want.Phase = rapid.SampledFrom(router.Phases()).Draw(t, "phase")
				want.Share = rapid.Custom(func(t *rapid.T) router.Share { return router.Share(rapid.Uint16Max(10000).Draw(t, "n")) }).Draw(t, "share")
				want.Salt = rapid.String().Draw(t, "salt")
				l.SetPolicy(func(router.Policy) router.Policy { return want.Policy })
			},
			"share alone": func(*rapid.T) {
				want.Share++
				l.SetPolicy(func(p router.Policy) router.Policy { p.Share++; return p })
			},
			"target": func(t *rapid.T) {
				want.Target = rapid.SampledFrom([]router.TargetState{router.TargetNone, router.TargetOpen, router.TargetBroken}).Draw(t, "state")
				l.SetBackend(Backend{Side: router.Target, State: want.Target})
			},
			"source": func(*rapid.T) { l.SetBackend(Backend{Side: router.Source, State: router.TargetBroken}) },
			"other":  func(*rapid.T) { l.PutSession(Session{ID: 1}); l.AddAct(Act{Seq: 1}) },
			"close":  func(*rapid.T) { l.Close() },
		})
	})
}

// TestNoReaderSeesHalfAChange: every policy that is set says its number in
// three ways, and the readers, which do nothing else, must find them agree and
// never go back.
func TestNoReaderSeesHalfAChange(t *testing.T) {
	l := begin(t, Options{Policy: numbered(0)})
	defer l.Close()
	const changes, writers = 500, 2
	var over atomic.Bool
	var readers, setters sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for last := uint64(0); !over.Load(); {
				s := l.Pointer().Load()
				if diff := cmp.Diff(numbered(s.Version), s.Policy); diff != "" || s.Version < last {
					t.Errorf("after version %d:\n%s", last, diff)
					return
				}
				last = s.Version
			}
		})
	}
	for w := range writers {
		setters.Go(func() {
			for i := range changes {
				var set uint64
				l.SetPolicy(func(p router.Policy) router.Policy { set = p.Version + 1; return numbered(set) })
				if got := l.Snapshot().Version; got < set {
					t.Errorf("set %d, read %d", set, got)
				}
				l.SetBackend(Backend{Side: router.Target, State: router.TargetState(1 + i%2), Reason: strconv.Itoa(w)})
			}
		})
	}
	setters.Wait()
	over.Store(true)
	readers.Wait()
	if got := l.Snapshot().Version; got != writers*changes {
		t.Errorf("%d changes made version %d: some were lost", writers*changes, got)
	}
}

func numbered(version uint64) router.Policy {
	return router.Policy{
		Version: version, Phase: router.Canary, Writes: router.WritesRefuse, Share: router.Share(version % 10001), Salt: strconv.FormatUint(version, 10),
		Keys: []router.Key{router.Key("startup:" + strconv.FormatUint(version, 10))},
	}
}

func TestWhatAGiverChangesLaterChangesNothing(t *testing.T) {
	keys := []router.Key{"user"}
	l := begin(t, Options{Policy: router.Policy{Keys: keys}})
	defer l.Close()
	check := func(what string) {
		if got := l.Snapshot().Keys[0]; got != "user" {
			t.Errorf("%s made it %s", what, got)
		}
	}
	keys[0] = "application_name"
	check("who made it")
	var given, returned []router.Key
	old := l.Snapshot()
	l.SetPolicy(func(p router.Policy) router.Policy {
		given, returned = p.Keys, []router.Key{"user"}
		given[0], p.Keys = "client_address", returned
		return p
	})
	if old.Keys[0] != "user" {
		t.Errorf("a change was given the keys of the snapshot before it: %s", old.Keys[0])
	}
	check("what the change was given")
	returned[0] = "startup:x"
	check("what the change returned")
}

func TestASnapshotThatWasReadStays(t *testing.T) {
	l := begin(t, Options{Policy: numbered(1), Target: router.TargetOpen})
	defer l.Close()
	old := l.Snapshot()
	l.SetPolicy(func(router.Policy) router.Policy { return numbered(2) })
	l.SetBackend(Backend{Side: router.Target, State: router.TargetBroken})
	if diff := cmp.Diff(&router.Snapshot{Policy: numbered(1), Target: router.TargetOpen}, old); diff != "" {
		t.Error(diff)
	}
}

func TestAPanickingChangeLeavesEverythingAsItWas(t *testing.T) {
	l := begin(t, Options{Policy: numbered(1)})
	defer l.Close()
	func() {
		defer func() { _ = recover() }()
		l.SetPolicy(func(router.Policy) router.Policy { panic("test") })
	}()
	l.SetBackend(Backend{Side: router.Target, State: router.TargetOpen})
	if s := l.Snapshot(); s.Version != 1 || s.Target != router.TargetOpen {
		t.Errorf("got %+v", s)
	}
}

func TestChangedIsClosedByPolicyAndBackendsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := begin(t, Options{})
		defer l.Close()
		closed := func(c <-chan struct{}) bool {
			synctest.Wait()
			select {
			case <-c:
				return true
			default:
				return false
			}
		}
		steps := []struct {
			name string
			do   func()
			want bool
		}{
			{"nothing", func() {}, false},
			{"a session", func() { l.PutSession(Session{ID: 1}) }, false},
			{"the end of a session", func() { l.DeleteSession(1) }, false},
			{"an act", func() { l.AddAct(Act{Seq: 1}) }, false},
			{"a policy", func() { l.SetPolicy(func(p router.Policy) router.Policy { p.Share = 1; return p }) }, true},
			{"the target", func() { l.SetBackend(Backend{Side: router.Target, State: router.TargetOpen}) }, true},
			{"the source", func() { l.SetBackend(Backend{Side: router.Source, Reason: "gone"}) }, true},
			{"a policy after Close", func() { l.Close(); l.SetPolicy(func(router.Policy) router.Policy { return numbered(3) }) }, true},
		}
		for _, s := range steps {
			changed := l.Changed()
			s.do()
			if got := closed(changed); got != s.want {
				t.Errorf("%s: changed %t, want %t", s.name, got, s.want)
			}
		}
	})
}

func TestABackendIsKept(t *testing.T) {
	l := begin(t, Options{Target: router.TargetOpen})
	defer l.Close()
	want := Backend{Side: router.Target, State: router.TargetBroken, Reason: "dial refused", Since: time.Unix(100, 0)}
	l.SetBackend(want)
	if got := l.Backend(router.Target); got != want {
		t.Errorf("got %+v", got)
	}
	if got := l.Backend(router.Source); got != (Backend{Side: router.Source}) {
		t.Errorf("got %+v", got)
	}
	l.SetPolicy(func(router.Policy) router.Policy { return numbered(5) })
	if side, why := l.Snapshot().Decide(all, router.None); side != router.Source || why != router.Broken {
		t.Errorf("a broken target answers: %s %s", side, why)
	}
}

func Example() {
	l, err := New(Options{Policy: router.Policy{Phase: router.Canary, Writes: router.WritesRefuse}, Target: router.TargetOpen})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer l.Close()
	hot := l.Pointer()
	fmt.Println(hot.Load().Decide(router.Place{Bucket: 499}, router.None))
	l.SetPolicy(func(p router.Policy) router.Policy { p.Share = 500; return p })
	fmt.Println(hot.Load().Decide(router.Place{Bucket: 499}, router.None))
	// Output:
	// source out_of_share
	// target in_share
}

func BenchmarkSetPolicy(b *testing.B) {
	l := begin(b, Options{})
	defer l.Close()
	for b.Loop() {
		l.SetPolicy(func(p router.Policy) router.Policy { p.Version++; return p })
	}
}
