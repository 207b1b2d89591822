// Command conformance proves that a client cannot tell the proxy from the
// database: it runs the test suites of PostgreSQL drivers and small scripts of
// other clients twice against one real server, directly and through a proxy
// that it builds, and compares every single result.
//
//	go run ./internal/conformance               # everything (make conformance)
//	go run ./internal/conformance -short        # the core of it, in a few minutes
//	go run ./internal/conformance -suite pq -v  # one suite, with what differs
//
//	           ┌── direct ───────────────┐
//	suite ─────┤                         ├── one PostgreSQL ── its log proves
//	           └── crossfade (built) ────┘                      the way taken
//	                  compare(direct, proxied) ── allowed.txt ── docs/limits.md
//
// The suites that end in -target are the same at share 100 with canary.writes:
// target: the direct run is on the target, of a newer version than the source,
// where no session may come. The suite types moves the session of each of four
// drivers to the target and back (package drivers).
//
// A difference is a failure, unless allowed.txt names the test together with
// the sentence of docs/limits.md that tells users of it. So are a suite that
// ran fewer tests than its floor, an allowed difference that did not occur, and
// a connection in the server's log that did not come from the proxy. The suites
// flip and flip-types damage a proxy of their own, which changes a byte of every
// row, or lets numbers of the target through, and fail unless the comparison
// notices.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// The whole run ends within these, whatever hangs.
const (
	shortLimit = 15 * time.Minute
	fullLimit  = 60 * time.Minute
)

// settings are the command line.
type settings struct {
	suites  []string
	short   bool
	verbose bool
	keep    bool
	record  bool
}

func main() {
	s, err := parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(0)
	}
	if err != nil {
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err = conform(ctx, s)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

var (
	allSuites   = []string{"pgx", "pq", "smoke", "pgx-target", "pq-target", "smoke-target", "types", "flip", "flip-types"}
	shortSuites = []string{"pgx", "smoke", "pgx-target", "smoke-target", "types", "flip", "flip-types"}
)

func parse(args []string) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("conformance", flag.ContinueOnError)
	names := flags.String("suite", "", "comma-separated suites of "+strings.Join(allSuites, ", ")+" (default: all; with -short all but pq and pq-target)")
	flags.BoolVar(&s.short, "short", false, "the core of the suites only")
	flags.BoolVar(&s.verbose, "v", false, "show what the differing tests printed")
	flags.BoolVar(&s.keep, "keep", false, "keep the working directory and print its path")
	flags.BoolVar(&s.record, "record", false, "write docs/conformance.md")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	s.suites = allSuites
	if s.short {
		s.suites = shortSuites
	}
	if *names == "" {
		return s, nil
	}
	s.suites = strings.Split(*names, ",")
	for _, name := range s.suites {
		if !slices.Contains(allSuites, name) {
			err := fmt.Errorf("no suite %q; there are %s", name, strings.Join(allSuites, ", "))
			fmt.Fprintln(os.Stderr, "conformance:", err)
			return s, err
		}
	}
	return s, nil
}

// conform runs the suites and reports; an error says that conformance was not
// shown.
func conform(ctx context.Context, s settings) (err error) {
	limit := fullLimit
	if s.short {
		limit = shortLimit
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	h, err := newHarness(ctx, s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.close()) }()
	var reports []report
	for _, name := range s.suites {
		r, err := h.suite(ctx, name)
		if err != nil {
			return fmt.Errorf("suite %s: %w", name, err)
		}
		r.print(os.Stdout, s.verbose)
		reports = append(reports, r)
	}
	if s.record {
		if err := h.record(ctx, reports); err != nil {
			return err
		}
	}
	return verdict(reports)
}

// suite runs one suite by its name.
func (h *harness) suite(ctx context.Context, name string) (report, error) {
	switch name {
	case "pgx":
		return h.drive(ctx, pgxDriver())
	case "pq":
		return h.drive(ctx, pqDriver())
	case "smoke":
		return h.smoke(ctx, relayed)
	case "pgx-target":
		return h.drive(ctx, pgxDriver().moves([]string{".", "./pgconn"}, 1400))
	case "pq-target":
		return h.drive(ctx, pqDriver().moves([]string{"."}, 1500))
	case "smoke-target":
		return h.smoke(ctx, moved)
	case "types":
		return h.types(ctx)
	case "flip":
		return h.flip(ctx)
	case "flip-types":
		return h.flipTypes(ctx)
	default:
		return report{}, errors.New("no such suite")
	}
}
