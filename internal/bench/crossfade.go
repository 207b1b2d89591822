package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// build compiles crossfade as it is shipped.
func (s *stage) build(ctx context.Context, root string) error {
	s.binary = filepath.Join(s.dir, "crossfade")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", s.binary, "./cmd/crossfade")
	cmd.Dir = root
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build crossfade: %w: %s", err, lastLines(output))
	}
	return nil
}

const passwordVariable = "CROSSFADE_BENCH_PASSWORD"

// crossfadeConfig is the smallest file that lets both users in. Everything else
// is the default.
const crossfadeConfig = `listeners:
  - {name: bench, address: "127.0.0.1:0"}
source: {address: %q}
users:
  - {name: %s, auth: trust}
  - {name: %s, password: "env:%s"}
state: {dir: %q}
admin: {address: "127.0.0.1:0"}
`

// startCrossfade starts a proxy in front of the server at source.
func (s *stage) startCrossfade(ctx context.Context, source string) (route, error) {
	dir, err := os.MkdirTemp(s.dir, "crossfade-")
	if err != nil {
		return route{}, fmt.Errorf("make a directory for crossfade: %w", err)
	}
	file := filepath.Join(dir, "crossfade.yaml")
	text := fmt.Sprintf(crossfadeConfig, source, loadUser, lockedUser, passwordVariable, filepath.Join(dir, "var"))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return route{}, fmt.Errorf("write crossfade's configuration: %w", err)
	}
	words, said, err := os.Pipe()
	if err != nil {
		return route{}, fmt.Errorf("make a pipe: %w", err)
	}
	defer words.Close()
	cmd := exec.CommandContext(context.WithoutCancel(ctx), s.binary, "serve", "-c", file)
	cmd.Env = append(os.Environ(), passwordVariable+"="+s.password)
	cmd.Stdout = said
	c, err := launch(crossfade, dir, cmd)
	_ = said.Close()
	if err != nil {
		return route{}, err
	}
	s.children = append(s.children, c)
	if err := words.SetReadDeadline(time.Now().Add(startLimit)); err != nil {
		return route{}, fmt.Errorf("wait for crossfade: %w", err)
	}
	line, err := bufio.NewReader(words).ReadString('\n')
	if err != nil {
		return route{}, errors.Join(fmt.Errorf("wait for crossfade to be ready: %w", err), c.endedEarly())
	}
	addr, err := readyAddr(line)
	return route{name: crossfade, addr: addr, pid: c.process.Pid}, err
}

// readyAddr finds the listener's address in "ready bench=127.0.0.1:6432 admin=…".
func readyAddr(line string) (string, error) {
	for word := range strings.FieldsSeq(line) {
		if addr, found := strings.CutPrefix(word, "bench="); found {
			return addr, nil
		}
	}
	return "", fmt.Errorf("read crossfade's ready line: no address in %q", line)
}
