package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/crossfade-db/crossfade/internal/dbserver"
)

// driver is a Go driver whose own tests are run.
type driver struct {
	name            string
	module, version string
	way             way
	floor           int                    // tests that a full run has at least
	short           []string               // packages of a short run, empty: not part of it
	shortFloor      int                    // tests that a short run has at least
	run             string                 // which tests, as go test -run has it; "" for all
	skip            []string               // tests that cannot run here
	once            bool                   // differing tests are not run again
	sessions        int                    // that a proxied run opens at least
	variants        []variant              // each runs all tests
	adapt           func(dir string) error // the sources, once; nil: they stay as they are
	// prepare starts a server and sets it up for the sources in dir. A site that
	// it returns is to be stopped, also beside an error.
	prepare func(ctx context.Context, h *harness, dir string, install dbserver.Install) (*site, error)
}

// moves is the driver's suite at share 100. The packages of a short run are
// those that connect.
func (d driver) moves(short []string, shortFloor int) driver {
	d.way = moved
	d.name += d.way.suffix()
	d.short, d.shortFloor = short, shortFloor
	return d
}

// variant is one setting of a driver's tests.
type variant struct {
	name string
	env  []string
}

// drive compares a driver's tests.
func (h *harness) drive(ctx context.Context, d driver) (r report, err error) {
	began := time.Now()
	dir, err := h.fetch(ctx, d)
	if err != nil {
		return r, err
	}
	s, err := d.site(ctx, h, dir)
	if s != nil {
		defer func() { err = errors.Join(err, s.stop(ctx)) }()
	}
	if err != nil {
		return r, err
	}
	e := &exchange{h: h, d: d, s: s, dir: dir}
	r, err = e.run(ctx)
	r.Seconds = time.Since(began).Seconds()
	return r, err
}

// site starts what the tests run on. A site that it returns is to be stopped,
// also beside an error.
func (d driver) site(ctx context.Context, h *harness, dir string) (*site, error) {
	source, target, err := d.way.installs()
	if err != nil {
		return nil, err
	}
	s, err := d.prepare(ctx, h, dir, source)
	if err != nil || d.way == relayed {
		return s, err
	}
	at, err := d.prepare(ctx, h, dir, target)
	if at == nil {
		return s, err
	}
	at.leave(s)
	return at, err
}

// fetch copies a module's sources, once: the module cache keeps them read-only,
// and suites adapt them.
func (h *harness) fetch(ctx context.Context, d driver) (string, error) {
	out, err := output(ctx, h.root, "go", "mod", "download", "-json", d.module+"@"+d.version)
	if err != nil {
		return "", err
	}
	var found struct{ Dir string }
	if err := json.Unmarshal([]byte(out), &found); err != nil {
		return "", fmt.Errorf("read the answer of go mod download: %w", err)
	}
	dir := filepath.Join(h.dir, filepath.FromSlash(d.module))
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := os.CopyFS(dir, os.DirFS(found.Dir)); err != nil {
		return "", fmt.Errorf("copy the sources of %s: %w", d.name, err)
	}
	if d.adapt == nil {
		return dir, nil
	}
	return dir, d.adapt(dir)
}

// exchange is one driver's comparison on its way.
type exchange struct {
	h     *harness
	d     driver
	s     *site
	dir   string
	proxy *proxied
}

func (e *exchange) run(ctx context.Context) (r report, err error) {
	r = report{Suite: e.d.name, Title: e.d.module + " " + e.d.version, Server: e.s.versions(), Floor: e.d.floor}
	if e.h.short {
		r.Floor = e.d.shortFloor
	}
	e.h.talk("%s: the driver's tests, directly", e.d.name)
	if r.Direct, err = e.all(ctx, e.s.direct); err != nil {
		return r, err
	}
	before, err := e.s.logs()
	if err != nil {
		return r, err
	}
	if e.proxy, err = e.s.through(ctx, e.h.dir); err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, e.proxy.stop()) }()
	e.h.talk("%s: the same through the proxy", e.d.name)
	if r.Proxied, err = e.all(ctx, e.proxy.place); err != nil {
		return r, err
	}
	if r.Evidence, err = e.s.evidence(before, e.proxy); err != nil {
		return r, err
	}
	r.Sessions = e.d.sessions
	differing, steadied, err := e.again(ctx, compare(r.Direct, r.Proxied))
	r.Steadied = steadied
	r.Differences, r.Allowed, r.Idle = sift(e.d.name, differing, e.h.allowed)
	if e.h.short {
		r.Idle = nil // their tests did not run
	}
	return r, err
}

// all runs every variant of the tests on a fresh database.
func (e *exchange) all(ctx context.Context, at place) (results, error) {
	all := results{}
	for _, v := range e.d.variants {
		if err := e.s.reset(ctx); err != nil {
			return nil, err
		}
		got, err := e.variant(ctx, at, v)
		if err != nil {
			return nil, err
		}
		maps.Copy(all, got)
	}
	return all, nil
}

// variant runs the tests once. A panic in one test takes its whole package
// along, so a package that was cut short runs again, up to three times.
func (e *exchange) variant(ctx context.Context, at place, v variant) (results, error) {
	which := e.selection()
	got, err := e.tests(ctx, at, v, which)
	for attempt := 1; err == nil && attempt <= attempts; attempt++ {
		which.packages = got.cutShort()
		if len(which.packages) == 0 {
			break
		}
		e.h.talk("%s: cut short, attempt %d of %d again: %s", e.d.name, attempt, attempts, strings.Join(which.packages, " "))
		var further results
		further, err = e.tests(ctx, at, v, which)
		got.renew(which.packages, further)
	}
	return got, err
}

// selection is everything, or the part for a short run, which leaves out the
// tests that are allowed to differ.
func (e *exchange) selection() selection {
	s := selection{packages: []string{"./..."}, run: e.d.run}
	skip := slices.Clone(e.d.skip)
	if e.h.short {
		s.packages = e.d.short
		for _, a := range e.h.allowed {
			if a.Suite == e.d.name {
				_, name, _ := strings.Cut(a.Test, " ")
				skip = append(skip, test{Name: name}.top().Name)
			}
		}
	}
	if len(skip) > 0 {
		s.skip = "^(" + strings.Join(skip, "|") + ")$"
	}
	return s
}

func (e *exchange) tests(ctx context.Context, at place, v variant, which selection) (results, error) {
	log, err := os.OpenFile(filepath.Join(e.h.dir, e.d.name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the log of the tests: %w", err)
	}
	defer func() { _ = log.Close() }()
	return goTest{
		selection: which, dir: e.dir, env: slices.Concat(e.s.env(at), v.env), variant: v.name, log: log,
	}.results(ctx)
}

const (
	attempts = 3
	// againMost is how many differing tests can be chance; more are not.
	againMost = 40
)

// again runs each differing test alone on both ways, up to three times: a
// difference that comes and goes is not one. It returns the differences that
// stayed and the tests whose difference did not.
func (e *exchange) again(ctx context.Context, all []difference) (stayed []difference, steadied []test, err error) {
	judged := map[test]bool{} // whether a test that was run alone agreed
	for _, d := range all {
		top := d.Test.top()
		agreed, known := judged[top]
		if !known && len(judged) < againMost && !e.d.once && !e.told(d.Test) {
			if agreed, err = e.agrees(ctx, top); err != nil {
				return all, steadied, err
			}
			judged[top] = agreed
		}
		if agreed {
			steadied = append(steadied, d.Test)
		} else {
			stayed = append(stayed, d)
		}
	}
	return stayed, steadied, nil
}

// told says that a test is allowed to differ.
func (e *exchange) told(t test) bool {
	return slices.ContainsFunc(e.h.allowed, func(a allowance) bool { return a.covers(e.d.name, t) })
}

// agrees runs one test and its subtests until both ways give the same.
func (e *exchange) agrees(ctx context.Context, t test) (bool, error) {
	if t.Name == wholePackage {
		return false, nil
	}
	v := e.d.variants[slices.IndexFunc(e.d.variants, func(v variant) bool { return v.name == t.Variant })]
	alone := selection{packages: []string{t.Package}, run: "^" + t.Name + "$"}
	for attempt := 1; attempt <= attempts; attempt++ {
		e.h.talk("%s: %s differs; attempt %d of %d alone", e.d.name, t, attempt, attempts)
		direct, err := e.tests(ctx, e.s.direct, v, alone)
		if err != nil {
			return false, err
		}
		through, err := e.tests(ctx, e.proxy.place, v, alone)
		if err != nil {
			return false, err
		}
		if len(compare(direct, through)) == 0 {
			return true, nil
		}
	}
	return false, nil
}
