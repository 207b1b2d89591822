package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crossfade-db/crossfade/internal/admin"
)

// canary is a control with half of the sessions on the target.
func canary(t testing.TB) *helm {
	t.Helper()
	h := take(t, t.TempDir(), ready())
	h.phase(t, "canary")
	h.share(t, "50")
	return h
}

// settled waits until an abort is in force and written, and the chain is whole.
func (h *helm) settled(t testing.TB) {
	t.Helper()
	eventually(t, "the abort is written", func() bool {
		return h.written(t).Share == 0 && h.in() == h.written(t) && h.status().Warning == ""
	})
	if v, err := h.Verify(t.Context()); err != nil || !v.OK {
		t.Errorf("the chain: %+v %v", v, err)
	}
}

func TestAnAbortIsAnActLikeOthersWhileTheDiskWorks(t *testing.T) {
	h := canary(t)
	s, err := h.Abort(t.Context(), by("errors on the target"))
	if err != nil || s.Share != 0 || s.Phase != "canary" || s.Warning != "" || *s.Before != (admin.Point{Phase: "canary", Share: 50, Version: 2}) {
		t.Errorf("%+v %v", s, err)
	}
	if want := (admin.Point{Phase: "canary", Version: 3}); h.in() != want || h.written(t) != want {
		t.Errorf("in force %+v, written %+v", h.in(), h.written(t))
	}
	if got := h.acts(t); !slices.Equal(got, []string{"phase set: done", "canary set: done", "abort: done"}) {
		t.Errorf("acts %q", got)
	}
}

func TestAnAbortWorksWithoutTheDisk(t *testing.T) {
	h := canary(t)
	h.disk.set(errors.New("disk full"), nil)
	s, err := h.Abort(t.Context(), by("errors on the target"))
	if err != nil || s.Share != 0 || s.Phase != "canary" {
		t.Fatalf("%+v %v", s, err)
	}
	if h.in().Share != 0 || h.in().Version != 3 {
		t.Errorf("in force %+v", h.in())
	}
	if !strings.Contains(s.Warning, "a restart would bring back phase canary with share 50%") {
		t.Errorf("warning %q", s.Warning)
	}
	if log := h.log.String(); !strings.Contains(log, "level=ERROR") || !strings.Contains(log, "disk full") {
		t.Errorf("the log is quiet:\n%s", log)
	}
	if again, err := h.Abort(t.Context(), by("again")); err != nil || again.Version != 3 {
		t.Errorf("a second abort: %+v %v", again, err)
	}
	_, err = h.SetShare(t.Context(), by("no"), "10")
	refusedFor(t, err, admin.Unwritten)

	h.disk.set(nil, nil)
	h.settled(t)
	records, err := h.Records(t.Context(), admin.Query{Act: "abort"})
	if err != nil || len(records) != 1 {
		t.Fatalf("%+v %v", records, err)
	}
	r := records[0]
	if r.Reason != "errors on the target" || r.Actor != "ops" || !strings.HasPrefix(r.Result, "done at 2") || !strings.HasSuffix(r.Result, "written later") {
		t.Errorf("%+v", r)
	}
	if before, after := pointIn(t, r.Before), pointIn(t, r.After); before.Share != 50 || after.Share != 0 {
		t.Errorf("before %+v, after %+v", before, after)
	}
	h.share(t, "10")
}

func TestAnAbortOvertakesAWriteThatHangs(t *testing.T) {
	h := canary(t)
	release := make(chan struct{})
	h.disk.set(nil, release)
	raised := make(chan error, 1)
	go func() {
		_, err := h.SetShare(context.WithoutCancel(t.Context()), by("raise"), "100")
		raised <- err
	}()
	<-h.disk.hung
	began := time.Now()
	s, err := h.Abort(t.Context(), by("back"))
	if took := time.Since(began); took > time.Second {
		t.Errorf("the abort took %v", took)
	}
	if err != nil || s.Share != 0 || h.in().Share != 0 || s.Warning == "" {
		t.Errorf("%+v %v, in force %+v", s, err, h.in())
	}
	h.disk.set(nil, nil)
	close(release)
	refusedFor(t, <-raised, admin.Stale)
	if h.in().Share != 0 {
		t.Errorf("the write that hung took effect over the abort: %+v", h.in())
	}
	h.settled(t)
	if got := h.acts(t); len(got) != 4 || got[2] != "canary set: done" || !strings.HasPrefix(got[3], "abort: done at") {
		t.Errorf("acts %q", got)
	}
}

func TestAnAbortThatHangsIsWrittenOnce(t *testing.T) {
	h := canary(t)
	release := make(chan struct{})
	h.disk.set(nil, release)
	s, err := h.Abort(t.Context(), by("back"))
	if err != nil || s.Share != 0 || h.in().Share != 0 {
		t.Fatalf("%+v %v", s, err)
	}
	<-h.disk.hung
	h.disk.set(nil, nil)
	close(release)
	h.settled(t)
	eventually(t, "nobody tries to write it again", func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return !h.settling
	})
	if got := h.acts(t); len(got) != 3 {
		t.Errorf("acts %q", got)
	}
}

func TestAnAbortOfAVersionThatIsNotInForceIsRefused(t *testing.T) {
	h := canary(t)
	old := by("back")
	old.IfVersion = new(uint64)
	_, err := h.Abort(t.Context(), old)
	if text := refusedFor(t, err, admin.Stale); !strings.Contains(text, "ops did canary set") {
		t.Errorf("it says %s", text)
	}
	if h.in().Share != 50 {
		t.Errorf("in force %+v", h.in())
	}
}

func TestTheCallerOfAnAbortMayHangUp(t *testing.T) {
	h := canary(t)
	gone, hangUp := context.WithCancel(t.Context())
	hangUp()
	if _, err := h.Abort(gone, by("back")); err != nil {
		t.Fatal(err)
	}
	if want := (admin.Point{Phase: "canary", Version: 3}); h.in() != want || h.written(t) != want {
		t.Errorf("in force %+v, written %+v", h.in(), h.written(t))
	}
}

func TestCloseWaitsForADiskNoLongerThanItIsTold(t *testing.T) {
	h := canary(t)
	release := make(chan struct{})
	h.disk.set(nil, release)
	if _, err := h.Abort(t.Context(), by("back")); err != nil {
		t.Fatal(err)
	}
	<-h.disk.hung
	short, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := h.Close(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Close: %v", err)
	}
	if _, err := h.Abort(t.Context(), by("after the end")); err != nil {
		t.Errorf("an abort after Close: %v", err)
	}
	h.disk.set(nil, nil)
	close(release)
}
