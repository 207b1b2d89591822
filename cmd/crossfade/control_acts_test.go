package main

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/crossfade-db/crossfade/internal/admin"
)

func TestAReloadIsAnActBeforeItIsTakenOver(t *testing.T) {
	h := take(t, t.TempDir(), ready())
	found := admin.Reloaded{Before: "aaa", After: "bbb", Changed: []string{"users[app].password"}, Restart: []string{"source.address"}}
	taken := false
	h.hook.Reload = func(accept func(admin.Reloaded) error) error {
		if err := accept(found); err != nil {
			return err
		}
		if got := h.acts(t); !slices.Equal(got, []string{"reload: done"}) {
			t.Errorf("acts before it is taken over: %q", got)
		}
		taken = true
		return nil
	}
	got, err := h.Reload(t.Context(), by("new password"))
	if err != nil || got.After != "bbb" || !taken {
		t.Errorf("%+v %v, taken over: %t", got, err, taken)
	}
	records, err := h.Records(t.Context(), admin.Query{})
	if err != nil || len(records) != 1 {
		t.Fatalf("%+v %v", records, err)
	}
	r := records[0]
	if string(r.Before) != `{"config":"aaa"}` || string(r.After) != `{"changed":["users[app].password"],"config":"bbb","restart":["source.address"]}` ||
		r.Object != "configuration" || r.Reason != "new password" {
		t.Errorf("%s %s %+v", r.Before, r.After, r)
	}

	h.disk.set(errors.New("disk full"), nil)
	taken = false
	_, err = h.Reload(t.Context(), by("again"))
	if refusedFor(t, err, admin.Unwritten); taken {
		t.Error("it was taken over without an act")
	}
}

func TestAFaultyConfigurationIsAnActToo(t *testing.T) {
	h := take(t, t.TempDir(), ready())
	h.hook.Reload = func(func(admin.Reloaded) error) error { return errors.New("crossfade.yaml:3: limitz: unknown key") }
	_, err := h.Reload(t.Context(), by("a typing error"))
	if text := refusedFor(t, err, admin.Invalid); !strings.Contains(text, "limitz: unknown key") {
		t.Errorf("it says %s", text)
	}
	if got := h.acts(t); !slices.Equal(got, []string{"reload: refused"}) {
		t.Errorf("acts %q", got)
	}
	other := by("another version")
	other.IfVersion = new(uint64)
	*other.IfVersion = 9
	_, err = h.Reload(t.Context(), other)
	refusedFor(t, err, admin.Stale)
	_, err = h.Drain(t.Context(), other)
	refusedFor(t, err, admin.Stale)
}

func TestDrainIsWrittenFirst(t *testing.T) {
	h := take(t, t.TempDir(), ready())
	drained := false
	h.hook.Drain = func() {
		if got := h.acts(t); !slices.Equal(got, []string{"drain: done"}) {
			t.Errorf("acts before: %q", got)
		}
		drained = true
	}
	if s, err := h.Drain(t.Context(), by("a new version")); err != nil || !s.Draining || !drained {
		t.Errorf("%+v %v, drained: %t", s, err, drained)
	}
}

func TestTheProxysOwnActs(t *testing.T) {
	h := canary(t)
	if err := h.Started(t.Context(), "aaa"); err != nil {
		t.Fatal(err)
	}
	if err := h.Automatic(t.Context(), fact{Act: "breaker open", Object: "target", Before: "open", After: "broken", Reason: "cannot be reached"}); err != nil {
		t.Fatal(err)
	}
	if err := h.Note(t.Context(), admin.Note{Change: admin.Change{Door: "http", Address: "192.0.2.1", Reason: "wrong token"}, Act: "login", Result: admin.ResultRefused}); err != nil {
		t.Fatal(err)
	}
	if err := h.Stopped(t.Context(), "aaa", "terminated"); err != nil {
		t.Fatal(err)
	}
	records, err := h.Records(t.Context(), admin.Query{After: 2})
	if err != nil || len(records) != 4 {
		t.Fatalf("%+v %v", records, err)
	}
	var got []string
	for _, r := range records {
		got = append(got, strings.Join([]string{r.Actor, r.Door, r.Act, r.Object, string(r.Before), string(r.After), r.Reason, r.Result}, " "))
	}
	policy := `{"config":"aaa","policy":{"phase":"canary","share":50,"version":2},"version":"1"}`
	want := []string{
		"crossfade auto start proxy null " + policy + " start done",
		`crossfade auto breaker open target "open" "broken" cannot be reached done`,
		"unknown http login 192.0.2.1 null null wrong token refused",
		"crossfade auto stop proxy " + policy + " null terminated done",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if latest := h.live.Acts(1); len(latest) != 1 || latest[0].Act != "stop" {
		t.Errorf("those who look on see %+v", latest)
	}
	if h.in() != h.written(t) || h.in().Version != 2 {
		t.Errorf("they changed something: %+v", h.in())
	}
}
