//go:build failpoints

package failpoint

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestMain is the process that tests strike when it is told to be: it hits
// Durable whenever a byte comes, and answers with one.
func TestMain(m *testing.M) {
	if os.Getenv("FAILPOINT_VICTIM") == "" {
		os.Exit(m.Run())
	}
	var b [1]byte
	for {
		if _, err := os.Stdin.Read(b[:]); err != nil {
			return
		}
		Hit(Durable)
		_, _ = os.Stdout.Write(b[:])
	}
}

type victim struct {
	dir string
	cmd *exec.Cmd
	in  io.WriteCloser
	out io.Reader
}

func start(t *testing.T) *victim {
	v := &victim{dir: t.TempDir()}
	v.cmd = exec.Command(os.Args[0])
	v.cmd.Env = append(os.Environ(), "FAILPOINT_VICTIM=1", "CROSSFADE_FAILPOINTS="+v.dir)
	var err1, err2 error
	v.in, err1 = v.cmd.StdinPipe()
	v.out, err2 = v.cmd.StdoutPipe()
	if err := errors.Join(err1, err2, v.cmd.Start()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = v.cmd.Process.Kill(); _ = v.cmd.Wait() })
	return v
}

func (v *victim) put(t *testing.T, name, text string) {
	whole := filepath.Join(t.TempDir(), "whole")
	if err := errors.Join(os.WriteFile(whole, []byte(text), 0o600), os.Rename(whole, filepath.Join(v.dir, name))); err != nil {
		t.Fatal(err)
	}
}

// last hits, and lets the process end if nothing strikes it.
func (v *victim) last(t *testing.T) {
	v.hit(t)
	_ = v.in.Close() // it may be gone already
}

func (v *victim) hit(t *testing.T) {
	if _, err := v.in.Write([]byte{'x'}); err != nil {
		t.Fatal(err)
	}
}

func (v *victim) returned(t *testing.T) {
	if _, err := io.ReadFull(v.out, make([]byte, 1)); err != nil {
		t.Fatalf("the process did not go on: %v", err)
	}
}

func (v *victim) wants(t *testing.T, count string, gone string) {
	t.Helper()
	if got, err := os.ReadFile(filepath.Join(v.dir, "count-durable")); err != nil || string(got) != count {
		t.Errorf("the counter is %q, %v, want %q", got, err, count)
	}
	if _, err := os.Stat(filepath.Join(v.dir, gone)); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", gone, err)
	}
}

func TestHitCountsAndGoesOn(t *testing.T) {
	v := start(t)
	v.put(t, "kill-settled", "") // of another point
	for range 3 {
		v.hit(t)
		v.returned(t)
	}
	v.wants(t, "...", "kill-durable")
}

func TestHitKillsOnce(t *testing.T) {
	v := start(t)
	v.put(t, "kill-durable", "")
	v.last(t)
	rest, _ := io.ReadAll(v.out)
	err := v.cmd.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL || len(rest) > 0 {
		t.Fatalf("ended with %v after %q, want a SIGKILL", err, rest)
	}
	v.wants(t, ".", "kill-durable")
}

func TestHitStopsUntilContinued(t *testing.T) {
	v := start(t)
	v.put(t, "stop-durable", "")
	v.last(t)
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(v.cmd.Process.Pid, &status, syscall.WUNTRACED, nil); err != nil || !status.Stopped() {
		t.Fatalf("%v, %v, want it stopped", status, err)
	}
	v.wants(t, ".", "stop-durable")
	if err := v.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	v.returned(t)
}

func TestHitDelays(t *testing.T) {
	v := start(t)
	v.put(t, "delay-durable", "30ms\n")
	for range 2 {
		began := time.Now()
		v.hit(t)
		v.returned(t)
		if d := time.Since(began); d < 30*time.Millisecond {
			t.Errorf("it went on after %v", d)
		}
	}
}

func TestAControlDirectoryThatIsGoneEndsTheProcess(t *testing.T) {
	v := start(t)
	if err := os.Remove(v.dir); err != nil {
		t.Fatal(err)
	}
	v.last(t)
	_, _ = io.ReadAll(v.out)
	if err := v.cmd.Wait(); err == nil {
		t.Error("it went on without its faults")
	}
}
