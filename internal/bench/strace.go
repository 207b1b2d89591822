package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// syscallResult is system calls per query, by name, of each proxy. Strace slows
// the proxy, so that those that wait (epoll_pwait, futex, nanosleep) are
// relative; reads and writes are exact.
type syscallResult struct {
	Cell    string                        `json:"cell"`
	Skipped string                        `json:"skipped,omitempty"` // why there are no figures
	Calls   map[string]map[string]float64 `json:"calls_per_query"`   // by route, then call
}

// total is all calls per query of a route.
func (r syscallResult) total(route string) float64 {
	sum := 0.0
	for _, n := range r.Calls[route] {
		sum += n
	}
	return sum
}

// measureSyscalls counts with strace where there is one.
func (s *stage) measureSyscalls(ctx context.Context, c cell, set settings) (syscallResult, error) {
	result := syscallResult{Cell: c.String(), Calls: map[string]map[string]float64{}}
	program, err := exec.LookPath("strace")
	if err != nil {
		result.Skipped = "strace is not installed"
		return result, nil
	}
	load := s.pgbenchLoad(c, set.Dur, set.Warm)
	for _, via := range s.routes[1:] {
		if result.Calls[via.name], err = s.strace(ctx, program, via, load); err != nil {
			return result, err
		}
	}
	return result, nil
}

func (s *stage) strace(ctx context.Context, program string, via route, load load) (calls map[string]float64, err error) {
	table := filepath.Join(s.dir, "strace.txt")
	cmd := exec.CommandContext(ctx, program, "-f", "-c", "-U", "name,calls", "-o", table, "-p", strconv.Itoa(via.pid))
	words, err := cmd.StderrPipe()
	if err != nil {
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start strace: %w", err)
	}
	attached := make([]byte, 4*kib) // its first words say that it has attached, or why not
	n, err := words.Read(attached)
	if err != nil || !bytes.Contains(attached[:n], []byte("attached")) {
		_ = cmd.Process.Kill()
		return nil, errors.Join(fmt.Errorf("attach strace to %s: %s", via.name, attached[:n]), err, cmd.Wait())
	}
	out, err := load(ctx, via)
	if stopErr := cmd.Process.Signal(syscall.SIGINT); stopErr != nil {
		err = errors.Join(err, stopErr)
	}
	_ = cmd.Wait() // an interrupted strace does not exit with 0
	if err != nil {
		return nil, fmt.Errorf("run on %s under strace: %w", via.name, err)
	}
	text, err := os.ReadFile(table)
	if err != nil {
		return nil, fmt.Errorf("read strace's table: %w", err)
	}
	counts, err := parseStrace(text)
	if err != nil {
		return nil, err
	}
	calls = map[string]float64{}
	for name, n := range counts {
		calls[name] = float64(n) / out.allUnits
	}
	return calls, nil
}

// parseStrace reads the table of "strace -c -U name,calls": a head, a rule, one
// line "read 4029" per call, a rule, the total.
func parseStrace(text []byte) (map[string]int64, error) {
	counts := map[string]int64{}
	rules := 0
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		switch {
		case strings.HasPrefix(line, "---"):
			rules++
			continue
		case rules != 1 || len(fields) == 0:
			continue
		case len(fields) != 2:
			return nil, fmt.Errorf("read strace's table: %d columns, want 2", len(fields))
		}
		n, err := strconv.ParseInt(fields[1], 10, 64)
		if err != nil || n < 0 {
			return nil, fmt.Errorf("read strace's table: %q is not a count", fields[1])
		}
		counts[fields[0]] = n
	}
	if len(counts) == 0 {
		return nil, errors.New("read strace's table: no call in it")
	}
	return counts, nil
}
