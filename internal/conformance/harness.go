package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// harness is what all suites of one run share.
type harness struct {
	settings
	root    string // of the module
	dir     string // working directory, removed by close unless -keep
	binary  string // the proxy
	allowed []allowance
	began   time.Time
}

func newHarness(ctx context.Context, s settings) (*harness, error) {
	root, err := output(ctx, "", "go", "list", "-m", "-f", "{{.Dir}}")
	if err != nil {
		return nil, fmt.Errorf("find the module: %w", err)
	}
	h := &harness{settings: s, root: strings.TrimSpace(root), began: time.Now()}
	if h.allowed, err = readAllowed(h.root); err != nil {
		return nil, err
	}
	if h.dir, err = os.MkdirTemp("", "crossfade-conformance-"); err != nil {
		return nil, fmt.Errorf("make the working directory: %w", err)
	}
	if s.keep {
		fmt.Println("working directory:", h.dir)
	}
	h.binary = filepath.Join(h.dir, "crossfade")
	if err := h.build(ctx, h.binary); err != nil {
		return nil, err
	}
	return h, nil
}

// build compiles the proxy to a file; flags come before the package.
func (h *harness) build(ctx context.Context, to string, flags ...string) error {
	args := append([]string{"build", "-o", to}, flags...)
	if _, err := output(ctx, h.root, "go", append(args, "./cmd/crossfade")...); err != nil {
		return fmt.Errorf("build the proxy: %w", err)
	}
	return nil
}

func (h *harness) close() error {
	if h.keep {
		return nil
	}
	if err := os.RemoveAll(h.dir); err != nil {
		return fmt.Errorf("remove the working directory: %w", err)
	}
	return nil
}

// talk prints a line of progress.
func (h *harness) talk(format string, args ...any) {
	fmt.Printf("[%4.0fs] "+format+"\n", append([]any{time.Since(h.began).Seconds()}, args...)...)
}

// logged are the settings of a server whose log tells each connection and its
// process.
func logged() map[string]string {
	return map[string]string{"log_connections": "on", "log_line_prefix": "%p ", "log_min_error_statement": "panic"}
}

// command is a child process that dies whole, with its own children, when ctx
// ends: go test and npm start others.
func command(ctx context.Context, dir, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = cleanEnviron()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// cleanEnviron is the environment without what clients of PostgreSQL and the
// suites read: both runs must see only what the harness says.
func cleanEnviron() []string {
	return slices.DeleteFunc(os.Environ(), func(entry string) bool {
		return strings.HasPrefix(entry, "PG") || strings.HasPrefix(entry, "PQ")
	})
}

// output is what a command prints; its talk is part of the error.
func output(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := command(ctx, dir, name, args...)
	var talk strings.Builder
	cmd.Stderr = &talk
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, args[0], err, strings.TrimSpace(talk.String()))
	}
	return string(out), nil
}
