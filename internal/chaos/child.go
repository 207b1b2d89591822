package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

const (
	startLimit = 20 * time.Second
	stopLimit  = 45 * time.Second // above crossfade's limits.drain
)

// child is one life of the proxy.
type child struct {
	log     string // file with what it wrote to standard error
	process *os.Process
	done    chan struct{} // closed when it has ended
}

// startChild runs cmd, and returns when it has said that it is ready. The
// goroutine that waits for its end keeps its thread, since Linux delivers the
// parent's death signal when the thread that started a child ends (prctl(2)).
func startChild(cmd *exec.Cmd, log string) (*child, error) {
	c := &child{log: log, done: make(chan struct{})}
	words, said, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	defer words.Close()
	file, err := os.Create(log)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make the proxy's log: %w", err), said.Close())
	}
	defer file.Close()
	cmd.Stdout, cmd.Stderr = said, file
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	dieWithParent(cmd.SysProcAttr)
	started := make(chan error)
	go func() {
		defer close(c.done)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		_ = said.Close()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		<-c.done
		return nil, fmt.Errorf("start the proxy: %w", err)
	}
	c.process = cmd.Process
	return c, c.ready(words)
}

func (c *child) ready(words *os.File) error {
	if err := words.SetReadDeadline(time.Now().Add(startLimit)); err != nil {
		return errors.Join(err, c.kill())
	}
	line, err := bufio.NewReader(words).ReadString('\n')
	if err == nil && !strings.HasPrefix(line, "ready ") {
		err = fmt.Errorf("it says %q", strings.TrimSpace(line))
	}
	if err == nil {
		return nil
	}
	log, _ := os.ReadFile(c.log)
	return errors.Join(fmt.Errorf("wait for the proxy to be ready: %w: %s", err, lastLines(log)), c.kill())
}

// ended says that the process is gone.
func (c *child) ended() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// endedEarly says that nobody has struck it.
func (c *child) endedEarly() error {
	log, err := os.ReadFile(c.log)
	return errors.Join(fmt.Errorf("the proxy has ended by itself, see %s: %s", c.log, lastLines(log)), err)
}

func (c *child) signal(s syscall.Signal) error {
	if err := c.process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal the proxy: %w", err)
	}
	return nil
}

// kill ends it at once, and waits for that.
func (c *child) kill() error {
	err := c.signal(syscall.SIGKILL)
	if err == nil {
		<-c.done
	}
	return err
}

// stop lets it end by itself, and kills it when that takes too long.
func (c *child) stop() error {
	if err := errors.Join(c.signal(syscall.SIGCONT), c.signal(syscall.SIGTERM)); err != nil {
		return err
	}
	timer := time.NewTimer(stopLimit)
	defer timer.Stop()
	select {
	case <-c.done:
		return nil
	case <-timer.C:
		return errors.Join(fmt.Errorf("stop the proxy: it took more than %v", stopLimit), c.kill())
	}
}

// freeAddr is a loopback address that nobody listens on now.
func freeAddr(ctx context.Context) (string, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return listener.Addr().String(), listener.Close()
}

// linesMost of a log are shown.
const linesMost = 8

// lastLines is the end of a program's output.
func lastLines(output []byte) string {
	lines := bytes.Split(bytes.TrimSpace(output), []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-linesMost):], []byte("\n")))
}

// moduleRoot is the directory of go.mod.
func moduleRoot(ctx context.Context) (string, error) {
	output, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	file := strings.TrimSpace(string(output))
	if filepath.Base(file) != "go.mod" {
		return "", errors.New("find the module: run this inside of it")
	}
	return filepath.Dir(file), nil
}

// pause waits, unless ctx ends before.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
