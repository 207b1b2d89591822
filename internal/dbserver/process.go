package dbserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// command prepares a program of an installation to run as owner, with an
// environment that makes its messages and defaults the same everywhere.
func command(ctx context.Context, install Install, owner account, program string, arguments ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(install.Bin, program), arguments...)
	cmd.Dir = "/" // the present one may be closed to owner
	cmd.Env = []string{"PATH=" + install.Bin + ":/usr/bin:/bin", "LC_ALL=C", "TZ=UTC"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: owner.credential()}
	return cmd
}

// process is a running postmaster and its children.
type process struct {
	postmaster *os.Process
	done       chan struct{} // closed when none of them is left
}

// launch starts cmd and the one goroutine that waits for its end.
//
// Every process of the server inherits the write end of a pipe, so the end of
// that pipe is the end of the last of them, children of a killed postmaster
// included. The goroutine keeps its thread, since Linux delivers the parent's
// death signal when the thread that started a child ends (prctl(2)).
func launch(cmd *exec.Cmd) (*process, error) {
	alive, held, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	cmd.ExtraFiles = []*os.File{held}
	cmd.SysProcAttr.Setpgid = true // a terminal's interrupt is for the owner alone
	dieWithParent(cmd.SysProcAttr)
	started := make(chan error)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer alive.Close()
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		_ = held.Close()
		started <- err
		if err != nil {
			return
		}
		_ = cmd.Wait()
		_, _ = io.Copy(io.Discard, alive)
	}()
	if err := <-started; err != nil {
		<-done
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	return &process{postmaster: cmd.Process, done: done}, nil
}

// ended tells whether no process of the server is left.
func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// shutdown ends the server the fast way: open transactions are rolled back, the
// data is checkpointed (manual, "Shutting Down the Server"). What is left when
// ctx ends is killed.
func (p *process) shutdown(ctx context.Context) error {
	if p.ended() {
		return nil
	}
	if err := errors.Join(p.resume(), p.signal(syscall.SIGINT)); err != nil {
		return err
	}
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("wait for PostgreSQL to stop: %w", context.Cause(ctx)), p.kill())
	}
}

// kill ends every process at once, as a crash does, and waits for their end.
func (p *process) kill() error {
	children, err := p.freeze()
	if err != nil {
		return err
	}
	err = p.signal(syscall.SIGKILL)
	for _, child := range children {
		err = errors.Join(err, signalChild(child, syscall.SIGKILL))
	}
	if err == nil {
		<-p.done
	}
	return err
}

// pause stops every process of the server where it is.
func (p *process) pause() error {
	children, err := p.freeze()
	for _, child := range children {
		err = errors.Join(err, signalChild(child, syscall.SIGSTOP))
	}
	return err
}

// resume continues after pause, the children first.
func (p *process) resume() error {
	children, err := p.freeze()
	for _, child := range children {
		err = errors.Join(err, signalChild(child, syscall.SIGCONT))
	}
	return errors.Join(err, p.signal(syscall.SIGCONT))
}

// freeze stops the postmaster and lists its children. While it stands still it
// neither starts nor reaps one, so that their process ids stay theirs. Signals
// to its process group would not reach them: each is a session leader.
//
// It lists nothing once the postmaster has ended: the id may be somebody else's.
func (p *process) freeze() ([]int, error) {
	err := p.postmaster.Signal(syscall.SIGSTOP)
	if errors.Is(err, os.ErrProcessDone) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("signal PostgreSQL: %w", err)
	}
	return childrenOf(p.postmaster.Pid)
}

// signal does nothing to a postmaster that has ended.
func (p *process) signal(signal syscall.Signal) error {
	if err := p.postmaster.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal PostgreSQL: %w", err)
	}
	return nil
}

func signalChild(pid int, signal syscall.Signal) error {
	if err := syscall.Kill(pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("signal PostgreSQL's child: %w", err)
	}
	return nil
}

// pollInterval is short against the 0.1 s that a start takes.
const pollInterval = 10 * time.Millisecond

// poll calls try until it reports true or an error, or ctx ends.
func poll(ctx context.Context, try func() (bool, error)) error {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		if done, err := try(); done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
		}
	}
}

// tailLimit is enough for the last dozen lines of a log.
const tailLimit = 2 << 10

// tail is the end of a program's output, from the beginning of a line.
func tail(output string) string {
	output = strings.TrimSpace(output)
	if len(output) <= tailLimit {
		return output
	}
	output = output[len(output)-tailLimit:]
	_, output, _ = strings.Cut(output, "\n")
	return output
}
