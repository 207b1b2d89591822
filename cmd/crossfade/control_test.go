package main

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/crossfade-db/crossfade/internal/admin"
	"github.com/crossfade-db/crossfade/reconcile/state"
	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/router/live"
)

func TestPhaseAndShareComeBackAfterARestart(t *testing.T) {
	dir := t.TempDir()
	h := take(t, dir, ready())
	if got := h.in(); got != (admin.Point{Phase: "observe"}) {
		t.Errorf("at first %+v", got)
	}
	h.phase(t, "canary")
	h.share(t, "12.34")
	want := admin.Point{Phase: "canary", Share: 12.34, Version: 2}
	if h.in() != want || h.written(t) != want {
		t.Errorf("in force %+v, written %+v, want %+v", h.in(), h.written(t), want)
	}
	h.close(t)
	again := take(t, dir, ready())
	if got := again.in(); got != want {
		t.Errorf("after the restart %+v, want %+v", got, want)
	}
	if got := again.live.Snapshot().Keys; len(got) != 2 {
		t.Errorf("the configured keys are gone: %v", got)
	}
}

func TestWhatPhasesAllow(t *testing.T) {
	noTarget, noWrites := ready(), ready()
	noTarget.Target, noWrites.Policy.Writes = router.TargetNone, router.WritesUnset
	tests := []struct {
		name  string
		begin live.Options
		phase string
		why   admin.Why
		says  string
	}{
		{"canary", ready(), "canary", "", ""},
		{"observe again", ready(), "observe", "", ""},
		{"mirror without tables", ready(), "mirror", admin.Unprepared, "mirrors no writes, since it has no migration.tables"},
		{"canary without a target", noTarget, "canary", admin.Unprepared, "target: {address: HOST:PORT}"},
		{"canary without a word on writes", noWrites, "canary", admin.Unprepared, "canary: {writes: refuse}"},
		{"no phase", ready(), "cannery", admin.Invalid, "observe, mirror or canary"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := take(t, t.TempDir(), test.begin)
			s, err := h.SetPhase(t.Context(), by("a test"), test.phase)
			if test.why == "" {
				if err != nil || s.Phase != test.phase || s.Before.Phase != "observe" || s.Version != 1 {
					t.Errorf("%+v %v", s, err)
				}
				return
			}
			if text := refusedFor(t, err, test.why); !strings.Contains(text, test.says) {
				t.Errorf("it says %s", text)
			}
			if h.in() != (admin.Point{Phase: "observe"}) || len(h.acts(t)) != 0 {
				t.Errorf("it did something: %+v %q", h.in(), h.acts(t))
			}
		})
	}
}

func TestAShareIsOnlyForPhaseCanary(t *testing.T) {
	h := take(t, t.TempDir(), ready())
	_, err := h.SetShare(t.Context(), by("a test"), "5")
	if text := refusedFor(t, err, admin.Conflict); !strings.Contains(text, `crossfade phase set canary --reason`) {
		t.Errorf("it says %s", text)
	}
	h.share(t, "0")
	h.phase(t, "canary")
	for _, percent := range []string{"-1", "100.01", "0.001", "five", ""} {
		_, err := h.SetShare(t.Context(), by("a test"), percent)
		refusedFor(t, err, admin.Invalid)
	}
	if got := h.share(t, "25"); got.Share != 25 || *got.Before != (admin.Point{Phase: "canary", Version: 2}) || got.Version != 3 {
		t.Errorf("%+v", got)
	}
	if s := h.phase(t, "observe"); s.Share != 0 || s.Before.Share != 25 || h.written(t).Share != 0 {
		t.Errorf("leaving canary: %+v", s)
	}
}

func TestAnActIsWrittenBeforeItTakesEffect(t *testing.T) {
	h := take(t, t.TempDir(), ready())
	h.phase(t, "canary")
	before, commits := h.in(), 0
	h.disk.before = func() {
		commits++
		if h.in() != before {
			t.Errorf("%+v is in force before it is written", h.in())
		}
	}
	h.share(t, "5")
	before = h.in()
	if _, err := h.Abort(t.Context(), by("back")); err != nil {
		t.Fatal(err)
	}
	before = h.in()
	h.phase(t, "observe")
	if commits != 3 {
		t.Errorf("%d commits", commits)
	}
}

func TestWhatCannotBeWrittenDoesNotHappen(t *testing.T) {
	h := take(t, t.TempDir(), ready())
	h.phase(t, "canary")
	h.share(t, "5")
	before := h.in()
	h.disk.set(errors.New("disk full"), nil)
	_, share := h.SetShare(t.Context(), by("a test"), "50")
	_, phase := h.SetPhase(t.Context(), by("a test"), "observe")
	_, drain := h.Drain(t.Context(), by("a test"))
	for name, err := range map[string]error{"share": share, "phase": phase, "drain": drain} {
		if text := refusedFor(t, err, admin.Unwritten); strings.Contains(text, "disk full") {
			t.Errorf("%s: the caller learns %s", name, text)
		}
	}
	if h.in() != before {
		t.Errorf("in force %+v, before %+v", h.in(), before)
	}
	if !strings.Contains(h.log.String(), "disk full") {
		t.Errorf("the log has no reason:\n%s", h.log.String())
	}
}

func TestOfTwoWhoSetTheSameVersionOneLoses(t *testing.T) {
	h := take(t, t.TempDir(), ready())
	h.phase(t, "canary")
	for round := range 10 {
		version := h.in().Version
		errs := make([]error, 2)
		var both sync.WaitGroup
		for i, percent := range []string{"10", "20"} {
			both.Go(func() {
				_, errs[i] = h.SetShare(t.Context(), admin.Change{Actor: "operator " + percent, Reason: "a race", IfVersion: &version}, percent)
			})
		}
		both.Wait()
		if (errs[0] == nil) == (errs[1] == nil) {
			t.Fatalf("round %d: %v and %v", round, errs[0], errs[1])
		}
		won, lost := "10", errs[1]
		if lost == nil {
			won, lost = "20", errs[0]
		}
		text := refusedFor(t, lost, admin.Stale)
		if !strings.Contains(text, "operator "+won+" did canary set at 2") || !strings.Contains(text, "share "+won+"%") {
			t.Errorf("round %d: who lost learns %s", round, text)
		}
		if h.in() != h.written(t) || h.in().Version != version+1 || percent(h.in().Share) != won {
			t.Errorf("round %d: %s won; in force %+v, written %+v", round, won, h.in(), h.written(t))
		}
	}
}

func TestACommitThatIsThereThoughItSaidNo(t *testing.T) {
	h := take(t, t.TempDir(), ready())
	h.phase(t, "canary")
	h.disk.lie = errors.New("i/o error")
	_, err := h.SetShare(t.Context(), by("a test"), "50")
	refusedFor(t, err, admin.Unwritten)
	if h.in().Share != 0 || h.written(t).Share != 50 {
		t.Fatalf("in force %+v, written %+v", h.in(), h.written(t))
	}
	_, err = h.SetShare(t.Context(), by("a test"), "10")
	if text := refusedFor(t, err, admin.Stale); !strings.Contains(text, "share 50%") {
		t.Errorf("it says %s", text)
	}
	if got := h.share(t, "10"); got.Version != 3 || h.in() != h.written(t) {
		t.Errorf("%+v, in force %+v, written %+v", got, h.in(), h.written(t))
	}
	h.disk.lie = errors.New("i/o error")
	if s, err := h.Abort(t.Context(), by("back")); err != nil || s.Share != 0 || h.in().Share != 0 {
		t.Errorf("%+v %v", s, err)
	}
	h.settled(t)
}

func TestWhereAKeyStands(t *testing.T) {
	h := take(t, t.TempDir(), live.Options{Policy: router.Policy{
		Writes: router.WritesRefuse, Salt: "shop-v2", Keys: []router.Key{"user", "startup:user_id"},
		ForceIn:  []router.Pattern{{Key: "user", Glob: "qa*"}},
		ForceOut: []router.Pattern{{Key: "user", Glob: "batch"}},
	}, Target: router.TargetOpen})
	h.phase(t, "canary")
	h.share(t, "100")
	bucket := func(key router.Key, value string) uint16 { return router.Bucket("shop-v2", key, value) }
	tests := []struct {
		key  string
		want admin.Explanation
	}{
		{"user=app", admin.Explanation{Key: "user=app", Hashed: "user", Bucket: bucket("user", "app"), In: true, Share: 100, Why: "in_share"}},
		{"app", admin.Explanation{Key: "user=app", Hashed: "user", Bucket: bucket("user", "app"), In: true, Share: 100, Why: "in_share"}},
		{
			"startup:user_id=42",
			admin.Explanation{Key: "startup:user_id=42", Hashed: "startup:user_id", Bucket: bucket("startup:user_id", "42"), In: true, Share: 100, Why: "in_share"},
		},
		{"application_name=web", admin.Explanation{Key: "application_name=web", Bucket: 9999, In: true, Share: 100, Why: "in_share"}},
		{"user=qa7", admin.Explanation{Key: "user=qa7", Hashed: "user", Bucket: bucket("user", "qa7"), In: true, Share: 100, Forced: "in", Why: "forced_in"}},
		{"user=batch", admin.Explanation{Key: "user=batch", Hashed: "user", Bucket: bucket("user", "batch"), Share: 100, Forced: "out", Why: "forced_out"}},
		{"user=a=b", admin.Explanation{Key: "user=a=b", Hashed: "user", Bucket: bucket("user", "a=b"), In: true, Share: 100, Why: "in_share"}},
	}
	for _, test := range tests {
		got, err := h.Explain(t.Context(), test.key)
		if err != nil {
			t.Errorf("%s: %v", test.key, err)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s:\n%s", test.key, diff)
		}
	}
	for _, key := range []string{"", "usr=app", "user=", "=x", "startup:=x"} {
		_, err := h.Explain(t.Context(), key)
		refusedFor(t, err, admin.Invalid)
	}
}

func TestWhatStatusSays(t *testing.T) {
	h := take(t, t.TempDir(), ready())
	h.phase(t, "canary")
	h.share(t, "5")
	since := time.Date(2026, 7, 1, 12, 0, 0, 0, time.FixedZone("", 2*60*60))
	h.live.SetBackend(live.Backend{Side: router.Target, State: router.TargetBroken, Reason: "cannot be reached", Since: since})
	h.at = standing{
		Sessions: [router.Sides]int{30, 10}, Backends: [router.Sides]int{31, 12}, Pending: 3,
		Pins: map[router.Reason]int{router.PinListen: 2, router.PinCursor: 1}, Draining: true,
	}
	utc := since.UTC()
	want := admin.Status{
		Phase: "canary", Authority: "source", Epoch: 1, Share: 5, Version: 2, Applied: 2,
		Sessions: admin.Sessions{Source: 30, Target: 10, Pending: 3}, Backends: admin.Sides{Source: 31, Target: 12},
		Pins:   map[string]int{"listen": 2, "held_cursor": 1},
		Target: admin.Target{State: "broken", Reason: "cannot be reached", Since: &utc}, Writes: "refuse", Draining: true,
	}
	got, err := h.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestARuntimeThatThisProgramDoesNotKnowIsNotGuessed(t *testing.T) {
	dir := t.TempDir()
	store, err := state.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	act := state.Act{Actor: "x", Act: "x"}
	for i, r := range []state.Runtime{{Phase: "reverse"}, {Phase: "canary", Share: 10001}} {
		r.Version = uint64(i + 1)
		if _, err := store.Commit(t.Context(), r, act); err != nil {
			t.Fatal(err)
		}
		now, err := live.New(ready())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := newControl(t.Context(), controlOptions{Store: store, Live: now}); err == nil || !strings.Contains(err.Error(), "state database: version") {
			t.Errorf("%+v: %v", r, err)
		}
		now.Close()
	}
}
