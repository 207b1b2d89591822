package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strings"
	"time"
)

// goTest is one run of the tests of a module.
type goTest struct {
	selection
	dir     string
	env     []string
	variant string // for the names of the results
	log     io.Writer
}

// selection says which tests of a module run.
type selection struct {
	packages  []string
	run, skip string // as go test has them; "" for all, and for none
}

// suiteLimit bounds one go test of one package.
const suiteLimit = 8 * time.Minute

// wholePackage is the name under which a package fails that no test of its own
// accounts for: it did not build, or ended in the middle.
const wholePackage = "(package)"

// results runs the tests. That some fail is no error.
func (g goTest) results(ctx context.Context) (results, error) {
	args := []string{"test", "-json", "-count=1", "-p=1", "-vet=off", "-trimpath", "-timeout=" + suiteLimit.String()}
	if g.run != "" {
		args = append(args, "-run="+g.run)
	}
	if g.skip != "" {
		args = append(args, "-skip="+g.skip)
	}
	cmd := command(ctx, g.dir, "go", append(args, g.packages...)...)
	cmd.Env = append(cmd.Env, g.env...)
	var talk strings.Builder
	cmd.Stderr = &talk
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("run go test: %w", err)
	}
	found, readErr := readEvents(io.TeeReader(out, g.log), g.variant)
	waitErr := cmd.Wait()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("run go test: %w", context.Cause(ctx))
	case readErr != nil:
		return nil, fmt.Errorf("read the output of go test: %w: %s", readErr, talk.String())
	case waitErr != nil && (!errors.As(waitErr, &exit) || len(found) == 0):
		return nil, fmt.Errorf("run go test: %w: %s", waitErr, talk.String())
	}
	return found, nil
}

// event is one line of go test -json (go doc test2json).
type event struct {
	Action, Package, Test string
}

// eventMost bounds one line, which may carry what a test printed, in bytes.
const eventMost = 16 << 20

// scratch is a test's temporary directory, which some put into the names of
// their subtests.
var scratch = regexp.MustCompile(`/Test\w*?\d+/\d{3}\b`)

// readEvents turns the output of go test -json into results.
func readEvents(from io.Reader, variant string) (results, error) {
	found := results{}
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, eventMost)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			continue // what a test printed past the testing package
		}
		found.note(e, variant)
	}
	return found, lines.Err()
}

func (r results) note(e event, variant string) {
	t := test{Variant: variant, Package: e.Package, Name: scratch.ReplaceAllString(e.Test, "/SCRATCH")}
	if e.Test == "" {
		if e.Action == "fail" && !r.failedIn(e.Package) {
			t.Name = wholePackage
			r[t] = result{Outcome: failed}
		}
		return
	}
	switch e.Action {
	case "run":
		r[t] = result{Outcome: halted}
	case "fail":
		r[t] = result{Outcome: failed}
	case "pass":
		r[t] = result{Outcome: passed}
	case "skip":
		r[t] = result{Outcome: skipped}
	}
}

func (r results) failedIn(pkg string) bool {
	for t, one := range r {
		if t.Package == pkg && (one.Outcome == failed || one.Outcome == halted) {
			return true
		}
	}
	return false
}
