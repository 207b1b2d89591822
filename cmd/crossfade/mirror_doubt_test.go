package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/crossfade-db/crossfade/internal/admin"
)

var keyed = []string{"CREATE TABLE t (id int PRIMARY KEY, v int)", "INSERT INTO t SELECT g, g FROM generate_series(1, 100) g"}

// equalPair starts a proxy over two equal databases, in phase mirror with nothing
// dirty.
func equalPair(t *testing.T, more string) *duplex {
	t.Helper()
	d := newDuplex(t, keyed, keyed, "[{source: public.t}]", "evidence: {values: show}\n"+more)
	d.run(t, "phase", "set", "mirror", "--reason", "test")
	d.run(t, "reconcile", "run", "--wait", "--reason", "test")
	return d
}

// divergences are all of them.
func (d *duplex) divergences(t *testing.T) []admin.Divergence {
	t.Helper()
	var page admin.DivergencePage
	if err := json.Unmarshal([]byte(d.run(t, "divergence", "list", "-o", "json")), &page); err != nil {
		t.Fatal(err)
	}
	return page.Divergences
}

// settles waits until there is one divergence of a kind, verified.
func (d *duplex) settles(t *testing.T, kind string) admin.Divergence {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	give := time.After(20 * time.Second)
	for {
		found := d.divergences(t)
		if len(found) == 1 && found[0].Kind == kind && found[0].State == "verified" {
			return found[0]
		}
		select {
		case <-tick.C:
		case <-give:
			t.Fatalf("divergences %+v, want one %s that is verified\nthe proxy says:\n%s", found, kind, d.talk.String())
		}
	}
}

// TestARowTakenAwayAtTheTargetIsAnEffect: somebody deletes a row at the target,
// the client updates it through the proxy.
func TestARowTakenAwayAtTheTargetIsAnEffect(t *testing.T) {
	d := equalPair(t, "")
	conn := d.connect(t)
	if err := d.pair.Target.Exec(t.Context(), "shop", "DELETE FROM t WHERE id = 7"); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "UPDATE t SET v = v + 1 WHERE id BETWEEN 6 AND 8"); err != nil {
		t.Fatal(err)
	}
	d.equal(t, "SELECT * FROM t", "SELECT * FROM t")
	found := d.settles(t, "effect")
	if found.Table != "public.t" || found.Key != "7" || found.Life.Repaired == nil || found.Transaction == 0 || found.Open {
		t.Errorf("found %+v", found)
	}
	d.run(t, "reconcile", "run", "--wait", "--reason", "test")
}

// TestALostAnswerToCommitIsUncertain: the session of the source is ended while
// its COMMIT waits for a standby; it is committed, and nobody was told.
func TestALostAnswerToCommitIsUncertain(t *testing.T) {
	d := equalPair(t, "")
	for _, sql := range []string{
		"ALTER SYSTEM SET synchronous_commit = 'local'", "ALTER SYSTEM SET synchronous_standby_names = 'nosuch'", "SELECT pg_reload_conf()",
	} {
		if err := d.pair.Source.Exec(t.Context(), "postgres", sql); err != nil {
			t.Fatal(err)
		}
	}
	conn := d.connect(t)
	if _, err := conn.Exec(t.Context(), "SET synchronous_commit = on"); err != nil {
		t.Fatal(err)
	}
	failed := make(chan error, 1)
	go func() {
		_, err := conn.Exec(t.Context(), "UPDATE t SET v = 0 WHERE id = 7")
		failed <- err
	}()
	const waiting = "FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND usename = 'app'"
	d.until(t, "SELECT count(*) "+waiting, "1")
	if err := d.pair.Source.Exec(t.Context(), "postgres", "SELECT pg_terminate_backend(pid) "+waiting); err != nil {
		t.Fatal(err)
	}
	if err := <-failed; err == nil {
		t.Fatal("the client was told that it is committed")
	}
	found := d.settles(t, "uncertain")
	if found.Key != "7" || found.Transaction == 0 || found.Life.Repaired == nil || !strings.HasSuffix(found.Cause, "; the transaction was committed") {
		t.Errorf("found %+v", found)
	}
	d.equal(t, "SELECT * FROM t", "SELECT * FROM t")
}

// until waits for a query of the source to give a value.
func (d *duplex) until(t *testing.T, sql, want string) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	give := time.After(20 * time.Second)
	for got := ""; ; {
		var err error
		if got, err = d.pair.Source.Query(t.Context(), "postgres", sql); err == nil && got == want {
			return
		}
		select {
		case <-tick.C:
		case <-give:
			t.Fatalf("%s gives %s still, %v", sql, fmt.Sprintf("%.100q", got), err)
		}
	}
}
