package main

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/crossfade-db/crossfade/internal/admin"
	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/router/live"
)

func TestWhatPhasesAllowWithTables(t *testing.T) {
	noWrites, noTarget := ready(), ready()
	noWrites.Policy.Writes, noTarget.Target = router.WritesUnset, router.TargetNone
	tests := []struct {
		name   string
		begin  live.Options
		phases []string
		done   []string // by the world
		why    admin.Why
	}{
		{"mirror", noWrites, []string{"mirror"}, []string{"prepare"}, ""},
		{"canary needs no word on writes", noWrites, []string{"canary"}, []string{"prepare"}, ""},
		{"mirror, then canary: prepared once", noWrites, []string{"mirror", "canary"}, []string{"prepare"}, ""},
		{"back from canary", noWrites, []string{"mirror", "canary", "mirror"}, []string{"prepare"}, ""},
		{"after a time without mirror", noWrites, []string{"mirror", "observe", "mirror"}, []string{"prepare", "prepare"}, ""},
		{"observe", noWrites, []string{"observe"}, nil, ""},
		{"canary without a target", noTarget, []string{"canary"}, nil, admin.Unprepared},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := take(t, t.TempDir(), test.begin)
			w := mirrors(t, h)
			var err error
			for _, phase := range test.phases {
				_, err = h.SetPhase(t.Context(), by("a test"), phase)
			}
			if test.why != "" {
				refusedFor(t, err, test.why)
			} else if err != nil || h.in().Phase != test.phases[len(test.phases)-1] {
				t.Errorf("%v, in force %+v", err, h.in())
			}
			if diff := cmp.Diff(test.done, w.done); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLeavingCanaryForMirrorSendsEverybodyBack(t *testing.T) {
	h := take(t, t.TempDir(), ready())
	mirrors(t, h)
	h.phase(t, "canary")
	h.share(t, "40")
	if s := h.phase(t, "mirror"); s.Share != 0 || h.in().Share != 0 || h.written(t).Share != 0 {
		t.Errorf("%+v, in force %+v, written %+v", s, h.in(), h.written(t))
	}
}

func TestBothSidesAreReadyBeforeThePhaseIs(t *testing.T) {
	h := take(t, t.TempDir(), ready())
	w := mirrors(t, h)
	w.before = func() {
		if h.in().Phase != "observe" || h.written(t).Phase != "observe" {
			t.Errorf("the phase is in force before both sides are ready: %+v", h.in())
		}
	}
	h.phase(t, "mirror")
	if w.changed() != 1 {
		t.Error("nothing was prepared")
	}
}

func TestAPhaseThatCannotBePreparedIsNotEntered(t *testing.T) {
	tests := []struct {
		name  string
		fault error
		says  string
	}{
		{"a fault", errors.New("pq: password authentication failed for user crossfade"), "crossfade check --mapping says"},
		{"a word for the operator", admin.Refuse(admin.Unprepared, "the login crossfade may not create a schema", "grant it"), "may not create a schema: grant it"},
	}
	for _, test := range tests {
		h := take(t, t.TempDir(), ready())
		w := mirrors(t, h)
		w.fault = test.fault
		_, err := h.SetPhase(t.Context(), by("a test"), "mirror")
		if text := refusedFor(t, err, admin.Unprepared); !strings.Contains(text, test.says) || strings.Contains(text, "password") {
			t.Errorf("%s: it says %s", test.name, text)
		}
		if h.in().Phase != "observe" || len(h.acts(t)) != 0 {
			t.Errorf("%s: %+v %q", test.name, h.in(), h.acts(t))
		}
	}
}

func TestAStalePhasePreparesNothing(t *testing.T) {
	h := take(t, t.TempDir(), ready())
	w := mirrors(t, h)
	old := uint64(9)
	_, err := h.SetPhase(t.Context(), admin.Change{Actor: "ops", Reason: "x", IfVersion: &old}, "mirror")
	refusedFor(t, err, admin.Stale)
	if w.changed() != 0 {
		t.Errorf("%q", w.done)
	}
}

// acted is what changes a world through its control.
var acted = []struct {
	name string
	act  string
	do   func(*control, testing.TB, admin.Change) error
	done string
}{
	{"off", "mirror", func(c *control, t testing.TB, by admin.Change) error {
		_, err := c.SetMirror(t.Context(), by, admin.Off)
		return err
	}, "switch false: a test"},
	{"on", "mirror", func(c *control, t testing.TB, by admin.Change) error {
		_, err := c.SetMirror(t.Context(), by, admin.On)
		return err
	}, "switch true: a test"},
	{"ready", "table ready", func(c *control, t testing.TB, by admin.Change) error {
		_, err := c.ReadyTable(t.Context(), by, "public.users")
		return err
	}, "declare public.users"},
	{"pause", "reconcile pause", func(c *control, t testing.TB, by admin.Change) error {
		_, err := c.SetReconcile(t.Context(), by, admin.Pause)
		return err
	}, "pause: a test"},
	{"resume", "reconcile resume", func(c *control, t testing.TB, by admin.Change) error {
		_, err := c.SetReconcile(t.Context(), by, admin.Resume)
		return err
	}, "resume"},
	{"run", "reconcile run", func(c *control, t testing.TB, by admin.Change) error {
		_, err := c.SetReconcile(t.Context(), by, admin.Run)
		return err
	}, "run"},
	{"backfill of one", "backfill", func(c *control, t testing.TB, by admin.Change) error {
		_, err := c.Backfill(t.Context(), by, []string{"public.users"})
		return err
	}, `backfill ["public.users"]`},
	{"backfill of all", "backfill", func(c *control, t testing.TB, by admin.Change) error {
		_, err := c.Backfill(t.Context(), by, nil)
		return err
	}, `backfill ["public.orders" "public.users"]`},
	{"waive", "divergence waive", func(c *control, t testing.TB, by admin.Change) error {
		_, err := c.Waive(t.Context(), by, 1, fixed.AddDate(100, 0, 0))
		return err
	}, "waive 1"},
}

func TestEachChangeOfTheMirrorIsOneActWrittenBefore(t *testing.T) {
	for _, test := range acted {
		t.Run(test.name, func(t *testing.T) {
			h := take(t, t.TempDir(), ready())
			w := mirrors(t, h)
			w.before = func() {
				if got := h.acts(t); !slices.Equal(got, []string{test.act + ": done"}) {
					t.Errorf("it is done before it is written: %q", got)
				}
			}
			if err := test.do(h.control, t, by("a test")); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(w.done, []string{test.done}) || len(h.acts(t)) != 1 {
				t.Errorf("did %q, acts %q", w.done, h.acts(t))
			}
			records, err := h.Records(t.Context(), admin.Query{})
			if err != nil || records[0].Reason != "a test" || records[0].Actor != "ops" || records[0].Object == "" {
				t.Errorf("%+v %v", records, err)
			}
		})
	}
}

func TestAChangeOfTheMirrorThatCannotBeWrittenDoesNotHappen(t *testing.T) {
	for _, test := range acted {
		h := take(t, t.TempDir(), ready())
		w := mirrors(t, h)
		h.disk.set(errors.New("disk full"), nil)
		refusedFor(t, test.do(h.control, t, by("a test")), admin.Unwritten)
		if w.changed() != 0 {
			t.Errorf("%s: %q", test.name, w.done)
		}
	}
}

func TestAChangeOfTheMirrorForAnOldVersionDoesNotHappen(t *testing.T) {
	old := uint64(9)
	for _, test := range acted {
		h := take(t, t.TempDir(), ready())
		w := mirrors(t, h)
		refusedFor(t, test.do(h.control, t, admin.Change{Actor: "ops", Reason: "a test", IfVersion: &old}), admin.Stale)
		if w.changed() != 0 || len(h.acts(t)) != 0 {
			t.Errorf("%s: %q %q", test.name, w.done, h.acts(t))
		}
	}
}

func TestAChangeThatFailsIsASecondAct(t *testing.T) {
	h := take(t, t.TempDir(), ready())
	w := mirrors(t, h)
	w.fault = errors.New("the ledger is closed")
	_, err := h.ReadyTable(t.Context(), by("a test"), "public.users")
	var refusal *admin.Refusal
	if err == nil || errors.As(err, &refusal) {
		t.Errorf("%v: a fault is no refusal", err)
	}
	if got := h.acts(t); !slices.Equal(got, []string{"table ready: done", "table ready: failed"}) {
		t.Errorf("%q", got)
	}
}

func TestWhatThereIsNotCannotBeChanged(t *testing.T) {
	h := take(t, t.TempDir(), ready())
	w := mirrors(t, h)
	_, table := h.ReadyTable(t.Context(), by("a test"), "public.nothing")
	_, walk := h.Backfill(t.Context(), by("a test"), []string{"public.users", "public.nothing"})
	_, dirty := h.Dirty(t.Context(), admin.DirtyQuery{Table: "public.nothing", Limit: 1})
	for name, err := range map[string]error{"ready": table, "backfill": walk, "dirty": dirty} {
		if text := refusedFor(t, err, admin.Invalid); !strings.Contains(text, `table "public.nothing" is not mapped: crossfade table list`) {
			t.Errorf("%s: %s", name, text)
		}
	}
	_, err := h.Waive(t.Context(), by("a test"), 99, fixed)
	refusedFor(t, err, admin.NoSuch)
	_, err = h.Waive(t.Context(), by("a test"), 2, fixed)
	if text := refusedFor(t, err, admin.Conflict); !strings.Contains(text, "both sides are equal") {
		t.Errorf("%s", text)
	}
	bench{w}.Pause("night")
	_, err = h.SetReconcile(t.Context(), by("a test"), admin.Run)
	if text := refusedFor(t, err, admin.Conflict); !strings.Contains(text, "crossfade reconcile resume") {
		t.Errorf("%s", text)
	}
	if len(h.acts(t)) != 0 || w.changed() != 1 {
		t.Errorf("%q %q", h.acts(t), w.done)
	}
}

func TestWithoutTablesEveryMirrorVerbSaysWhatToConfigure(t *testing.T) {
	h := take(t, t.TempDir(), ready())
	errs := map[string]error{}
	for _, test := range acted {
		errs[test.name] = test.do(h.control, t, by("a test"))
	}
	_, errs["tables"] = h.Tables(t.Context())
	_, errs["dirty"] = h.Dirty(t.Context(), admin.DirtyQuery{})
	_, errs["status"] = h.Reconcile(t.Context())
	_, errs["list"] = h.Divergences(t.Context(), admin.DivergenceQuery{})
	_, errs["show"] = h.Divergence(t.Context(), 1)
	_, errs["coverage"] = h.Coverage(t.Context())
	_, errs["report"] = h.Report(t.Context())
	for name, err := range errs {
		if text := refusedFor(t, err, admin.Unprepared); !strings.Contains(text, "migration: {tables: [...]}") {
			t.Errorf("%s: %s", name, text)
		}
	}
	if len(h.acts(t)) != 0 {
		t.Errorf("%q", h.acts(t))
	}
}

func TestOffAndPausedOutliveARestart(t *testing.T) {
	dir := t.TempDir()
	h := take(t, dir, ready())
	mirrors(t, h)
	for _, to := range []string{admin.Off, admin.On, admin.Off} {
		if _, err := h.SetMirror(t.Context(), by("switched "+to), to); err != nil {
			t.Fatal(err)
		}
	}
	for _, to := range []string{admin.Pause, admin.Resume, admin.Run, admin.Pause} {
		if _, err := h.SetReconcile(t.Context(), by("let it "+to), to); err != nil {
			t.Fatal(err)
		}
	}
	h.close(t)
	h = take(t, dir, ready())
	if w := mirrors(t, h); !slices.Equal(w.done, []string{"switch false: switched off", "pause: let it pause"}) {
		t.Errorf("after the restart: %q", w.done)
	}
	if _, err := h.SetMirror(t.Context(), by("x"), admin.On); err != nil {
		t.Fatal(err)
	}
	if _, err := h.SetReconcile(t.Context(), by("x"), admin.Resume); err != nil {
		t.Fatal(err)
	}
	h.close(t)
	h = take(t, dir, ready())
	if w := mirrors(t, h); w.changed() != 0 {
		t.Errorf("after the second restart: %q", w.done)
	}
}

func TestStatusHasWhatTheMirrorSays(t *testing.T) {
	h := take(t, t.TempDir(), ready())
	w := mirrors(t, h)
	w.overview.Epoch = 7
	s, err := h.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := admin.Divergences{Suspected: 1, Confirmed: 2, Verified: 3}
	if s.Epoch != 7 || s.Dirty != 4 || s.Divergences != want || s.Mirror == nil || s.Mirror.State != "on" || s.Warning != "" {
		t.Errorf("%+v", s)
	}
}

func TestPhaseMirrorWithoutTablesWarns(t *testing.T) {
	dir := t.TempDir()
	h := take(t, dir, ready())
	mirrors(t, h)
	h.phase(t, "mirror")
	h.close(t)
	h = take(t, dir, ready())
	if s, err := h.Status(t.Context()); err != nil || !strings.Contains(s.Warning, "nothing is mirrored") || s.Mirror != nil {
		t.Errorf("%+v %v", s, err)
	}
}

func TestWhatAReportIsMadeOf(t *testing.T) {
	h := take(t, t.TempDir(), ready())
	w := mirrors(t, h)
	w.weak = []string{"fsync is off."}
	if err := h.Started(t.Context(), "config"); err != nil {
		t.Fatal(err)
	}
	h.phase(t, "canary")
	h.share(t, "12.5")
	if err := h.Automatic(t.Context(), fact{Act: "breaker", Object: "target", Reason: "gone", After: map[string]string{"state": "broken"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.SetMirror(t.Context(), by("load test"), admin.Off); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Waive(t.Context(), by("known"), 1, time.Now().AddDate(0, 0, 3)); err != nil {
		t.Fatal(err)
	}
	r, err := h.Report(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if r.Subject.Migration != "shop-v2" || r.Subject.Starts != 1 || r.Subject.From.IsZero() || !strings.Contains(r.Subject.Target, "db2") {
		t.Errorf("subject %+v", r.Subject)
	}
	if len(r.Steps) != 2 || r.Steps[1].Share != 12.5 || r.Steps[1].FromShare != 0 || r.Steps[1].Actor != "ops" || r.Steps[1].Reason != "a test" {
		t.Errorf("steps %+v", r.Steps)
	}
	if len(r.Decisions) != 2 || r.Decisions[0].To != "off" || r.Decisions[1].To != "waived" {
		t.Errorf("decisions %+v", r.Decisions)
	}
	if len(r.Outages) != 1 || r.Outages[0].Until != nil || r.Outages[0].Reason != "gone" {
		t.Errorf("outages %+v", r.Outages)
	}
	if len(r.Tables) != 2 || r.Tables[1].Copied != 4_200_000 || r.Tables[1].Reason == "" || !r.Tables[0].Strict {
		t.Errorf("tables %+v", r.Tables)
	}
	if d := r.Divergences; d.Total != 2 || d.Open != 0 || d.States.Waived != 1 || d.Shown[0].Waiver == nil && d.Shown[1].Waiver == nil {
		t.Errorf("divergences %+v", d)
	}
	if r.Coverage.Writes.Seen != 220443 || len(r.Coverage.Gaps) != 2 || len(r.Coverage.Statements) != 2 {
		t.Errorf("coverage %+v", r.Coverage)
	}
	verdict, err := h.Verify(t.Context())
	if err != nil || r.Verify.Chain.Head != verdict.Head || !r.Verify.Chain.OK {
		t.Errorf("chain %+v, want %+v", r.Verify.Chain, verdict)
	}
	if r.Standing.Mirror != "off" || r.Standing.Reason != "load test" || r.Backlog.Repaired != 4210 || !slices.Equal(r.Weak, w.weak) {
		t.Errorf("%+v %+v %q", r.Standing, r.Backlog, r.Weak)
	}
}

func TestAReportCountsAllPagesOfDivergences(t *testing.T) {
	h := take(t, t.TempDir(), ready())
	w := mirrors(t, h)
	w.divergences = nil
	for i := range admin.PageMost*2 + 7 {
		w.divergences = append(w.divergences, admin.Divergence{ID: uint64(i + 1), State: admin.Verified})
	}
	if r, err := h.Report(t.Context()); err != nil || r.Divergences.Total != len(w.divergences) || r.Divergences.Least {
		t.Errorf("%d of %d, %v", r.Divergences.Total, len(w.divergences), err)
	}
	for len(w.divergences) < countedMost+1 {
		w.divergences = append(w.divergences, admin.Divergence{ID: uint64(len(w.divergences) + 1), State: admin.Verified})
	}
	if r, err := h.Report(t.Context()); err != nil || r.Divergences.Total != countedMost || !r.Divergences.Least {
		t.Errorf("%d, %t, %v", r.Divergences.Total, r.Divergences.Least, err)
	}
}
