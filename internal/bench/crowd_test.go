package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/crossfade-db/crossfade/configs"
)

func TestEachSessionHasItsTurnOnce(t *testing.T) {
	c := &crowd{clients: make([]*client, 100)}
	turns := make([]atomic.Int64, len(c.clients))
	var now, tooMany atomic.Int64
	err := c.each(t.Context(), func(i int) error {
		if now.Add(1) > atOnce {
			tooMany.Add(1)
		}
		turns[i].Add(1)
		now.Add(-1)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range turns {
		if n := turns[i].Load(); n != 1 {
			t.Errorf("session %d had %d turns", i, n)
		}
	}
	if tooMany.Load() > 0 {
		t.Errorf("more than %d had their turn at once", atOnce)
	}
}

func TestAFailureOfOneSessionIsThatOfAll(t *testing.T) {
	c := &crowd{clients: make([]*client, 100)}
	gone := errors.New("gone")
	err := c.each(t.Context(), func(i int) error {
		if i == 50 {
			return gone
		}
		return nil
	})
	if !errors.Is(err, gone) {
		t.Errorf("got %v, want %v", err, gone)
	}
}

func TestAnInterruptEndsTheTurns(t *testing.T) {
	c := &crowd{clients: make([]*client, 100)}
	ctx, cancel := context.WithCancel(t.Context())
	var turns atomic.Int64
	err := c.each(ctx, func(int) error { turns.Add(1); cancel(); return nil })
	if !errors.Is(err, context.Canceled) || turns.Load() > atOnce {
		t.Errorf("%v after %d turns, want an end after at most %d", err, turns.Load(), atOnce)
	}
}

func TestTheConfigurationsAreAccepted(t *testing.T) {
	t.Setenv(passwordVariable, "a password of the test")
	for name, o := range map[string]proxyOptions{
		"without a target":            {source: "127.0.0.1:1"},
		"with reads at the target":    {source: "127.0.0.1:1", target: "127.0.0.1:2", writes: writesRefuse},
		"with sessions at the target": {source: "127.0.0.1:1", target: "127.0.0.1:2", writes: writesTarget},
		"with nothing mapped":         {source: "127.0.0.1:1", target: "127.0.0.1:2", mirror: &mirrorOptions{database: loadName}},
		"with a mapped table":         {source: "127.0.0.1:1", target: "127.0.0.1:2", mirror: &mirrorOptions{database: loadName, tables: mapping, answer: "authority"}},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "crossfade.yaml")
			if err := os.WriteFile(file, []byte(o.config(t.TempDir())), 0o600); err != nil {
				t.Fatal(err)
			}
			config, err := configs.Load(file)
			if err != nil {
				t.Fatal(err)
			}
			if mapped := o.mirror != nil && o.mirror.tables != ""; (config.Mapping() != nil) != mapped {
				t.Errorf("mapping %v, want one: %v", config.Mapping(), mapped)
			}
			if (config.Target != nil) != (o.target != "") || string(config.Canary.Writes) != string(o.writes) {
				t.Errorf("target %v, writes %q, want %q and %q", config.Target, config.Canary.Writes, o.target, o.writes)
			}
		})
	}
}
