package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// machine is where and of what a report is.
type machine struct {
	Time       time.Time         `json:"time"`
	Revision   string            `json:"revision"` // of git, with "-dirty" where files differ
	Kernel     string            `json:"kernel"`
	CPU        string            `json:"cpu"`
	Cores      int               `json:"cores"`
	MemoryGiB  float64           `json:"memory_gib"`
	Go         string            `json:"go"`
	LoadBefore string            `json:"load_before"` // 1, 5 and 15 minutes
	LoadAfter  string            `json:"load_after"`
	Versions   map[string]string `json:"versions"`
}

func describeMachine(ctx context.Context, root string) (machine, error) {
	m := machine{Time: time.Now().UTC().Truncate(time.Second), Cores: runtime.NumCPU(), Go: runtime.Version()}
	var err error
	if m.Revision, err = revision(ctx, root); err != nil {
		return m, err
	}
	kernel, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return m, fmt.Errorf("read the kernel's release: %w", err)
	}
	m.Kernel = strings.TrimSpace(string(kernel))
	cpu, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return m, fmt.Errorf("read the processor's name: %w", err)
	}
	m.CPU = modelName(string(cpu))
	memory, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return m, fmt.Errorf("read the size of memory: %w", err)
	}
	total, err := statusField(memory, "MemTotal")
	if err != nil {
		return m, err
	}
	m.MemoryGiB = float64(total) / kib / kib
	m.LoadBefore, err = loadAverage()
	return m, err
}

// modelName is the first "model name" of /proc/cpuinfo; not every architecture
// has one.
func modelName(cpuinfo string) string {
	for line := range strings.Lines(cpuinfo) {
		if key, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

func loadAverage() (string, error) {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "", fmt.Errorf("read the load average: %w", err)
	}
	fields := strings.Fields(string(text))
	return strings.Join(fields[:min(3, len(fields))], " "), nil
}

func revision(ctx context.Context, root string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")
	cmd.Dir = root
	output, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("ask git for the revision: %w", err)
	}
	return strings.TrimSpace(string(output)), nil
}

// moduleRoot is the directory of go.mod.
func moduleRoot(ctx context.Context) (string, error) {
	output, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	file := strings.TrimSpace(string(output))
	if filepath.Base(file) != "go.mod" {
		return "", fmt.Errorf("find the module: run this inside of it")
	}
	return filepath.Dir(file), nil
}
