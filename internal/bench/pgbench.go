package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"time"
)

const (
	scale     = 10 // of pgbench's tables: a million accounts
	loadUser  = "bench"
	loadName  = "bench" // of the database
	logPrefix = "log"
)

// pgbench prepares a run of pgbench against addr, without TLS.
func (s *stage) pgbench(ctx context.Context, addr string, arguments ...string) (*exec.Cmd, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("read the address: %w", err)
	}
	arguments = append(arguments, "-h", host, "-p", port, "-U", loadUser, loadName)
	cmd := exec.CommandContext(ctx, filepath.Join(s.install.Bin, "pgbench"), arguments...)
	cmd.Env = []string{"LC_ALL=C", "PATH=/usr/bin:/bin", "PGSSLMODE=disable", "PGGSSENCMODE=disable"}
	return cmd, nil
}

// pgbenchLoad runs pgbench for at least warm and dur together, in whole seconds
// as pgbench wants it, over connections that last for the run.
func (s *stage) pgbenchLoad(c cell, dur, warm time.Duration) load {
	return func(ctx context.Context, via route) (outcome, error) {
		dir, err := os.MkdirTemp(s.dir, "pgbench-")
		if err != nil {
			return outcome{}, fmt.Errorf("make a directory for pgbench's log: %w", err)
		}
		defer os.RemoveAll(dir)
		arguments := append(loadArguments(c, dur+warm), "--log", "--log-prefix="+filepath.Join(dir, logPrefix))
		if script, ok := scripts[c.kind]; ok {
			file := filepath.Join(dir, "script")
			if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
				return outcome{}, fmt.Errorf("write pgbench's script: %w", err)
			}
			arguments = append(arguments, "-f", file)
		}
		cmd, err := s.pgbench(ctx, via.addr, arguments...)
		if err != nil {
			return outcome{}, err
		}
		if output, err := cmd.CombinedOutput(); err != nil {
			return outcome{}, fmt.Errorf("run pgbench: %w: %s", err, lastLines(output))
		}
		transactions, err := readLogs(dir)
		if err != nil {
			return outcome{}, err
		}
		out, err := reckon(transactions, warm)
		out.load = processorTime{cmd.ProcessState.UserTime(), cmd.ProcessState.SystemTime()}
		return out, err
	}
}

func loadArguments(c cell, length time.Duration) []string {
	seconds := int((length + time.Second - 1) / time.Second)
	arguments := []string{
		"-n", "-c", strconv.Itoa(c.clients), "-j", strconv.Itoa(min(c.clients, runtime.NumCPU())), "-T", strconv.Itoa(seconds),
	}
	switch c.kind {
	case simple, extended:
		return append(arguments, "-S", "-M", string(c.kind))
	case tpcb, update, plainRead, plainWrite, mappedRead:
		return append(arguments, "-M", string(prepared))
	case prepared, syscalls, rows, connects, idle, moves, decide, transaction, backfill:
		return append(arguments, "-S", "-M", string(prepared))
	default:
		return arguments
	}
}

// lastLines is the end of a program's output, for an error.
func lastLines(output []byte) []byte {
	const most = 500
	return bytes.TrimSpace(output[max(0, len(output)-most):])
}

// ended is one line of pgbench's log: a transaction that has ended.
type ended struct {
	end     time.Time
	latency time.Duration
}

// readLogs reads the logs of one run: pgbench writes one per thread.
func readLogs(dir string) ([]ended, error) {
	paths, err := filepath.Glob(filepath.Join(dir, logPrefix+".*"))
	if err != nil {
		return nil, fmt.Errorf("list pgbench's logs: %w", err)
	}
	var all []ended
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read pgbench's log: %w", err)
		}
		if all, err = appendLog(all, text); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// appendLog adds the transactions of a log: "client number µs script seconds
// µs" per line (manual, pgbench, "Per-Transaction Logging"). A transaction that
// failed has a word in place of its time, and is an error.
func appendLog(all []ended, text []byte) ([]ended, error) {
	const latency, seconds, microseconds = 2, 4, 5
	for line := range bytes.Lines(text) {
		fields := bytes.Fields(line)
		if len(fields) <= microseconds {
			return nil, fmt.Errorf("read pgbench's log: %d fields in a line, want 6", len(fields))
		}
		var numbers [microseconds + 1]int64
		for _, i := range []int{latency, seconds, microseconds} {
			n, err := strconv.ParseInt(string(fields[i]), 10, 64)
			if err != nil || n < 0 {
				return nil, fmt.Errorf("read pgbench's log: %q is not a time; a transaction has failed", fields[i])
			}
			numbers[i] = n
		}
		all = append(all, ended{
			end:     time.Unix(numbers[seconds], numbers[microseconds]*int64(time.Microsecond)),
			latency: time.Duration(numbers[latency]) * time.Microsecond,
		})
	}
	return all, nil
}

var errStalled = errors.New("nothing ended after the warm-up")

// reckon drops what ended in the warm-up, which begins with the first
// transaction.
func reckon(all []ended, warm time.Duration) (outcome, error) {
	if len(all) == 0 {
		return outcome{}, errNothing
	}
	begin, end := all[0].end, all[0].end
	for _, t := range all {
		if first := t.end.Add(-t.latency); first.Before(begin) {
			begin = first
		}
		if t.end.After(end) {
			end = t.end
		}
	}
	begin = begin.Add(warm)
	out := outcome{allUnits: float64(len(all))}
	for _, t := range all {
		if !t.end.Before(begin) {
			out.latency = append(out.latency, t.latency)
		}
	}
	if len(out.latency) == 0 || !end.After(begin) {
		return outcome{}, errStalled
	}
	slices.Sort(out.latency)
	out.rate = float64(len(out.latency)) / end.Sub(begin).Seconds()
	return out, nil
}
