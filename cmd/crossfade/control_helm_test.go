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
	lie    error         // said of a commit that is there all the same
	hang   chan struct{} // closed to go on; nil: does not hang
	hung   chan struct{} // gets a value when something hangs
	before func()        // of each commit
}

func (d *disk) gate(context.Context) error {
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
	r, err := d.Store.Commit(context.WithoutCancel(ctx), next, act)
	d.mu.Lock()
	defer d.mu.Unlock()
	if err == nil && d.lie != nil {
		r, err, d.lie = state.Record{}, d.lie, nil
	}
	return r, err
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

// tamper changes a reason in the state database behind everybody's back.
func tamper(t testing.TB, dir string) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
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
