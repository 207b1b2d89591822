package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// report is the outcome of one suite.
type report struct {
	Suite, Title    string
	Server          string // versions
	Direct, Proxied results
	Floor           int // results that each run has at least
	Differences     []difference
	Allowed         []difference
	Idle            []allowance // allowed, and did not occur
	Steadied        []test      // differed once and not when run alone
	Evidence        evidence
	Sessions        int // through the proxy at least
	Seconds         float64
	Wrong           []string // what else speaks against it
	Expects         bool     // the suite flip: that there are differences
}

// faults says in sentences why the suite shows no conformance; none: it does.
func (r report) faults() []string {
	var out []string
	say := func(wrong bool, format string, args ...any) {
		if wrong {
			out = append(out, r.Suite+": "+fmt.Sprintf(format, args...))
		}
	}
	say(r.ran(r.Direct) < r.Floor, "only %d tests ran directly, at least %d are expected", r.ran(r.Direct), r.Floor)
	say(r.Evidence.Sessions < r.Sessions, "only %d sessions came through the proxy, at least %d are expected", r.Evidence.Sessions, r.Sessions)
	for _, s := range r.Evidence.Strays {
		say(true, "a connection went past the proxy: %s", s)
	}
	for _, s := range r.Evidence.Elsewhere {
		say(true, "a connection went to the source: %s", s)
	}
	if r.Expects {
		say(len(r.Differences) == 0, "what was sent was damaged and the comparison did not notice")
		return out
	}
	for _, w := range r.Wrong {
		say(true, "%s", w)
	}
	say(len(r.Differences) > 0, "%d tests differ", len(r.Differences))
	for _, a := range r.Idle {
		say(true, "allowed.txt allows %s to differ, and it does not", a.Test)
	}
	return out
}

// ran is how many tests passed or failed.
func (r report) ran(of results) int { return of.count(passed) + of.count(failed) }

func verdict(reports []report) error {
	var out []error
	for _, r := range reports {
		for _, f := range r.faults() {
			out = append(out, errors.New(f))
		}
	}
	return errors.Join(out...)
}

// shownMost is how many of a kind are printed without -v.
const shownMost = 6

func (r report) print(w io.Writer, verbose bool) {
	fmt.Fprintf(w, "\n%s: %s, PostgreSQL %s, %.0f s\n", r.Suite, r.Title, r.Server, r.Seconds)
	fmt.Fprintf(w, "  %-9s %6s %7s %7s %8s\n", "", "tests", "passed", "failed", "skipped")
	for _, way := range []struct {
		name string
		of   results
	}{{"direct", r.Direct}, {"proxied", r.Proxied}} {
		fmt.Fprintf(w, "  %-9s %6d %7d %7d %8d\n", way.name, len(way.of), way.of.count(passed), way.of.count(failed), way.of.count(skipped))
	}
	fmt.Fprintf(w, "  differences: %d%s, allowed: %d, differed once: %d\n", len(r.Differences), r.wanted(), len(r.Allowed), len(r.Steadied))
	fmt.Fprintf(w, "  sessions through the proxy: %d, cancel requests and refused logins: %d, past the proxy: %d\n",
		r.Evidence.Sessions, r.Evidence.Others, len(r.Evidence.Strays))
	for i, name := range r.failing() {
		if i >= shownMost && !verbose {
			break
		}
		fmt.Fprintf(w, "  fails on both ways: %s\n", name)
	}
	for _, t := range r.Steadied {
		fmt.Fprintf(w, "  differed once: %s\n", t)
	}
	if r.Expects && !verbose {
		return
	}
	for _, d := range r.Differences {
		d.print(w, verbose)
	}
}

// failing names the tests that fail on both ways.
func (r report) failing() []string {
	var names []string
	for t, one := range r.Direct {
		if one.Outcome != passed && one.Outcome != skipped && one == r.Proxied[t] {
			names = append(names, t.String()+": "+string(one.Outcome))
		}
	}
	slices.Sort(names)
	return names
}

func (r report) wanted() string {
	if r.Expects {
		return " (wanted: damaged)"
	}
	return ""
}

func (d difference) print(w io.Writer, verbose bool) {
	fmt.Fprintf(w, "  DIFFERS %s: direct %s, proxied %s\n", d.Test, d.Direct.Outcome, d.Proxied.Outcome)
	direct, through := strings.Split(d.Direct.Text, "\n"), strings.Split(d.Proxied.Text, "\n")
	shown := 0
	for i := range max(len(direct), len(through)) {
		a, b := lineOf(direct, i), lineOf(through, i)
		if a == b || (shown >= shownMost && !verbose) {
			continue
		}
		shown++
		fmt.Fprintf(w, "    direct  %q\n    proxied %q\n", a, b)
	}
}

func lineOf(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return ""
}

// record writes docs/conformance.md.
func (h *harness) record(ctx context.Context, reports []report) error {
	if h.short || len(h.suites) < len(allSuites) {
		return errors.New("record the run: only a full one is recorded")
	}
	commit, err := output(ctx, h.root, "git", "describe", "--always", "--dirty")
	if err != nil {
		return err
	}
	file := filepath.Join(h.root, "docs", "conformance.md")
	text := document(reports, strings.TrimSpace(commit), time.Now())
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return fmt.Errorf("record the run: %w", err)
	}
	return nil
}

const documentHead = "# Conformance\n\n" +
	"Written by `make conformance ARGS=-record`. Every test runs twice against one\n" +
	"server, directly and through the proxy, and every result is compared. What a difference would mean, and\n" +
	"what is allowed to differ, stands in [limits.md](limits.md).\n\n" +
	"Where two versions stand, the proxy has both: drivers' own suites and the clients run at share 100 with\n" +
	"`canary.writes: target` and are compared with a direct run on the second; the type and table numbers are\n" +
	"those of a session that is moved to the second and back, with `canary.writes: refuse`, and what it is sent\n" +
	"is compared, byte for byte, with what the first alone sends.\n\n"

// document is the record of a run.
func document(reports []report, commit string, at time.Time) string {
	var b strings.Builder
	b.WriteString(documentHead)
	fmt.Fprintf(&b, "Commit %s, %s.\n\n", commit, at.UTC().Format(time.DateOnly))
	b.WriteString("| suite | PostgreSQL | | tests | passed | failed | skipped | differences | allowed | sessions through the proxy | seconds |\n")
	b.WriteString("|---|---|---|---:|---:|---:|---:|---:|---:|---:|---:|\n")
	for _, r := range reports {
		fmt.Fprintf(&b, "| %s | %s | direct | %d | %d | %d | %d | | | | |\n", r.Title, r.Server,
			len(r.Direct), r.Direct.count(passed), r.Direct.count(failed), r.Direct.count(skipped))
		fmt.Fprintf(&b, "| | | proxied | %d | %d | %d | %d | %d%s | %d | %d | %.0f |\n",
			len(r.Proxied), r.Proxied.count(passed), r.Proxied.count(failed), r.Proxied.count(skipped),
			len(r.Differences), r.wanted(), len(r.Allowed), r.Evidence.Sessions, r.Seconds)
	}
	return b.String()
}
