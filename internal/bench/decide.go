package main

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
)

// The benchmarks of package router that are run.
const (
	benchDecide = "BenchmarkDecide" // of one statement
	benchPlace  = "BenchmarkPlace"  // of one login
)

// decideRuns is how often each is run.
const decideRuns = "5"

// microResult is one benchmark of Go, run several times.
type microResult struct {
	Name        string   `json:"name"`
	NS          estimate `json:"ns"`
	Allocations float64  `json:"allocations"` // the most of all runs
}

// measureDecide runs the router's own benchmarks.
func measureDecide(ctx context.Context, root string) ([]microResult, error) {
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "^("+benchDecide+"|"+benchPlace+")$",
		"-benchmem", "-benchtime", "200ms", "-count", decideRuns, "./router")
	cmd.Dir = root
	output, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("run the router's benchmarks: %w: %s", err, lastLines(output))
	}
	var all []microResult
	for _, name := range []string{benchDecide, benchPlace} {
		result, err := parseMicro(string(output), name)
		if err != nil {
			return nil, err
		}
		all = append(all, result)
	}
	return all, nil
}

// parseMicro reads the lines of one benchmark: "BenchmarkDecide-2  1000  3.01
// ns/op  0 B/op  0 allocs/op" (go help testflag, -benchmem).
func parseMicro(output, name string) (microResult, error) {
	result := microResult{Name: name}
	var times []float64
	for line := range strings.Lines(output) {
		fields := strings.Fields(line)
		if len(fields) == 0 || (fields[0] != name && !strings.HasPrefix(fields[0], name+"-")) {
			continue
		}
		if len(fields) != 8 || fields[3] != "ns/op" || fields[7] != "allocs/op" {
			return result, fmt.Errorf("read %s: its line has another form than expected", name)
		}
		ns, err := strconv.ParseFloat(fields[2], 64)
		if err != nil || !(ns > 0) {
			return result, fmt.Errorf("read %s: %q is not a time", name, fields[2])
		}
		allocations, err := strconv.ParseFloat(fields[6], 64)
		if err != nil || !(allocations >= 0) {
			return result, fmt.Errorf("read %s: %q is not a count", name, fields[6])
		}
		times = append(times, ns)
		result.Allocations = max(result.Allocations, allocations)
	}
	if len(times) == 0 {
		return result, fmt.Errorf("read %s: it has not run", name)
	}
	result.NS = estimateOf(times)
	return result, nil
}
