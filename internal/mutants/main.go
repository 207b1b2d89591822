// Command mutants breaks each guard of the proxy once and sees its test go
// red: a guard whose loss no test notices is no guard.
//
// A mutant is a file in patches: which file, which test, what is lost with the
// guard, the text that stands there (exactly once) and the text that stands
// there instead. It is built as an overlay; the tree is not touched.
//
//	go run ./internal/mutants            # all
//	go run ./internal/mutants cancel     # those whose name holds the word
//	go run ./internal/mutants -short     # every second one: the even places today, the odd ones tomorrow
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
	"runtime"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	patches  = "internal/mutants/patches"
	timeEach = 3 * time.Minute
	timeTest = "90s" // a test that hangs has noticed
	atLeast  = 2     // at once, however few processors there are
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(words []string) error {
	files, err := filepath.Glob(filepath.Join(patches, "*.txt"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("no mutants in %s: run this in the root of the repository", patches)
	}
	short := len(words) > 0 && words[0] == "-short"
	if short {
		words = words[1:]
	}
	var all tally
	var group errgroup.Group
	group.SetLimit(max(atLeast, runtime.NumCPU()))
	for i, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		if !chosen(name, words) || short && (i+time.Now().YearDay())%2 == 1 {
			continue
		}
		group.Go(func() error {
			begin := time.Now()
			verdict, loss, err := try(file)
			fmt.Print(all.add(name, verdict, loss, err, time.Since(begin)))
			return nil
		})
	}
	_ = group.Wait() // they are in the tally
	return all.sum()
}

// tally is what became of all.
type tally struct {
	mu     sync.Mutex
	killed int
	lived  []string
	faults []error
}

// add counts a mutant and returns its line.
func (t *tally) add(name string, v verdict, loss string, err error, took time.Duration) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case err != nil:
		v = "FAULT"
		t.faults = append(t.faults, fmt.Errorf("mutant %s: %w", name, err))
	case v == dead:
		t.killed++
	default:
		t.lived = append(t.lived, name+": "+loss)
	}
	return fmt.Sprintf("%-44s %-8s %5.1fs\n", name, v, took.Seconds())
}

func (t *tally) sum() error {
	switch {
	case len(t.faults) > 0:
		return errors.Join(t.faults...)
	case t.killed+len(t.lived) == 0:
		return errors.New("no mutant has such a name")
	}
	fmt.Printf("%d of %d guards are watched by their test\n", t.killed, t.killed+len(t.lived))
	if len(t.lived) > 0 {
		return fmt.Errorf("no test noticed:\n%s", strings.Join(t.lived, "\n"))
	}
	return nil
}

func chosen(name string, words []string) bool {
	for _, w := range words {
		if strings.Contains(name, w) {
			return true
		}
	}
	return len(words) == 0
}

// verdict says what became of a mutant.
type verdict string

const (
	dead  verdict = "killed"
	alive verdict = "LIVED"
)

// try builds one mutant and runs its test.
func try(file string) (v verdict, loss string, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", "", err
	}
	m, err := parse(string(text))
	if err != nil {
		return "", "", err
	}
	dir, err := workshop()
	if err != nil {
		return "", "", err
	}
	defer func() { _ = os.RemoveAll(dir) }() // with what a test has left that did not come to its end
	overlay, err := m.overlay(dir)
	if err != nil {
		return "", "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeEach)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", m.testing(overlay)...)
	cmd.WaitDelay = 10 * time.Second
	cmd.Env = append(os.Environ(), "TMPDIR="+dir)
	out, err := cmd.CombinedOutput()
	v, err = m.judge(out, err)
	return v, m.loss, err
}

// workshop makes a directory for all that one mutant needs. A server of its
// test can run as another user, who has to get through.
func workshop() (string, error) {
	dir, err := os.MkdirTemp(inMemory(), "mutant-")
	if err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o711)
}

// testing is the command that runs its test and does nothing else: no vet, and
// no symbols for a debugger.
func (m mutant) testing(overlay string) []string {
	return []string{"test", "-count=1", "-failfast", "-vet=off", "-ldflags=-s -w", "-timeout", timeTest, "-overlay", overlay, "-run", "^" + m.test + "$", m.pkg}
}

// judge wants the named test, the only one that ran, to have failed: a mutant
// that does not build, or a test that is not there, proves nothing.
func (m mutant) judge(out []byte, err error) (verdict, error) {
	switch {
	case bytes.Contains(out, []byte("[build failed]")):
		return "", fmt.Errorf("it does not build:\n%s", out)
	case bytes.Contains(out, []byte("no tests to run")):
		return "", fmt.Errorf("there is no test %s in %s", m.test, m.pkg)
	case bytes.Contains(out, []byte("--- FAIL: "+m.test)), bytes.Contains(out, []byte("panic: ")):
		return dead, nil
	case err == nil:
		return alive, nil
	default:
		return "", fmt.Errorf("test %s ended in another way: %w\n%s", m.test, err, out)
	}
}

// mutant is one broken guard. loss says in a sentence what is lost with it.
type mutant struct{ file, pkg, test, loss, was, is string }

// parse reads a mutant:
//
//	file: wire/frame.go
//	test: ./wire TestV02Something
//	loss: a sentence (mutants of logins have none)
//	--- was
//	text
//	+++ is
//	text
func parse(text string) (mutant, error) {
	var m mutant
	head, rest, ok := strings.Cut(text, "--- was\n")
	was, is, ok2 := strings.Cut(rest, "+++ is\n")
	if !ok || !ok2 {
		return m, errors.New("it has no `--- was` or no `+++ is`")
	}
	m.was, m.is = strings.TrimSuffix(was, "\n"), strings.TrimSuffix(is, "\n")
	for line := range strings.Lines(head) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch key {
		case "file":
			m.file = value
		case "test":
			m.pkg, m.test, _ = strings.Cut(value, " ")
		case "loss":
			m.loss = value
		}
	}
	if m.file == "" || m.pkg == "" || m.test == "" || m.was == m.is {
		return m, errors.New("it names no file or no test, or changes nothing")
	}
	return m, nil
}

// overlay writes the changed file and the list that tells the compiler of it.
func (m mutant) overlay(dir string) (string, error) {
	text, err := os.ReadFile(m.file)
	if err != nil {
		return "", err
	}
	if n := strings.Count(string(text), m.was); n != 1 {
		return "", fmt.Errorf("its text stands %d times in %s, and must stand there once", n, m.file)
	}
	changed := filepath.Join(dir, filepath.Base(m.file))
	if err := os.WriteFile(changed, []byte(strings.Replace(string(text), m.was, m.is, 1)), 0o600); err != nil {
		return "", err
	}
	original, err := filepath.Abs(m.file)
	if err != nil {
		return "", err
	}
	list, err := json.Marshal(map[string]map[string]string{"Replace": {original: changed}})
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "overlay.json")
	return path, os.WriteFile(path, list, 0o600)
}
