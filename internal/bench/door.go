package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// door is the admin door of a proxy, used as an operator on the same machine
// uses it: with the program's commands and the token of the state directory.
type door struct{ program, address, state string }

// standing is the part of the status that is asked for here.
type standing struct {
	Sessions sides          `json:"sessions"` // by who answers them
	Backends sides          `json:"backends"` // legs
	Pins     map[string]int `json:"pins"`
}

// sides counts something on each side.
type sides struct {
	Source int `json:"source"`
	Target int `json:"target"`
}

// open begins phase canary with a share, in percent.
func (d door) open(ctx context.Context, share int) error {
	if _, err := d.do(ctx, "phase", "set", "canary", "--reason", "benchmark"); err != nil {
		return err
	}
	return d.setShare(ctx, share)
}

// mirror begins phase mirror.
func (d door) mirror(ctx context.Context) error {
	_, err := d.do(ctx, "phase", "set", "mirror", "--reason", "benchmark")
	return err
}

// reconcile returns when the two sides are known to be equal.
func (d door) reconcile(ctx context.Context) error {
	_, err := d.do(ctx, "reconcile", "run", "--wait", "--reason", "benchmark")
	return err
}

// setShare returns when statements are routed by the share, in percent.
func (d door) setShare(ctx context.Context, share int) error {
	_, err := d.do(ctx, "canary", "set", strconv.Itoa(share), "--reason", "benchmark")
	return err
}

func (d door) status(ctx context.Context) (standing, error) {
	var now standing
	text, err := d.do(ctx, "status", "-o", "json")
	if err != nil {
		return now, err
	}
	if err := json.Unmarshal(text, &now); err != nil {
		return now, fmt.Errorf("read crossfade status: %w", err)
	}
	return now, nil
}

// do runs one command. The token goes by the environment, which other users of
// the machine do not see.
func (d door) do(ctx context.Context, words ...string) ([]byte, error) {
	token, err := os.ReadFile(filepath.Join(d.state, "admin.token"))
	if err != nil {
		return nil, fmt.Errorf("read the admin token: %w", err)
	}
	cmd := exec.CommandContext(ctx, d.program, words...)
	cmd.Env = append(os.Environ(), "CROSSFADE_ADMIN=http://"+d.address, "CROSSFADE_TOKEN="+string(bytes.TrimSpace(token)))
	output, err := cmd.Output()
	if err == nil {
		return output, nil
	}
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		err = fmt.Errorf("%w: %s", err, lastLines(ended.Stderr))
	}
	return nil, fmt.Errorf("run crossfade %s: %w", strings.Join(words, " "), err)
}
