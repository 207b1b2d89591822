package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

const (
	startLimit = 20 * time.Second
	// stopLimit is above crossfade's limits.drain: a thousand backends that end
	// at once take their time.
	stopLimit = 45 * time.Second
)

// child is a proxy that runs until it is stopped.
type child struct {
	name    string
	log     string // file with what it wrote to standard error
	process *os.Process
	done    chan struct{} // closed when it has ended
}

// launch starts cmd and the one goroutine that waits for its end. The goroutine
// keeps its thread, since Linux delivers the parent's death signal when the
// thread that started a child ends (prctl(2)).
func launch(name, dir string, cmd *exec.Cmd) (*child, error) {
	c := &child{name: name, log: filepath.Join(dir, name+".log"), done: make(chan struct{})}
	log, err := os.Create(c.log)
	if err != nil {
		return nil, fmt.Errorf("make the log of %s: %w", name, err)
	}
	defer log.Close()
	cmd.Stderr = log
	if cmd.Stdout == nil {
		cmd.Stdout = log
	}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true // a terminal's interrupt is for this program alone
	dieWithParent(cmd.SysProcAttr)
	started := make(chan error)
	go func() {
		defer close(c.done)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	c.process = cmd.Process
	return c, nil
}

// await returns when somebody listens on addr.
func (c *child) await(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	var dialer net.Dialer
	for {
		conn, err := dialer.DialContext(ctx, "tcp", addr)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-again.C:
		case <-c.done:
			return c.endedEarly()
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", c.name, errors.Join(ctx.Err(), err))
		}
	}
}

func (c *child) endedEarly() error {
	log, err := os.ReadFile(c.log)
	return errors.Join(fmt.Errorf("%s has ended by itself: %s", c.name, lastLines(log)), err)
}

// stop ends the process, which should still be there: the hard way when it
// takes too long.
func (c *child) stop() error {
	select {
	case <-c.done:
		return c.endedEarly()
	default:
	}
	if err := c.process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop %s: %w", c.name, err)
	}
	timer := time.NewTimer(stopLimit)
	defer timer.Stop()
	select {
	case <-c.done:
		return nil
	case <-timer.C:
		err := c.process.Kill()
		<-c.done
		return errors.Join(fmt.Errorf("stop %s: it took more than %v", c.name, stopLimit), err)
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
