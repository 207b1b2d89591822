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

// processorTime is what the kernel has counted.
type processorTime struct{ user, system time.Duration }

func (t processorTime) plus(o processorTime) processorTime {
	return processorTime{t.user + o.user, t.system + o.system}
}

func (t processorTime) minus(o processorTime) processorTime {
	return processorTime{t.user - o.user, t.system - o.system}
}

// per is in microseconds for each of n.
func (t processorTime) per(n float64) share { return share{micros(t.user) / n, micros(t.system) / n} }

// share is processor time per unit, in microseconds.
type share struct {
	User   float64 `json:"user_us"`
	System float64 `json:"system_us"`
}

func (s share) sum() float64 { return s.User + s.System }

// split says whose processor time a unit takes.
type split struct {
	Proxy  share   `json:"proxy"`
	Source share   `json:"source"` // the server with all its processes
	Target share   `json:"target"`
	Load   share   `json:"load"`
	Idle   float64 `json:"machine_idle"` // part of the machine's processor time that nobody used
}

// sum is what a unit takes of all of them.
func (s split) sum() float64 { return s.Proxy.sum() + s.Source.sum() + s.Target.sum() + s.Load.sum() }

// view is what is looked at before and after a run.
type view struct {
	usage
	proxy   processorTime
	servers []processorTime // source and target; nil: they are not looked at
	idle    time.Duration   // of all processors
	all     time.Duration
}

func (via route) look() (v view, err error) {
	if v.usage, err = readUsage(via.pid); err != nil || via.servers == nil {
		return v, err
	}
	if v.proxy, err = familyTime(via.pid); err != nil {
		return v, err
	}
	for _, pid := range via.servers {
		t, err := familyTime(pid)
		if err != nil {
			return v, err
		}
		v.servers = append(v.servers, t)
	}
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return v, fmt.Errorf("read the machine's processor time: %w", err)
	}
	v.idle, v.all, err = parseMachine(stat)
	return v, err
}

// until splits what a run took; nil where nobody looked at the servers.
func (v view) until(after view, out outcome) *split {
	if v.servers == nil {
		return nil
	}
	s := &split{
		Proxy:  after.proxy.minus(v.proxy).per(out.allUnits),
		Source: after.servers[0].minus(v.servers[0]).per(out.allUnits),
		Target: after.servers[1].minus(v.servers[1]).per(out.allUnits),
		Load:   out.load.per(out.allUnits),
	}
	if all := after.all - v.all; all > 0 {
		s.Idle = float64(after.idle-v.idle) / float64(all)
	}
	return s
}

// familyTime is the processor time of a process, of its children, and of those
// children that it has buried. What a child has used does not get lost when it
// ends: its parent takes it over (proc(5), cutime). Process 0 is none.
func familyTime(pid int) (sum processorTime, err error) {
	if pid == 0 {
		return sum, nil
	}
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return sum, fmt.Errorf("list the processes: %w", err)
	}
	own := filepath.Join("/proc", strconv.Itoa(pid), "stat")
	found := false
	for _, path := range stats {
		line, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // it has ended since
		}
		if err != nil {
			return sum, fmt.Errorf("read the processor time: %w", err)
		}
		parent, t, err := parseFamily(line)
		if err != nil {
			return sum, err
		}
		if path == own || parent == pid {
			sum = sum.plus(t)
			found = found || path == own
		}
	}
	if !found {
		return sum, fmt.Errorf("read the processor time: process %d does not run", pid)
	}
	return sum, nil
}

// parseFamily reads the parent and the times of a /proc/PID/stat line, with
// those of the children that it has buried: ppid, utime, stime, cutime and
// cstime are fields 4 and 14 to 17.
func parseFamily(line []byte) (parent int, t processorTime, err error) {
	const ppid, utime, cstime = 4 - 3, 14 - 3, 17 - 3 // counted from the state, field 3
	fields := bytes.Fields(line[bytes.LastIndexByte(line, ')')+1:])
	if len(fields) <= cstime {
		return 0, t, errors.New("read the processor time: the line is short")
	}
	if parent, err = strconv.Atoi(string(fields[ppid])); err != nil {
		return 0, t, fmt.Errorf("read the parent: %w", err)
	}
	var ticks [4]time.Duration
	for i, field := range fields[utime : cstime+1] {
		n, err := strconv.ParseInt(string(field), 10, 64)
		if err != nil {
			return 0, t, fmt.Errorf("read the processor time: %w", err)
		}
		ticks[i] = time.Duration(n) * tick
	}
	return parent, processorTime{ticks[0] + ticks[2], ticks[1] + ticks[3]}, nil
}

// parseMachine reads the first line of /proc/stat, "cpu user nice system idle
// iowait irq softirq steal …", of which idle and iowait are nobody's.
func parseMachine(stat []byte) (idle, all time.Duration, err error) {
	line, _, _ := bytes.Cut(stat, []byte("\n"))
	fields := bytes.Fields(line)
	const known, idleAt, waitAt = 8, 3, 4
	if len(fields) <= known || string(fields[0]) != "cpu" {
		return 0, 0, errors.New("read the machine's processor time: the line has another form than expected")
	}
	for i, field := range fields[1 : known+1] {
		n, err := strconv.ParseInt(string(field), 10, 64)
		if err != nil {
			return 0, 0, fmt.Errorf("read the machine's processor time: %w", err)
		}
		all += time.Duration(n) * tick
		if i == idleAt || i == waitAt {
			idle += time.Duration(n) * tick
		}
	}
	return idle, all, nil
}

// middleSplit is the mean of all, nil if one of them is not there.
func middleSplit(all []*split) *split {
	var m split
	for _, s := range all {
		if s == nil {
			return nil
		}
		for into, from := range map[*share]share{&m.Proxy: s.Proxy, &m.Source: s.Source, &m.Target: s.Target, &m.Load: s.Load} {
			into.User += from.User / float64(len(all))
			into.System += from.System / float64(len(all))
		}
		m.Idle += s.Idle / float64(len(all))
	}
	return &m
}
