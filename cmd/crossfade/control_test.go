package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"log/slog"
	"path/filepath"
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

// disk is a real state database that can be told to fail or to hang before it
// writes.
type disk struct {
	*state.Store
	mu     sync.Mutex
	broken error
	hang   chan struct{} // closed to go on; nil: does not hang
	hung   chan struct{} // gets a value when something hangs
	before func()        // of each commit
}

func (d *disk) gate(ctx context.Context) error {
	d.mu.Lock()
	broken, hang, before := d.broken, d.hang, d.before
	d.mu.Unlock()
	if before != nil {
		before()
	}
	if hang != nil { // as a disk does, it asks no context
		d.hung <- struct{}{}
		<-hang
	}
	return broken
}

func (d *disk) set(broken error, hang chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.broken, d.hang = broken, hang
}

func (d *disk) Commit(ctx context.Context, next state.Runtime, act state.Act) (state.Record, error) {
	if err := d.gate(ctx); err != nil {
		return state.Record{}, err
	}
	return d.Store.Commit(context.WithoutCancel(ctx), next, act)
}

func (d *disk) Record(ctx context.Context, act state.Act) (state.Record, error) {
	if err := d.gate(ctx); err != nil {
		return state.Record{}, err
	}
	return d.Store.Record(ctx, act)
}

// helm is a control with a real state database and a real live state.
type helm struct {
	*control
	dir  string
	disk *disk
	live *live.Live
	log  output
	at   standing
	hook hooks
}

// ready is the policy of a configuration that is prepared for the canary.
func ready() live.Options {
	return live.Options{
		Policy: router.Policy{Writes: router.WritesRefuse, Salt: "shop-v2", Keys: []router.Key{"user", "application_name"}},
		Target: router.TargetOpen,
	}
}

func take(t testing.TB, dir string, begin live.Options) *helm {
	t.Helper()
	h := &helm{dir: dir, disk: &disk{hung: make(chan struct{}, 9)}}
	var err error
	if h.disk.Store, err = state.Open(dir); err != nil {
		t.Fatal(err)
	}
	if h.live, err = live.New(begin); err != nil {
		t.Fatal(err)
	}
	h.control, err = newControl(t.Context(), controlOptions{
		Store: h.disk, Live: h.live, Standing: func() standing { return h.at },
		Hooks: hooks{
			Reload: func(accept func(admin.Reloaded) error) error { return h.hook.Reload(accept) },
			Drain:  func() { h.hook.Drain() },
		},
		Build: admin.Version{Version: "1", Revision: "abc", Go: "go1"}, Log: slog.New(slog.NewTextHandler(&h.log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.close(t) })
	return h
}

// close may come twice: a test that starts again closes first.
func (h *helm) close(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 10*time.Second)
	defer cancel()
	if err := errors.Join(h.Close(ctx), h.disk.Close()); err != nil {
		if !strings.Contains(err.Error(), "already closed") {
			t.Error(err)
		}
	}
	h.live.Close()
}

func by(reason string) admin.Change {
	return admin.Change{Actor: "ops", Door: admin.DoorHTTP, Address: "127.0.0.1", Reason: reason}
}

// phase and share move the control, which must not refuse.
func (h *helm) phase(t testing.TB, word string) admin.Status {
	t.Helper()
	s, err := h.SetPhase(t.Context(), by("a test"), word)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (h *helm) share(t testing.TB, percent string) admin.Share {
	t.Helper()
	s, err := h.SetShare(t.Context(), by("a test"), percent)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// in says what is routed by.
func (h *helm) in() admin.Point {
	now := h.live.Snapshot()
	return admin.Point{Phase: now.Phase.String(), Share: now.Share.Percent(), Version: now.Version}
}

// written says what the state database has.
func (h *helm) written(t testing.TB) admin.Point {
	t.Helper()
	now, err := h.disk.Store.Runtime(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return *pointOf(now)
}

// acts are the names of all acts, and their results.
func (h *helm) acts(t testing.TB) (names []string) {
	t.Helper()
	records, err := h.Records(t.Context(), admin.Query{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		names = append(names, r.Act+": "+r.Result)
	}
	return names
}

func refusedFor(t testing.TB, err error, why admin.Why) string {
	t.Helper()
	var refusal *admin.Refusal
	if !errors.As(err, &refusal) || refusal.Why() != why {
		t.Fatalf("%v, want a refusal: %s", err, why)
	}
	return err.Error()
}

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
		{"mirror", ready(), "mirror", admin.NotYet, "mirrors no writes"},
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
	defer store.Close()
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

// tamper changes a reason in the state database behind everybody's back.
func tamper(t testing.TB, dir string) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, statement := range []string{"DROP TRIGGER acts_stay_as_they_are", "UPDATE acts SET reason = 'another' WHERE seq = 2"} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
}

// pointIn reads a policy out of what stands in a record.
func pointIn(t testing.TB, raw json.RawMessage) (p admin.Point) {
	t.Helper()
	if err := json.Unmarshal(raw, &p); err != nil {
		t.Fatalf("%v in %s", err, raw)
	}
	return p
}
