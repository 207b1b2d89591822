package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// usage is what a process has used and holds (proc(5)).
type usage struct {
	cpu      time.Duration // user and system, of all threads, also of those that ended
	switches int64         // context switches of all present threads, both kinds
	rss      int64         // bytes
	peak     int64         // bytes, since the last readUsage
}

// tick is the unit of times in /proc/PID/stat: 1/USER_HZ, which is 100 on every
// architecture that Go runs on.
const tick = time.Second / 100

// readUsage looks at a process and begins a new peak of its memory. Process 0
// is none and uses nothing.
func readUsage(pid int) (usage, error) {
	if pid == 0 {
		return usage{}, nil
	}
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	var u usage
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return u, fmt.Errorf("read the processor time: %w", err)
	}
	if u.cpu, err = parseStat(stat); err != nil {
		return u, err
	}
	status, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil {
		return u, fmt.Errorf("read the memory: %w", err)
	}
	if u.rss, err = statusField(status, "VmRSS"); err != nil {
		return u, err
	}
	if u.peak, err = statusField(status, "VmHWM"); err != nil {
		return u, err
	}
	u.rss, u.peak = u.rss*kib, u.peak*kib
	if u.switches, err = readSwitches(dir); err != nil {
		return u, err
	}
	return u, resetPeak(dir)
}

const kib = 1 << 10

// resetPeak sets VmHWM back to the present VmRSS (proc(5), clear_refs).
func resetPeak(dir string) error {
	if err := os.WriteFile(filepath.Join(dir, "clear_refs"), []byte("5"), 0); err != nil {
		return fmt.Errorf("begin a new memory peak: %w", err)
	}
	return nil
}

// readSwitches adds up the context switches of the threads of a process.
func readSwitches(dir string) (int64, error) {
	tasks, err := filepath.Glob(filepath.Join(dir, "task", "*", "status"))
	if err != nil {
		return 0, fmt.Errorf("list the threads: %w", err)
	}
	var sum int64
	for _, task := range tasks {
		status, err := os.ReadFile(task)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // it has ended since
		}
		if err != nil {
			return 0, fmt.Errorf("read the context switches: %w", err)
		}
		for _, name := range []string{"voluntary_ctxt_switches", "nonvoluntary_ctxt_switches"} {
			n, err := statusField(status, name)
			if err != nil {
				return 0, err
			}
			sum += n
		}
	}
	return sum, nil
}

// parseStat reads user and system time from a /proc/PID/stat line, "pid (name)
// state ppid …", where utime and stime are fields 14 and 15. A name may itself
// hold brackets and blanks.
func parseStat(line []byte) (time.Duration, error) {
	const utime, stime = 14 - 3, 15 - 3 // counted from the state, field 3
	fields := bytes.Fields(line[bytes.LastIndexByte(line, ')')+1:])
	if len(fields) <= stime {
		return 0, errors.New("read the processor time: the line is short")
	}
	var sum time.Duration
	for _, field := range fields[utime : stime+1] {
		ticks, err := strconv.ParseUint(string(field), 10, 40)
		if err != nil {
			return 0, fmt.Errorf("read the processor time: %w", err)
		}
		sum += time.Duration(ticks) * tick
	}
	return sum, nil
}

// statusField reads a number from /proc/PID/status: "VmRSS:	    5196 kB" is
// 5196, in the unit of the file.
func statusField(status []byte, name string) (int64, error) {
	for line := range bytes.Lines(status) {
		key, value, found := bytes.Cut(line, []byte(":"))
		if !found || string(key) != name {
			continue
		}
		fields := bytes.Fields(value)
		if len(fields) == 0 {
			break
		}
		n, err := strconv.ParseInt(string(fields[0]), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read %s: %w", name, err)
		}
		return n, nil
	}
	return 0, fmt.Errorf("read %s: it is not there", name)
}
