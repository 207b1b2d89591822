package state

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// childDir makes the test binary a process of its own that uses a directory:
// its work is what childWork says.
const (
	childDir  = "CROSSFADE_TEST_STATE_DIR"
	childWork = "CROSSFADE_TEST_STATE_WORK"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if err := work(dir, os.Getenv(childWork)); err != nil {
			fmt.Println(err)
			os.Exit(1) //nolint:forbidigo // it is the main of the child
		}
		os.Exit(0) //nolint:forbidigo // it is the main of the child
	}
	goleak.VerifyTestMain(m)
}

// work is what a child does. It prints a line when it has the directory, and
// one for each act that was acknowledged.
func work(dir, what string) error {
	s, err := Open(dir)
	if err != nil {
		return err
	}
	fmt.Println("open")
	if what == "hold" {
		_, err := io.Copy(io.Discard, os.Stdin)
		return errors.Join(err, s.Close())
	}
	for {
		r, err := step(context.Background(), s)
		if err != nil {
			return err
		}
		fmt.Println(r.Seq, r.Hash)
	}
}

// step commits the next version.
func step(ctx context.Context, s *Store) (Record, error) {
	next, err := s.Runtime(ctx)
	if err != nil {
		return Record{}, err
	}
	next.Version++
	next.Phase, next.Share = "canary", uint16(next.Version%10001)
	return s.Commit(ctx, next, Act{Actor: "ops", Door: "cli", Act: "canary set", Object: "share", Reason: "test", Result: "done"})
}

type child struct {
	cmd   *exec.Cmd
	in    io.Closer
	lines *bufio.Reader
}

// spawn starts a child; the caller ends it.
func spawn(t *testing.T, dir, what string) *child {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), childDir+"="+dir, childWork+"="+what)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &child{cmd: cmd, in: in, lines: bufio.NewReader(out)}
	t.Cleanup(c.kill)
	return c
}

// line is the next whole line; empty at the end.
func (c *child) line() string {
	text, err := c.lines.ReadString('\n')
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(text, "\n")
}

// kill ends the child as kill -9 does, and waits for it.
func (c *child) kill() {
	_ = c.cmd.Process.Kill()
	c.wait()
}

func (c *child) wait() { _ = c.cmd.Wait() }

func mustOpen(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func mustClose(t *testing.T, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// fill makes a chain of n records, one of them in three a mere record.
func fill(t *testing.T, s *Store, n int) {
	t.Helper()
	for i := range n {
		var err error
		if i%3 == 2 {
			_, err = s.Record(t.Context(), Act{Actor: "crossfade", Door: "auto", Act: "start", Object: "instance", After: map[string]any{"n": i, "text": "ü<>& \u2028\x01"}, Reason: "test", Result: "done"})
		} else {
			_, err = step(t.Context(), s)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func mustVerify(t *testing.T, s *Store) Verdict {
	t.Helper()
	v, err := s.Verify(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestWhatWasCommittedSurvivesKill9(t *testing.T) {
	dir := t.TempDir()
	acknowledged := map[uint64]string{}
	for round := range 6 {
		c := spawn(t, dir, "commit")
		if got := c.line(); got != "open" {
			t.Fatalf("the child says %q", got)
		}
		for range 7 + 11*round {
			note(t, acknowledged, c.line())
		}
		if err := c.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for line := c.line(); line != ""; line = c.line() { // said before it died
			note(t, acknowledged, line)
		}
		c.wait()
		checkAfterKill(t, dir, acknowledged)
	}
	t.Logf("%d acknowledged acts", len(acknowledged))
}

func note(t *testing.T, acknowledged map[uint64]string, line string) {
	t.Helper()
	seq, hash, ok := strings.Cut(line, " ")
	n, err := strconv.ParseUint(seq, 10, 64)
	if !ok || err != nil {
		t.Fatalf("the child says %q", line)
	}
	acknowledged[n] = hash
}

func checkAfterKill(t *testing.T, dir string, acknowledged map[uint64]string) {
	t.Helper()
	s := mustOpen(t, dir)
	defer mustClose(t, s)
	v := mustVerify(t, s)
	if v.Broken != 0 {
		t.Fatalf("the chain is broken at %d: %s", v.Broken, v.Why)
	}
	stored := map[uint64]string{}
	var last Record
	for last.Seq < v.Records {
		records, err := s.Records(t.Context(), Query{After: last.Seq})
		if err != nil || len(records) == 0 {
			t.Fatalf("%d records after %d: %v", len(records), last.Seq, err)
		}
		for _, r := range records {
			stored[r.Seq], last = r.Hash, r
		}
	}
	for seq, hash := range acknowledged {
		if stored[seq] != hash {
			t.Errorf("act %d was acknowledged as %s and is %q", seq, hash, stored[seq])
		}
	}
	now, err := s.Runtime(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if now != last.Runtime || now.Version != last.Seq || now.Share != uint16(now.Version%10001) {
		t.Errorf("in force is %+v, the last of %d acts says %+v", now, last.Seq, last.Runtime)
	}
}

func TestASecondInstanceIsRefused(t *testing.T) {
	dir := t.TempDir()
	holder := spawn(t, dir, "hold")
	if got := holder.line(); got != "open" {
		t.Fatalf("the holder says %q", got)
	}
	_, err := Open(dir)
	var used *InUseError
	if !errors.As(err, &used) || used.PID != holder.cmd.Process.Pid || used.Dir != dir {
		t.Fatalf("want the holder %d of %s, got %v", holder.cmd.Process.Pid, dir, err)
	}
	for _, part := range []string{dir, strconv.Itoa(used.PID), "stop that instance", "state.dir"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}

	holder.kill()
	s, err := Open(dir)
	if err != nil {
		t.Fatalf("after kill -9 of the holder: %v", err)
	}
	if _, err := Open(dir); !errors.As(err, &used) || used.PID != os.Getpid() {
		t.Errorf("a second Open of one process: %v", err)
	}
	second := spawn(t, dir, "hold")
	if got := second.line(); !strings.Contains(got, "is in use by process "+strconv.Itoa(os.Getpid())) {
		t.Errorf("the second process says %q", got)
	}
	second.wait()
	mustClose(t, s)
	mustClose(t, mustOpen(t, dir))
}

func TestFilesAreForTheirOwnerOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "odd ?#% name")
	s := mustOpen(t, dir)
	fill(t, s, 3)
	want := map[string]os.FileMode{".": 0o700, "lock": 0o600, "state.db": 0o600, "state.db-wal": 0o600, "state.db-shm": 0o600}
	for name, mode := range want {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != mode {
			t.Errorf("%s has mode %o, want %o", name, info.Mode().Perm(), mode)
		}
	}
}
