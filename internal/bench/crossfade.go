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
func (s *stage) build(ctx context.Context) error {
	s.binary = filepath.Join(s.dir, "crossfade")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", s.binary, "./cmd/crossfade")
	cmd.Dir = s.root
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build crossfade: %w: %s", err, lastLines(output))
	}
	return nil
}

const passwordVariable = "CROSSFADE_BENCH_PASSWORD"

// proxyOptions are what differs between the proxies of one run.
type proxyOptions struct {
	route  string
	source string // address of the server
	target string // "": there is none, and what follows does not count
	writes writes
	share  int // percent
	mirror *mirrorOptions
}

// writes is what canary.writes says.
type writes string

const (
	writesRefuse writes = "refuse"
	writesTarget writes = "target"
)

// crossfadeConfig is the smallest file that lets both users in, targetConfig
// what it takes beside it to have a canary. Everything else is the default.
const (
	crossfadeConfig = `listeners:
  - {name: bench, address: "127.0.0.1:0"}
source: {address: %q}
users:
  - {name: %s, auth: trust}
  - {name: %s, password: "env:%s"}
state: {dir: %q}
admin: {address: "127.0.0.1:0"}
`
	targetConfig = `target: {address: %q}
canary: {writes: %s}
`
)

func (o proxyOptions) config(state string) string {
	text := fmt.Sprintf(crossfadeConfig, o.source, loadUser, lockedUser, passwordVariable, state)
	if o.mirror != nil {
		return o.mirrorConfig(state)
	}
	if o.target != "" {
		text += fmt.Sprintf(targetConfig, o.target, o.writes)
	}
	return text
}

// startCrossfade starts a proxy. One with a target is in phase canary.
func (s *stage) startCrossfade(ctx context.Context, o proxyOptions) (route, error) {
	dir, err := os.MkdirTemp(s.dir, "crossfade-")
	if err != nil {
		return route{}, fmt.Errorf("make a directory for crossfade: %w", err)
	}
	file, state := filepath.Join(dir, "crossfade.yaml"), filepath.Join(dir, "var")
	if err := os.WriteFile(file, []byte(o.config(state)), 0o600); err != nil {
		return route{}, fmt.Errorf("write crossfade's configuration: %w", err)
	}
	line, c, err := s.serve(ctx, dir, file)
	if err != nil {
		return route{}, err
	}
	addr, err := readyAddr(line, "bench")
	if err != nil {
		return route{}, err
	}
	admin, err := readyAddr(line, "admin")
	if err != nil {
		return route{}, err
	}
	via := route{
		name: o.route, addr: addr, pid: c.process.Pid, share: o.share,
		door: door{program: s.binary, address: admin, state: state},
	}
	switch {
	case o.target == "":
		return via, nil
	case o.mirror == nil:
		return via, via.door.open(ctx, o.share)
	case o.mirror.tables == "":
		return via, nil
	default:
		via.mirrors = true
		return via, via.door.mirror(ctx)
	}
}

// serve runs the program and returns its ready line.
func (s *stage) serve(ctx context.Context, dir, file string) (string, *child, error) {
	words, said, err := os.Pipe()
	if err != nil {
		return "", nil, fmt.Errorf("make a pipe: %w", err)
	}
	defer words.Close()
	cmd := exec.CommandContext(context.WithoutCancel(ctx), s.binary, "serve", "-c", file)
	cmd.Env = append(os.Environ(), passwordVariable+"="+s.password)
	cmd.Stdout = said
	c, err := launch(crossfade, dir, cmd)
	_ = said.Close()
	if err != nil {
		return "", nil, err
	}
	s.children = append(s.children, c)
	if err := words.SetReadDeadline(time.Now().Add(startLimit)); err != nil {
		return "", nil, fmt.Errorf("wait for crossfade: %w", err)
	}
	line, err := bufio.NewReader(words).ReadString('\n')
	if err != nil {
		return "", nil, errors.Join(fmt.Errorf("wait for crossfade to be ready: %w", err), c.endedEarly())
	}
	return line, c, nil
}

// readyAddr finds an address in "ready bench=127.0.0.1:6432 admin=…".
func readyAddr(line, name string) (string, error) {
	for word := range strings.FieldsSeq(line) {
		if addr, found := strings.CutPrefix(word, name+"="); found {
			return addr, nil
		}
	}
	return "", fmt.Errorf("read crossfade's ready line: no address of %s in %q", name, line)
}
