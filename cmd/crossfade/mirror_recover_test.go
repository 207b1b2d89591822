package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// breakJournal kills the proxy and spoils what the disk holds of its journal.
func (d *duplex) breakJournal(t *testing.T) {
	t.Helper()
	if err := d.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-d.ended
	files, err := filepath.Glob(filepath.Join(d.dir, "var", "journal", "*.journal"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%v, %v", files, err)
	}
	spoilt := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		const head = 72
		if len(text) < 2*head {
			continue
		}
		text[head+30] ^= 0xff // in the first record
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		spoilt++
	}
	if spoilt == 0 {
		t.Fatal("the journal holds nothing")
	}
}

// TestAJournalThatCannotBeReadIsSetAsideByAnOperator: serve refuses to start, the
// command has every mapped table looked at, and both sides end equal.
func TestAJournalThatCannotBeReadIsSetAsideByAnOperator(t *testing.T) {
	d := equalPair(t, "")
	d.run(t, "reconcile", "pause", "--reason", "test")
	conn := d.connect(t)
	for id := range 5 {
		if _, err := conn.Exec(t.Context(), "UPDATE t SET v = 0 WHERE id = $1", id+1); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.pair.Target.Exec(t.Context(), "shop", "UPDATE t SET v = -1 WHERE id = 50"); err != nil { // what a lost intent may have left
		t.Fatal(err)
	}
	recovers := func(want int, args ...string) string {
		t.Helper()
		var out, talk strings.Builder
		for _, secret := range strings.Fields(duplexSecrets) {
			name, value, _ := strings.Cut(secret, "=")
			t.Setenv(name, value)
		}
		if code := run(t.Context(), append([]string{"journal", "recover", "-c", d.file}, args...), &out, &talk); code != want {
			t.Fatalf("exit %d, want %d: %s%s", code, want, out.String(), talk.String())
		}
		return out.String() + talk.String()
	}
	if said := recovers(exitUsage, "--reason", "test"); !strings.Contains(said, "state") {
		t.Errorf("beside a running proxy it says %q", said)
	}
	d.breakJournal(t)
	c, err := launch(d.file, strings.Fields(duplexSecrets)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.kill)
	eventually(t, "the proxy has ended, or is ready", func() bool { return c.over() || strings.HasSuffix(c.out.String(), "\n") })
	if !c.over() || !strings.Contains(c.talk.String(), "crossfade journal recover") {
		t.Fatalf("the proxy starts with a corrupt journal: %v\n%s", c.err, c.talk.String())
	}
	recovers(exitUsage)
	if said := recovers(exitDone, "--reason", "the disk was replaced"); !strings.Contains(said, "public.t") {
		t.Errorf("it says %q", said)
	}
	if said := recovers(exitDone, "--reason", "again"); said != "the journal can be read: nothing was done\n" {
		t.Errorf("the second time it says %q", said)
	}
	if aside, _ := filepath.Glob(filepath.Join(d.dir, "var", "journal.corrupt-*", "*.journal")); len(aside) == 0 {
		t.Error("the corrupt files are not kept")
	}
	d.child = serveFile(t, d.file, strings.Fields(duplexSecrets)...)
	if list := d.run(t, "dirty", "list"); !strings.Contains(list, "crash") {
		t.Errorf("no range is dirty:\n%s", list)
	}
	if acts := d.run(t, "audit", "list"); !strings.Contains(acts, actRecover) || !strings.Contains(acts, "the disk was replaced") {
		t.Errorf("no act says so:\n%s", acts)
	}
	d.run(t, "audit", "verify")
	d.run(t, "reconcile", "resume", "--reason", "test")
	d.run(t, "reconcile", "run", "--wait", "--reason", "test")
	d.equal(t, "SELECT * FROM t", "SELECT * FROM t")
}
